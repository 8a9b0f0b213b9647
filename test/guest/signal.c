/* Signals: actions, masks, queues, order, who sent them, what they do by default. */
#include "guest_signal.h"
#include <sys/resource.h>
#include <sys/uio.h>

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

/* ---- a thread's id stands for its process ---- */
static struct {
    pid_t tid;
    pthread_barrier_t barrier;
} named;

static void *has_an_id(UNUSED void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    named.tid = (pid_t) syscall(SYS_gettid);
    pthread_barrier_wait(&named.barrier);
    pthread_barrier_wait(&named.barrier);
    return NULL;
}

static void use_tid(pid_t tid)
{
    union sigval value = {.sival_int = 5};
    last_code = 0;
    OK(kill(tid, SIGUSR1));
    CHECK_EQ(last_code, SI_USER);
    OK(sigqueue(tid, SIGUSR1, value));
    CHECK_EQ(last_code, SI_QUEUE);
    CHECK_EQ(OK(getpgid(tid)), getpgrp());
    CHECK_EQ(OK(getsid(tid)), getsid(0));
    CHECK_ERR(setpgid(tid, 0), EINVAL);
    struct rlimit limit;
    OK(syscall(SYS_prlimit64, tid, RLIMIT_NOFILE, NULL, &limit));
    char here = 'x', there = 0;
    struct iovec local = {&there, 1}, remote = {&here, 1};
    CHECK_EQ(OK(process_vm_readv(tid, &local, 1, &remote, 1, 0)), 1);
    CHECK_EQ(there, 'x');
}

TEST_CASE(thread_id_for_its_process)
{
    catch_info(SIGUSR1, 0);
    pthread_t t;
    ZERO(pthread_barrier_init(&named.barrier, NULL, 2));
    ZERO(pthread_create(&t, NULL, has_an_id, NULL));
    pthread_barrier_wait(&named.barrier);
    use_tid(named.tid);
    pthread_barrier_wait(&named.barrier);
    ZERO(pthread_join(t, NULL));
    CHECK_ERR(kill(named.tid, 0), ESRCH);
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
