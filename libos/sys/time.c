/* Clocks and sleeping. */
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/timers.h"

/* full */
SYSCALL(clock_gettime, int, clock, uaddr_t, ret_time)
{
    int64_t ns;
    int r = posix_clock_read(clock, &ns);
    return r < 0 ? r : timespec_to_user(ret_time, ns);
}

/* full */
SYSCALL(clock_getres, int, clock, uaddr_t, ret_res)
{
    int64_t ns;
    int r = posix_clock_read(clock, &ns);
    if (r < 0 || uaddr_null(ret_res))
        return r;
    return timespec_to_user(ret_res, posix_clock_resolution_ns(clock));
}

/* absent: EPERM, time comes from outside */
SYSCALL(clock_settime, int, clock, uaddr_t, time)
{
    int64_t ns;
    int r = timespec_from_user(time, &ns);
    if (r < 0)
        return r;
    return clock == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

/* full */
SYSCALL(gettimeofday, uaddr_t, ret_time, uaddr_t, ret_zone)
{
    struct linux_timeval tv = timeval_of(clock_realtime_ns());
    const struct linux_timezone utc = {0};
    if (!uaddr_null(ret_time) && put_user(ret_time, tv) < 0)
        return -EFAULT;
    return uaddr_null(ret_zone) ? 0 : put_user(ret_zone, utc);
}

/* absent: EPERM, time comes from outside */
SYSCALL(settimeofday, uaddr_t, time, uaddr_t, zone)
{
    struct linux_timeval tv;
    struct linux_timezone tz;
    if (!uaddr_null(time) && get_user(&tv, time) < 0)
        return -EFAULT;
    if (!uaddr_null(time) && (tv.tv_usec < 0 || tv.tv_usec >= 1000000))
        return -EINVAL;
    if (!uaddr_null(zone) && get_user(&tz, zone) < 0)
        return -EFAULT;
    return -EPERM;
}

/* full */
SYSCALL(time, uaddr_t, ret_time)
{
    int64_t now = clock_realtime_ns() / NSEC_PER_SEC;
    if (!uaddr_null(ret_time) && put_user(ret_time, now) < 0)
        return -EFAULT;
    return now;
}

static long adjtime_read(uaddr_t timex)
{
    struct linux_timex tx;
    if (get_user(&tx, timex) < 0)
        return -EFAULT;
    if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
        return -EPERM;
    tx = (struct linux_timex){.status = 0x40,
                              .maxerror = 16000000,
                              .esterror = 16000000,
                              .precision = 1,
                              .tick = 10000,
                              .tolerance = 32768000,
                              .time = timeval_of(clock_realtime_ns())};
    return put_user(timex, tx) < 0 ? -EFAULT : 5; /* TIME_ERROR: not synchronised */
}

/* partial: reading; setting is EPERM */
SYSCALL(adjtimex, uaddr_t, timex)
{
    return adjtime_read(timex);
}

/* partial: reading; setting is EPERM */
SYSCALL(clock_adjtime, int, clock, uaddr_t, timex)
{
    struct linux_timex tx;
    int64_t ns;
    if (clock == CLOCK_REALTIME)
        return adjtime_read(timex);
    if (posix_clock_read(clock, &ns) < 0)
        return -EINVAL;
    return get_user(&tx, timex) < 0 ? -EFAULT : -EOPNOTSUPP;
}

/* ---- sleeping --------------------------------------------------------------------------------- */
static long sleep_relative(int64_t timeout_ns, uaddr_t ret_left)
{
    int64_t deadline = sleep_deadline(timeout_ns);
    if (sleep_until(deadline) == 0)
        return 0;
    int64_t left = deadline - clock_mono_ns();
    if (!uaddr_null(ret_left) && timespec_to_user(ret_left, MAX(left, 0)) < 0)
        return -EFAULT;
    return sleep_interrupted(deadline);
}

/* full */
SYSCALL(nanosleep, uaddr_t, time, uaddr_t, ret_left)
{
    int64_t ns;
    int r = timespec_from_user(time, &ns);
    return r < 0 ? r : sleep_relative(ns, ret_left);
}

static long sleep_by_cpu_clock(int clock, bool absolute, uaddr_t time, uaddr_t ret_left)
{
    int64_t ns, left;
    int own = 0, r = timespec_from_user(time, &ns);
    if (r < 0)
        return r;
    if (posix_clock_pin(CLOCK_THREAD_CPUTIME_ID, &own) < 0 || posix_clock_pin(clock, &clock) < 0 ||
        clock == own)
        return -EINVAL; /* a clock that stands still meanwhile */
    r = sleep_on_cpu_clock(clock, absolute, ns, &left);
    if (r < 0 && !absolute && !uaddr_null(ret_left) && timespec_to_user(ret_left, left) < 0)
        return -EFAULT;
    return r;
}

/* full */
SYSCALL(clock_nanosleep, int, clock, int, flags, uaddr_t, time, uaddr_t, ret_left)
{
    int64_t ns, offset;
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL;
    if (posix_clock_is_cpu(clock))
        return sleep_by_cpu_clock(clock, flags & TIMER_ABSTIME, time, ret_left);
    int r = posix_clock_offset(clock, &offset);
    if (r == 0)
        r = timespec_from_user(time, &ns);
    if (r < 0)
        return r;
    if (!(flags & TIMER_ABSTIME))
        return sleep_relative(ns, ret_left);
    r = sleep_until(ns > offset ? ns - offset : 0);
    return r < 0 ? -ERESTARTNOHAND : 0;
}
