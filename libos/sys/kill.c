/* Sending signals. */
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/signal.h"

static bool sig_valid(int sig)
{
    return sig >= 0 && sig <= SIG_COUNT;
}

static long send_to_pid(int pid, const struct linux_siginfo *info)
{
    AUTO(process_put) struct process *p = process_of_task_get(pid);
    if (!p)
        return -ESRCH;
    if (!signal_permitted(p, info->signo))
        return -EPERM;
    return signal_send(p, info);
}

/* full */
SYSCALL(kill, int, pid, int, sig)
{
    if (!sig_valid(sig))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    struct linux_siginfo info = siginfo_user(sig, SI_USER);
    if (pid > 0)
        return send_to_pid(pid, &info);
    if (pid == -1)
        return signal_send_all(&info);
    return signal_send_group(pid == 0 ? current_process()->pgid : -pid, &info, true);
}

/* pid 0: any process. */
static long send_to_thread(int pid, int tid, const struct linux_siginfo *info)
{
    if (tid <= 0)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = thread_lookup_get(tid, &p);
    if (!t || (pid && p->pid != pid))
        return -ESRCH;
    if (!signal_permitted(p, info->signo))
        return -EPERM;
    return signal_send_thread(p, t, info);
}

/* full */
SYSCALL(tkill, int, tid, int, sig)
{
    if (!sig_valid(sig))
        return -EINVAL;
    struct linux_siginfo info = siginfo_user(sig, SI_TKILL);
    return send_to_thread(0, tid, &info);
}

/* full */
SYSCALL(tgkill, int, pid, int, tid, int, sig)
{
    if (!sig_valid(sig) || pid <= 0)
        return -EINVAL;
    struct linux_siginfo info = siginfo_user(sig, SI_TKILL);
    return send_to_thread(pid, tid, &info);
}

/* Only to oneself may one pretend to be the kernel or kill(). */
static int info_from_user(uaddr_t ua, int sig, bool self, struct linux_siginfo *ret)
{
    if (get_user(ret, ua) < 0)
        return -EFAULT;
    if (!sig_valid(sig))
        return -EINVAL;
    ret->signo = sig;
    return (ret->code >= 0 || ret->code == SI_TKILL) && !self ? -EPERM : 0;
}

/* full */
SYSCALL(rt_sigqueueinfo, int, pid, int, sig, uaddr_t, uinfo)
{
    struct linux_siginfo info;
    int r = info_from_user(uinfo, sig, pid == current_process()->pid, &info);
    return r < 0 ? r : send_to_pid(pid, &info);
}

/* full */
SYSCALL(rt_tgsigqueueinfo, int, pid, int, tid, int, sig, uaddr_t, uinfo)
{
    struct linux_siginfo info;
    if (pid <= 0)
        return -EINVAL;
    int r = info_from_user(uinfo, sig, pid == current_process()->pid, &info);
    return r < 0 ? r : send_to_thread(pid, tid, &info);
}
