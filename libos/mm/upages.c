/* Page states and how they change. See upages.h for the states and invariants; changes of permission are
 * batched into runs of pages that have the same permission now, because each run costs one leaf (and
 * one mprotect or host call). */
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"
#include "libos/task/process.h"

#define CHUNK_PAGES 512u
#define CHUNK_SIZE  (CHUNK_PAGES * PAGE_SIZE)
#define CHUNKS      (USER_END / CHUNK_SIZE)
#define FRESH_MAX   8u  /* pages filled in one go before they are there */
#define KEEP_STALE  64u /* read-write pages kept per mapping of a dead process */

struct chunk {
    uint32_t left_over;              /* committed, not live, with access */
    uint32_t used_first, used_end;   /* no page outside was ever committed */
    uint64_t live[CHUNK_PAGES / 64]; /* bit per page: meta.live */
    uint64_t shared[CHUNK_PAGES / 64];
    struct page_meta meta[CHUNK_PAGES];
};

static struct chunk **chunk_table[CHUNKS / 512 + 1]; /* two levels */
size_t upages_live_total, upages_live_limit = SIZE_MAX;
void (*mm_exec_page_hook)(struct mm *mm, struct inode *inode, uint64_t index, uintptr_t addr,
                          void *bytes);

static struct chunk *chunk_at(uintptr_t addr, bool create)
{
    size_t n = addr / CHUNK_SIZE;
    check(addr < USER_END);
    struct chunk ***slot = &chunk_table[n / 512];
    if (!*slot) {
        struct chunk **level = create ? kzalloc(512 * sizeof(struct chunk *)) : NULL;
        if (!level)
            return NULL;
        struct chunk **none = NULL;
        if (!atomic_cas(slot, &none, level))
            kfree(level);
    }
    struct chunk **c = &(*slot)[n % 512];
    if (!*c && create)
        *c = kzalloc(sizeof **c);
    return *c;
}

static struct page_meta *meta_in(struct chunk *c, uintptr_t addr)
{
    return &c->meta[addr / PAGE_SIZE % CHUNK_PAGES];
}

struct page_meta *upage_peek(uintptr_t addr)
{
    struct chunk *c = chunk_at(addr, false);
    return c ? meta_in(c, addr) : NULL;
}

/* The end of the part of [addr, end) that lies in addr's chunk. */
static uintptr_t chunk_end(uintptr_t addr, uintptr_t end)
{
    uintptr_t limit = ROUND_DOWN(addr, (uintptr_t) CHUNK_SIZE) + CHUNK_SIZE;
    return MIN(limit, end);
}

/* Cuts [*start, *stop), inside one chunk, down to pages that were ever committed; false: none. Most
 * mappings are much larger than what is used of them. */
static bool clip(const struct chunk *c, uintptr_t *start, uintptr_t *stop)
{
    uintptr_t base = ROUND_DOWN(*start, (uintptr_t) CHUNK_SIZE);
    uintptr_t first = base + c->used_first * PAGE_SIZE, end = base + c->used_end * PAGE_SIZE;
    *start = MAX(*start, first);
    *stop = MIN(*stop, end);
    return *start < *stop;
}

static void note_used(struct chunk *c, uintptr_t start, uintptr_t end)
{
    uint32_t first = start / PAGE_SIZE % CHUNK_PAGES;
    uint32_t past = first + (uint32_t) ((end - start) / PAGE_SIZE);
    c->used_first = c->used_end ? MIN(c->used_first, first) : first;
    c->used_end = MAX(c->used_end, past);
}

static bool left_over(const struct page_meta *m)
{
    return m->committed && !m->live && m->prot && m->key != PAGE_KEY_STUB;
}

static void set_live(struct chunk *c, struct page_meta *m, bool live)
{
    c->left_over -= left_over(m);
    if (m->live != live)
        atomic_add(&upages_live_total, live ? 1 : (size_t) -1);
    m->live = live;
    c->left_over += left_over(m);
    size_t i = (size_t) (m - c->meta);
    uint64_t bit = 1ull << (i % 64);
    c->live[i / 64] = live ? c->live[i / 64] | bit : c->live[i / 64] & ~bit;
}

static bool is_shared(const struct chunk *c, uintptr_t a)
{
    size_t i = a / PAGE_SIZE % CHUNK_PAGES;
    return c->shared[i / 64] >> (i % 64) & 1;
}

/* The first page of [a, stop), inside one chunk, whose bit is set, or stop. */
static uintptr_t next_bit(const uint64_t *map, uintptr_t a, uintptr_t stop)
{
    while (a < stop) {
        size_t i = a / PAGE_SIZE % CHUNK_PAGES;
        uint64_t bits = map[i / 64] >> (i % 64);
        if (bits) {
            uintptr_t found = a + (uintptr_t) __builtin_ctzll(bits) * PAGE_SIZE;
            return MIN(found, stop);
        }
        a += (64 - i % 64) * PAGE_SIZE;
    }
    return stop;
}

static void set_prot(struct chunk *c, struct page_meta *m, int prot)
{
    c->left_over -= left_over(m);
    m->prot = (uint8_t) prot;
    c->left_over += left_over(m);
}

enum {
    ADD_WRITE = -2,    /* as it is, and writable */
    REMOVE_WRITE = -3, /* shared pages: as they are, but not writable */
};

/* What a page that allows `from` shall allow. Shared pages are never writable. */
static int target_prot(int from, int to, bool shared)
{
    if (to == REMOVE_WRITE)
        return shared ? from & ~PROT_W : from;
    if (to == ADD_WRITE)
        to = from | PROT_R | PROT_W;
    return shared && (to & PROT_W) ? (to & ~PROT_W) | PROT_R : to;
}

#define SHARED_FLAG 8 /* beside the permission, to tell runs apart */

/* Brings pages [start, end) of one chunk, all of permission `from`, to `to`. */
static void change_run(struct chunk *c, uintptr_t start, uintptr_t end, int from, int to)
{
    to = target_prot(from & ~SHARED_FLAG, to, from & SHARED_FLAG);
    from &= ~SHARED_FLAG;
    if (start == end || from == to)
        return;
    epc_protect(start, (end - start) / PAGE_SIZE, from, to);
    for (uintptr_t a = start; a < end; a += PAGE_SIZE)
        set_prot(c, meta_in(c, a), to);
}

typedef bool want_fn(const struct page_meta *m);

static bool want_live(const struct page_meta *m)
{
    return m->live;
}
static bool want_any(const struct page_meta *m)
{
    return (m->live && m->key != PAGE_KEY_STUB) || left_over(m);
}
static bool want_any_live(const struct page_meta *m)
{
    return m->live && m->key != PAGE_KEY_STUB;
}
static bool want_dead(const struct page_meta *m)
{
    return left_over(m);
}

static bool want_stale(const struct page_meta *m)
{
    return left_over(m) && !m->key;
}

/* set_range_prot inside one chunk. */
static void set_part_prot(struct chunk *c, uintptr_t start, uintptr_t end, int prot, want_fn *fn)
{
    uintptr_t run = start;
    int from = -1;
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        int now = m->committed && fn(m) ? m->prot | (is_shared(c, a) ? SHARED_FLAG : 0) : -1;
        if (now == from)
            continue;
        if (from >= 0)
            change_run(c, run, a, from, prot);
        run = a;
        from = now;
    }
    if (from >= 0)
        change_run(c, run, end, from, prot);
}

/* Sets the permission of all pages in the range that fn wants. */
static void set_range_prot(uintptr_t start, uintptr_t end, int prot, want_fn *fn)
{
    for (uintptr_t a = start, next; a < end; a = next) {
        uintptr_t stop = next = chunk_end(a, end);
        struct chunk *c = chunk_at(a, false);
        if (c && clip(c, &a, &stop))
            set_part_prot(c, a, stop, prot, fn);
    }
}

/* Commits what is absent in the range (inside one chunk). */
static int commit_range(struct chunk *c, uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end;) {
        if (meta_in(c, a)->committed) {
            a += PAGE_SIZE;
            continue;
        }
        uintptr_t run = a;
        while (a < end && !meta_in(c, a)->committed)
            a += PAGE_SIZE;
        if (epc_commit(run, (a - run) / PAGE_SIZE) < 0)
            return -ENOMEM;
        for (uintptr_t p = run; p < a; p += PAGE_SIZE) {
            *meta_in(c, p) = (struct page_meta){.committed = true, .prot = PROT_R | PROT_W};
            c->left_over++; /* until a mapping takes it */
        }
        note_used(c, run, a);
    }
    return 0;
}

static bool room_for(size_t pages)
{
    return atomic_load(&upages_live_total) + pages <= upages_live_limit;
}

static bool want_not_live(const struct page_meta *m)
{
    return !m->live;
}

/* Removes content of left-over pages that a mapping does not want: KEPT content goes. */
static void forget_kept(struct chunk *c, uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        if (m->live || !m->key || m->key == PAGE_KEY_STUB)
            continue;
        check(m->prot & PROT_W);
        memset(enclave_ptr(a), 0, PAGE_SIZE);
        m->key = 0;
    }
}

/* All not-live pages of the range become committed, RW, zero. */
static int make_blank(struct chunk *c, uintptr_t start, uintptr_t end)
{
    int r = commit_range(c, start, end);
    if (r < 0)
        return r;
    set_range_prot(start, end, PROT_R | PROT_W, want_not_live);
    forget_kept(c, start, end);
    return 0;
}

static int populate_blank(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end;) {
        uintptr_t stop = chunk_end(a, end);
        struct chunk *c = chunk_at(a, true);
        int r = c ? make_blank(c, a, stop) : -ENOMEM;
        if (r < 0)
            return r;
        for (uintptr_t p = a; p < stop; p += PAGE_SIZE)
            set_live(c, meta_in(c, p), true);
        a = stop;
    }
    return 0;
}

int upages_populate_anon(uintptr_t start, uintptr_t end, int prot)
{
    if (!room_for((end - start) / PAGE_SIZE))
        return -ENOMEM;
    int r = populate_blank(start, end);
    if (r == 0)
        set_range_prot(start, end, prot, want_live);
    return r;
}

int upages_populate_moved(uintptr_t start, uintptr_t end)
{
    return populate_blank(start, end);
}

static uint64_t file_index(const struct vma *v, uintptr_t addr)
{
    return (v->offset + (addr - v->start)) / PAGE_SIZE;
}

/* Identity of a file page's content; patched code differs from plain content. */
static uint64_t key_of(const struct vma *v, uintptr_t addr)
{
    if (!v->unique)
        return 0;
    uint64_t patched = (v->prot & PROT_X) != 0;
    return (v->unique << 33 | file_index(v, addr) << 1 | patched) + 1;
}

/* content: the page's bytes if they were read before; else they are read in place. */
static int fill_page(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t addr,
                     const void *content)
{
    struct inode *inode = mm_file_ops->inode(v->file);
    uint64_t index = file_index(v, addr);
    int r = content ? 0 : mm_file_ops->read_page(inode, index, enclave_ptr(addr));
    if (r < 0)
        return r;
    if (content)
        memcpy(enclave_ptr(addr), content, PAGE_SIZE);
    if ((v->prot & PROT_X) && mm_exec_page_hook)
        mm_exec_page_hook(mm, inode, index, addr, enclave_ptr(addr));
    struct page_meta *m = meta_in(c, addr);
    set_live(c, m, true);
    m->key = v->prot & PROT_W ? 0 : key_of(v, addr);
    return 0;
}

/* Absent pages, inside one chunk, become live copies of the kernel's pages at content. */
static int commit_copies(struct chunk *c, uintptr_t start, uintptr_t end, const void *content,
                         int prot)
{
    if (start == end)
        return 0;
    if (epc_commit_copies(start, content, (end - start) / PAGE_SIZE, prot) < 0)
        return -ENOMEM;
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        *m = (struct page_meta){.committed = true, .prot = (uint8_t) prot};
        c->left_over += left_over(m);
        set_live(c, m, true);
    }
    note_used(c, start, end);
    return 0;
}

/* The end of the absent pages from start on, inside one chunk and at most FRESH_MAX of them. */
static uintptr_t fresh_end(const struct chunk *c, uintptr_t start, uintptr_t end)
{
    uintptr_t a = start;
    while (a < end && a < start + FRESH_MAX * PAGE_SIZE &&
           !c->meta[a / PAGE_SIZE % CHUNK_PAGES].committed)
        a += PAGE_SIZE;
    return a;
}

/* Fills absent pages elsewhere, and copies them in as they shall be. -errno of the first page that could
 * not be read; those before it are there. */
static int fill_fresh(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t start,
                      uintptr_t end)
{
    struct inode *inode = mm_file_ops->inode(v->file);
    size_t pages = (end - start) / PAGE_SIZE;
    uint8_t *content = kpages_alloc(pages);
    if (!content)
        return -ENOMEM;
    int r = 0;
    uintptr_t a = start;
    for (; a < end; a += PAGE_SIZE) {
        uint8_t *page = content + (a - start);
        uint64_t index = file_index(v, a);
        r = mm_file_ops->pass_page(inode, index, page);
        if (r < 0)
            break;
        if ((v->prot & PROT_X) && mm_exec_page_hook)
            mm_exec_page_hook(mm, inode, index, a, page);
    }
    int copied = commit_copies(c, start, a, content, v->prot);
    for (uintptr_t p = start; p < a && copied == 0; p += PAGE_SIZE)
        meta_in(c, p)->key = v->prot & PROT_W ? 0 : key_of(v, p);
    kpages_free(content, pages);
    return copied < 0 ? copied : r;
}

static int fill_absent(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    int r = 0;
    for (uintptr_t a = start; a < end && r == 0;) {
        struct chunk *c = chunk_at(a, true);
        if (!c)
            return -ENOMEM;
        uintptr_t stop = fresh_end(c, a, chunk_end(a, end));
        r = stop > a ? fill_fresh(mm, v, c, a, stop) : 0;
        a = stop > a ? stop : a + PAGE_SIZE;
    }
    return r;
}

/* A page is open to the whole process while it is filled in place. Where other threads may run
 * meanwhile, the content is read and verified elsewhere first and only copied in the open. */
static int fill_guarded(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    void *content = kpages_alloc(1);
    int r = content ? 0 : -ENOMEM;
    for (uintptr_t a = start; a < end && r == 0; a += PAGE_SIZE) {
        struct chunk *c = chunk_at(a, true);
        if (!c || meta_in(c, a)->live) {
            r = c ? 0 : -ENOMEM;
            continue;
        }
        r = mm_file_ops->read_page(mm_file_ops->inode(v->file), file_index(v, a), content);
        if (r == 0)
            r = make_blank(c, a, a + PAGE_SIZE);
        if (r == 0)
            r = fill_page(mm, v, c, a, content);
        set_range_prot(a, a + PAGE_SIZE, v->prot, want_live);
    }
    kpages_free(content, 1);
    return r;
}

/* Committed pages of the range that are not live. */
static int fill_in_place(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    int r = 0;
    uintptr_t a = start;
    while (a < end && r == 0) {
        uintptr_t stop = chunk_end(a, end);
        struct chunk *c = chunk_at(a, true);
        r = c ? make_blank(c, a, stop) : -ENOMEM;
        for (; a < stop && r == 0; a += PAGE_SIZE)
            if (!meta_in(c, a)->live)
                r = fill_page(mm, v, c, a, NULL);
        if (r < 0)
            set_range_prot(start, stop, 0, want_stale); /* blank pages again without access */
    }
    set_range_prot(start, end, v->prot, want_live);
    return r;
}

int upages_populate_file(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    if (!room_for((end - start) / PAGE_SIZE))
        return -ENOMEM;
    int r = fill_absent(mm, v, start, end);
    if (r == 0 && smp && current()->proc && current()->proc->thread_count > 1)
        r = fill_guarded(mm, v, start, end);
    else if (r == 0)
        r = fill_in_place(mm, v, start, end);
    const struct page_meta *first = upage_peek(start);
    return first && first->live ? 0 : r;
}

/* Stub pages that were never committed, from start on; the number of them. */
static long fresh_stubs(struct chunk *c, uintptr_t start, uintptr_t end)
{
    uintptr_t stop = fresh_end(c, start, end);
    size_t pages = (stop - start) / PAGE_SIZE;
    if (pages == 0)
        return 0;
    void *blank = room_for(pages) ? kpages_alloc(pages) : NULL;
    int r = blank ? commit_copies(c, start, stop, blank, PROT_R | PROT_X) : -ENOMEM;
    if (blank)
        kpages_free(blank, pages);
    for (uintptr_t a = start; a < stop && r == 0; a += PAGE_SIZE)
        meta_in(c, a)->key = PAGE_KEY_STUB;
    return r < 0 ? r : (long) pages;
}

int upages_populate_stubs(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct chunk *c = chunk_at(a, true);
        long fresh = c ? fresh_stubs(c, a, chunk_end(a, end)) : -ENOMEM;
        if (fresh < 0)
            return (int) fresh;
        struct page_meta *m = meta_in(c, a);
        if (m->key == PAGE_KEY_STUB) {
            set_live(c, m, true);
            continue;
        }
        int r = upages_populate_anon(a, a + PAGE_SIZE, PROT_R | PROT_X);
        if (r < 0)
            return r;
        m->key = PAGE_KEY_STUB;
    }
    return 0;
}

void upages_protect(uintptr_t start, uintptr_t end, int prot)
{
    if (prot & PROT_W)
        for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
            struct page_meta *m = upage_peek(a);
            if (m && m->live && m->key != PAGE_KEY_STUB)
                m->key = 0;
        }
    set_range_prot(start, end, prot, want_live);
}

/* free_range inside one chunk. */
static void free_part(struct chunk *c, uintptr_t start, uintptr_t end, want_fn *fn)
{
    set_part_prot(c, start, end, ADD_WRITE, fn);
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        if (!m->committed || !fn(m))
            continue;
        check(!is_shared(c, a)); /* somebody else's too: see share.h */
        if (m->live || m->key)
            memset(enclave_ptr(a), 0, PAGE_SIZE);
        m->key = 0;
    }
    set_part_prot(c, start, end, 0, fn);
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        if (m->live && m->prot == 0 && fn(m))
            set_live(c, m, false);
    }
}

/* Zeroes the pages that fn wants and takes them out of use: FREE. */
static void free_range(uintptr_t start, uintptr_t end, want_fn *fn)
{
    for (uintptr_t a = start, next; a < end; a = next) {
        uintptr_t stop = next = chunk_end(a, end);
        struct chunk *c = chunk_at(a, false);
        if (c && clip(c, &a, &stop))
            free_part(c, a, stop, fn);
    }
}

void upages_drop(uintptr_t start, uintptr_t end)
{
    free_range(start, end, want_any);
}

void upages_drop_live(uintptr_t start, uintptr_t end)
{
    free_range(start, end, want_any_live);
}

void upages_zero(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = upage_next_live(start, end); a < end;
         a = upage_next_live(a + PAGE_SIZE, end))
        memset(enclave_ptr(a), 0, PAGE_SIZE);
}

/* Does the left-over page fit the mapping as it is? */
static bool fits(const struct vma *v, uintptr_t addr, const struct page_meta *m)
{
    if (m->key)
        return v->kind == VMA_FILE && !(v->prot & PROT_W) && (m->prot & v->prot) == v->prot &&
               m->key == key_of(v, addr);
    return (v->kind == VMA_ANON || v->kind == VMA_FILE) && m->prot == (PROT_R | PROT_W) &&
           v->prot == (PROT_R | PROT_W);
}

static int claim_page(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t addr)
{
    struct page_meta *m = meta_in(c, addr);
    int r = share_keep_absent(mm, addr, addr + PAGE_SIZE);
    if (r < 0)
        return r;
    if (m->key || v->kind == VMA_ANON) {
        set_live(c, m, true);
        return 0;
    }
    r = fill_page(mm, v, c, addr, NULL);
    return r == -ENXIO ? 0 : r; /* beyond the end of the file: left for the fault, or the sweep */
}

/* A read-only view of a file over kept code of the same file: the loader maps a library whole and then
 * covers it segment by segment. The page may wait for that; its content is the file's but for patched
 * sites. */
static bool waits(const struct vma *v, uintptr_t addr, const struct page_meta *m)
{
    return m->key && v->kind == VMA_FILE && v->prot == PROT_R && v->unique &&
           (m->prot & (PROT_R | PROT_W)) == PROT_R &&
           ((m->key - 1) | 1) == ((key_of(v, addr) - 1) | 1);
}

static int claim_chunk(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t start,
                       uintptr_t end)
{
    if (!clip(c, &start, &end))
        return 0;
    uintptr_t run = start; /* [run, a): nothing to keep */
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = meta_in(c, a);
        bool ours = left_over(m) && fits(v, a, m);
        if (!ours && !(left_over(m) && waits(v, a, m)))
            continue;
        free_range(run, a, want_dead);
        run = a + PAGE_SIZE;
        int r = ours ? claim_page(mm, v, c, a) : 0;
        if (r < 0)
            return r;
    }
    free_range(run, end, want_dead);
    return 0;
}

int upages_claim(struct mm *mm, const struct vma *v)
{
    for (uintptr_t a = v->start; a < v->end;) {
        uintptr_t stop = chunk_end(a, v->end);
        struct chunk *c = chunk_at(a, false);
        int r = c && c->left_over > 0 ? claim_chunk(mm, v, c, a, stop) : 0;
        if (r < 0)
            return r;
        a = stop;
    }
    return 0;
}

static void retire_page(const struct vma *v, struct chunk *c, uintptr_t a, uint32_t *kept)
{
    struct page_meta *m = meta_in(c, a);
    if (!m->live)
        return;
    bool file_content = m->key && !(m->prot & PROT_W) && v->unique;
    if (file_content || v->kind == VMA_STUBS) {
        set_live(c, m, false);
        return;
    }
    if (*kept < KEEP_STALE && m->prot == (PROT_R | PROT_W)) {
        memset(enclave_ptr(a), 0, PAGE_SIZE);
        m->key = 0;
        set_live(c, m, false);
        (*kept)++;
    }
}

static bool want_written(const struct page_meta *m)
{
    return m->live && !m->key && m->prot != (PROT_R | PROT_W);
}

void upages_retire(const struct vma *v)
{
    uint32_t kept = 0;
    set_range_prot(v->start, v->end, PROT_R | PROT_W, want_written);
    /* from the end: the used part of a stack */
    for (uintptr_t stop = v->end, next; stop > v->start; stop = next) {
        uintptr_t start = MAX(ROUND_DOWN(stop - 1, (uintptr_t) CHUNK_SIZE), v->start);
        next = start;
        struct chunk *c = chunk_at(start, false);
        if (c && clip(c, &start, &stop))
            for (uintptr_t a = stop; a > start; a -= PAGE_SIZE)
                retire_page(v, c, a - PAGE_SIZE, &kept);
    }
    if (upage_next_live(v->start, v->end) < v->end) /* seldom, and dear in a large mapping */
        free_range(v->start, v->end, want_any_live);
}

/* The number of the first chunk in [n, end) with left-over pages, or end. */
static size_t next_left_over(size_t n, size_t end)
{
    while (n < end) {
        struct chunk *const *level = chunk_table[n / 512];
        if (level && level[n % 512] && level[n % 512]->left_over > 0)
            return n;
        n = level ? n + 1 : ROUND_UP(n + 1, 512ul);
    }
    return end;
}

void upages_sweep(uintptr_t start, uintptr_t end)
{
    size_t last = ROUND_UP(end, (uintptr_t) CHUNK_SIZE) / CHUNK_SIZE;
    for (size_t n = next_left_over(start / CHUNK_SIZE, last); n < last;
         n = next_left_over(n + 1, last)) {
        uintptr_t base = n * CHUNK_SIZE;
        set_range_prot(MAX(base, start), MIN(base + CHUNK_SIZE, end), 0, want_stale);
    }
}

bool upages_all_committed(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = upage_peek(a);
        if (!m || !m->committed)
            return false;
    }
    return true;
}

void upages_drop_kept(uintptr_t start, uintptr_t end)
{
    free_range(start, end, want_dead);
}

uintptr_t upage_next_live(uintptr_t a, uintptr_t end)
{
    while (a < end) {
        uintptr_t stop = chunk_end(a, end);
        struct chunk *c = chunk_at(a, false);
        a = c ? next_bit(c->live, a, stop) : stop;
        if (a < stop)
            return a;
    }
    return end;
}

void upage_set_live(uintptr_t addr, bool live)
{
    struct chunk *c = chunk_at(addr, false);
    check(c && meta_in(c, addr)->committed);
    set_live(c, meta_in(c, addr), live);
}

size_t upages_count_live(uintptr_t start, uintptr_t end)
{
    size_t n = 0;
    for (uintptr_t a = upage_next_live(start, end); a < end;
         a = upage_next_live(a + PAGE_SIZE, end))
        n++;
    return n;
}

void upages_unseal(uintptr_t start, uintptr_t end)
{
    set_range_prot(start, end, ADD_WRITE, want_live);
}

void upages_reseal(uintptr_t start, uintptr_t end, int prot)
{
    set_range_prot(start, end, prot, want_live);
}

/* ---- shared pages ----------------------------------------------------------------------------- */
/* Bits of word w that stand for pages of [start, stop), which lies in one chunk. */
static uint64_t word_mask(size_t w, uintptr_t start, uintptr_t stop)
{
    size_t first = start / PAGE_SIZE % CHUNK_PAGES, past = first + (stop - start) / PAGE_SIZE;
    size_t lo = MAX(first, w * 64), hi = MIN(past, w * 64 + 64);
    if (lo >= hi)
        return 0;
    uint64_t ones = hi - lo == 64 ? ~0ull : (1ull << (hi - lo)) - 1;
    return ones << (lo - w * 64);
}

static void set_shared(uintptr_t start, uintptr_t end, bool shared)
{
    for (uintptr_t a = start, stop; a < end; a = stop) {
        stop = chunk_end(a, end);
        struct chunk *c = chunk_at(a, false);
        for (size_t w = 0; c && w < ARRAY_SIZE(c->shared); w++) {
            uint64_t mask = word_mask(w, a, stop);
            c->shared[w] = shared ? c->shared[w] | (c->live[w] & mask) : c->shared[w] & ~mask;
        }
    }
}

void upages_share(uintptr_t start, uintptr_t end)
{
    set_shared(start, end, true);
}

void upages_unshare(uintptr_t start, uintptr_t end)
{
    set_shared(start, end, false);
}

bool upage_is_shared(uintptr_t addr)
{
    const struct chunk *c = chunk_at(addr, false);
    return c && is_shared(c, addr);
}

uintptr_t upage_next_shared(uintptr_t a, uintptr_t end)
{
    while (a < end) {
        uintptr_t stop = chunk_end(a, end);
        struct chunk *c = chunk_at(a, false);
        a = c ? next_bit(c->shared, a, stop) : stop;
        if (a < stop)
            return a;
    }
    return end;
}

size_t upages_count_open(uintptr_t start, uintptr_t end)
{
    size_t n = 0;
    for (uintptr_t a = upage_next_shared(start, end); a < end;
         a = upage_next_shared(a + PAGE_SIZE, end))
        n += (upage_peek(a)->prot & PROT_W) != 0;
    return n;
}

void upages_close(uintptr_t start, uintptr_t end)
{
    set_range_prot(start, end, REMOVE_WRITE, want_live);
}
