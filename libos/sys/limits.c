/* Resource limits. NOFILE is enforced by descriptor tables, FSIZE by files, STACK by exec, AS, DATA and
 * MEMLOCK by mm (limit.c), CPU, NPROC and SIGPENDING by task, NICE by setpriority, MSGQUEUE by ipc; the
 * others are kept and shown. */
#include "abi/linux/resource.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/timers.h"

#define NOFILE_MAX 1048576ul

static int limit_check(struct process *p, unsigned resource, const struct linux_rlimit *new)
{
    bool may_raise = capable(CAP_SYS_RESOURCE);
    if (new->cur > new->max)
        return -EINVAL;
    if (resource == RLIMIT_NOFILE && new->max > NOFILE_MAX)
        return -EPERM;
    if (new->max > p->rlimits[resource].max && !may_raise)
        return -EPERM;
    return 0;
}

/* new or ret_old may be NULL. */
static int limit_change(struct process *p, unsigned resource, const struct linux_rlimit *new,
                        struct linux_rlimit *ret_old)
{
    if (resource >= RLIMIT_COUNT)
        return -EINVAL;
    spin_lock(&p->lock);
    int r = new ? limit_check(p, resource, new) : 0;
    if (r == 0 && ret_old)
        *ret_old = (struct linux_rlimit){p->rlimits[resource].cur, p->rlimits[resource].max};
    if (r == 0 && new)
        p->rlimits[resource] = (struct rlimit_pair){new->cur, new->max};
    spin_unlock(&p->lock);
    if (r == 0 && new &&resource == RLIMIT_CPU && p == current_process())
        return itimer_watch_cpu_limit(p);
    return r;
}

/* full */
SYSCALL(getrlimit, unsigned, resource, uaddr_t, ret_limit)
{
    struct linux_rlimit old;
    int r = limit_change(current_process(), resource, NULL, &old);
    return r < 0 ? r : put_user(ret_limit, old);
}

/* partial: RTPRIO, RTTIME, NICE, MEMLOCK, LOCKS, RSS are only stored */
SYSCALL(setrlimit, unsigned, resource, uaddr_t, limit)
{
    struct linux_rlimit new;
    if (get_user(&new, limit) < 0)
        return -EFAULT;
    return limit_change(current_process(), resource, &new, NULL);
}

static bool may_limit(struct process *p)
{
    const struct cred *mine = current_cred();
    AUTO(cred_put) const struct cred *theirs = process_cred_get(p);
    return p == current_process() || capable(CAP_SYS_RESOURCE) ||
           (mine->uid == theirs->uid && mine->uid == theirs->euid && mine->uid == theirs->suid);
}

/* partial: RTPRIO, RTTIME, NICE, MEMLOCK, LOCKS, RSS are only stored */
SYSCALL(prlimit64, int, pid, unsigned, resource, uaddr_t, limit, uaddr_t, ret_old)
{
    struct linux_rlimit new, old;
    if (!uaddr_null(limit) && get_user(&new, limit) < 0)
        return -EFAULT;
    AUTO(process_put) struct process *p = process_of_task_get(pid ? pid : current_process()->pid);
    if (!p)
        return -ESRCH;
    if (!may_limit(p))
        return -EPERM;
    int r = limit_change(p, resource, uaddr_null(limit) ? NULL : &new, &old);
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return put_user(ret_old, old);
}
