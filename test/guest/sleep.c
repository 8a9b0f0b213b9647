/* Sleeping: at least as long as asked, remaining time, absolute sleeps, bad times. */
#include "guest_test.h"

static void check_sleeps(long ns)
{
    struct timespec ts = {ns / 1000000000, ns % 1000000000};
    int64_t before = now_ns(CLOCK_MONOTONIC);
    OK(nanosleep(&ts, NULL));
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= ns);
}

TEST_CASE(lengths)
{
    static const long ns[] = {0, 1, 1000, 50000, 1000000, 10000000, 300000000};
    for (size_t i = 0; i < ARRAY_LEN(ns); i++)
        check_sleeps(ns[i]);
}

TEST_CASE(bad_times)
{
    struct timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CHECK_ERR(nanosleep(&bad[i], NULL), EINVAL);
        CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad[i], NULL), EINVAL);
    }
    CHECK_ERR(syscall(SYS_nanosleep, NULL, NULL), EFAULT);
    struct timespec ok = {0, 1};
    CHECK_EQ(clock_nanosleep(77, 0, &ok, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ok, NULL), EINVAL);
}

TEST_CASE(absolute)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        struct timespec until;
        OK(clock_gettime(clocks[i], &until));
        until.tv_nsec += 30000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        ZERO(clock_nanosleep(clocks[i], TIMER_ABSTIME, &until, NULL));
        CHECK(now_ns(clocks[i]) >= until.tv_sec * 1000000000LL + until.tv_nsec);
        until.tv_sec = 0; /* the past */
        ZERO(clock_nanosleep(clocks[i], TIMER_ABSTIME, &until, NULL));
    }
}

static volatile int signals;
static void on_signal(int sig)
{
    (void) sig;
    signals++;
}

static void *poke(void *arg)
{
    sleep_ms(30);
    ZERO(pthread_kill(*(pthread_t *) arg, SIGUSR1));
    return NULL;
}

TEST_CASE(interrupted)
{
    struct timespec ts = {30, 500}, left = {0, 0};
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t t, self = pthread_self();
    OK(sigaction(SIGUSR1, &act, NULL));
    ZERO(pthread_create(&t, NULL, poke, &self));
    CHECK_ERR(nanosleep(&ts, &left), EINTR); /* never restarted */
    CHECK(left.tv_sec >= 20 && left.tv_sec < 30);
    CHECK_EQ(signals, 1);
    ZERO(pthread_join(t, NULL));
}

TEST_CASE(ignored_signals_do_not_wake)
{
    pthread_t t, self = pthread_self();
    signal(SIGUSR1, SIG_IGN);
    int64_t before = now_ns(CLOCK_MONOTONIC);
    ZERO(pthread_create(&t, NULL, poke, &self));
    struct timespec ts = {0, 100000000};
    OK(nanosleep(&ts, NULL));
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 100000000);
    ZERO(pthread_join(t, NULL));
}

static void *sleeper(void *arg)
{
    sleep_ms((long) (intptr_t) arg);
    return NULL;
}

TEST_CASE(hundred_sleepers)
{
    pthread_t t[100];
    for (int i = 0; i < 100; i++)
        ZERO(pthread_create(&t[i], NULL, sleeper, (void *) (intptr_t) (100 - i)));
    for (int i = 0; i < 100; i++)
        ZERO(pthread_join(t[i], NULL));
}
