/* Times in and out of system calls. */
#ifndef SYS_TIMESPEC_H
#define SYS_TIMESPEC_H
#include "abi/linux/time.h"
#include "libos/base/types.h"

/* To ns, FOREVER if that does not fit; false: negative or not normalised. */
bool timespec_to_ns(const struct linux_timespec *ts, int64_t *ret_ns);
bool timeval_to_ns(const struct linux_timeval *tv, int64_t *ret_ns);
struct linux_timespec timespec_of(int64_t ns);
struct linux_timeval timeval_of(int64_t ns);
/* -EFAULT, -EINVAL */
must_check int timespec_from_user(uaddr_t ua, int64_t *ret_ns);
must_check int timespec_to_user(uaddr_t ua, int64_t ns);
#endif
