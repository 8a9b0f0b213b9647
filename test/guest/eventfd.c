/* eventfd, timerfd, signalfd and POSIX timers. Each may be left out of a kernel. */
#include "guest_test.h"
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static int make(unsigned start, int flags)
{
    return (int) OK_OR_SKIP(syscall(SYS_eventfd2, start, flags));
}

TEST_CASE(event_counter)
{
    uint64_t v = 0;
    int fd = make(3, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK_EQ(read(fd, &v, 8), 8);
    CHECK_EQ(v, 3);
    CHECK_ERR(read(fd, &v, 8), EAGAIN);
    v = 5;
    CHECK_EQ(write(fd, &v, 8), 8);
    CHECK_EQ(write(fd, &v, 8), 8);
    CHECK_EQ(read(fd, &v, 8), 8);
    CHECK_EQ(v, 10);
    CHECK_ERR(read(fd, &v, 4), EINVAL);
    CHECK_ERR(write(fd, &v, 4), EINVAL);
    v = ~(uint64_t) 0;
    CHECK_ERR(write(fd, &v, 8), EINVAL);
    v--;
    CHECK_EQ(write(fd, &v, 8), 8);
    v = 1;
    CHECK_ERR(write(fd, &v, 8), EAGAIN);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN);
    close(fd);
}

TEST_CASE(event_semaphore)
{
    uint64_t v = 0;
    int fd = make(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(read(fd, &v, 8), 8);
        CHECK_EQ(v, 1);
    }
    CHECK_ERR(read(fd, &v, 8), EAGAIN);
    close(fd);
}

static void *add_one(void *arg)
{
    uint64_t v = 1;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(write(*(int *) arg, &v, 8), 8);
    return NULL;
}

TEST_CASE(event_between_threads)
{
    pthread_t t[4];
    uint64_t v, sum = 0;
    int fd = make(0, 0);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, add_one, &fd));
    while (sum < 4000) {
        CHECK_EQ(read(fd, &v, 8), 8);
        sum += v;
    }
    CHECK_EQ(sum, 4000);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    close(fd);
}

TEST_CASE(timer_descriptor)
{
    uint64_t n = 0;
    struct itimerspec it = {.it_value = {0, 20000000}, .it_interval = {0, 10000000}}, got;
    int fd = (int) OK_OR_SKIP(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    CHECK_ERR(read(fd, &n, 8), EAGAIN);
    OK(timerfd_settime(fd, 0, &it, NULL));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 60000), 1);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK(n >= 1);
    OK(timerfd_gettime(fd, &got));
    CHECK_EQ(got.it_interval.tv_nsec, 10000000);
    CHECK(got.it_value.tv_sec == 0 && got.it_value.tv_nsec <= 10000000);
    sleep_ms(50);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK(n >= 3);
    memset(&it, 0, sizeof it);
    OK(timerfd_settime(fd, 0, &it, &got));
    CHECK_EQ(got.it_interval.tv_nsec, 10000000);
    sleep_ms(30);
    CHECK_ERR(read(fd, &n, 8), EAGAIN);
    close(fd);
}

TEST_CASE(timer_descriptor_absolute)
{
    uint64_t n = 0;
    struct itimerspec it = {{0, 0}, {0, 0}};
    int fd = (int) OK_OR_SKIP(timerfd_create(CLOCK_REALTIME, 0));
    OK(clock_gettime(CLOCK_REALTIME, &it.it_value));
    it.it_value.tv_sec -= 5;
    OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK_EQ(n, 1);
    it.it_value.tv_nsec = 1000000000;
    CHECK_ERR(timerfd_settime(fd, 0, &it, NULL), EINVAL);
    CHECK_ERR(timerfd_settime(fd, 0x40, &it, NULL), EINVAL);
    CHECK_ERR(timerfd_settime(0, 0, &it, NULL), EINVAL);
    CHECK_ERR(timerfd_create(77, 0), EINVAL);
    CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 0x1), EINVAL);
    close(fd);
}

TEST_CASE(signal_descriptor)
{
    sigset_t set;
    struct signalfd_siginfo info[3];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = (int) OK_OR_SKIP(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    CHECK_ERR(read(fd, info, sizeof info), EAGAIN);
    ZERO(raise(SIGUSR1));
    OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 99}));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(read(fd, info, sizeof info), 2 * sizeof info[0]);
    CHECK_EQ(info[0].ssi_signo, SIGUSR1);
    CHECK_EQ(info[0].ssi_pid, getpid());
    CHECK_EQ(info[1].ssi_signo, SIGRTMIN + 1);
    CHECK_EQ(info[1].ssi_int, 99);
    CHECK_ERR(read(fd, info, 10), EINVAL);
    CHECK_ERR(read(fd, info, sizeof info), EAGAIN);
    close(fd);
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static volatile int fired, fired_value, fired_code;
static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) context;
    fired++;
    fired_value = info->si_value.sival_int;
    fired_code = info->si_code;
}

TEST_CASE(posix_timer)
{
    struct sigaction act = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec it = {.it_value = {0, 10000000}, .it_interval = {0, 10000000}}, got;
    timer_t t;
    ev.sigev_value.sival_int = 4711;
    OK(sigaction(SIGUSR2, &act, NULL));
    OK_OR_SKIP(timer_create(CLOCK_MONOTONIC, &ev, &t));
    OK(timer_settime(t, 0, &it, NULL));
    for (int i = 0; i < 2000 && fired < 3; i++)
        sleep_ms(5);
    CHECK(fired >= 3);
    CHECK_EQ(fired_value, 4711);
    CHECK_EQ(fired_code, SI_TIMER);
    OK(timer_gettime(t, &got));
    CHECK_EQ(got.it_interval.tv_nsec, 10000000);
    CHECK(timer_getoverrun(t) >= 0);
    OK(timer_delete(t));
    int now = fired;
    sleep_ms(50);
    CHECK_EQ(fired, now);
    CHECK_ERR(syscall(SYS_timer_settime, 7777, 0, &it, NULL), EINVAL);
}

/* Shorter than it takes to look: the periods are counted, and everything else goes on. */
TEST_CASE(tiny_periods)
{
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    struct itimerspec it = {.it_value = {0, 1}, .it_interval = {0, 1}};
    struct itimerval every = {{0, 1}, {0, 1}}, none = {{0, 0}, {0, 0}};
    struct timespec wait = {5, 0};
    sigset_t set;
    siginfo_t info;
    uint64_t n = 0;
    timer_t t[8];
    int fd = (int) OK_OR_SKIP(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigaddset(&set, SIGALRM);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    OK(timerfd_settime(fd, 0, &it, NULL));
    for (int i = 0; i < 8; i++) {
        OK_OR_SKIP(timer_create(CLOCK_MONOTONIC, &ev, &t[i]));
        OK(timer_settime(t[i], 0, &it, NULL));
    }
    OK(setitimer(ITIMER_REAL, &every, NULL));
    sleep_ms(50);
    CHECK_EQ(read(fd, &n, sizeof n), (long) sizeof n);
    CHECK(n >= 40000000);
    sigdelset(&set, SIGALRM);
    CHECK_EQ(sigtimedwait(&set, &info, &wait), SIGRTMIN + 3);
    CHECK(info.si_code == SI_TIMER && info.si_overrun > 0);
    OK(setitimer(ITIMER_REAL, &none, NULL));
    for (int i = 0; i < 8; i++)
        OK(timer_delete(t[i]));
    close(fd);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK_EQ(sigtimedwait(&set, &info, &wait), SIGALRM);
    while (sigpending(&set) == 0 && sigismember(&set, SIGRTMIN + 3)) {
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN + 3);
        sigtimedwait(&set, &info, &wait);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigaddset(&set, SIGALRM);
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}
