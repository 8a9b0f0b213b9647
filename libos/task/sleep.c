/* Sleeping until a deadline, with restarts. A relative sleep that a stop or an ignored signal
 * interrupts goes on with the deadline it had: thread_user_work runs the call again with
 * sig->restarting set. */
#include "libos/task/signal.h"
#include "libos/task/timers.h"

#define PERIOD_MIN_NS (50 * NSEC_PER_US) /* a shorter period only counts overruns */

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
