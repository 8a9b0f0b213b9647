/* Timers that send signals, and sleeping calls. */
#ifndef TASK_TIMERS_H
#define TASK_TIMERS_H
#include "abi/linux/signal.h"
#include "libos/task/posix_clock.h"

struct timer_value { /* ns; value 0: disarmed, interval 0: once */
    int64_t value_ns, interval_ns;
};

/* setitimer of the calling process; new may be NULL to only read. */
must_check int itimer_set(int which, const struct timer_value *new, struct timer_value *ret_old);
/* RLIMIT_CPU of p was set. */
must_check int itimer_watch_cpu_limit(struct process *p);

must_check int posix_timer_create(int clock, const struct linux_sigevent *ev, int *ret_id);
must_check int posix_timer_set(int id, bool absolute, const struct timer_value *new,
                               struct timer_value *ret_old);
must_check int posix_timer_get(int id, struct timer_value *ret);
int posix_timer_overrun(int id);
must_check int posix_timer_delete(int id);
/* A timer's signal was taken: what getoverrun reports from now on. proc->lock held. */
void posix_timer_delivered_locked(struct process *p, int id, int overrun);

/* Sleeps until a monotonic deadline: 0, or -EINTR. */
must_check int sleep_until(int64_t deadline_ns);
/* The deadline of a relative sleep that may be a restart of itself. */
int64_t sleep_deadline(int64_t timeout_ns);
/* What the sleeping call returns after -EINTR: it goes on until deadline_ns if no handler runs. */
int sleep_interrupted(int64_t deadline_ns);
/* Until a CPU clock has the value, or has gained it: 0, also if whoever it measures is gone; -EINVAL; what an
 * interrupted sleep returns, with the rest in *ret_left_ns. */
must_check int sleep_on_cpu_clock(int clock, bool absolute, int64_t ns, int64_t *ret_left_ns);

/* The next expiry after now of something periodic; *ret_missed: how many were skipped. Pure. */
int64_t timer_next_expiry(int64_t deadline_ns, int64_t interval_ns, int64_t now_ns,
                          int64_t *ret_missed);
#endif
