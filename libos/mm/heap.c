/* Kernel memory: pages from the heap region, and who is charged for them. Objects: slab.c.
 *
 * The region KERNEL_HEAP .. KERNEL_HEAP_END starts with the page map (one struct page_info per heap
 * page, committed chunk by chunk), then the pages. Invariants, kept under heap.lock:
 *   - a page is free, part of a run (kpages_alloc) or its guard, or part of a slab;
 *   - free pages that are committed stay committed and are zeroed when they are handed out;
 *   - behind a run of several pages stands a guard page full of a pattern, which is looked at when the
 *     run is given back: what wrote over the end is found then.
 * Pages come from a next-fit search over the map, single pages from a small cache in front of it.
 *
 * Shares: what a process allocates is charged to its owner number (a hash of its pid, so processes may
 * share one, and what a dead one left is inherited). Up to HEAP_COMMON of the heap is for whoever comes
 * first; the rest only for owners that have little, so that nobody can take the last page from all.
 */
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap_init.h"
#include "libos/mm/heap_priv.h"
#include "libos/task/thread.h"

#define MAP_PAGES    (ROUND_UP(HEAP_PAGES * sizeof(struct page_info), PAGE_SIZE) / PAGE_SIZE)
#define COMMIT_BATCH 512u /* pages committed at once: fewer leaves, fewer VMAs in SIM */
#define GUARD_BYTE   0xc5
#define GUARD_WORD   0xc5c5c5c5c5c5c5c5ull
#define COMMON_PARTS 8u  /* the last 1/8 of the heap is for owners that have ... */
#define MODEST_PARTS 64u /* ... at most 1/64 of it */
#define KERNEL_OWNER 0u

struct heap heap;

static void *page_addr(size_t index)
{
    return (void *) (KERNEL_HEAP + index * PAGE_SIZE);
}

static inline uint64_t load(const uint8_t *p)
{
    uint64_t w; /* a plain load would be checked for NULL each time */
    __builtin_memcpy(&w, p, sizeof w);
    return w;
}

bool heap_all_zero(const void *p, size_t n)
{
    const uint8_t *b = p, *end = b + n;
    uint64_t any = 0;
    for (; end - b >= 32; b += 32)
        any |= (load(b) | load(b + 8)) | (load(b + 16) | load(b + 24));
    for (; b < end; b += 8)
        any |= load(b);
    return any == 0;
}

/* ---- shares ----------------------------------------------------------------------------------- */
uint16_t heap_owner_of(int pid)
{
    return pid > 0 ? (uint16_t) (1 + (unsigned) pid % (HEAP_OWNERS - 1)) : KERNEL_OWNER;
}

static uint16_t owner_now(void)
{
    const struct thread *t = current();
    return t ? t->heap_owner : KERNEL_OWNER;
}

bool heap_charge_locked(uint16_t owner, size_t bytes)
{
    size_t limit = heap.limit * PAGE_SIZE;
    size_t full = heap.used * PAGE_SIZE + bytes > limit - limit / COMMON_PARTS;
    if (unlikely(full) && owner != KERNEL_OWNER &&
        heap.charged[owner] + bytes > limit / MODEST_PARTS)
        return false;
    heap.charged[owner] += bytes;
    return true;
}

size_t heap_charged(uint16_t owner)
{
    SPIN_GUARD(&heap.lock);
    return heap.charged[owner % HEAP_OWNERS];
}

/* ---- pages ------------------------------------------------------------------------------------ */
static bool map_reach(size_t pages)
{
    size_t need = ROUND_UP(pages * sizeof(struct page_info), PAGE_SIZE);
    if (need <= heap.map_committed)
        return true;
    size_t step = ROUND_UP(need, 64 * PAGE_SIZE);
    need = MIN(step, MAP_PAGES * PAGE_SIZE);
    if (epc_commit(KERNEL_HEAP + heap.map_committed, (need - heap.map_committed) / PAGE_SIZE) < 0)
        return false;
    heap.map_committed = need;
    return true;
}

/* Makes pages [heap.end, heap.end + at least count) usable. */
static bool grow_locked(size_t count)
{
    size_t batch = MAX(count, (size_t) COMMIT_BATCH);
    size_t n = MIN(batch, HEAP_PAGES - heap.end);
    if (n < count || !map_reach(heap.end + n))
        return false;
    if (epc_commit(KERNEL_HEAP + heap.end * PAGE_SIZE, n) < 0)
        return false;
    atomic_post(&heap.end, heap.end + n);
    return true;
}

/* First run of count free pages in [from, to), or to. */
static size_t find_run(size_t from, size_t to, size_t count)
{
    size_t run = 0;
    for (size_t i = from; i < to; i++) {
        run = heap.map[i].kind == PAGE_FREE ? run + 1 : 0;
        if (run == count)
            return i + 1 - count;
        if (heap.map[i].kind == PAGE_RUN)
            i += heap.map[i].run - 1;
    }
    return to;
}

static size_t take_run_locked(size_t count)
{
    size_t i = find_run(heap.next, heap.end, count);
    if (i == heap.end)
        i = find_run(heap.first, heap.end, count);
    if (i == heap.end) {
        size_t tail = heap.end;
        while (tail > heap.first && heap.map[tail - 1].kind == PAGE_FREE)
            tail--;
        if (!grow_locked(count - (heap.end - tail)))
            return 0;
        i = tail;
    }
    heap.next = i + count;
    return i;
}

size_t heap_take_pages_locked(size_t count)
{
    if (heap.used + count > heap.limit)
        return 0;
    size_t i = 0;
    if (count == 1 && heap.single_count > 0)
        i = heap.singles[--heap.single_count];
    else
        i = take_run_locked(count);
    heap.used += i ? count : 0;
    return i;
}

void heap_give_pages_locked(size_t i, size_t all)
{
    heap.used -= all;
    if (all == 1 && heap.single_count < ARRAY_SIZE(heap.singles)) {
        heap.map[i].kind = PAGE_REST; /* neither free for find_run nor freeable again */
        heap.singles[heap.single_count++] = (uint32_t) i;
        return;
    }
    for (size_t k = 0; k < all; k++)
        heap.map[i + k].kind = PAGE_FREE;
    heap.next = MIN(heap.next, i);
}

size_t heap_page_index(const void *p)
{
    uintptr_t a = (uintptr_t) p;
    check(a >= KERNEL_HEAP && a < KERNEL_HEAP_END);
    size_t i = (a - KERNEL_HEAP) / PAGE_SIZE;
    check(i >= heap.first && i < atomic_peek(&heap.end));
    return i;
}

/* ---- runs ------------------------------------------------------------------------------------- */
static size_t guards(size_t count)
{
    return count > 1 ? 1 : 0;
}

/* *ret_dirty: the pages have been used before. 0: none. */
static size_t run_take_locked(size_t count, size_t slack, bool *ret_dirty)
{
    uint16_t owner = owner_now();
    size_t all = count + guards(count);
    if (count == 0 || count > HEAP_PAGES || !heap_charge_locked(owner, all * PAGE_SIZE))
        return 0;
    size_t i = heap_take_pages_locked(all);
    if (!i) {
        heap.charged[owner] -= all * PAGE_SIZE;
        return 0;
    }
    *ret_dirty = false;
    for (size_t k = 0; k < all; k++) {
        struct page_info *pi = &heap.map[i + k];
        *ret_dirty |= pi->dirty;
        *pi = (struct page_info){.kind = k == 0       ? PAGE_RUN
                                         : k == count ? PAGE_GUARD
                                                      : PAGE_REST,
                                 .dirty = 1};
    }
    heap.map[i].run = (uint32_t) count;
    heap.map[i].owner = owner;
    heap.map[i].slack = (uint16_t) slack;
    return i;
}

static void *run_new(size_t count, size_t slack)
{
    bool dirty = false;
    spin_lock(&heap.lock);
    size_t i = run_take_locked(count, slack, &dirty);
    spin_unlock(&heap.lock);
    if (!i)
        return NULL;
    if (dirty)
        memset(page_addr(i), 0, count * PAGE_SIZE);
    if (guards(count))
        memset(page_addr(i + count), GUARD_BYTE, PAGE_SIZE);
    return page_addr(i);
}

static void check_guard(size_t i)
{
    const uint64_t *w = page_addr(i);
    uint64_t changed = 0;
    for (size_t k = 0; k < PAGE_SIZE / 8; k++)
        changed |= w[k] ^ GUARD_WORD;
    if (unlikely(changed || heap.map[i].kind != PAGE_GUARD))
        panic("heap: written over the end of the pages before %p", page_addr(i));
}

/* count: what the caller says it has; 0: it does not know. */
static void run_release(void *p, size_t count)
{
    check(IS_ALIGNED((uintptr_t) p, PAGE_SIZE));
    size_t i = heap_page_index(p);
    const struct page_info *pi = &heap.map[i];
    check(pi->kind == PAGE_RUN && (count == 0 || pi->run == count));
    count = pi->run;
    if (guards(count))
        check_guard(i + count);
    uint8_t *slack = (uint8_t *) p + count * PAGE_SIZE - pi->slack;
    for (size_t k = 0; k < pi->slack; k++)
        if (unlikely(slack[k] != 0))
            panic("heap: written over the end of the object at %p", p);
    SPIN_GUARD(&heap.lock);
    check(pi->kind == PAGE_RUN && pi->run == count);
    size_t all = count + guards(count);
    heap.charged[pi->owner] -= all * PAGE_SIZE;
    heap_give_pages_locked(i, all);
}

void *kpages_alloc(size_t count)
{
    return run_new(count, 0);
}

void kpages_free(void *p, size_t count)
{
    if (!p)
        return;
    check(count > 0);
    run_release(p, count);
}

void *run_alloc(size_t size)
{
    size_t n;
    if (ck_add(&n, size, PAGE_SIZE - 1))
        return NULL;
    n /= PAGE_SIZE;
    return run_new(n, n * PAGE_SIZE - size);
}

void run_free(void *p)
{
    run_release(p, 0);
}

size_t run_size(const void *p)
{
    SPIN_GUARD(&heap.lock);
    const struct page_info *pi = &heap.map[heap_page_index(p)];
    check(pi->kind == PAGE_RUN);
    return pi->run * PAGE_SIZE - pi->slack;
}

bool run_resize(const void *p, size_t size)
{
    SPIN_GUARD(&heap.lock);
    struct page_info *pi = &heap.map[heap_page_index(p)];
    size_t room = pi->run * PAGE_SIZE;
    if (size <= LARGE || size > room || room - size >= PAGE_SIZE)
        return false;
    pi->slack = (uint16_t) (room - size);
    return true;
}

/* ---- boot, statistics ------------------------------------------------------------------------- */
void heap_stats(struct heap_stats *ret)
{
    SPIN_GUARD(&heap.lock);
    *ret = (struct heap_stats){.limit = heap.limit,
                               .used_pages = heap.used,
                               .cached_pages = heap.end - heap.first - heap.used};
}

void heap_init(size_t limit_bytes, uint64_t secret)
{
    heap.map = (struct page_info *) KERNEL_HEAP;
    heap.first = MAP_PAGES + SLAB_BYTES / PAGE_SIZE;
    heap.end = heap.next = heap.first;
    heap.limit = limit_bytes / PAGE_SIZE;
    heap.secret = secret;
    heap.slabs = (struct slab *) page_addr(MAP_PAGES);
    check(map_reach(heap.first + 1));
    check(epc_commit((uintptr_t) heap.slabs, SLAB_BYTES / PAGE_SIZE) == 0);
    slab_init();
}
