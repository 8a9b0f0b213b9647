/* getrusage, times */
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/rusage.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"

struct linux_rusage rusage_of(struct cputime used)
{
    return (struct linux_rusage){.utime = timeval_of(used.user_ns),
                                 .stime = timeval_of(used.system_ns)};
}

static struct cputime children_cputime(struct process *p)
{
    SPIN_GUARD(&p->lock);
    return (struct cputime){p->child_utime_ns, p->child_stime_ns};
}

/* partial: system time counts as user time; no page fault and block counts */
SYSCALL(getrusage, int, who, uaddr_t, ret_usage)
{
    struct process *p = current_process();
    struct linux_rusage ru;
    switch (who) {
    case RUSAGE_SELF:
        ru = rusage_of(process_cputime(p));
        break;
    case RUSAGE_CHILDREN:
        ru = rusage_of(children_cputime(p));
        break;
    case RUSAGE_THREAD:
        ru = rusage_of(thread_cputime(current()));
        ru.nvcsw = (int64_t) current()->switches;
        break;
    default:
        return -EINVAL;
    }
    if (who != RUSAGE_CHILDREN) {
        struct mm_stats st;
        mm_stats(p->mm, &st);
        ru.maxrss = (int64_t) st.resident * 4;
    }
    return put_user(ret_usage, ru);
}

/* partial: system time counts as user time */
SYSCALL(times, uaddr_t, ret_tms)
{
    const int64_t tick = NSEC_PER_SEC / LINUX_USER_HZ;
    struct cputime own = process_cputime(current_process());
    struct cputime children = children_cputime(current_process());
    struct linux_tms t = {own.user_ns / tick, own.system_ns / tick, children.user_ns / tick,
                          children.system_ns / tick};
    if (!uaddr_null(ret_tms) && put_user(ret_tms, t) < 0)
        return -EFAULT;
    return clock_mono_ns() / tick;
}
