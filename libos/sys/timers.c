/* Interval timers, alarm, POSIX timers. */
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/timers.h"

/* ---- setitimer -------------------------------------------------------------------------------- */
static int itimerval_to_user(uaddr_t ua, const struct timer_value *v)
{
    struct linux_itimerval out = {timeval_of(v->interval_ns), timeval_of(v->value_ns)};
    return put_user(ua, out);
}

/* full */
SYSCALL(getitimer, int, which, uaddr_t, ret_value)
{
    struct timer_value now;
    int r = itimer_set(which, NULL, &now);
    return r < 0 ? r : itimerval_to_user(ret_value, &now);
}

/* full */
SYSCALL(setitimer, int, which, uaddr_t, value, uaddr_t, ret_old)
{
    struct linux_itimerval in = {0};
    struct timer_value new, old;
    if (!uaddr_null(value) && get_user(&in, value) < 0)
        return -EFAULT;
    if (!timeval_to_ns(&in.value, &new.value_ns) || !timeval_to_ns(&in.interval, &new.interval_ns))
        return -EINVAL;
    int r = itimer_set(which, &new, &old);
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return itimerval_to_user(ret_old, &old);
}

/* full */
SYSCALL(alarm, unsigned, seconds)
{
    struct timer_value new = {(int64_t) seconds * NSEC_PER_SEC, 0}, old;
    int r = itimer_set(ITIMER_REAL, &new, &old);
    if (r < 0 || old.value_ns == 0)
        return 0;
    return MAX((old.value_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC, 1);
}

/* ---- timer_create ----------------------------------------------------------------------------- */
/* full */
SYSCALL(timer_create, int, clock, uaddr_t, event, uaddr_t, ret_id)
{
    struct linux_sigevent ev;
    if (!uaddr_null(event) && get_user(&ev, event) < 0)
        return -EFAULT;
    int id;
    int r = posix_timer_create(clock, uaddr_null(event) ? NULL : &ev, &id);
    if (r < 0)
        return r;
    if (put_user(ret_id, id) == 0)
        return 0;
    (void) posix_timer_delete(id); /* it was made just now */
    return -EFAULT;
}

static int itimerspec_to_user(uaddr_t ua, const struct timer_value *v)
{
    struct linux_itimerspec out = {timespec_of(v->interval_ns), timespec_of(v->value_ns)};
    return put_user(ua, out);
}

/* full */
SYSCALL(timer_settime, int, id, int, flags, uaddr_t, value, uaddr_t, ret_old)
{
    struct linux_itimerspec in;
    struct timer_value new, old;
    if (get_user(&in, value) < 0)
        return -EFAULT;
    if (!timespec_to_ns(&in.value, &new.value_ns) ||
        !timespec_to_ns(&in.interval, &new.interval_ns))
        return -EINVAL;
    int r = posix_timer_set(id, flags & TIMER_ABSTIME, &new, &old);
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return itimerspec_to_user(ret_old, &old);
}

/* full */
SYSCALL(timer_gettime, int, id, uaddr_t, ret_value)
{
    struct timer_value now;
    int r = posix_timer_get(id, &now);
    return r < 0 ? r : itimerspec_to_user(ret_value, &now);
}

/* full */
SYSCALL(timer_getoverrun, int, id)
{
    return posix_timer_overrun(id);
}

/* full */
SYSCALL(timer_delete, int, id)
{
    return posix_timer_delete(id);
}
