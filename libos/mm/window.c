/* The shared window: one address for each page of a shared object. Ranges are handed out first fit from
 * a sorted list of free ranges; pages stay committed when they come back and are zeroed then. A page is readable and
 * writable whatever its mappings say, but for those behind the end of a file (closed), and executable once somebody
 * ran code in it whose mapping allows that, until its range comes back or is closed. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/list.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/window.h"

struct hole {
    struct list link;
    uintptr_t start, end;
};

static struct {
    struct spinlock lock;
    struct list holes; /* freed and committed; by address, never side by side */
    uintptr_t next;    /* never used from here on */
    uintptr_t global_start, global_end;
    struct list closed; /* ranges without access */
    uint32_t closed_count;
    struct list executable; /* ranges */
} window = {.closed = LIST_INIT(window.closed),
            .executable = LIST_INIT(window.executable),
            .holes = LIST_INIT(window.holes),
            .next = SHARED_BASE};

static uintptr_t take_hole_locked(uint64_t size)
{
    struct hole *h;
    list_for_each (h, &window.holes, link) {
        if (h->end - h->start < size)
            continue;
        uintptr_t at = h->start;
        h->start += size;
        if (h->start == h->end) {
            list_del(&h->link);
            kfree(h);
        }
        return at;
    }
    return 0;
}

int window_alloc(uint64_t pages, uintptr_t *ret_addr)
{
    if (pages == 0 || pages > (SHARED_END - SHARED_BASE) / PAGE_SIZE)
        return -ENOMEM;
    uint64_t size = pages * PAGE_SIZE;
    spin_lock(&window.lock);
    uintptr_t at = take_hole_locked(size);
    bool fresh = !at;
    if (fresh && size <= SHARED_END - window.next) {
        at = window.next;
        window.next += size;
    }
    spin_unlock(&window.lock);
    if (!at || (fresh && epc_commit(at, pages) < 0))
        return -ENOMEM;
    *ret_addr = at;
    return 0;
}

/* Without holes that join, ranges of different sizes would use up the window one after the other. */
static void add_hole_locked(struct hole *h)
{
    struct hole *other, *before = NULL, *after = NULL;
    list_for_each (other, &window.holes, link) {
        if (other->start > h->start) {
            after = other;
            break;
        }
        before = other;
    }
    list_add_tail(after ? &after->link : &window.holes, &h->link);
    if (after && after->start == h->end) {
        h->end = after->end;
        list_del(&after->link);
        kfree(after);
    }
    if (before && before->end == h->start) {
        before->end = h->end;
        list_del(&h->link);
        kfree(h);
    }
}

/* ---- code ------------------------------------------------------------------------------------- */
static struct hole *range_at_locked(struct list *ranges, uintptr_t page)
{
    struct hole *h;
    list_for_each (h, ranges, link)
        if (page >= h->start && page < h->end)
            return h;
    return NULL;
}

/* The first page from at on that is in neither list, or (plain false) is; or end. */
static uintptr_t find_locked(uintptr_t at, uintptr_t end, bool plain)
{
    for (; at < end; at += PAGE_SIZE)
        if (plain ==
            (!range_at_locked(&window.executable, at) && !range_at_locked(&window.closed, at)))
            return at;
    return end;
}

int window_run(uintptr_t start, uintptr_t end)
{
    SPIN_GUARD(&window.lock);
    uintptr_t stop;
    for (uintptr_t at = find_locked(start, end, true); at < end;
         at = find_locked(stop, end, true)) {
        struct hole *h = new_zero(struct hole);
        if (!h)
            return -ENOMEM;
        stop = find_locked(at, end, false);
        epc_protect(at, (stop - at) / PAGE_SIZE, PROT_R | PROT_W, PROT_R | PROT_W | PROT_X);
        *h = (struct hole){.start = at, .end = stop};
        list_add_tail(&window.executable, &h->link);
    }
    return 0;
}

/* Some range of code in [start, end), which is none any more; false: there is none. */
static bool take_code(uintptr_t start, uintptr_t end, uintptr_t *ret_start, uintptr_t *ret_end)
{
    struct hole *h;
    SPIN_GUARD(&window.lock);
    list_for_each (h, &window.executable, link)
        if (h->start < end && start < h->end) {
            *ret_start = h->start;
            *ret_end = h->end;
            list_del(&h->link);
            kfree(h);
            return true;
        }
    return false;
}

/* Whole ranges: what is left of one outside is made executable again when it runs. */
static void forget_code(uintptr_t start, uintptr_t end)
{
    uintptr_t first, last;
    while (take_code(start, end, &first, &last))
        epc_protect(first, (last - first) / PAGE_SIZE, PROT_R | PROT_W | PROT_X, PROT_R | PROT_W);
}

void window_free(uintptr_t addr, uint64_t pages)
{
    forget_code(addr, addr + pages * PAGE_SIZE);
    for (uint64_t i = 0; i < pages; i++)
        window_open(addr + i * PAGE_SIZE);
    memset(enclave_ptr(addr), 0, pages * PAGE_SIZE);
    struct hole *h = new_zero(struct hole);
    if (!h)
        return; /* the range is lost, not reused: safe */
    h->start = addr;
    h->end = addr + pages * PAGE_SIZE;
    SPIN_GUARD(&window.lock);
    add_hole_locked(h);
}

/* ---- closed pages ----------------------------------------------------------------------------- */
static struct hole *closed_at_locked(uintptr_t page)
{
    return range_at_locked(&window.closed, page);
}

static void closed_add_locked(struct hole *h, uintptr_t start, uintptr_t end)
{
    *h = (struct hole){.start = start, .end = end};
    list_add_tail(&window.closed, &h->link);
    window.closed_count++;
}

static void closed_drop_locked(struct hole *h)
{
    list_del(&h->link);
    window.closed_count--;
    kfree(h);
}

void window_close(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE)
        window_open(a); /* one state for all of them */
    forget_code(start, end);
    struct hole *h = start < end ? new_zero(struct hole) : NULL;
    if (!h)
        return; /* they stay readable zeros */
    epc_protect(start, (end - start) / PAGE_SIZE, PROT_R | PROT_W, 0);
    SPIN_GUARD(&window.lock);
    closed_add_locked(h, start, end);
}

bool window_closed(uintptr_t addr)
{
    if (likely(window.closed_count == 0))
        return false;
    SPIN_GUARD(&window.lock);
    return closed_at_locked(addr) != NULL;
}

/* Opens one page; without memory for the split, the whole range. Extending needs no host call. */
static void open_locked(struct hole *h, uintptr_t page, struct hole *tail)
{
    uintptr_t start = tail ? page : h->start, end = tail ? page + PAGE_SIZE : h->end;
    epc_protect(start, (end - start) / PAGE_SIZE, 0, PROT_R | PROT_W);
    if (tail && end < h->end)
        closed_add_locked(tail, end, h->end);
    else
        kfree(tail);
    h->end = start;
    if (h->end == h->start)
        closed_drop_locked(h);
}

void window_open(uintptr_t page)
{
    if (likely(window.closed_count == 0))
        return;
    page = ROUND_DOWN(page, PAGE_SIZE);
    struct hole *tail = new_zero(struct hole);
    spin_lock(&window.lock);
    struct hole *h = closed_at_locked(page);
    if (h)
        open_locked(h, page, tail);
    spin_unlock(&window.lock);
    if (!h)
        kfree(tail);
}

int window_global(uintptr_t addr, uint64_t pages, int prot)
{
    if (window.global_end && addr != window.global_end)
        return -EINVAL;
    epc_protect(addr, pages, PROT_R | PROT_W, prot);
    window.global_start = window.global_start ? window.global_start : addr;
    window.global_end = addr + pages * PAGE_SIZE;
    return 0;
}

bool window_is_global(uintptr_t start, uintptr_t end)
{
    return start >= window.global_start && end <= window.global_end;
}
