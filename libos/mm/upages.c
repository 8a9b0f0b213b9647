/* Page states and how they change. See upages.h for the states and invariants; changes of permission are
 * batched into runs of pages that have the same permission now, because each run costs one leaf (and
 * one mprotect or host call). */
#include "libos/mm/upages_priv.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/share.h"
#include "libos/mm/vma.h"

#define KEEP_STALE 64u /* read-write pages kept per mapping of a dead process */

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

/* Pages in a row that get the same permission. A leaf per run costs more than one per page, so pages
 * between that have it already are taken along, if they are few. */
struct run {
    struct chunk *c;
    uintptr_t start, end; /* end: of the last page that changes; empty: start == end */
    int from, to;
};
#define BRIDGE (16 * PAGE_SIZE)

static void change_run(struct run *r)
{
    if (r->start == r->end)
        return;
    epc_protect(r->start, (r->end - r->start) / PAGE_SIZE, r->from, r->to);
    for (uintptr_t a = r->start; a < r->end; a += PAGE_SIZE)
        chunk_set_prot(r->c, meta_in(r->c, a), r->to);
    r->start = r->end;
}

/* The page at a, which follows those before, shall have permission to instead of from. */
static void run_add(struct run *r, uintptr_t a, int from, int to)
{
    if (from == to && to == r->to)
        return;
    if (to != r->to || from != r->from || a - r->end > BRIDGE)
        change_run(r);
    if (from == to)
        return;
    if (r->start == r->end)
        *r = (struct run){.c = r->c, .start = a, .from = from, .to = to};
    r->end = a + PAGE_SIZE;
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
    struct run r = {.c = c};
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = meta_in(c, a);
        if (m->committed && fn(m))
            run_add(&r, a, m->prot, target_prot(m->prot, prot, is_shared(c, a)));
        else
            change_run(&r);
    }
    change_run(&r);
}

/* Sets the permission of all pages in the range that fn wants. */
static void set_range_prot(uintptr_t start, uintptr_t end, int prot, want_fn *fn)
{
    uintptr_t a = start, stop;
    for (struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        set_part_prot(c, a, stop, prot, fn);
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
        chunk_set_committed(c, run, a, PROT_R | PROT_W);
    }
    return 0;
}

bool upages_room_for(size_t pages)
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

int upages_make_blank(struct chunk *c, uintptr_t start, uintptr_t end)
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
        struct chunk *c = chunk_make(a);
        int r = c ? upages_make_blank(c, a, stop) : -ENOMEM;
        if (r < 0)
            return r;
        for (uintptr_t p = a; p < stop; p += PAGE_SIZE)
            chunk_set_live(c, meta_in(c, p), true);
        a = stop;
    }
    return 0;
}

int upages_populate_anon(uintptr_t start, uintptr_t end, int prot)
{
    if (!upages_room_for((end - start) / PAGE_SIZE))
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

void upages_protect(uintptr_t start, uintptr_t end, int prot)
{
    if (prot & PROT_W)
        for (uintptr_t a = start; (a = upage_next_live(a, end)) < end; a += PAGE_SIZE) {
            struct page_meta *m = upage_peek(a);
            if (m->key != PAGE_KEY_STUB)
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
            chunk_set_live(c, m, false);
    }
}

/* Zeroes the pages that fn wants and takes them out of use: FREE. */
static void free_range(uintptr_t start, uintptr_t end, want_fn *fn)
{
    uintptr_t a = start, stop;
    for (struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        free_part(c, a, stop, fn);
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
               m->key == upage_key_of(v, addr);
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
        chunk_set_live(c, m, true);
        return 0;
    }
    r = upage_fill(mm, v, c, addr, NULL);
    return r == -ENXIO ? 0 : r; /* beyond the end of the file: left for the fault, or the sweep */
}

/* A read-only view of a file over kept code of the same file: the loader maps a library whole and then
 * covers it segment by segment. The page may wait for that; its content is the file's but for patched
 * sites. */
static bool waits(const struct vma *v, uintptr_t addr, const struct page_meta *m)
{
    return m->key && v->kind == VMA_FILE && v->prot == PROT_R && v->unique &&
           (m->prot & (PROT_R | PROT_W)) == PROT_R &&
           ((m->key - 1) | 1) == ((upage_key_of(v, addr) - 1) | 1);
}

static int claim_chunk(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t start,
                       uintptr_t end)
{
    uintptr_t run = start; /* [run, a): nothing to keep */
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = meta_in(c, a);
        bool ours = left_over(m) && fits(v, a, m);
        if (!ours && !(left_over(m) && waits(v, a, m)))
            continue;
        if (run < a)
            free_part(c, run, a, want_dead);
        run = a + PAGE_SIZE;
        int r = ours ? claim_page(mm, v, c, a) : 0;
        if (r < 0)
            return r;
    }
    if (run < end)
        free_part(c, run, end, want_dead);
    return 0;
}

int upages_claim(struct mm *mm, const struct vma *v)
{
    uintptr_t a = v->start, stop;
    int r = 0;
    for (struct chunk *c; r == 0 && (c = chunk_next_left_over(&a, v->end, &stop)); a = stop)
        r = claim_chunk(mm, v, c, a, stop);
    return r;
}

/* False: the page cannot stay as it is. */
static bool retire_page(const struct vma *v, struct chunk *c, uintptr_t a, uint32_t *kept)
{
    struct page_meta *m = meta_in(c, a);
    if (!m->live)
        return true;
    bool file_content = m->key && !(m->prot & PROT_W) && v->unique;
    if (file_content || v->kind == VMA_STUBS) {
        chunk_set_live(c, m, false);
        return true;
    }
    if (*kept == KEEP_STALE || m->prot != (PROT_R | PROT_W))
        return m->key == PAGE_KEY_STUB;
    memset(enclave_ptr(a), 0, PAGE_SIZE);
    m->key = 0;
    chunk_set_live(c, m, false);
    (*kept)++;
    return true;
}

static bool want_written(const struct page_meta *m)
{
    return m->live && !m->key && m->prot != (PROT_R | PROT_W);
}

void upages_retire(const struct vma *v)
{
    uint32_t kept = 0;
    bool all = true;
    uintptr_t a = v->start, stop;
    for (struct chunk *c; (c = chunk_next(&a, v->end, &stop)); a = stop) {
        set_part_prot(c, a, stop, PROT_R | PROT_W, want_written);
        for (uintptr_t p = stop; p > a; p -= PAGE_SIZE) /* the used part of a stack is its end */
            all &= retire_page(v, c, p - PAGE_SIZE, &kept);
    }
    if (!all)
        free_range(v->start, v->end, want_any_live);
}

void upages_sweep(uintptr_t start, uintptr_t end)
{
    uintptr_t a = start, stop;
    for (struct chunk *c; (c = chunk_next_left_over(&a, end, &stop)); a = stop)
        set_part_prot(c, a, stop, 0, want_stale);
}

void upages_drop_kept(uintptr_t start, uintptr_t end)
{
    free_range(start, end, want_dead);
}

void upages_unseal(uintptr_t start, uintptr_t end)
{
    set_range_prot(start, end, ADD_WRITE, want_live);
}

void upages_reseal(uintptr_t start, uintptr_t end, int prot)
{
    set_range_prot(start, end, prot, want_live);
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
