/* CPU clocks of other threads and processes: timers on them and sleeping by them. */
#include "guest_test.h"
#include <sys/prctl.h>

static volatile bool enough;
static volatile pid_t busy_tid;

static void *work(void *arg)
{
    (void) arg;
    busy_tid = (pid_t) syscall(SYS_gettid);
    while (!enough)
        continue;
    return NULL;
}

static sigset_t only_usr1(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return set;
}

static pthread_t start_work(clockid_t *clock)
{
    pthread_t t;
    sigset_t set = only_usr1();
    OK(sigprocmask(SIG_BLOCK, &set, NULL)); /* in all threads */
    enough = false;
    busy_tid = 0;
    ZERO(pthread_create(&t, NULL, work, NULL));
    ZERO(pthread_getcpuclockid(t, clock));
    return t;
}

static void end_work(pthread_t t)
{
    enough = true;
    ZERO(pthread_join(t, NULL));
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    OK(clock_gettime(clock, &t));
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static pid_t busy_process(void)
{
    pid_t pid = (pid_t) OK(fork());
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            continue;
    }
    return pid;
}

static void end_process(pid_t pid)
{
    int status;
    OK(kill(pid, SIGKILL));
    OK(waitpid(pid, &status, 0));
}

static timer_t timer_on(clockid_t clock)
{
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t t;
    OK(timer_create(clock, &ev, &t));
    return t;
}

/* One expiry after 60 ms of the clock; waits for its signal at most ms. */
static int expires(timer_t t, int ms)
{
    struct itimerspec its = {.it_value.tv_nsec = 60000000};
    struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
    sigset_t set = only_usr1();
    OK(timer_settime(t, 0, &its, NULL));
    return sigtimedwait(&set, NULL, &limit);
}

TEST_CASE(timer_on_another_thread)
{
    clockid_t clock;
    pthread_t t = start_work(&clock);
    timer_t timer = timer_on(clock);
    double before = seconds(clock);
    CHECK_EQ(expires(timer, 20000), SIGUSR1);
    CHECK(seconds(clock) - before >= 0.055);
    CHECK(seconds(CLOCK_THREAD_CPUTIME_ID) < seconds(clock)); /* the caller slept */
    OK(timer_delete(timer));
    end_work(t);
}

TEST_CASE(timer_on_the_own_thread)
{
    clockid_t clock;
    pthread_t t = start_work(&clock);
    timer_t timer = timer_on(CLOCK_THREAD_CPUTIME_ID);
    CHECK_ERR(expires(timer, 300), EAGAIN); /* the other one's time does not count */
    struct itimerspec left;
    OK(timer_gettime(timer, &left));
    CHECK(left.it_value.tv_nsec > 0);
    OK(timer_delete(timer));
    end_work(t);
}

TEST_CASE(timer_on_another_process)
{
    clockid_t clock;
    pid_t pid = busy_process();
    ZERO(clock_getcpuclockid(pid, &clock));
    timer_t timer = timer_on(clock);
    double before = seconds(clock);
    CHECK_EQ(expires(timer, 20000), SIGUSR1);
    CHECK(seconds(clock) - before >= 0.055);
    OK(timer_delete(timer));
    end_process(pid);
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    CHECK_ERR(timer_create(clock, &ev, &timer), EINVAL);
}

TEST_CASE(sleeping)
{
    clockid_t clock;
    pthread_t t = start_work(&clock);
    double before = seconds(clock);
    struct timespec time = {0, 60000000}, left;
    ZERO(clock_nanosleep(clock, 0, &time, NULL));
    CHECK(seconds(clock) - before >= 0.055);
    OK(clock_gettime(clock, &time));
    before = seconds(clock);
    time.tv_nsec += 60000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    ZERO(clock_nanosleep(clock, TIMER_ABSTIME, &time, NULL));
    CHECK(seconds(clock) - before >= 0.055);
    time = (struct timespec){0, 1};
    ZERO(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &time, &left)); /* long past */
    time.tv_nsec = 1000000000;
    CHECK_EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &time, &left), EINVAL);
    end_work(t);
    time = (struct timespec){0, 1000};
    CHECK_EQ(syscall(SYS_clock_nanosleep, (~gettid() << 3) | 6, 0, &time, NULL), -1);
    CHECK_EQ(errno, EINVAL); /* one's own */
}

static void on_signal(int sig)
{
    (void) sig;
}

TEST_CASE(interrupted_sleep)
{
    clockid_t clock;
    pid_t parent = getpid(), pid = (pid_t) OK(fork());
    if (pid == 0) {
        usleep(100000);
        kill(parent, SIGUSR2);
        _exit(0);
    }
    struct sigaction act = {.sa_handler = on_signal};
    OK(sigaction(SIGUSR2, &act, NULL));
    pid_t idle = (pid_t) OK(fork());
    if (idle == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    ZERO(clock_getcpuclockid(idle, &clock));
    struct timespec time = {5, 0}, left = {0, 0};
    CHECK_EQ(clock_nanosleep(clock, 0, &time, &left), EINTR);
    CHECK(left.tv_sec >= 4);
    end_process(idle);
    int status;
    OK(waitpid(pid, &status, 0));
}
