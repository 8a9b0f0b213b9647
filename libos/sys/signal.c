/* Dispositions, masks, waiting for signals, the way back from handlers. */
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/signal.h"
#include "libos/task/timers.h"

#define SIGSET_SIZE sizeof(uint64_t)

/* full */
SYSCALL(rt_sigaction, int, sig, uaddr_t, action, uaddr_t, ret_old, size_t, set_size)
{
    struct linux_sigaction new, old;
    if (set_size != SIGSET_SIZE)
        return -EINVAL;
    if (!uaddr_null(action) && get_user(&new, action) < 0)
        return -EFAULT;
    int r = signal_action(sig, uaddr_null(action) ? NULL : &new, &old);
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return put_user(ret_old, old);
}

static int combine(int how, uint64_t old, uint64_t set, uint64_t *ret)
{
    switch (how) {
    case SIG_BLOCK:
        *ret = old | set;
        return 0;
    case SIG_UNBLOCK:
        *ret = old & ~set;
        return 0;
    case SIG_SETMASK:
        *ret = set;
        return 0;
    default:
        return -EINVAL;
    }
}

/* full */
SYSCALL(rt_sigprocmask, int, how, uaddr_t, set, uaddr_t, ret_old, size_t, set_size)
{
    uint64_t old = current()->sigmask, in, new;
    if (set_size != SIGSET_SIZE)
        return -EINVAL;
    if (!uaddr_null(set)) {
        if (get_user(&in, set) < 0)
            return -EFAULT;
        int r = combine(how, old, in, &new);
        if (r < 0)
            return r;
        sigmask_set(new);
    }
    return uaddr_null(ret_old) ? 0 : put_user(ret_old, old);
}

/* full */
SYSCALL(rt_sigpending, uaddr_t, ret_set, size_t, set_size)
{
    if (set_size > SIGSET_SIZE)
        return -EINVAL;
    uint64_t set = signal_pending_set() & current()->sigmask;
    return copy_to_user(ret_set, (struct cspan){(const uint8_t *) &set, set_size});
}

static long wait_for_handler(void)
{
    while (!thread_interrupted())
        if (thread_sleep(SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            break;
    return -ERESTARTNOHAND;
}

/* full */
SYSCALL(rt_sigsuspend, uaddr_t, set, size_t, set_size)
{
    uint64_t mask;
    if (set_size != SIGSET_SIZE)
        return -EINVAL;
    if (get_user(&mask, set) < 0)
        return -EFAULT;
    sigmask_set_temporary(mask);
    long r = wait_for_handler();
    sigmask_restore_unless(true);
    return r;
}

/* full */
SYSCALL(pause)
{
    return wait_for_handler();
}

/* ---- sigtimedwait ----------------------------------------------------------------------------- */
/* 0 and *ret_sig, -EAGAIN after the deadline, -EINTR for another signal. Senders wake a thread that
 * waits for what they send even if it blocks it. */
static int take_or_sleep(uint64_t set, int64_t deadline, struct linux_siginfo *info, int *ret_sig)
{
    signal_wait_for(set);
    int r = 0;
    while ((*ret_sig = signal_take(set, info)) == 0 && r == 0)
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline);
    signal_wait_for(0);
    if (*ret_sig)
        return 0;
    return r == -ETIMEDOUT ? -EAGAIN : r;
}

static int siginfo_to_user(uaddr_t ua, const struct linux_siginfo *info)
{
    uint8_t out[LINUX_SIGINFO_SIZE] = {0};
    memcpy(out, info, sizeof *info);
    return copy_to_user(ua, CSPAN_OF(out));
}

/* full */
SYSCALL(rt_sigtimedwait, uaddr_t, set, uaddr_t, ret_info, uaddr_t, timeout, size_t, set_size)
{
    uint64_t mask;
    int64_t ns = FOREVER;
    if (set_size != SIGSET_SIZE)
        return -EINVAL;
    if (get_user(&mask, set) < 0)
        return -EFAULT;
    int r = uaddr_null(timeout) ? 0 : timespec_from_user(timeout, &ns);
    if (r < 0)
        return r;
    struct linux_siginfo info;
    int sig;
    int64_t deadline = ns == FOREVER ? FOREVER : ns_add(clock_mono_ns(), ns);
    r = take_or_sleep(mask & ~SIGMASK_UNBLOCKABLE, deadline, &info, &sig);
    if (r < 0)
        return r;
    if (!uaddr_null(ret_info) && siginfo_to_user(ret_info, &info) < 0)
        return -EFAULT;
    return sig;
}

/* ---- stacks and frames ------------------------------------------------------------------------ */
/* full */
SYSCALL(sigaltstack, uaddr_t, stack, uaddr_t, ret_old)
{
    struct linux_sigaltstack new, old;
    if (!uaddr_null(stack) && get_user(&new, stack) < 0)
        return -EFAULT;
    uintptr_t sp = thread_frame(current())->rsp;
    int r = signal_altstack(uaddr_null(stack) ? NULL : &new, sp, &old);
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return put_user(ret_old, old);
}

/* full */
SYSCALL(rt_sigreturn)
{
    return signal_frame_return();
}
