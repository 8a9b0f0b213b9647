/* Scheduling classes, affinity, priorities. Real-time threads come first in the run queues; all others
 * are equal there: niceness and I/O priorities are only kept. */
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "libos/base/atomic.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/process.h"

#define SLICE_NS (4 * NSEC_PER_MS)

/* full */
SYSCALL(sched_yield)
{
    thread_yield();
    return 0;
}

/* full */
SYSCALL(getcpu, uaddr_t, ret_cpu, uaddr_t, ret_node, uaddr_t, unused)
{
    uint32_t cpu = (uint32_t) sched_current_cpu(), node = 0;
    if (!uaddr_null(ret_cpu) && put_user(ret_cpu, cpu) < 0)
        return -EFAULT;
    return uaddr_null(ret_node) ? 0 : put_user(ret_node, node);
}

/* 0: the caller. The thread and its process, both with a reference; NULL: *ret_error. */
static struct thread *named_get(int tid, struct process **ret_proc, int *ret_error)
{
    *ret_error = tid < 0 ? -EINVAL : -ESRCH;
    if (tid != 0 && tid != current()->tid)
        return tid < 0 ? NULL : thread_lookup_get(tid, ret_proc);
    *ret_proc = current_process();
    process_get(*ret_proc);
    thread_get(current());
    return current();
}

/* ---- affinity --------------------------------------------------------------------------------- */
static uint64_t online_cpus(void)
{
    int n = sched_cpu_count();
    return n >= 64 ? ~0ull : (1ull << n) - 1;
}

static bool same_user(struct process *p)
{
    uint32_t euid = current_cred()->euid;
    AUTO(cred_put) const struct cred *theirs = process_cred_get(p);
    return euid == theirs->euid || euid == theirs->uid;
}

/* full */
SYSCALL(sched_setaffinity, int, tid, size_t, size, uaddr_t, mask)
{
    uint64_t wanted = 0;
    if (copy_from_user((struct span){(uint8_t *) &wanted, MIN(size, sizeof wanted)}, mask) < 0)
        return -EFAULT;
    int r;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return -ESRCH;
    if (!same_user(p) && !capable(CAP_SYS_NICE))
        return -EPERM;
    if (!(wanted & online_cpus()))
        return -EINVAL;
    atomic_store(&t->cpu_mask, wanted & online_cpus());
    if (t == current())
        thread_yield();
    return 0;
}

/* full */
SYSCALL(sched_getaffinity, int, tid, size_t, size, uaddr_t, ret_mask)
{
    if (size < sizeof(uint64_t) || size % sizeof(uint64_t) != 0)
        return -EINVAL;
    int r;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return -ESRCH;
    uint64_t mask = t->cpu_mask & online_cpus();
    return put_user(ret_mask, mask) < 0 ? -EFAULT : (long) sizeof mask;
}

/* ---- classes ---------------------------------------------------------------------------------- */
#define PRIORITY_MAX 99

static bool real_time(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* Is there such a class, and may it have this priority? */
static int check_policy(int policy, int priority)
{
    switch (policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR:
        return priority >= 1 && priority <= PRIORITY_MAX ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* Others' threads need the same user; real-time classes CAP_SYS_NICE or a limit that allows them. */
static int may_schedule(struct process *p, const struct thread *t, int policy, int priority)
{
    if (capable(CAP_SYS_NICE))
        return 0;
    if (!same_user(p))
        return -EPERM;
    bool more = !real_time(t->wishes.policy) || priority > t->wishes.rt_priority;
    bool allowed = (uint64_t) priority <= p->rlimits[RLIMIT_RTPRIO].cur;
    return real_time(policy) && more && !allowed ? -EPERM : 0;
}

/* policy -1: stays. */
static int schedule_as(int tid, int policy, int priority, bool reset_on_fork)
{
    int r;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return r;
    if (policy == -1) {
        policy = t->wishes.policy;
        reset_on_fork = t->wishes.reset_on_fork;
    }
    r = check_policy(policy, priority);
    if (r == 0)
        r = may_schedule(p, t, policy, priority);
    if (r < 0)
        return r;
    t->wishes.policy = (uint8_t) policy;
    t->wishes.rt_priority = (uint8_t) priority;
    t->wishes.reset_on_fork = reset_on_fork;
    return 0;
}

/* partial: real-time threads go first in a vCPU's queue, but do not preempt; no SCHED_DEADLINE */
SYSCALL(sched_setscheduler, int, tid, int, policy, uaddr_t, param)
{
    int priority;
    if (tid < 0 || policy < 0 || uaddr_null(param))
        return -EINVAL;
    if (get_user(&priority, param) < 0)
        return -EFAULT;
    return schedule_as(tid, policy & ~LINUX_SCHED_RESET_ON_FORK, priority,
                       policy & LINUX_SCHED_RESET_ON_FORK);
}

/* full */
SYSCALL(sched_getscheduler, int, tid)
{
    int r;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    return !t ? r : t->wishes.policy | (t->wishes.reset_on_fork ? LINUX_SCHED_RESET_ON_FORK : 0);
}

/* full */
SYSCALL(sched_setparam, int, tid, uaddr_t, param)
{
    int priority;
    if (tid < 0 || uaddr_null(param))
        return -EINVAL;
    if (get_user(&priority, param) < 0)
        return -EFAULT;
    return schedule_as(tid, -1, priority, false);
}

/* full */
SYSCALL(sched_getparam, int, tid, uaddr_t, ret_param)
{
    int r;
    if (uaddr_null(ret_param))
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    return !t ? r : put_user(ret_param, (int) t->wishes.rt_priority);
}

/* ---- attributes ------------------------------------------------------------------------------- */
enum { ATTR_RESET_ON_FORK = 1, ATTR_KEEP_POLICY = 8, ATTR_KEEP_PARAMS = 16 };
#define ATTR_KNOWN (uint64_t)(ATTR_RESET_ON_FORK | ATTR_KEEP_POLICY | ATTR_KEEP_PARAMS)

/* A structure that may be shorter or longer than ours; what is longer must be zero. */
static int attr_from_user(struct linux_sched_attr *a, uaddr_t ua)
{
    uint32_t size;
    if (get_user(&size, ua) < 0)
        return -EFAULT;
    size = size ? size : sizeof *a;
    bool bad = size < sizeof *a || size > PAGE_SIZE;
    for (uint32_t i = sizeof *a; !bad && i < size; i++) {
        uint8_t byte;
        if (get_user(&byte, uaddr_add(ua, i)) < 0)
            return -EFAULT;
        bad = byte;
    }
    if (bad) {
        size = sizeof *a;
        return put_user(ua, size) < 0 ? -EFAULT : -E2BIG;
    }
    return get_user(a, ua);
}

static int nice_permitted(struct process *p, int value);

/* partial: real-time threads go first in a vCPU's queue, but do not preempt; no SCHED_DEADLINE */
SYSCALL(sched_setattr, int, tid, uaddr_t, attr, unsigned, flags)
{
    struct linux_sched_attr a;
    if (flags || tid < 0 || uaddr_null(attr))
        return -EINVAL;
    int r = attr_from_user(&a, attr);
    if (r < 0)
        return r;
    if ((int) a.policy < 0 || (a.flags & ~ATTR_KNOWN) || a.priority > PRIORITY_MAX)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return r;
    a.nice = MAX(MIN(a.nice, 19), -20);
    bool sets_nice = a.policy == SCHED_OTHER || a.policy == SCHED_BATCH;
    if (sets_nice && a.nice != p->nice && (r = nice_permitted(p, a.nice)) < 0)
        return r == -EACCES ? -EPERM : r;
    int policy = a.flags & ATTR_KEEP_POLICY ? t->wishes.policy : (int) a.policy;
    int priority = a.flags & ATTR_KEEP_PARAMS ? t->wishes.rt_priority : (int) a.priority;
    r = schedule_as(tid, policy, priority, a.flags & ATTR_RESET_ON_FORK);
    if (r == 0 && sets_nice && !(a.flags & ATTR_KEEP_PARAMS))
        p->nice = a.nice;
    return r;
}

/* full */
SYSCALL(sched_getattr, int, tid, uaddr_t, ret_attr, unsigned, size, unsigned, flags)
{
    int r;
    struct linux_sched_attr a = {.size = sizeof a};
    if (flags || tid < 0 || size < sizeof a || size > PAGE_SIZE || uaddr_null(ret_attr))
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return r;
    a.policy = t->wishes.policy;
    a.priority = t->wishes.rt_priority;
    a.flags = t->wishes.reset_on_fork ? ATTR_RESET_ON_FORK : 0;
    a.nice = real_time(t->wishes.policy) ? 0 : p->nice;
    return put_user(ret_attr, a);
}

static int priority_bound(int policy, int real_time_bound)
{
    if (real_time(policy))
        return real_time_bound;
    bool other = policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
                 policy == LINUX_SCHED_DEADLINE;
    return other ? 0 : -EINVAL;
}

/* full */
SYSCALL(sched_get_priority_max, int, policy)
{
    return priority_bound(policy, PRIORITY_MAX);
}

/* full */
SYSCALL(sched_get_priority_min, int, policy)
{
    return priority_bound(policy, 1);
}

/* full */
SYSCALL(sched_rr_get_interval, int, tid, uaddr_t, ret_interval)
{
    int r;
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = named_get(tid, &p, &r);
    if (!t)
        return r;
    return timespec_to_user(ret_interval, t->wishes.policy == SCHED_FIFO ? 0 : SLICE_NS);
}

/* ---- niceness and I/O priority ---------------------------------------------------------------- */
enum { OF_PROCESS, OF_GROUP, OF_USER };

struct priority_request {
    int which, who;
    bool io, set;
    int value; /* to set */
    int best;  /* lowest found */
    int matches, error;
};

/* May the caller give p this niceness? -EPERM: not its process; -EACCES: it may not rise. */
static int nice_permitted(struct process *p, int value)
{
    if (capable(CAP_SYS_NICE))
        return 0;
    if (!same_user(p))
        return -EPERM;
    bool allowed = (uint64_t) (20 - value) <= p->rlimits[RLIMIT_NICE].cur;
    return value < p->nice && !allowed ? -EACCES : 0;
}

static int io_permitted(struct process *p)
{
    uint32_t uid = process_uid(p);
    bool same = current_cred()->euid == uid || current_cred()->uid == uid;
    return same || capable(CAP_SYS_NICE) ? 0 : -EPERM;
}

static int priority_one(struct process *p, void *arg)
{
    struct priority_request *q = arg;
    bool match = (q->which == OF_PROCESS && p->pid == q->who) ||
                 (q->which == OF_GROUP && p->pgid == q->who) ||
                 (q->which == OF_USER && process_uid(p) == (uint32_t) q->who);
    if (!match || p->state != PROCESS_LIVE)
        return 0;
    q->matches++;
    int *kept = q->io ? &p->ioprio : &p->nice;
    if (q->set) {
        int r = q->io ? io_permitted(p) : nice_permitted(p, q->value);
        q->error = r < 0 ? r : q->error;
        *kept = r < 0 ? *kept : q->value;
    }
    q->best = MIN(q->best, *kept);
    return 0;
}

static int priority_all(struct priority_request *q)
{
    struct process *me = current_process();
    if (q->which < OF_PROCESS || q->which > OF_USER)
        return -EINVAL;
    if (q->who == 0)
        q->who = q->which == OF_PROCESS ? me->pid
                 : q->which == OF_GROUP ? me->pgid
                                        : (int) current_cred()->uid;
    if (q->which == OF_PROCESS) { /* a thread stands for its process */
        AUTO(process_put) struct process *other = process_of_task_get(q->who);
        if (other)
            q->who = other->pid;
    }
    q->best = INT32_MAX;
    process_for_each(priority_one, q);
    return q->matches ? q->error : -ESRCH;
}

/* full */
SYSCALL(getpriority, int, which, int, who)
{
    struct priority_request q = {.which = which, .who = who};
    int r = priority_all(&q);
    return r < 0 ? r : 20 - q.best;
}

/* partial: niceness is kept, not applied, and is the same for all threads of a process */
SYSCALL(setpriority, int, which, int, who, int, value)
{
    struct priority_request q = {.which = which, .who = who, .set = true};
    q.value = MAX(MIN(value, 19), -20);
    return priority_all(&q);
}

/* full */
SYSCALL(ioprio_get, int, which, int, who)
{
    struct priority_request q = {.which = which - 1, .who = who, .io = true}; /* from 1 here */
    int r = priority_all(&q);
    return r < 0 ? r : q.best;
}

enum { IO_CLASS_NONE, IO_CLASS_RT, IO_CLASS_BE, IO_CLASS_IDLE };

/* partial: the priority is kept, not applied, and is the same for all threads of a process */
SYSCALL(ioprio_set, int, which, int, who, int, ioprio)
{
    int class = ioprio >> 13, level = ioprio & 7;
    if (class < IO_CLASS_NONE || class > IO_CLASS_IDLE || (class == IO_CLASS_NONE && level))
        return -EINVAL;
    if (class == IO_CLASS_RT && !capable(CAP_SYS_NICE) && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct priority_request q = {
        .which = which - 1, .who = who, .io = true, .set = true, .value = ioprio};
    return priority_all(&q);
}
