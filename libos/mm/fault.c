/* Page faults, and the kernel's own access to user pages.
 *
 * A fault commits and fills a window of pages around the address (fault-around): 16 pages, doubling up
 * to 256 while the faults of a mapping are sequential, because a fault costs microseconds and a page
 * filled too much only memory. Pages of a file that must first be read and verified cost more than
 * a fault each: of those a window takes two, doubling while the faults are sequential. A small mapping is
 * taken whole at its second fault: a dynamic linker, or the tables of a library. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/closed.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/family.h"
#include "libos/mm/map.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/window.h"

enum {
    WINDOW_MIN = 16,
    WINDOW_FILE = 32,
    WINDOW_MAX = 256,
    WINDOW_COLD = 2,
    WINDOW_WHOLE = 40,
    STUBS_AHEAD = 4
};
enum { SEGV_MAPERR_ = 1, SEGV_ACCERR_ = 2 };

static int populate(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    bool own = v->kind == VMA_ANON || v->kind == VMA_FILE;
    int r = own ? share_keep_absent(mm, start, end) : 0;
    if (r < 0)
        return r;
    switch (v->kind) {
    case VMA_ANON:
        return upages_populate_anon(start, end, v->prot);
    case VMA_FILE:
        return upages_populate_file(mm, v, start, end);
    case VMA_STUBS:
        return upages_populate_stubs(start, end);
    case VMA_SHARED:
        return 0;
    }
    return -EFAULT;
}

/* True: faults are sequential, or the mapping is taken whole. */
static bool choose_window(struct vma *v, uintptr_t addr, uint32_t least, uintptr_t *ret_start,
                          uintptr_t *ret_end)
{
    bool small = v->end - v->start <= WINDOW_WHOLE * PAGE_SIZE;
    if (v->kind == VMA_FILE && v->next_fault && small) {
        *ret_start = v->start;
        *ret_end = v->end;
        return true;
    }
    bool sequential = v->next_fault && addr >= v->next_fault && addr - v->next_fault < PAGE_SIZE;
    uint32_t doubled = MIN(v->window * 2, (uint32_t) WINDOW_MAX);
    v->window = sequential ? doubled : least;
    uintptr_t size = (uintptr_t) v->window * PAGE_SIZE;
    uintptr_t start = v->stack || sequential ? ROUND_DOWN(addr, PAGE_SIZE) : ROUND_DOWN(addr, size);
    if (v->stack) /* grows down */
        start = ROUND_DOWN(addr, least * PAGE_SIZE);
    uintptr_t end = start + size;
    *ret_start = MAX(start, v->start);
    *ret_end = MIN(end, v->end);
    v->next_fault = *ret_end;
    return sequential;
}

static bool at_hand(const struct vma *v, uintptr_t addr)
{
    uint64_t index = (v->offset + (addr - v->start)) / PAGE_SIZE;
    return mm_file_ops->at_hand(mm_file_ops->inode(v->file), index);
}

/* Cuts a window of a file down to WINDOW_COLD pages and their neighbours that only need copying. */
static void narrow_cold(struct vma *v, uintptr_t addr, uintptr_t *start, uintptr_t *end)
{
    uintptr_t low = ROUND_DOWN(addr, WINDOW_COLD * PAGE_SIZE), high = low + WINDOW_COLD * PAGE_SIZE;
    low = MAX(low, *start);
    high = MIN(high, *end);
    while (low > *start && at_hand(v, low - PAGE_SIZE))
        low -= PAGE_SIZE;
    while (high < *end && at_hand(v, high))
        high += PAGE_SIZE;
    *start = low;
    *end = v->next_fault = high;
    v->window = (uint32_t) ((high - low) / PAGE_SIZE);
}

static bool page_ready(uintptr_t addr, const struct vma *v)
{
    const struct page_meta *m = upage_peek(addr);
    return m && m->live && m->prot == v->prot;
}

/* Only what is not live already, so that a window never fails for a page that is there. */
static int populate_around(struct mm *mm, struct vma *v, uintptr_t addr)
{
    uintptr_t start, end;
    uint32_t least = v->kind == VMA_FILE ? WINDOW_FILE : WINDOW_MIN;
    if (!choose_window(v, addr, least, &start, &end) && v->kind == VMA_FILE)
        narrow_cold(v, addr, &start, &end);
    int r = populate(mm, v, start, end);
    if (r == 0 && page_ready(ROUND_DOWN(addr, PAGE_SIZE), v))
        return 0;
    uintptr_t page = ROUND_DOWN(addr, PAGE_SIZE);
    return populate(mm, v, page, page + PAGE_SIZE);
}

#define SHARED_AROUND (16 * PAGE_SIZE)

/* A shared page behind the end of its file is no memory; others are opened, some at a time. */
static int shared_ready(const struct vma *v, uintptr_t addr)
{
    if (!window_closed(addr))
        return 0;
    uint64_t size = mm_file_ops->size(mm_file_ops->inode(v->file));
    if (v->offset + (ROUND_DOWN(addr, PAGE_SIZE) - v->start) >= size)
        return -ENXIO;
    uintptr_t around = ROUND_DOWN(addr, SHARED_AROUND), first = MAX(around, v->start);
    uint64_t left = size - (v->offset + (first - v->start));
    uintptr_t end = MIN(around + SHARED_AROUND, v->end);
    return window_open(first, left < end - first ? first + ROUND_UP(left, PAGE_SIZE) : end);
}

static int shared_run(const struct vma *v, uintptr_t addr)
{
    int r = shared_ready(v, addr);
    if (r == 0)
        window_run(v->start, v->end);
    return r;
}

static int fault_locked(struct mm *mm, uintptr_t addr, int access, int *ret_code)
{
    struct vma *v = vma_find(&mm->vmas, addr);
    *ret_code = v ? SEGV_ACCERR_ : SEGV_MAPERR_;
    if (!v || !(v->prot & access))
        return -EFAULT;
    if (v->kind == VMA_SHARED)
        return access & PROT_X ? shared_run(v, addr) : shared_ready(v, addr);
    if (unlikely(mm->doomed))
        return -ENOMEM;
    const struct page_meta *m = upage_peek(addr);
    if (m && m->live && (access & PROT_W) && (m->prot & PROT_R))
        return closed_open(mm, v, addr);
    if (m && m->live) {
        uintptr_t page = ROUND_DOWN(addr, PAGE_SIZE);
        upages_protect(page, page + PAGE_SIZE, v->prot);
        return 0;
    }
    return populate_around(mm, v, addr);
}

int mm_fault(struct mm *mm, uintptr_t addr, int access, int *ret_code)
{
    MUTEX_GUARD(&mm->lock);
    int r = fault_locked(mm, addr, access, ret_code);
    stubs_close_locked(mm);
    return r;
}

/* Stub pages come some at a time: the next page of code will need the next. */
static uintptr_t stubs_ahead(const struct vma *v, uintptr_t addr)
{
    return MIN(addr + STUBS_AHEAD * PAGE_SIZE, v->end);
}

int make_live_locked(struct mm *mm, uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end;) {
        struct vma *v = vma_find(&mm->vmas, a);
        if (!v)
            return -EFAULT;
        uintptr_t stop = MIN(end, v->end);
        for (; a < stop; a += PAGE_SIZE) {
            const struct page_meta *m = v->kind == VMA_SHARED ? NULL : upage_peek(a);
            if (m && m->live)
                continue;
            int r = v->kind == VMA_SHARED
                        ? shared_ready(v, a)
                        : populate(mm, v, a, v->kind == VMA_STUBS ? stubs_ahead(v, a) : stop);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* One mapping's part of a kernel access, pages live. */
static void access_part(const struct vma *v, uintptr_t addr, void *buf, size_t n, bool write)
{
    uintptr_t first = ROUND_DOWN(addr, PAGE_SIZE), last = ROUND_UP(addr + n, PAGE_SIZE);
    bool open = v->kind == VMA_SHARED || (v->prot & (write ? PROT_W : PROT_R));
    if (!open)
        upages_unseal(first, last);
    if (write)
        memcpy(enclave_ptr(addr), buf, n);
    else
        memcpy(buf, enclave_ptr(addr), n);
    if (!open)
        upages_reseal(first, last, v->prot);
}

static int access_locked(struct mm *mm, uintptr_t addr, uint8_t *buf, size_t n, bool write)
{
    uintptr_t first = ROUND_DOWN(addr, PAGE_SIZE), last = ROUND_UP(addr + n, PAGE_SIZE);
    int r = make_live_locked(mm, first, last);
    if (r == 0 && write)
        r = share_keep_live(mm, first, last);
    while (r == 0 && n > 0) {
        const struct vma *v = vma_find(&mm->vmas, addr);
        size_t part = MIN(n, v->end - addr);
        access_part(v, addr, buf, part, write);
        addr += part;
        buf += part;
        n -= part;
    }
    stubs_close_locked(mm);
    return r;
}

/* Also for those who are no threads of mm: it may be away. */
static int kernel_access(struct mm *mm, uintptr_t addr, uint8_t *buf, size_t n, bool write)
{
    if (addr >= SHARED_END || n > SHARED_END - addr)
        return -EFAULT;
    family_lock_outside(mm);
    int r;
    if (addr >= SHARED_BASE || family_is_here(mm))
        r = access_locked(mm, addr, buf, n, write);
    else
        r = write ? -EFAULT : share_read_away(mm, (struct span){buf, n}, addr);
    mutex_unlock(&mm->lock);
    return r;
}

int mm_write_stub(struct mm *mm, uintptr_t addr, struct cspan src)
{
    uintptr_t first = ROUND_DOWN(addr, PAGE_SIZE), last = ROUND_UP(addr + src.n, PAGE_SIZE);
    int r = make_live_locked(mm, first, last);
    const struct vma *v = r == 0 ? vma_find(&mm->vmas, addr) : NULL;
    if (!v || v->kind != VMA_STUBS || last > v->end)
        return -EFAULT;
    if (first < mm->stubs_open || first > mm->stubs_open_end) {
        stubs_close_locked(mm);
        mm->stubs_open = mm->stubs_open_end = first;
    }
    if (last > mm->stubs_open_end) {
        upages_unseal(mm->stubs_open_end, last);
        mm->stubs_open_end = last;
    }
    memcpy(enclave_ptr(addr), src.p, src.n);
    return 0;
}

void stubs_close_locked(struct mm *mm)
{
    if (mm->stubs_open_end)
        upages_reseal(mm->stubs_open, mm->stubs_open_end, PROT_R | PROT_X);
    mm->stubs_open = mm->stubs_open_end = 0;
}

int mm_write(struct mm *mm, uintptr_t addr, struct cspan src)
{
    return kernel_access(mm, addr, unconst(src.p), src.n, true);
}

int mm_read(struct mm *mm, struct span dst, uintptr_t addr)
{
    return kernel_access(mm, addr, dst.p, dst.n, false);
}
