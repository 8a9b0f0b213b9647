/* Scheduling classes, affinity, priorities. All threads are equal in the run queues: classes other
 * than SCHED_OTHER, BATCH and IDLE need a privilege that is never there, niceness is only kept. */
#include "abi/linux/sched.h"
#include "libos/base/atomic.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/process.h"

#define SLICE_NS (4 * NSEC_PER_MS)

SYSCALL(sched_yield)
{
    thread_yield();
    return 0;
}

SYSCALL(getcpu, uaddr_t, ret_cpu, uaddr_t, ret_node, uaddr_t, unused)
{
    uint32_t cpu = (uint32_t) sched_current_cpu(), node = 0;
    if (!uaddr_null(ret_cpu) && put_user(ret_cpu, cpu) < 0)
        return -EFAULT;
    return uaddr_null(ret_node) ? 0 : put_user(ret_node, node);
}

/* 0: the caller. Takes a reference. */
static struct thread *target_get(int tid)
{
    struct process *p = NULL;
    struct thread *t = tid == 0 || tid == current()->tid ? current() : thread_lookup_get(tid, &p);
    if (t == current() && !p)
        thread_get(t);
    if (p)
        process_put(p);
    return t;
}

/* ---- affinity --------------------------------------------------------------------------------- */
static uint64_t online_cpus(void)
{
    int n = sched_cpu_count();
    return n >= 64 ? ~0ull : (1ull << n) - 1;
}

SYSCALL(sched_setaffinity, int, tid, size_t, size, uaddr_t, mask)
{
    uint64_t wanted = 0;
    if (copy_from_user((struct span){(uint8_t *) &wanted, MIN(size, sizeof wanted)}, mask) < 0)
        return -EFAULT;
    if (!(wanted & online_cpus()))
        return -EINVAL;
    AUTO(thread_put) struct thread *t = target_get(tid);
    if (!t)
        return -ESRCH;
    atomic_store(&t->cpu_mask, wanted & online_cpus());
    if (t == current())
        thread_yield();
    return 0;
}

SYSCALL(sched_getaffinity, int, tid, size_t, size, uaddr_t, ret_mask)
{
    if (size < sizeof(uint64_t) || size % sizeof(uint64_t) != 0)
        return -EINVAL;
    AUTO(thread_put) struct thread *t = target_get(tid);
    if (!t)
        return -ESRCH;
    uint64_t mask = t->cpu_mask & online_cpus();
    return put_user(ret_mask, mask) < 0 ? -EFAULT : (long) sizeof mask;
}

/* ---- classes ---------------------------------------------------------------------------------- */
static int check_policy(int policy, int priority)
{
    switch (policy & ~LINUX_SCHED_RESET_ON_FORK) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR:
        return priority >= 1 && priority <= 99 ? -EPERM : -EINVAL;
    case LINUX_SCHED_DEADLINE:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

static int check_target(int tid)
{
    if (tid < 0)
        return -EINVAL;
    AUTO(thread_put) struct thread *t = target_get(tid);
    return t ? 0 : -ESRCH;
}

SYSCALL(sched_setscheduler, int, tid, int, policy, uaddr_t, param)
{
    int priority;
    if (tid < 0 || uaddr_null(param))
        return -EINVAL;
    if (get_user(&priority, param) < 0)
        return -EFAULT;
    int r = check_target(tid);
    return r < 0 ? r : check_policy(policy, priority);
}

SYSCALL(sched_getscheduler, int, tid)
{
    int r = check_target(tid);
    return r < 0 ? r : SCHED_OTHER;
}

SYSCALL(sched_setparam, int, tid, uaddr_t, param)
{
    int priority;
    if (uaddr_null(param))
        return -EINVAL;
    if (get_user(&priority, param) < 0)
        return -EFAULT;
    int r = check_target(tid);
    return r < 0 ? r : check_policy(SCHED_OTHER, priority);
}

SYSCALL(sched_getparam, int, tid, uaddr_t, ret_param)
{
    int r = uaddr_null(ret_param) ? -EINVAL : check_target(tid);
    return r < 0 ? r : put_user(ret_param, (int) 0);
}

SYSCALL(sched_setattr, int, tid, uaddr_t, attr, unsigned, flags)
{
    struct linux_sched_attr a;
    if (flags || uaddr_null(attr))
        return -EINVAL;
    if (get_user(&a, attr) < 0)
        return -EFAULT;
    int r = check_target(tid);
    return r < 0 ? r : check_policy((int) a.policy, (int) a.priority);
}

SYSCALL(sched_getattr, int, tid, uaddr_t, ret_attr, unsigned, size, unsigned, flags)
{
    struct linux_sched_attr a = {.size = sizeof a, .policy = SCHED_OTHER};
    if (flags || size < sizeof a || uaddr_null(ret_attr))
        return -EINVAL;
    int r = check_target(tid);
    a.nice = current_process()->nice;
    return r < 0 ? r : put_user(ret_attr, a);
}

SYSCALL(sched_get_priority_max, int, policy)
{
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return 99;
    return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL(sched_get_priority_min, int, policy)
{
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return 1;
    return check_policy(policy, 0) == -EINVAL ? -EINVAL : 0;
}

SYSCALL(sched_rr_get_interval, int, tid, uaddr_t, ret_interval)
{
    int r = check_target(tid);
    return r < 0 ? r : timespec_to_user(ret_interval, SLICE_NS);
}

/* ---- niceness --------------------------------------------------------------------------------- */
enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

struct nice_request {
    int which, who;
    bool set;
    int value; /* to set */
    int best;  /* lowest found */
    int matches;
};

static int nice_one(struct process *p, void *arg)
{
    struct nice_request *q = arg;
    bool match = (q->which == PRIO_PROCESS && p->pid == q->who) ||
                 (q->which == PRIO_PGRP && p->pgid == q->who) ||
                 (q->which == PRIO_USER && p->cred.uid == (uint32_t) q->who);
    if (!match)
        return 0;
    q->matches++;
    if (q->set)
        p->nice = q->value;
    q->best = MIN(q->best, p->nice);
    return 0;
}

static int nice_all(struct nice_request *q)
{
    struct process *me = current_process();
    if (q->which < PRIO_PROCESS || q->which > PRIO_USER)
        return -EINVAL;
    if (q->who == 0)
        q->who = q->which == PRIO_PROCESS ? me->pid
                 : q->which == PRIO_PGRP  ? me->pgid
                                          : (int) me->cred.uid;
    q->best = 20;
    process_for_each(nice_one, q);
    return q->matches ? 0 : -ESRCH;
}

SYSCALL(getpriority, int, which, int, who)
{
    struct nice_request q = {.which = which, .who = who};
    int r = nice_all(&q);
    return r < 0 ? r : 20 - q.best;
}

SYSCALL(setpriority, int, which, int, who, int, value)
{
    struct nice_request q = {.which = which, .who = who, .set = true};
    q.value = MAX(MIN(value, 19), -20);
    return nice_all(&q);
}
