/* Time from the TSC and the kernel timers (a binary heap under one spin lock). The host gives the TSC
 * frequency and the wall clock at start; the rate is bounded to what machines have, and monotonic time
 * is clamped per read against the last value seen, so a host that lies makes time wrong but never
 * runs it backwards. */
#include "libos/arch/vcpu.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/task/sched.h"

static struct {
    uint64_t tsc_base, mult;
    int64_t boot_real_ns;
} clk;
#define CLOCK_SHIFT 32

static struct {
    struct spinlock lock;
    struct ktimer **heap;
    uint32_t count, cap;
    struct ktimer *running[VCPU_MAX]; /* fn in progress on that vCPU */
    int64_t next;                     /* copy of the earliest deadline, read without the lock */
} timers = {.next = FOREVER};

void clock_init(uint64_t tsc, int64_t realtime_ns, uint64_t tsc_hz)
{
    if (tsc_hz < 100000000ull || tsc_hz > 20000000000ull)
        tsc_hz = 2000000000ull;
    clk.tsc_base = rdtsc_ordered();
    clk.mult = (uint64_t) (((unsigned __int128) NSEC_PER_SEC << CLOCK_SHIFT) / tsc_hz);
    clk.boot_real_ns = realtime_ns < 0 ? 0 : realtime_ns;
}

void clock_params(struct clock_params *ret)
{
    *ret = (struct clock_params){clk.tsc_base, clk.mult, CLOCK_SHIFT, clk.boot_real_ns};
}

int64_t clock_mono_ns(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    uint64_t tsc = ((uint64_t) hi << 32) | lo;
    if (tsc < clk.tsc_base)
        return 1;
    return (int64_t) ((unsigned __int128) (tsc - clk.tsc_base) * clk.mult >> CLOCK_SHIFT) + 1;
}

int64_t clock_boot_real_ns(void)
{
    return clk.boot_real_ns;
}

int64_t clock_realtime_ns(void)
{
    return clk.boot_real_ns + clock_mono_ns();
}

/* ---- timers ----------------------------------------------------------------------------------- */
static void place(uint32_t i, struct ktimer *t)
{
    timers.heap[i] = t;
    t->slot = i + 1;
}

static void sift_up(uint32_t i, struct ktimer *t)
{
    for (; i > 0 && timers.heap[(i - 1) / 2]->deadline_ns > t->deadline_ns; i = (i - 1) / 2)
        place(i, timers.heap[(i - 1) / 2]);
    place(i, t);
}

static void sift_down(uint32_t i, struct ktimer *t)
{
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c + 1 < timers.count && timers.heap[c + 1]->deadline_ns < timers.heap[c]->deadline_ns)
            c++;
        if (c >= timers.count || timers.heap[c]->deadline_ns >= t->deadline_ns)
            break;
        place(i, timers.heap[c]);
        i = c;
    }
    place(i, t);
}

static void update_next(void)
{
    __atomic_store_n(&timers.next, timers.count ? timers.heap[0]->deadline_ns : FOREVER,
                     __ATOMIC_RELAXED);
}

static void remove_locked(struct ktimer *t)
{
    uint32_t i = t->slot - 1;
    t->slot = 0;
    struct ktimer *last = timers.heap[--timers.count];
    if (last == t)
        return;
    if (i > 0 && timers.heap[(i - 1) / 2]->deadline_ns > last->deadline_ns)
        sift_up(i, last);
    else
        sift_down(i, last);
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
    *t = (struct ktimer){.fn = fn};
}

void ktimer_arm(struct ktimer *t, int64_t deadline_ns)
{
    SPIN_GUARD(&timers.lock);
    if (t->slot)
        remove_locked(t);
    if (timers.count == timers.cap) {
        uint32_t cap = timers.cap ? timers.cap * 2 : 256;
        struct ktimer **heap = krealloc(timers.heap, cap * sizeof *heap);
        check(heap); /* a lost timer would hang its thread */
        timers.heap = heap;
        timers.cap = cap;
    }
    t->deadline_ns = deadline_ns;
    sift_up(timers.count++, t);
    update_next();
}

void ktimer_cancel(struct ktimer *t)
{
    for (;;) {
        spin_lock(&timers.lock);
        if (t->slot) {
            remove_locked(t);
            update_next();
        }
        bool running = false;
        for (uint32_t i = 0; i < VCPU_MAX; i++)
            running |= timers.running[i] == t && i != this_vcpu()->index;
        spin_unlock(&timers.lock);
        if (!running)
            return;
        __builtin_ia32_pause();
    }
}

int64_t timers_next(void)
{
    return __atomic_load_n(&timers.next, __ATOMIC_RELAXED);
}

void timers_run(void)
{
    uint32_t me = this_vcpu()->index;
    while (timers_next() <= clock_mono_ns()) {
        spin_lock(&timers.lock);
        struct ktimer *t = timers.count ? timers.heap[0] : NULL;
        if (!t || t->deadline_ns > clock_mono_ns()) {
            spin_unlock(&timers.lock);
            return;
        }
        remove_locked(t);
        update_next();
        timers.running[me] = t;
        spin_unlock(&timers.lock);
        t->fn(t);
        spin_lock(&timers.lock);
        timers.running[me] = NULL;
        spin_unlock(&timers.lock);
    }
}
