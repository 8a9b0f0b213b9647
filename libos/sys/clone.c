/* clone, clone3, vfork, fork and the ids that go with threads. */
#include "abi/layout.h"
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/clone.h"

/* partial: no namespaces, no CLONE_FILES or CLONE_FS apart from threads */
SYSCALL(clone, uint64_t, flags, uint64_t, stack, uaddr_t, parent_tid, uaddr_t, child_tid, uint64_t,
        tls)
{
    struct clone_params c = {
        .flags = flags & 0xffffffff & ~(uint64_t) CSIGNAL,
        .exit_signal = (int) (flags & CSIGNAL),
        .stack_pointer = stack,
        .parent_tid = parent_tid,
        .child_tid = child_tid,
        .tls = tls,
    };
    if (c.flags & CLONE_PIDFD) {
        if (c.flags & CLONE_PARENT_SETTID)
            return -EINVAL;
        c.pidfd = parent_tid;
    }
    return process_clone(&c);
}

static int clone3_check(const struct linux_clone_args *a)
{
    const uint64_t known = 0x1ffffff00ull | LINUX_CLONE_INTO_CGROUP | LINUX_CLONE_NEWTIME;
    if ((a->flags & ~known) || (a->flags & CLONE_DETACHED))
        return -EINVAL;
    if (a->exit_signal > SIG_COUNT ||
        ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal))
        return -EINVAL;
    if ((a->stack == 0) != (a->stack_size == 0) || a->stack + a->stack_size < a->stack ||
        a->stack + a->stack_size > ELRANGE_END)
        return -EINVAL;
    if (a->set_tid_size > 0 || a->set_tid)
        return a->set_tid && a->set_tid_size ? -EPERM : -EINVAL;
    return 0;
}

/* partial: as clone; no cgroups, no set_tid */
SYSCALL(clone3, uaddr_t, args, size_t, size)
{
    struct linux_clone_args a = {0};
    if (size < LINUX_CLONE_ARGS_SIZE_MIN)
        return -EINVAL;
    if (size > sizeof a)
        return -E2BIG;
    int r = copy_from_user((struct span){(uint8_t *) &a, size}, args);
    if (r == 0)
        r = clone3_check(&a);
    if (r < 0)
        return r;
    struct clone_params c = {
        .flags = a.flags,
        .exit_signal = (int) a.exit_signal,
        .stack_pointer = a.stack + a.stack_size,
        .parent_tid = UADDR(a.parent_tid),
        .child_tid = UADDR(a.child_tid),
        .pidfd = UADDR(a.pidfd),
        .tls = a.tls,
    };
    return process_clone(&c);
}

/* full */
SYSCALL(vfork)
{
    struct clone_params c = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};
    return process_clone(&c);
}

/* full */
SYSCALL(fork)
{
    struct clone_params c = {.exit_signal = SIGCHLD};
    return process_clone(&c);
}

/* full */
SYSCALL(set_tid_address, uaddr_t, word)
{
    current()->clear_child_tid = word;
    return current()->tid;
}

/* full */
SYSCALL(set_robust_list, uaddr_t, head, size_t, len)
{
    if (len != sizeof(struct linux_robust_list_head))
        return -EINVAL;
    current()->robust_list = head;
    return 0;
}

/* full */
SYSCALL(get_robust_list, int, pid, uaddr_t, ret_head, uaddr_t, ret_len)
{
    uint64_t head = current()->robust_list.v, len = sizeof(struct linux_robust_list_head);
    if (pid != 0 && pid != current()->tid) {
        AUTO(process_put) struct process *p = NULL;
        AUTO(thread_put) struct thread *t = thread_lookup_get(pid, &p);
        if (!t)
            return -ESRCH;
        if (p != current_process())
            return -EPERM;
        head = t->robust_list.v;
    }
    return put_user(ret_head, head) < 0 ? -EFAULT : put_user(ret_len, len);
}
