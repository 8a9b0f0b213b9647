/* Signals: actions, masks, queues, stacks, restarting, sending to threads, processes and groups. */
#include "guest_test.h"
#include <poll.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal, last_code, last_value, last_pid;

static void on_signal(int sig)
{
    count++;
    last_signal = sig;
}

static void on_info(int sig, siginfo_t *info, void *context)
{
    (void) context;
    count++;
    last_signal = sig;
    last_code = info->si_code;
    last_pid = info->si_pid;
    last_value = info->si_value.sival_int;
}

static void catch_signal(int sig, void (*fn)(int), int flags)
{
    struct sigaction act = {.sa_handler = fn, .sa_flags = flags};
    sigemptyset(&act.sa_mask);
    OK(sigaction(sig, &act, NULL));
    count = last_signal = 0;
}

static void catch_info(int sig, int flags)
{
    struct sigaction act = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&act.sa_mask);
    OK(sigaction(sig, &act, NULL));
    count = last_signal = 0;
}

static sigset_t one(int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static void mask(int how, int sig)
{
    sigset_t set = one(sig);
    OK(sigprocmask(how, &set, NULL));
}

static bool is_pending(int sig)
{
    sigset_t set;
    OK(sigpending(&set));
    return sigismember(&set, sig) == 1;
}

TEST_CASE(raise_runs_the_handler)
{
    catch_signal(SIGUSR1, on_signal, 0);
    ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 1);
    CHECK_EQ(last_signal, SIGUSR1);
    OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(count, 2); /* an unblocked signal to the only thread comes before kill returns */
}

TEST_CASE(every_catchable_signal)
{
    for (int sig = 1; sig <= 64; sig++) {
        struct sigaction act = {.sa_handler = on_signal}, old;
        if (sig == SIGKILL || sig == SIGSTOP) {
            CHECK_ERR(syscall(SYS_rt_sigaction, sig, &act, NULL, 8L), EINVAL);
            continue;
        }
        if (sig >= 32 && sig < (int) SIGRTMIN) /* the C library's own */
            continue;
        OK(sigaction(sig, &act, &old));
        count = 0;
        ZERO(raise(sig));
        CHECK_EQ(count, 1);
        CHECK_EQ(last_signal, sig);
        OK(sigaction(sig, &old, NULL));
    }
    CHECK_ERR(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8L), EINVAL);
    CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4L), EINVAL);
}

TEST_CASE(ignored_and_default)
{
    catch_signal(SIGUSR1, SIG_IGN, 0);
    ZERO(raise(SIGUSR1));
    catch_signal(SIGCHLD, SIG_DFL, 0);
    ZERO(raise(SIGCHLD));
    ZERO(raise(SIGURG));
    ZERO(raise(SIGWINCH));
    mask(SIG_BLOCK, SIGUSR1);
    ZERO(raise(SIGUSR1)); /* ignoring throws a pending one away */
    catch_signal(SIGUSR1, SIG_IGN, 0);
    CHECK(!is_pending(SIGUSR1));
    mask(SIG_UNBLOCK, SIGUSR1);
    catch_signal(SIGUSR1, SIG_DFL, 0);
}

TEST_CASE(blocked_stays_pending)
{
    catch_signal(SIGUSR1, on_signal, 0);
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 3; i++)
        ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 0);
    CHECK(is_pending(SIGUSR1));
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(count, 1); /* ordinary signals do not queue */
    CHECK(!is_pending(SIGUSR1));
}

TEST_CASE(real_time_signals_queue)
{
    int sig = SIGRTMIN + 3;
    union sigval v;
    catch_info(sig, 0);
    mask(SIG_BLOCK, sig);
    for (int i = 0; i < 5; i++) {
        v.sival_int = i + 100;
        OK(sigqueue(getpid(), sig, v));
    }
    mask(SIG_UNBLOCK, sig);
    CHECK_EQ(count, 5);
    CHECK_EQ(last_value, 104);
    CHECK_EQ(last_code, SI_QUEUE);
    CHECK_EQ(last_pid, getpid());
}

static volatile int order[8], ordered;
static void on_ordered(int sig)
{
    if (ordered < 8)
        order[ordered++] = sig;
}

TEST_CASE(lowest_number_first)
{
    int sigs[] = {SIGRTMIN + 4, SIGRTMIN + 1, SIGUSR2, SIGHUP};
    struct sigaction act = {.sa_handler = on_ordered};
    sigset_t all, old;
    sigfillset(&act.sa_mask);
    ordered = 0;
    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        OK(sigaction(sigs[i], &act, NULL));
    OK(sigprocmask(SIG_SETMASK, &all, &old));
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        OK(kill(getpid(), sigs[i]));
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    CHECK_EQ(ordered, 4);
    /* handlers are stacked before the first runs, but all signals are masked: plain order */
    CHECK_EQ(order[0], SIGHUP);
    CHECK_EQ(order[1], SIGUSR2);
    CHECK_EQ(order[2], SIGRTMIN + 1);
    CHECK_EQ(order[3], SIGRTMIN + 4);
}

static volatile int depth, deepest;
static void on_nested(int sig)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (depth < 4)
        raise(sig);
    depth--;
}

static volatile int runs;
static void on_deferred(int sig)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (runs++ == 0)
        raise(sig);
    depth--;
}

TEST_CASE(nodefer_and_mask)
{
    depth = deepest = 0;
    catch_signal(SIGUSR1, on_nested, SA_NODEFER);
    ZERO(raise(SIGUSR1));
    CHECK_EQ(deepest, 4);
    CHECK_EQ(depth, 0);
    deepest = 0;
    runs = 0;
    catch_signal(SIGUSR1, on_deferred, 0);
    ZERO(raise(SIGUSR1));
    CHECK_EQ(deepest, 1); /* the second came after the first */
    CHECK_EQ(runs, 2);
}

static void on_mask_check(int sig)
{
    sigset_t now;
    (void) sig;
    sigprocmask(SIG_SETMASK, NULL, &now);
    count = (sigismember(&now, SIGUSR1) ? 1 : 0) | (sigismember(&now, SIGUSR2) ? 2 : 0) |
            (sigismember(&now, SIGHUP) ? 4 : 0);
}

TEST_CASE(mask_inside_the_handler)
{
    struct sigaction act = {.sa_handler = on_mask_check, .sa_mask = one(SIGUSR2)};
    sigset_t now;
    OK(sigaction(SIGUSR1, &act, NULL));
    ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 3);
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
}

TEST_CASE(resethand)
{
    struct sigaction act;
    catch_signal(SIGUSR1, on_signal, SA_RESETHAND);
    ZERO(raise(SIGUSR1));
    CHECK_EQ(count, 1);
    OK(sigaction(SIGUSR1, NULL, &act));
    CHECK(act.sa_handler == SIG_DFL);
}

TEST_CASE(kill_and_stop_cannot_be_blocked)
{
    sigset_t all, now, old;
    sigfillset(&all);
    OK(sigprocmask(SIG_SETMASK, &all, &old));
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    CHECK(!sigismember(&now, SIGKILL) && !sigismember(&now, SIGSTOP));
    CHECK(sigismember(&now, SIGTERM));
    CHECK_ERR(syscall(SYS_rt_sigprocmask, 77, &all, NULL, 8L), EINVAL);
    CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *) 8, NULL, 8L), EFAULT);
}

TEST_CASE(who_sent_it)
{
    catch_info(SIGUSR1, 0);
    OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(last_code, SI_USER);
    CHECK_EQ(last_pid, getpid());
    OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
    CHECK_EQ(last_code, SI_TKILL);
    pid_t pid = child_start("send", num(getpid()), num(SIGUSR1), NULL);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(last_code, SI_USER);
    CHECK_EQ(last_pid, pid);
}

CHILD(send)
{
    return kill(atoi(argv[0]), atoi(argv[1])) == 0 ? 0 : 1;
}

TEST_CASE(kill_errors)
{
    CHECK_ERR(kill(999999, SIGTERM), ESRCH);
    CHECK_ERR(kill(getpid(), 65), EINVAL);
    CHECK_ERR(kill(getpid(), -1), EINVAL);
    OK(kill(getpid(), 0));
    CHECK_ERR(syscall(SYS_tgkill, getpid(), 999999, SIGUSR1), ESRCH);
    CHECK_ERR(syscall(SYS_tgkill, -1, getpid(), SIGUSR1), EINVAL);
    CHECK_ERR(syscall(SYS_tkill, 999999, SIGUSR1), ESRCH);
}

static char *stack_low, *stack_high;
static volatile int was_on_stack, was_flags;
static void on_alt(int sig)
{
    char here;
    stack_t s;
    (void) sig;
    was_on_stack = &here >= stack_low && &here < stack_high;
    sigaltstack(NULL, &s);
    was_flags = s.ss_flags;
}

TEST_CASE(alternate_stack)
{
    stack_t s = {.ss_size = 65536}, old;
    stack_low = malloc(s.ss_size);
    stack_high = stack_low + s.ss_size;
    s.ss_sp = stack_low;
    OK(sigaltstack(&s, &old));
    CHECK_EQ(old.ss_flags, SS_DISABLE);
    catch_signal(SIGUSR1, on_alt, SA_ONSTACK);
    ZERO(raise(SIGUSR1));
    CHECK(was_on_stack);
    CHECK_EQ(was_flags, SS_ONSTACK);
    catch_signal(SIGUSR1, on_alt, 0);
    ZERO(raise(SIGUSR1));
    CHECK(!was_on_stack);
    CHECK_EQ(was_flags, 0);
    s.ss_size = 100;
    CHECK_ERR(sigaltstack(&s, NULL), ENOMEM);
    s.ss_size = 65536;
    s.ss_flags = 0x40;
    CHECK_ERR(sigaltstack(&s, NULL), EINVAL);
    s.ss_flags = SS_DISABLE;
    OK(sigaltstack(&s, NULL));
    free(stack_low);
}

static volatile char *overflow_guard;
static sigjmp_buf overflow_leave;
static void on_overflow(int sig)
{
    (void) sig;
    siglongjmp(overflow_leave, 1);
}

__attribute__((noinline)) static int recurse(int n)
{
    volatile char frame[4096];
    frame[0] = (char) n;
    overflow_guard = frame;
    return n < 0 ? 0 : recurse(n + 1) + frame[0];
}

static void *overflow(void *arg)
{
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
    OK(sigaltstack(&s, NULL));
    if (sigsetjmp(overflow_leave, 1) == 0)
        recurse(0);
    else
        *(int *) arg = 1;
    s.ss_flags = SS_DISABLE;
    OK(sigaltstack(&s, NULL));
    free(s.ss_sp);
    return NULL;
}

TEST_CASE(stack_overflow_is_caught)
{
    struct sigaction act = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK}, old;
    pthread_t t;
    pthread_attr_t attr;
    int caught = 0;
    OK(sigaction(SIGSEGV, &act, &old));
    ZERO(pthread_attr_init(&attr));
    ZERO(pthread_attr_setstacksize(&attr, 262144));
    ZERO(pthread_create(&t, &attr, overflow, &caught));
    ZERO(pthread_join(t, NULL));
    OK(sigaction(SIGSEGV, &old, NULL));
    CHECK(caught);
}

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

static sigjmp_buf leave;
static void on_leave(int sig)
{
    (void) sig;
    siglongjmp(leave, 1);
}

TEST_CASE(longjmp_out_of_a_handler)
{
    static volatile int rounds;
    sigset_t now;
    catch_signal(SIGUSR1, on_leave, 0);
    rounds = 0;
    while (rounds < 100) {
        if (sigsetjmp(leave, 1) == 0) {
            raise(SIGUSR1);
            CHECK(false);
        }
        rounds++;
    }
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(!sigismember(&now, SIGUSR1));
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

CHILD(waits_blocked)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return park();
}
CHILD(dies_of)
{
    raise(atoi(argv[0]));
    return 5;
}

TEST_CASE(default_actions)
{
    static const int fatal[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGILL,  SIGABRT, SIGBUS,  SIGFPE,
                                SIGUSR1, SIGSEGV,   SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU,
                                SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSYS};
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
    for (int sig = 1; sig <= 64; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= (int) SIGRTMIN))
            signal(sig, SIG_DFL);
    }
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
        CHECK_EQ(child_wait(child_start("dies_of", num(fatal[i]), NULL)), 128 + fatal[i]);
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
        CHECK_EQ(child_wait(child_start("dies_of", num(harmless[i]), NULL)), 5);
    CHECK_EQ(child_wait(child_start("dies_of", num(SIGRTMIN), NULL)), 128 + SIGRTMIN);
    pid_t pid = child_start("waits_blocked", NULL);
    OK(kill(pid, SIGTERM));
    sleep_ms(20);
    OK(kill(pid, SIGKILL));
    int how = child_wait(pid);
    CHECK(how == 128 + SIGKILL || how == 128 + SIGTERM); /* TERM wins if it came before the mask */
}

static void *send_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        ZERO(pthread_kill(*(pthread_t *) arg, SIGUSR1));
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

TEST_CASE(storm_keeps_registers)
{
    pthread_t t, self = pthread_self();
    uint64_t h = 1469598103934665603u, want;
    double x = 1.0, y;
    catch_signal(SIGUSR1, on_signal, SA_RESTART);
    for (int pass = 0; pass < 2; pass++) {
        h = 1469598103934665603u;
        x = 1.0;
        if (pass == 1)
            ZERO(pthread_create(&t, NULL, send_many, &self));
        for (int i = 0; i < 20000000; i++) {
            h = (h ^ (uint64_t) i) * 1099511628211u;
            x = x * 1.0000001 + 0.5 / (i + 1);
        }
        if (pass == 0) {
            want = h;
            y = x;
        }
    }
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(h, want);
    CHECK(x == y);
    CHECK(count > 0);
}
