/* setitimer and the CPU limit.
 *
 * ITIMER_REAL is a kernel timer. VIRTUAL, PROF and RLIMIT_CPU count CPU time, which only the scheduler
 * knows: a second kernel timer looks when they can expire at the earliest (all vCPUs working for the
 * process) and arms itself again until they have. Everything is under proc->lock; a kernel timer that
 * fires without being due does nothing, so disarming never has to wait for one.
 */
#include "abi/linux/resource.h"
#include "libos/mm/heap.h"
#include "libos/task/family.h"
#include "libos/task/signal.h"
#include "libos/task/timers.h"

#define CPU_POLL_MIN_NS (2 * NSEC_PER_MS)

struct itimer {
    int64_t expiry_ns, interval_ns; /* expiry 0: disarmed; on the timer's own clock */
};

struct itimers {
    struct process *proc; /* outlives this */
    struct ktimer real, cpu;
    struct itimer timer[3]; /* by ITIMER_* */
};

static int64_t itimer_now_locked(const struct itimers *it, int which)
{
    if (which == ITIMER_REAL)
        return clock_mono_ns();
    struct cputime used = process_cputime_locked(it->proc);
    return which == ITIMER_VIRTUAL ? used.user_ns : used.user_ns + used.system_ns;
}

/* Due: moves to the next period. */
static bool expire_locked(struct itimers *it, int which)
{
    struct itimer *t = &it->timer[which];
    int64_t now = itimer_now_locked(it, which), missed;
    if (t->expiry_ns == 0 || now < t->expiry_ns)
        return false;
    t->expiry_ns =
        t->interval_ns ? timer_next_expiry(t->expiry_ns, t->interval_ns, now, &missed) : 0;
    return true;
}

/* ---- real time -------------------------------------------------------------------------------- */
static void real_fired(struct ktimer *k)
{
    struct itimers *it = container_of(k, struct itimers, real);
    spin_lock(&it->proc->lock);
    bool due = expire_locked(it, ITIMER_REAL);
    if (it->timer[ITIMER_REAL].expiry_ns)
        ktimer_rearm(k, it->timer[ITIMER_REAL].expiry_ns);
    spin_unlock(&it->proc->lock);
    if (due)
        signal_send_process(it->proc, SIGALRM);
}

/* ---- CPU time --------------------------------------------------------------------------------- */
static uint64_t cpu_limit(const struct process *p, bool hard)
{
    uint64_t seconds = hard ? p->rlimits[RLIMIT_CPU].max : p->rlimits[RLIMIT_CPU].cur;
    return seconds > INT64_MAX / NSEC_PER_SEC ? UINT64_MAX : seconds * NSEC_PER_SEC;
}

static int64_t cpu_remaining_locked(const struct itimers *it)
{
    int64_t least = FOREVER;
    for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
        if (it->timer[which].expiry_ns)
            least = MIN(least, it->timer[which].expiry_ns - itimer_now_locked(it, which));
    }
    uint64_t limit = cpu_limit(it->proc, false);
    if (limit != UINT64_MAX)
        least = MIN(least, (int64_t) limit - itimer_now_locked(it, ITIMER_PROF));
    return least;
}

static void cpu_arm_locked(struct itimers *it)
{
    int64_t left = cpu_remaining_locked(it);
    if (left == FOREVER)
        return;
    int64_t wait = MAX(left / sched_cpu_count(), CPU_POLL_MIN_NS);
    ktimer_arm(&it->cpu, clock_mono_ns() + wait);
}

static int cpu_limit_signal_locked(struct itimers *it)
{
    struct process *p = it->proc;
    uint64_t used = (uint64_t) itimer_now_locked(it, ITIMER_PROF);
    if (used >= cpu_limit(p, true))
        return SIGKILL;
    if (used < cpu_limit(p, false))
        return 0;
    p->rlimits[RLIMIT_CPU].cur++; /* SIGXCPU once per second from now on */
    return SIGXCPU;
}

static void cpu_fired(struct ktimer *k)
{
    struct itimers *it = container_of(k, struct itimers, cpu);
    spin_lock(&it->proc->lock);
    bool virtual = expire_locked(it, ITIMER_VIRTUAL), prof = expire_locked(it, ITIMER_PROF);
    int limit = cpu_limit_signal_locked(it);
    cpu_arm_locked(it);
    spin_unlock(&it->proc->lock);
    if (virtual)
        signal_send_process(it->proc, SIGVTALRM);
    if (prof)
        signal_send_process(it->proc, SIGPROF);
    if (limit)
        signal_send_process(it->proc, limit);
}

/* ---- setting ---------------------------------------------------------------------------------- */
static struct itimers *itimers_of(struct process *p)
{
    if (p->itimers)
        return p->itimers;
    struct itimers *fresh = new_zero(struct itimers);
    if (!fresh)
        return NULL;
    fresh->proc = p;
    ktimer_init(&fresh->real, real_fired);
    ktimer_init(&fresh->cpu, cpu_fired);
    spin_lock(&p->lock);
    struct itimers *unused = p->itimers ? fresh : NULL;
    if (!p->itimers)
        p->itimers = fresh;
    spin_unlock(&p->lock);
    kfree(unused);
    return p->itimers;
}

static struct timer_value value_locked(const struct itimers *it, int which)
{
    const struct itimer *t = &it->timer[which];
    if (t->expiry_ns == 0)
        return (struct timer_value){0, t->interval_ns};
    int64_t left = t->expiry_ns - itimer_now_locked(it, which);
    return (struct timer_value){MAX(left, NSEC_PER_US), t->interval_ns};
}

static void set_locked(struct itimers *it, int which, const struct timer_value *new)
{
    struct itimer *t = &it->timer[which];
    /* Only the CPU timers remember the interval of one that is disarmed, as on Linux. */
    t->interval_ns = which != ITIMER_REAL || new->value_ns ? new->interval_ns : 0;
    t->expiry_ns = new->value_ns ? ns_add(itimer_now_locked(it, which), new->value_ns) : 0;
    if (which != ITIMER_REAL)
        cpu_arm_locked(it);
    else if (t->expiry_ns)
        ktimer_arm(&it->real, t->expiry_ns);
}

int itimer_set(int which, const struct timer_value *new, struct timer_value *ret_old)
{
    if (which < ITIMER_REAL || which > ITIMER_PROF)
        return -EINVAL;
    struct process *p = current_process();
    *ret_old = (struct timer_value){0};
    if (!p->itimers && (!new || (new->value_ns == 0 && new->interval_ns == 0)))
        return 0;
    struct itimers *it = itimers_of(p);
    if (!it)
        return -ENOMEM;
    SPIN_GUARD(&p->lock);
    *ret_old = value_locked(it, which);
    if (new)
        set_locked(it, which, new);
    return 0;
}

int itimer_watch_cpu_limit(struct process *p)
{
    struct itimers *it = itimers_of(p);
    if (!it)
        return -ENOMEM;
    SPIN_GUARD(&p->lock);
    cpu_arm_locked(it);
    return 0;
}

void itimer_process_exit(struct process *p)
{
    struct itimers *it = p->itimers;
    if (!it)
        return;
    spin_lock(&p->lock);
    memset(it->timer, 0, sizeof it->timer);
    p->rlimits[RLIMIT_CPU].cur = LINUX_RLIM_INFINITY; /* cpu_fired must not arm itself again */
    spin_unlock(&p->lock);
    ktimer_cancel(&it->real);
    ktimer_cancel(&it->cpu);
    p->itimers = NULL;
    kfree(it);
}
