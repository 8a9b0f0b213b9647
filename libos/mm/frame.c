/* The pool of frames. It takes user granules that belong to no address space, commits them a batch at
 * a time and never gives them back: a warm page costs a tenth of a cold one. Books are out of line: a
 * reference count per frame, and the free frames chained by number. A free frame has no references. */
#include "libos/mm/frame.h"
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"

#define FRAMES_PER_POOL (uint32_t)(GRANULE_SIZE / PAGE_SIZE)
#define POOLS_MAX       64u
#define COMMIT_BATCH    128u
#define NONE            UINT32_MAX

struct frame_info {
    uint32_t refs;
    uint32_t next; /* free: the next free one */
};

static struct {
    struct spinlock lock;
    struct frame_pool {
        uintptr_t base;
        struct frame_info *info;
    } pools[POOLS_MAX];
    uint32_t pool_count;
    uint32_t used; /* frames of the last pool that were ever committed */
    uint32_t free; /* number over all pools, or NONE */
} frames = {.free = NONE};

static struct frame_info *info_of(uint32_t n)
{
    return &frames.pools[n / FRAMES_PER_POOL].info[n % FRAMES_PER_POOL];
}

static uintptr_t addr_of(uint32_t n)
{
    return frames.pools[n / FRAMES_PER_POOL].base + n % FRAMES_PER_POOL * PAGE_SIZE;
}

static uint32_t number_of(uintptr_t frame)
{
    for (uint32_t p = 0; p < frames.pool_count; p++)
        if (frame - frames.pools[p].base < GRANULE_SIZE)
            return p * FRAMES_PER_POOL + (uint32_t) ((frame - frames.pools[p].base) / PAGE_SIZE);
    panic("0x%lx is no frame", frame);
}

static bool add_pool_locked(void)
{
    if (frames.pool_count == POOLS_MAX)
        return false;
    struct frame_pool *p = &frames.pools[frames.pool_count];
    p->info = kzalloc(FRAMES_PER_POOL * sizeof *p->info);
    if (!p->info || granule_reserve(&p->base) < 0) {
        kfree(TAKE(p->info));
        return false;
    }
    frames.pool_count++;
    frames.used = 0;
    return true;
}

static void commit_batch_locked(void)
{
    bool full = frames.pool_count == 0 || frames.used == FRAMES_PER_POOL;
    if (full && !add_pool_locked())
        return;
    uint32_t first = (frames.pool_count - 1) * FRAMES_PER_POOL + frames.used;
    if (epc_commit(addr_of(first), COMMIT_BATCH) < 0)
        return;
    frames.used += COMMIT_BATCH;
    for (uint32_t i = COMMIT_BATCH; i-- > 0;) {
        info_of(first + i)->next = frames.free;
        frames.free = first + i;
    }
}

uintptr_t frame_alloc(void)
{
    return atomic_load(&upages_live_total) < upages_live_limit ? frame_alloc_anyway() : 0;
}

uintptr_t frame_alloc_anyway(void)
{
    SPIN_GUARD(&frames.lock);
    if (frames.free == NONE)
        commit_batch_locked();
    uint32_t n = frames.free;
    if (n == NONE)
        return 0;
    frames.free = info_of(n)->next;
    info_of(n)->refs = 1;
    atomic_add(&upages_live_total, (size_t) 1);
    return addr_of(n);
}

void frame_get(uintptr_t frame)
{
    SPIN_GUARD(&frames.lock);
    struct frame_info *f = info_of(number_of(frame));
    check(f->refs > 0 && f->refs < UINT32_MAX);
    f->refs++;
}

void frame_put(uintptr_t frame)
{
    SPIN_GUARD(&frames.lock);
    uint32_t n = number_of(frame);
    struct frame_info *f = info_of(n);
    check(f->refs > 0);
    if (--f->refs > 0)
        return;
    f->next = frames.free;
    frames.free = n;
    atomic_sub(&upages_live_total, (size_t) 1);
}

static bool only_ref(uintptr_t frame)
{
    SPIN_GUARD(&frames.lock);
    return info_of(number_of(frame))->refs == 1;
}

uintptr_t frame_renew(uintptr_t frame)
{
    if (likely(only_ref(frame)))
        return frame;
    frame_put(frame);
    return frame_alloc_anyway();
}
