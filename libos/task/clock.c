/* Time from the TSC, and the kernel timers (a pairing heap through the timers themselves, under one spin
 * lock, so that arming needs no memory). The host gives the TSC frequency and the wall clock once, at
 * start; both are bounded to what machines have. Nothing clamps later reads: a hypervisor that moves
 * the TSC moves time with it. */
#include "libos/arch/vcpu.h"
#include "libos/task/clock.h"
#include "libos/task/sched.h"

static struct {
    uint64_t tsc_base, mult;
    int64_t boot_real_ns;
} clk;
#define CLOCK_SHIFT  32
#define REARM_MIN_NS (20 * NSEC_PER_SEC / 1000000)

static struct {
    struct spinlock lock;
    struct ktimer *root;
    struct ktimer *running[VCPU_MAX]; /* fn in progress on that vCPU */
    int64_t next;                     /* copy of the earliest deadline, read without the lock */
} timers = {.next = FOREVER};

void clock_init(uint64_t tsc, int64_t realtime_ns, uint64_t tsc_hz)
{
    if (tsc_hz < 100000000ull || tsc_hz > 20000000000ull)
        tsc_hz = 2000000000ull;
    clk.tsc_base = rdtsc_ordered();
    clk.mult = (uint64_t) (((unsigned __int128) NSEC_PER_SEC << CLOCK_SHIFT) / tsc_hz);
    clk.boot_real_ns = MIN(MAX(realtime_ns, (int64_t) 0), INT64_MAX / 2);
}

void clock_params(struct clock_params *ret)
{
    *ret = (struct clock_params){clk.tsc_base, clk.mult, CLOCK_SHIFT, clk.boot_real_ns};
}

int64_t clock_mono_ns(void)
{
    uint64_t tsc = tsc_read();
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
/* A pairing heap through the timers themselves: arming allocates nothing, so it cannot fail. */
static struct ktimer *meld(struct ktimer *a, struct ktimer *b)
{
    if (!a || !b)
        return a ? a : b;
    struct ktimer *first = b->deadline_ns < a->deadline_ns ? b : a, *later = first == a ? b : a;
    later->next = first->child;
    if (later->next)
        later->next->link = &later->next;
    later->link = &first->child;
    first->child = later;
    return first;
}

static struct ktimer *meld_children(struct ktimer *list)
{
    struct ktimer *pairs = NULL, *all = NULL;
    while (list) {
        struct ktimer *a = list, *b = a->next;
        list = b ? b->next : NULL;
        a->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct ktimer *a = pairs;
        pairs = a->next;
        a->next = NULL;
        all = meld(all, a);
    }
    return all;
}

static void set_root(struct ktimer *t)
{
    timers.root = t;
    if (t) {
        t->next = NULL;
        t->link = &timers.root;
    }
}

static void update_next(void)
{
    __atomic_store_n(&timers.next, timers.root ? timers.root->deadline_ns : FOREVER,
                     __ATOMIC_RELAXED);
}

static void remove_locked(struct ktimer *t)
{
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    struct ktimer *orphans = meld_children(t->child);
    t->child = t->next = NULL;
    t->link = NULL;
    set_root(meld(timers.root, orphans));
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
    *t = (struct ktimer){.fn = fn};
}

void ktimer_arm(struct ktimer *t, int64_t deadline_ns)
{
    SPIN_GUARD(&timers.lock);
    if (t->link)
        remove_locked(t);
    t->deadline_ns = deadline_ns;
    set_root(meld(timers.root, t));
    update_next();
}

void ktimer_cancel(struct ktimer *t)
{
    for (;;) {
        spin_lock(&timers.lock);
        if (t->link) {
            remove_locked(t);
            update_next();
        }
        bool running = false;
        for (uint32_t i = 0; i < VCPU_MAX; i++)
            running |= timers.running[i] == t && i != this_vcpu()->index;
        spin_unlock(&timers.lock);
        if (!running)
            return;
        cpu_relax();
    }
}

void ktimer_rearm(struct ktimer *t, int64_t deadline_ns)
{
    ktimer_arm(t, MAX(deadline_ns, clock_mono_ns() + REARM_MIN_NS));
}

int64_t timers_next(void)
{
    return __atomic_load_n(&timers.next, __ATOMIC_RELAXED);
}

void timers_run(void)
{
    uint32_t me = this_vcpu()->index;
    int64_t now = clock_mono_ns();
    while (timers_next() <= now) {
        spin_lock(&timers.lock);
        struct ktimer *t = timers.root;
        if (!t || t->deadline_ns > now) {
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
