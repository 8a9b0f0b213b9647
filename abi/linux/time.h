/* Linux' time ABI on x86-64. */
#ifndef ABI_LINUX_TIME_H
#define ABI_LINUX_TIME_H
#include <stdint.h>

#ifndef CLOCK_REALTIME
#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID  3
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_REALTIME_COARSE    5
#define CLOCK_MONOTONIC_COARSE   6
#define CLOCK_BOOTTIME           7
#define CLOCK_REALTIME_ALARM     8
#define CLOCK_BOOTTIME_ALARM     9
#define CLOCK_TAI                11
#define TIMER_ABSTIME            1
#endif
#ifndef ITIMER_REAL
#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2
#endif
#define LINUX_USER_HZ 100

#ifndef LINUX_TIMESPEC
#define LINUX_TIMESPEC
struct linux_timespec {
    int64_t tv_sec, tv_nsec;
};
_Static_assert(sizeof(struct linux_timespec) == 16, "Linux ABI");
#endif

struct linux_timeval {
    int64_t tv_sec, tv_usec;
};
_Static_assert(sizeof(struct linux_timeval) == 16, "Linux ABI");

struct linux_timezone {
    int32_t minuteswest, dsttime;
};

struct linux_itimerspec {
    struct linux_timespec interval, value;
};
_Static_assert(sizeof(struct linux_itimerspec) == 32, "Linux ABI");

struct linux_itimerval {
    struct linux_timeval interval, value;
};
_Static_assert(sizeof(struct linux_itimerval) == 32, "Linux ABI");

struct linux_tms {
    int64_t utime, stime, cutime, cstime;
};
_Static_assert(sizeof(struct linux_tms) == 32, "Linux ABI");

#define ADJ_OFFSET_SS_READ 0xa001 /* what adjtime() has left: nothing changes */

struct linux_timex {
    uint32_t modes, pad0;
    int64_t offset, freq, maxerror, esterror;
    int32_t status, pad1;
    int64_t constant, precision, tolerance;
    struct linux_timeval time;
    int64_t tick, ppsfreq, jitter;
    int32_t shift, pad2;
    int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
    int32_t tai;
    int32_t pad3[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "Linux ABI");
#endif
