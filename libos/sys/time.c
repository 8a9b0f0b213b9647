/* Clocks and sleeping. */
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/timers.h"

SYSCALL(clock_gettime, int, clock, uaddr_t, ret_time)
{
    int64_t ns;
    int r = posix_clock_read(clock, &ns);
    return r < 0 ? r : timespec_to_user(ret_time, ns);
}

SYSCALL(clock_getres, int, clock, uaddr_t, ret_res)
{
    int64_t ns;
    int r = posix_clock_read(clock, &ns);
    if (r < 0 || uaddr_null(ret_res))
        return r;
    return timespec_to_user(ret_res, posix_clock_resolution_ns(clock));
}

SYSCALL(clock_settime, int, clock, uaddr_t, time)
{
    int64_t ns;
    int r = timespec_from_user(time, &ns);
    if (r < 0)
        return r;
    return clock == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

SYSCALL(gettimeofday, uaddr_t, ret_time, uaddr_t, ret_zone)
{
    struct linux_timeval tv = timeval_of(clock_realtime_ns());
    const struct linux_timezone utc = {0};
    if (!uaddr_null(ret_time) && put_user(ret_time, tv) < 0)
        return -EFAULT;
    return uaddr_null(ret_zone) ? 0 : put_user(ret_zone, utc);
}

SYSCALL(settimeofday, uaddr_t, time, uaddr_t, zone)
{
    return -EPERM;
}

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
    if (tx.modes)
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

SYSCALL(adjtimex, uaddr_t, timex)
{
    return adjtime_read(timex);
}

SYSCALL(clock_adjtime, int, clock, uaddr_t, timex)
{
    return clock == CLOCK_REALTIME ? adjtime_read(timex) : -EINVAL;
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

SYSCALL(nanosleep, uaddr_t, time, uaddr_t, ret_left)
{
    int64_t ns;
    int r = timespec_from_user(time, &ns);
    return r < 0 ? r : sleep_relative(ns, ret_left);
}

SYSCALL(clock_nanosleep, int, clock, int, flags, uaddr_t, time, uaddr_t, ret_left)
{
    int64_t ns, offset;
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL;
    if (posix_clock_is_cpu(clock))
        return -EOPNOTSUPP;
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
