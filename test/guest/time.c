/* Clocks: all of them, resolution, order between threads, the vDSO against the system call, rusage. */
#include "guest_test.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static const clockid_t clocks[] = {
    CLOCK_REALTIME,      CLOCK_MONOTONIC,       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
    CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,   CLOCK_BOOTTIME};

TEST_CASE(every_clock)
{
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        struct timespec ts = {-1, -1}, res;
        OK(clock_gettime(clocks[i], &ts));
        CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
        OK(clock_getres(clocks[i], &res));
        CHECK(res.tv_sec == 0 && res.tv_nsec > 0 && res.tv_nsec <= 20000000);
    }
    OK(clock_getres(CLOCK_MONOTONIC, NULL));
}

TEST_CASE(bad_clocks)
{
    struct timespec ts;
    CHECK_ERR(syscall(SYS_clock_gettime, 77, &ts), EINVAL);
    CHECK_ERR(syscall(SYS_clock_getres, 77, &ts), EINVAL);
    CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8L), EFAULT);
}

TEST_CASE(what_adjtime_has_left)
{
    struct timeval left = {9, 9};
    OK(adjtime(NULL, &left)); /* reading takes no privilege */
    CHECK(left.tv_sec == 0);
}

/* The interval of a disarmed timer is remembered but for real time. */
TEST_CASE(interval_of_a_disarmed_timer)
{
    static const int timers[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    struct itimerval only = {.it_interval = {10, 0}}, none = {{0, 0}, {0, 0}}, old;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        OK(setitimer(timers[i], &only, NULL));
        OK(setitimer(timers[i], &none, &old));
        CHECK_EQ(old.it_interval.tv_sec, timers[i] == ITIMER_REAL ? 0 : 10);
        CHECK_EQ(old.it_value.tv_sec, 0);
    }
}

TEST_CASE(plausible_date)
{
    struct timeval tv;
    time_t t = time(NULL), t2;
    CHECK(t > 1700000000 && t < 4102444800);
    OK(gettimeofday(&tv, NULL));
    CHECK(tv.tv_sec >= t && tv.tv_sec <= t + 5);
    CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
    time_t t3 = time(&t2);
    CHECK_EQ(t2, t3);
    struct tm tm;
    CHECK(gmtime_r(&t, &tm));
    CHECK(tm.tm_year >= 123);
}

TEST_CASE(vdso_and_system_call_agree)
{
    struct timespec a, b, c;
    static const clockid_t both[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < ARRAY_LEN(both); k++) {
            OK(syscall(SYS_clock_gettime, both[k], &a));
            OK(clock_gettime(both[k], &b));
            OK(syscall(SYS_clock_gettime, both[k], &c));
            int64_t x = a.tv_sec * 1000000000LL + a.tv_nsec,
                    y = b.tv_sec * 1000000000LL + b.tv_nsec,
                    z = c.tv_sec * 1000000000LL + c.tv_nsec;
            CHECK(x <= y && y <= z);
        }
    }
}

static int64_t last_seen;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *never_backwards(void *arg)
{
    for (int i = 0; i < 30000; i++) {
        pthread_mutex_lock(&mutex);
        int64_t t = now_ns(CLOCK_MONOTONIC);
        CHECK(t >= last_seen);
        last_seen = t;
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

TEST_CASE(monotonic_across_threads)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        ZERO(pthread_create(&t[i], NULL, never_backwards, NULL));
    for (int i = 0; i < 6; i++)
        ZERO(pthread_join(t[i], NULL));
}

TEST_CASE(clocks_advance_together)
{
    int64_t r = now_ns(CLOCK_REALTIME), m = now_ns(CLOCK_MONOTONIC),
            raw = now_ns(CLOCK_MONOTONIC_RAW);
    sleep_ms(100);
    int64_t dm = now_ns(CLOCK_MONOTONIC) - m;
    CHECK(dm >= 100000000);
    CHECK(now_ns(CLOCK_REALTIME) - r >= 90000000);
    CHECK(now_ns(CLOCK_MONOTONIC_RAW) - raw >= 90000000);
}

TEST_CASE(processor_time)
{
    int64_t thread = now_ns(CLOCK_THREAD_CPUTIME_ID), process = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t end = now_ns(CLOCK_MONOTONIC) + 20000000000;
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) - thread < 30000000) {
        CHECK(now_ns(CLOCK_MONOTONIC) < end);
        for (volatile int i = 0; i < 100000; i++)
            ;
    }
    CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - process >= 20000000);
    struct rusage ru;
    OK(getrusage(RUSAGE_SELF, &ru));
    CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 +
              ru.ru_stime.tv_usec >
          0);
    OK(getrusage(RUSAGE_CHILDREN, &ru));
    CHECK_ERR(getrusage(77, &ru), EINVAL);
    struct tms t;
    CHECK(times(&t) != (clock_t) -1);
    CHECK(clock() > 0);
}

TEST_CASE(which_cpu)
{
    unsigned cpu = 99999, node = 99999;
    OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    CHECK(cpu < 4096 && node < 64);
    CHECK(sched_getcpu() >= 0);
}

TEST_CASE(local_time_zone)
{
    OK(setenv("TZ", "UTC-3", 1));
    tzset();
    time_t t = 0;
    struct tm tm;
    CHECK(localtime_r(&t, &tm));
    CHECK_EQ(tm.tm_hour, 3);
    OK(unsetenv("TZ"));
    tzset();
}
