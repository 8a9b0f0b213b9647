/* Conversions between Linux' time structures and nanoseconds. */
#include "libos/base/errno.h"
#include "libos/base/ckmath.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/timespec.h"

static int64_t to_ns(int64_t sec, int64_t ns)
{
    int64_t total;
    if (ck_mul(&total, sec, NSEC_PER_SEC) || ck_add(&total, total, ns))
        return FOREVER;
    return total;
}

bool timespec_to_ns(const struct linux_timespec *ts, int64_t *ret_ns)
{
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
        return false;
    *ret_ns = to_ns(ts->tv_sec, ts->tv_nsec);
    return true;
}

bool timeval_to_ns(const struct linux_timeval *tv, int64_t *ret_ns)
{
    if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= NSEC_PER_SEC / NSEC_PER_US)
        return false;
    *ret_ns = to_ns(tv->tv_sec, tv->tv_usec * NSEC_PER_US);
    return true;
}

/* Times of files may lie before the Epoch: nanoseconds count upwards there, too. */
struct linux_timespec timespec_of(int64_t ns)
{
    int64_t part = ns % NSEC_PER_SEC;
    if (part < 0)
        part += NSEC_PER_SEC;
    return (struct linux_timespec){(ns - part) / NSEC_PER_SEC, part};
}

struct linux_timeval timeval_of(int64_t ns)
{
    return (struct linux_timeval){ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_US};
}

int timespec_from_user(uaddr_t ua, int64_t *ret_ns)
{
    struct linux_timespec ts;
    if (get_user(&ts, ua) < 0)
        return -EFAULT;
    return timespec_to_ns(&ts, ret_ns) ? 0 : -EINVAL;
}

int timespec_to_user(uaddr_t ua, int64_t ns)
{
    struct linux_timespec ts = timespec_of(ns);
    return put_user(ua, ts);
}
