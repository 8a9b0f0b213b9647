/* Signals that something waits for: interrupted and restarted calls, sigsuspend, sigwait, threads, timers. */
#include "guest_signal.h"
#include <sys/time.h>

struct interrupter {
    pthread_t target;
    int times;
};
static void *interrupt(void *arg)
{
    struct interrupter *in = arg;
    for (int i = 0; i < in->times; i++) {
        sleep_ms(15);
        ZERO(pthread_kill(in->target, SIGUSR1));
    }
    return NULL;
}

TEST_CASE(interrupted_and_restarted)
{
    int ends[2];
    char c;
    pthread_t t;
    struct interrupter in = {pthread_self(), 1};
    OK(pipe(ends));
    catch_signal(SIGUSR1, on_signal, 0);
    ZERO(pthread_create(&t, NULL, interrupt, &in));
    CHECK_ERR(read(ends[0], &c, 1), EINTR);
    CHECK_EQ(count, 1);
    ZERO(pthread_join(t, NULL));

    catch_signal(SIGUSR1, on_signal, SA_RESTART);
    in.times = 3;
    pid_t pid = child_start("writes_later", num(ends[1]), NULL);
    ZERO(pthread_create(&t, NULL, interrupt, &in));
    CHECK_EQ(read(ends[0], &c, 1), 1);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(count, 3);

    in.times = 1; /* poll is never restarted */
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    ZERO(pthread_create(&t, NULL, interrupt, &in));
    CHECK_ERR(poll(&p, 1, 20000), EINTR);
    ZERO(pthread_join(t, NULL));
    close(ends[0]);
    close(ends[1]);
}

CHILD(writes_later)
{
    sleep_ms(200);
    return write(atoi(argv[0]), "x", 1) == 1 ? 0 : 1;
}

TEST_CASE(sigsuspend_swaps_the_mask)
{
    sigset_t set, now;
    catch_signal(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 0);
    sigemptyset(&set);
    CHECK_ERR(sigsuspend(&set), EINTR);
    CHECK_EQ(count, 1);
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR1));
    pid_t pid = child_start("send", num(getpid()), num(SIGUSR1), NULL);
    CHECK_ERR(sigsuspend(&set), EINTR);
    CHECK_EQ(count, 2);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(child_wait(pid), 0);
}

TEST_CASE(waiting_for_signals)
{
    siginfo_t info;
    struct timespec none = {0, 0}, some = {0, 20000000}, bad = {0, -1};
    sigset_t set = one(SIGUSR2);
    int sig = SIGRTMIN + 2, got = 0;
    sigaddset(&set, sig);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_ERR(sigtimedwait(&set, &info, &none), EAGAIN);
    CHECK_ERR(sigtimedwait(&set, &info, &some), EAGAIN);
    CHECK_ERR(sigtimedwait(&set, &info, &bad), EINVAL);
    OK(sigqueue(getpid(), sig, (union sigval){.sival_int = 55}));
    CHECK_EQ(sigtimedwait(&set, &info, &none), sig);
    CHECK_EQ(info.si_value.sival_int, 55);
    pid_t pid = child_start("send", num(getpid()), num(SIGUSR2), NULL);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR2);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(child_wait(pid), 0);
    ZERO(raise(SIGUSR2));
    ZERO(sigwait(&set, &got));
    CHECK_EQ(got, SIGUSR2);
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

TEST_CASE(child_signal)
{
    siginfo_t info;
    struct timespec limit = {30, 0};
    sigset_t set = one(SIGCHLD);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    catch_signal(SIGCHLD, on_signal, 0);
    pid_t pid = child_start("send", "0", "0", NULL);
    CHECK_EQ(sigtimedwait(&set, &info, &limit), SIGCHLD);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_status, 0);
    CHECK_EQ(child_wait(pid), 0);
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    signal(SIGCHLD, SIG_DFL);
}

static void *thread_target(void *arg)
{
    int got = 0;
    sigset_t set = one(SIGUSR1);
    ZERO(sigwait(&set, &got));
    *(int *) arg = got;
    return NULL;
}

TEST_CASE(to_one_thread)
{
    pthread_t t[3];
    int got[3] = {0};
    catch_signal(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, thread_target, &got[i]));
    for (int i = 2; i >= 0; i--) {
        ZERO(pthread_kill(t[i], SIGUSR1));
        ZERO(pthread_join(t[i], NULL));
        CHECK_EQ(got[i], SIGUSR1);
    }
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(count, 0);
}

static void *open_thread(void *arg)
{
    sigset_t set = one(SIGUSR1);
    ZERO(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
    while (!count)
        sleep_ms(1);
    return arg;
}

TEST_CASE(process_signal_goes_to_a_thread_that_takes_it)
{
    pthread_t t;
    catch_signal(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    ZERO(pthread_create(&t, NULL, open_thread, NULL));
    OK(kill(getpid(), SIGUSR1));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(count, 1);
    mask(SIG_UNBLOCK, SIGUSR1);
}

TEST_CASE(alarm_and_itimer)
{
    struct itimerval it = {.it_value = {0, 20000}, .it_interval = {0, 5000}}, got;
    catch_signal(SIGALRM, on_signal, 0);
    OK(setitimer(ITIMER_REAL, &it, NULL));
    for (int i = 0; i < 1000 && count < 4; i++)
        sleep_ms(10);
    CHECK(count >= 4);
    OK(getitimer(ITIMER_REAL, &got));
    CHECK_EQ(got.it_interval.tv_usec, 5000);
    memset(&it, 0, sizeof it);
    OK(setitimer(ITIMER_REAL, &it, &got));
    CHECK_EQ(got.it_interval.tv_usec, 5000);
    CHECK_EQ(alarm(100), 0);
    unsigned left = alarm(0);
    CHECK(left > 90 && left <= 100);
    CHECK_ERR(setitimer(77, &it, NULL), EINVAL);
}

TEST_CASE(virtual_timer)
{
    struct itimerval it = {.it_value = {0, 30000}};
    catch_signal(SIGVTALRM, on_signal, 0);
    OK_OR_SKIP(setitimer(ITIMER_VIRTUAL, &it, NULL));
    int64_t end = now_ns(CLOCK_MONOTONIC) + 20000000000;
    while (!count && now_ns(CLOCK_MONOTONIC) < end)
        for (volatile int i = 0; i < 100000; i++)
            ;
    CHECK_EQ(count, 1);
}
