/* getrusage, times */
#include "abi/layout.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/rusage.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"

struct linux_rusage rusage_of(struct cputime used, const struct usage *usage)
{
    return (struct linux_rusage){
        .utime = timeval_of(used.user_ns),
        .stime = timeval_of(used.system_ns),
        .maxrss = (int64_t) (usage->peak_pages * (PAGE_SIZE / 1024)),
        .minflt = (int64_t) usage->minflt,
        .nvcsw = (int64_t) usage->nvcsw,
        .nivcsw = (int64_t) usage->nivcsw,
    };
}

static struct cputime children_cputime(struct process *p, struct usage *ret_usage)
{
    SPIN_GUARD(&p->lock);
    *ret_usage = p->child_usage;
    return (struct cputime){p->child_utime_ns, p->child_stime_ns};
}

/* partial: system time counts as user time; no page fault and block counts */
SYSCALL(getrusage, int, who, uaddr_t, ret_usage)
{
    struct process *p = current_process();
    struct usage own = {0}, whole;
    struct cputime used;
    switch (who) {
    case RUSAGE_SELF:
        process_usage(p, &own);
        used = process_cputime(p);
        break;
    case RUSAGE_CHILDREN:
        used = children_cputime(p, &own);
        break;
    case RUSAGE_THREAD:
        process_usage(p, &whole);
        usage_of_thread(current(), &own);
        own.peak_pages = whole.peak_pages; /* memory is the process's */
        used = thread_cputime(current());
        break;
    default:
        return -EINVAL;
    }
    struct linux_rusage ru = rusage_of(used, &own);
    return put_user(ret_usage, ru);
}

/* partial: system time counts as user time */
SYSCALL(times, uaddr_t, ret_tms)
{
    const int64_t tick = NSEC_PER_SEC / LINUX_USER_HZ;
    struct cputime own = process_cputime(current_process());
    struct usage unused;
    struct cputime children = children_cputime(current_process(), &unused);
    struct linux_tms t = {own.user_ns / tick, own.system_ns / tick, children.user_ns / tick,
                          children.system_ns / tick};
    if (!uaddr_null(ret_tms) && put_user(ret_tms, t) < 0)
        return -EFAULT;
    return clock_mono_ns() / tick;
}
