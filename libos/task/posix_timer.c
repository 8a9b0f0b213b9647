/* POSIX timers.
 *
 * A timer is on its process's list and everything about it is under proc->lock; only deleting waits
 * for its kernel timer, after the timer has left the list and with no lock held. An expiry while the
 * signal of the one before is still pending only counts as an overrun in that signal. Timers on CPU
 * clocks poll, like itimers (itimer.c).
 */
#include "abi/linux/resource.h"
#include "libos/mm/heap.h"
#include "libos/task/cred.h"
#include "libos/task/family.h"
#include "libos/task/signal_priv.h"
#include "libos/task/timers.h"

#define CPU_POLL_MIN_NS (2 * NSEC_PER_MS)
#define OVERRUN_MAX     INT32_MAX
#define TIMERS_MAX      4096

struct posix_timer {
    struct list link;
    struct process *proc;         /* outlives this */
    struct thread *target;        /* SIGEV_THREAD_ID: a reference; else NULL */
    int id, clock, notify, signo; /* the clock by a pinned id */
    uint64_t value;
    struct ktimer ktimer;
    int64_t expiry_ns; /* monotonic, or CPU time; 0: disarmed */
    int64_t interval_ns;
    int overrun_last; /* of the last signal taken */
};

static bool on_cpu_clock(const struct posix_timer *t)
{
    return posix_clock_is_cpu(t->clock);
}

/* CPU time or monotonic time. Not with a process's lock held: the clock may be another's. */
static int clock_now(int clock, int64_t *ret_ns)
{
    if (posix_clock_is_cpu(clock))
        return posix_clock_read_pinned(clock, ret_ns);
    *ret_ns = clock_mono_ns();
    return 0;
}

static int64_t next_look_locked(const struct posix_timer *t, int64_t now)
{
    if (!on_cpu_clock(t))
        return t->expiry_ns;
    int64_t left = t->expiry_ns - now;
    return clock_mono_ns() + MAX(left / sched_cpu_count(), CPU_POLL_MIN_NS);
}

/* ---- expiry ----------------------------------------------------------------------------------- */
static bool add_overrun_locked(struct posix_timer *t, int64_t count)
{
    struct sigpending *s =
        t->target && t->target->sig ? &t->target->sig->pending : &t->proc->pending;
    if (!(s->set & sigbit(t->signo)))
        return false;
    struct sigqueue *q;
    list_for_each (q, &s->queue, link) {
        if (q->info.signo != t->signo || q->info.code != SI_TIMER || q->info.timer.id != t->id)
            continue;
        int64_t sum = q->info.timer.overrun + count;
        q->info.timer.overrun = (int32_t) MIN(sum, OVERRUN_MAX);
        return true;
    }
    return false;
}

/* True if a signal is to be sent. */
static bool expire_locked(struct posix_timer *t, int64_t now, struct linux_siginfo *ret_info)
{
    int64_t missed = 0;
    if (t->expiry_ns == 0 || now < t->expiry_ns)
        return false;
    t->expiry_ns =
        t->interval_ns ? timer_next_expiry(t->expiry_ns, t->interval_ns, now, &missed) : 0;
    if (t->notify == SIGEV_NONE || add_overrun_locked(t, missed + 1))
        return false;
    *ret_info = (struct linux_siginfo){.signo = t->signo, .code = SI_TIMER};
    ret_info->timer.id = t->id;
    ret_info->timer.overrun = (int32_t) MIN(missed, (int64_t) OVERRUN_MAX);
    ret_info->timer.value = t->value;
    return true;
}

static void timer_fired(struct ktimer *k)
{
    struct posix_timer *t = container_of(k, struct posix_timer, ktimer);
    struct process *p = t->proc;
    struct linux_siginfo info;
    int64_t now;
    if (clock_now(t->clock, &now) < 0)
        return; /* who was measured is gone */
    spin_lock(&p->lock);
    bool send = expire_locked(t, now, &info);
    if (t->expiry_ns)
        ktimer_rearm(&t->ktimer, next_look_locked(t, now));
    spin_unlock(&p->lock);
    if (!send)
        return;
    if (t->notify == SIGEV_THREAD_ID)
        (void) signal_send_thread(p, t->target, &info); /* a full queue loses an expiry */
    else
        (void) signal_send(p, &info); /* the same */
}

void posix_timer_delivered_locked(struct process *p, int id, int overrun)
{
    struct posix_timer *t;
    list_for_each (t, &p->posix_timers, link) {
        if (t->id == id)
            t->overrun_last = overrun;
    }
}

/* ---- life ------------------------------------------------------------------------------------- */
static void timer_free(struct posix_timer *t)
{
    ktimer_cancel(&t->ktimer);
    if (t->target)
        thread_put(t->target);
    kfree(t);
}

static int set_target(struct posix_timer *t, const struct linux_sigevent *ev)
{
    if (t->notify != SIGEV_THREAD_ID)
        return 0;
    AUTO(process_put) struct process *p = NULL;
    t->target = thread_lookup_get(ev->tid, &p);
    return t->target && p == t->proc ? 0 : -EINVAL;
}

static int check_event(const struct linux_sigevent *ev)
{
    switch (ev->notify) {
    case SIGEV_NONE:
        return 0;
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
    case SIGEV_THREAD_ID:
        return ev->signo > 0 && ev->signo <= SIG_COUNT ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int enter_list(struct posix_timer *t, bool value_is_id)
{
    struct process *p = t->proc;
    SPIN_GUARD(&p->lock);
    int count = 0;
    struct posix_timer *other;
    list_for_each (other, &p->posix_timers, link)
        count++;
    if (count >= TIMERS_MAX)
        return -EAGAIN;
    t->id = p->next_timer_id;
    p->next_timer_id = (p->next_timer_id + 1) & INT32_MAX;
    if (value_is_id)
        t->value = (uint64_t) t->id;
    list_add_tail(&p->posix_timers, &t->link);
    return 0;
}

int posix_timer_create(int clock, const struct linux_sigevent *ev, int *ret_id)
{
    static const struct linux_sigevent by_default = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};
    const struct linux_sigevent *e = ev ? ev : &by_default;
    int r = check_event(e);
    if (r == 0)
        r = posix_clock_pin(clock, &clock);
    if (r == 0 && (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
        !capable(CAP_WAKE_ALARM))
        r = -EPERM;
    if (r < 0)
        return r;
    struct posix_timer *t = new_zero(struct posix_timer);
    if (!t)
        return -EAGAIN;
    *t = (struct posix_timer){.proc = current_process(),
                              .clock = clock,
                              .notify = e->notify,
                              .signo = e->signo,
                              .value = e->value};
    ktimer_init(&t->ktimer, timer_fired);
    r = set_target(t, e);
    if (r == 0)
        r = enter_list(t, !ev);
    if (r < 0)
        timer_free(t);
    else
        *ret_id = t->id;
    return r;
}

static struct posix_timer *find_locked(struct process *p, int id)
{
    struct posix_timer *t;
    list_for_each (t, &p->posix_timers, link) {
        if (t->id == id)
            return t;
    }
    return NULL;
}

int posix_timer_delete(int id)
{
    struct process *p = current_process();
    spin_lock(&p->lock);
    struct posix_timer *t = find_locked(p, id);
    if (t) {
        t->expiry_ns = t->interval_ns = 0;
        list_del(&t->link);
    }
    spin_unlock(&p->lock);
    if (!t)
        return -EINVAL;
    timer_free(t);
    return 0;
}

void timers_process_exit(struct process *p)
{
    for (;;) {
        spin_lock(&p->lock);
        struct posix_timer *t = list_first(&p->posix_timers, struct posix_timer, link);
        if (t) {
            t->expiry_ns = t->interval_ns = 0;
            list_del(&t->link);
        }
        spin_unlock(&p->lock);
        if (!t)
            return;
        timer_free(t);
    }
}

/* ---- setting ---------------------------------------------------------------------------------- */
static struct timer_value value_locked(const struct posix_timer *t, int64_t now)
{
    if (t->expiry_ns == 0)
        return (struct timer_value){0, t->interval_ns};
    int64_t left = t->expiry_ns - now;
    if (left <= 0 && t->notify == SIGEV_NONE && t->interval_ns)
        left = t->interval_ns - (-left % t->interval_ns);
    else if (left <= 0)
        left = t->notify == SIGEV_NONE ? 0 : 1;
    return (struct timer_value){left, t->interval_ns};
}

static int64_t expiry_of_locked(const struct posix_timer *t, int64_t now, bool absolute,
                                int64_t value_ns)
{
    if (!absolute)
        return ns_add(now, value_ns);
    int64_t offset = 0;
    if (!on_cpu_clock(t) && posix_clock_offset(t->clock, &offset) < 0)
        offset = 0;
    return value_ns > offset ? value_ns - offset : 1;
}

/* The clock of a timer of the caller's; -EINVAL: there is no such timer. */
static int clock_of(int id, int *ret)
{
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    struct posix_timer *t = find_locked(p, id);
    if (!t)
        return -EINVAL;
    *ret = t->clock;
    return 0;
}

/* The same timer, after its clock was read without the lock. */
static struct posix_timer *find_again_locked(struct process *p, int id, int clock)
{
    struct posix_timer *t = find_locked(p, id);
    return t && t->clock == clock ? t : NULL;
}

int posix_timer_set(int id, bool absolute, const struct timer_value *new,
                    struct timer_value *ret_old)
{
    struct process *p = current_process();
    int clock, r = clock_of(id, &clock);
    int64_t now;
    if (r == 0 && clock_now(clock, &now) < 0)
        r = -ESRCH;
    if (r < 0)
        return r;
    SPIN_GUARD(&p->lock);
    struct posix_timer *t = find_again_locked(p, id, clock);
    if (!t)
        return -EINVAL;
    *ret_old = value_locked(t, now);
    t->interval_ns = new->interval_ns;
    t->expiry_ns = new->value_ns ? expiry_of_locked(t, now, absolute, new->value_ns) : 0;
    t->overrun_last = 0;
    if (t->expiry_ns)
        ktimer_arm(&t->ktimer, next_look_locked(t, now));
    return 0;
}

int posix_timer_get(int id, struct timer_value *ret)
{
    struct process *p = current_process();
    int clock, r = clock_of(id, &clock);
    int64_t now;
    if (r < 0)
        return r;
    *ret = (struct timer_value){0};
    if (clock_now(clock, &now) < 0)
        return 0; /* it will not expire any more */
    SPIN_GUARD(&p->lock);
    struct posix_timer *t = find_again_locked(p, id, clock);
    if (!t)
        return -EINVAL;
    *ret = value_locked(t, now);
    return 0;
}

int posix_timer_overrun(int id)
{
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    struct posix_timer *t = find_locked(p, id);
    return t ? t->overrun_last : -EINVAL;
}
