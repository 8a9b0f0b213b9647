/* The shared window: one address for each page of a shared object. Ranges are handed out first fit from
 * a sorted list of free ranges; pages stay committed when they come back and are zeroed then. */
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
    struct list holes; /* freed and committed */
    uintptr_t next;    /* never used from here on */
    uintptr_t global_start, global_end;
} window = {.holes = LIST_INIT(window.holes), .next = SHARED_BASE};

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

void window_free(uintptr_t addr, uint64_t pages)
{
    memset(enclave_ptr(addr), 0, pages * PAGE_SIZE);
    struct hole *h = new_zero(struct hole);
    if (!h)
        return; /* the range is lost, not reused: safe */
    h->start = addr;
    h->end = addr + pages * PAGE_SIZE;
    SPIN_GUARD(&window.lock);
    struct hole *next;
    list_for_each (next, &window.holes, link)
        if (next->start == h->end) {
            next->start = h->start;
            kfree(h);
            return;
        }
    list_add_tail(&window.holes, &h->link);
}

void window_attach(uintptr_t start, uintptr_t end)
{
}

void window_detach(uintptr_t start, uintptr_t end)
{
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
