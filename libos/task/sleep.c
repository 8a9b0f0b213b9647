/* Sleeping until a deadline, with restarts. A relative sleep that a stop or an ignored signal
 * interrupts goes on with the deadline it had: thread_user_work runs the call again with
 * sig->restarting set. */
#include "libos/task/posix_clock.h"
#include "libos/task/sched.h"
#include "libos/task/signal.h"
#include "libos/task/timers.h"

#define CPU_POLL_MIN_NS (2 * NSEC_PER_MS)
#define PERIOD_MIN_NS   (50 * NSEC_PER_US) /* a shorter period only counts overruns */

int sleep_until(int64_t deadline_ns)
{
    int r;
    do {
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    } while (r == 0);
    return r == -ETIMEDOUT ? 0 : r;
}

int64_t sleep_deadline(int64_t timeout_ns)
{
    struct thread *t = current();
    if (t->sig->restarting)
        return t->restart_deadline_ns;
    return ns_add(clock_mono_ns(), timeout_ns);
}

int sleep_interrupted(int64_t deadline_ns)
{
    current()->restart_deadline_ns = deadline_ns;
    return -ERESTART_RESTARTBLOCK;
}

/* Looks again when the time could have come if all processors worked for it. */
int sleep_on_cpu_clock(int clock, bool absolute, int64_t ns, int64_t *ret_left_ns)
{
    int64_t now, deadline;
    int r = posix_clock_pin(clock, &clock);
    if (r < 0)
        return r;
    r = posix_clock_read_pinned(clock, &now);
    deadline = current()->sig->restarting ? current()->restart_deadline_ns
               : absolute                 ? ns
                                          : ns_add(now, ns);
    while (r == 0 && now < deadline) {
        int64_t wait = MAX((deadline - now) / sched_cpu_count(), CPU_POLL_MIN_NS);
        if (sleep_until(ns_add(clock_mono_ns(), wait)) < 0) {
            *ret_left_ns = deadline - now;
            return absolute ? -ERESTARTNOHAND : sleep_interrupted(deadline);
        }
        r = posix_clock_read_pinned(clock, &now);
    }
    return 0;
}

int64_t timer_next_expiry(int64_t deadline_ns, int64_t interval_ns, int64_t now_ns,
                          int64_t *ret_missed)
{
    int64_t earliest = ns_add(now_ns, PERIOD_MIN_NS), next = ns_add(deadline_ns, interval_ns);
    *ret_missed = 0;
    if (next >= earliest)
        return next;
    int64_t skip = (earliest - next + interval_ns - 1) / interval_ns;
    *ret_missed = skip;
    return next + skip * interval_ns;
}
