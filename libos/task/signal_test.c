/* The pure parts of processes and signals: defaults and order of signals, clone flags, periodic
 * timers. */
#include "abi/linux/sched.h"
#include "libos/task/clone.h"
#include "libos/task/signal_priv.h"
#include "libos/task/timers.h"
#include "test/unit/test.h"

TEST(signal_defaults)
{
    assert_int_equal(sig_default(SIGTERM), SIG_DEF_TERMINATE);
    assert_int_equal(sig_default(SIGSEGV), SIG_DEF_CORE);
    assert_int_equal(sig_default(SIGCHLD), SIG_DEF_IGNORE);
    assert_int_equal(sig_default(SIGTSTP), SIG_DEF_STOP);
    assert_int_equal(sig_default(SIGCONT), SIG_DEF_CONTINUE);
    for (int sig = SIG_RT_FIRST; sig <= SIG_COUNT; sig++)
        assert_int_equal(sig_default(sig), SIG_DEF_TERMINATE);
    for (int sig = 1; sig <= SIG_COUNT; sig++)
        assert_int_equal(sig_stops(sig), (SIGMASK_STOPS & sigbit(sig)) != 0);
}

TEST(signal_ignored_by_disposition)
{
    assert_true(sig_kernel_ignored(SIG_HANDLER_IGN, SIGTERM));
    assert_true(sig_kernel_ignored(SIG_HANDLER_DFL, SIGCHLD));
    assert_true(sig_kernel_ignored(SIG_HANDLER_DFL, SIGCONT));
    assert_false(sig_kernel_ignored(SIG_HANDLER_DFL, SIGTERM));
    assert_false(sig_kernel_ignored(SIG_HANDLER_DFL, SIGSTOP));
    assert_false(sig_kernel_ignored(0x1000, SIGCHLD));
}

TEST(signal_order)
{
    assert_int_equal(sigset_next(0), 0);
    assert_int_equal(sigset_next(sigbit(SIGUSR2) | sigbit(SIGHUP)), SIGHUP);
    assert_int_equal(sigset_next(sigbit(SIGHUP) | sigbit(SIGSEGV)), SIGSEGV);
    assert_int_equal(sigset_next(sigbit(SIG_COUNT)), SIG_COUNT);
    assert_int_equal(sigset_next(~0ull), SIGILL);
}

static int check_flags(uint64_t flags)
{
    struct clone_params c = {.flags = flags};
    return clone_check(&c);
}

TEST(clone_flag_rules)
{
    const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    assert_int_equal(check_flags(thread), 0);
    assert_int_equal(check_flags(thread & ~(uint64_t) CLONE_SIGHAND), -EINVAL);
    assert_int_equal(check_flags(thread & ~(uint64_t) CLONE_VM), -EINVAL);
    assert_int_equal(check_flags(thread & ~(uint64_t) CLONE_FILES), -EINVAL);
    assert_int_equal(check_flags(thread | CLONE_PIDFD), -EINVAL);
    assert_int_equal(check_flags(CLONE_VM | CLONE_VFORK), 0);
    assert_int_equal(check_flags(CLONE_VM | CLONE_SIGHAND | LINUX_CLONE_CLEAR_SIGHAND), -EINVAL);
    assert_int_equal(check_flags(CLONE_VM | CLONE_NEWPID), -EPERM);
    assert_int_equal(check_flags(CLONE_VM | CLONE_FS | CLONE_NEWNS), -EINVAL);
    struct clone_params c = {.flags = CLONE_VM, .exit_signal = SIG_COUNT + 1};
    assert_int_equal(clone_check(&c), -EINVAL);
}

TEST(timer_periods)
{
    int64_t missed = -1;
    assert_int_equal(timer_next_expiry(1000000, 1000000, 1000100, &missed), 2000000);
    assert_int_equal(missed, 0);
    int64_t next = timer_next_expiry(1000000, 1000000, 5500000, &missed);
    assert_int_equal(next, 6000000);
    assert_int_equal(missed, 4);
    /* far too short a period: the next expiry is in the future, the rest are overruns */
    next = timer_next_expiry(0, 1, 1000000000, &missed);
    assert_true(next > 1000000000);
    assert_int_equal(missed, next - 1);
    assert_int_equal(timer_next_expiry(5, FOREVER, 10, &missed), FOREVER);
    assert_int_equal(ns_add(FOREVER, 1), FOREVER);
}
