/* Content of user pages: fresh ones are filled elsewhere and copied in as they shall be; pages that are
 * there already are filled in place, or, where other threads of the process could see them half done, after
 * the content was read and verified. */
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/smp.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/upages_priv.h"
#include "libos/mm/vma.h"
#include "libos/task/process.h"

#define FRESH_MAX 8u /* pages filled in one go before they are there */

void (*mm_exec_page_hook)(struct mm *mm, struct inode *inode, uint64_t index, uintptr_t addr,
                          void *bytes);

bool (*mm_exec_patched_hook)(struct mm *mm, uintptr_t addr);

static uint64_t file_index(const struct vma *v, uintptr_t addr)
{
    return (v->offset + (addr - v->start)) / PAGE_SIZE;
}

uint64_t upage_key_of(const struct vma *v, uintptr_t addr)
{
    if (!v->unique)
        return 0;
    uint64_t patched = (v->prot & PROT_X) != 0;
    return (v->unique << 33 | file_index(v, addr) << 1 | patched) + 1;
}

int upage_fill(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t addr,
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
    chunk_set_live(c, m, true);
    m->key = v->prot & PROT_W ? 0 : upage_key_of(v, addr);
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
    chunk_set_committed(c, start, end, prot);
    for (uintptr_t a = start; a < end; a += PAGE_SIZE)
        chunk_set_live(c, meta_in(c, a), true);
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
        meta_in(c, p)->key = v->prot & PROT_W ? 0 : upage_key_of(v, p);
    kpages_free(content, pages);
    return copied < 0 ? copied : r;
}

static int fill_absent(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    int r = 0;
    for (uintptr_t a = start; a < end && r == 0;) {
        struct chunk *c = chunk_make(a);
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
        struct chunk *c = chunk_make(a);
        if (!c || meta_in(c, a)->live) {
            r = c ? 0 : -ENOMEM;
            continue;
        }
        r = mm_file_ops->read_page(mm_file_ops->inode(v->file), file_index(v, a), content);
        if (r == 0)
            r = upages_make_blank(c, a, a + PAGE_SIZE);
        if (r == 0)
            r = upage_fill(mm, v, c, a, content);
        upages_reseal(a, a + PAGE_SIZE, v->prot);
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
        struct chunk *c = chunk_make(a);
        r = c ? upages_make_blank(c, a, stop) : -ENOMEM;
        for (; a < stop && r == 0; a += PAGE_SIZE)
            if (!meta_in(c, a)->live)
                r = upage_fill(mm, v, c, a, NULL);
        if (r < 0)
            upages_sweep(start, stop); /* blank pages again without access */
    }
    upages_reseal(start, end, v->prot);
    return r;
}

int upages_populate_file(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    if (!upages_room_for((end - start) / PAGE_SIZE))
        return -ENOMEM;
    int r = fill_absent(mm, v, start, end);
    if (r == 0 && smp && current()->proc && atomic_peek(&current()->proc->thread_count) > 1)
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
    void *blank = upages_room_for(pages) ? kpages_alloc(pages) : NULL;
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
        struct chunk *c = chunk_make(a);
        long fresh = c ? fresh_stubs(c, a, chunk_end(a, end)) : -ENOMEM;
        if (fresh < 0)
            return (int) fresh;
        struct page_meta *m = meta_in(c, a);
        if (m->key == PAGE_KEY_STUB) {
            chunk_set_live(c, m, true);
            continue;
        }
        int r = upages_populate_anon(a, a + PAGE_SIZE, PROT_R | PROT_X);
        if (r < 0)
            return r;
        m->key = PAGE_KEY_STUB;
    }
    return 0;
}
