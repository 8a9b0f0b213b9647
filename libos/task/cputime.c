/* CPU time: the scheduler adds up finished slices; a running thread's current slice is added here. The
 * fields are read without the scheduler's locks: a value may be one slice old, never torn. */
#include "libos/task/cputime.h"
#include "libos/base/atomic.h"

struct cputime thread_cputime(const struct thread *t)
{
    struct cputime used = {atomic_load(&t->utime_ns), atomic_load(&t->stime_ns)};
    int64_t since = atomic_load(&t->entered_ns);
    if (since) {
        int64_t slice = clock_mono_ns() - since;
        used.user_ns += MAX(slice, 0);
    }
    return used;
}

struct cputime process_cputime_locked(struct process *p)
{
    struct cputime sum = {p->dead_utime_ns, p->dead_stime_ns};
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        struct cputime used = thread_cputime(t);
        sum.user_ns += used.user_ns;
        sum.system_ns += used.system_ns;
    }
    return sum;
}

struct cputime process_cputime(struct process *p)
{
    SPIN_GUARD(&p->lock);
    return process_cputime_locked(p);
}
