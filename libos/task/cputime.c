/* CPU time: the scheduler adds up finished slices; a running thread's current slice is added here. The
 * fields are read without the scheduler's locks: a value may be one slice old, never torn. */
#include "libos/task/cputime.h"
#include "libos/base/atomic.h"
#include "libos/mm/mm.h"

struct cputime thread_cputime(const struct thread *t)
{
    struct cputime used = {atomic_load(&t->utime_ns), atomic_load(&t->stime_ns)};
    int64_t since = atomic_load(&t->charged_ns);
    int64_t slice = since ? MAX(clock_mono_ns() - since, (int64_t) 0) : 0;
    *(atomic_peek(&t->in_kernel) ? &used.system_ns : &used.user_ns) += slice;
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

/* ---- other use -------------------------------------------------------------------------------- */
void usage_add(struct usage *sum, const struct usage *more)
{
    sum->minflt += more->minflt;
    sum->nvcsw += more->nvcsw;
    sum->nivcsw += more->nivcsw;
    sum->peak_pages = MAX(sum->peak_pages, more->peak_pages);
}

void usage_of_thread(const struct thread *t, struct usage *ret)
{
    *ret = (struct usage){.minflt = atomic_peek(&t->minflt),
                          .nvcsw = atomic_peek(&t->nvcsw),
                          .nivcsw = atomic_peek(&t->nivcsw)};
}

void process_usage(struct process *p, struct usage *ret)
{
    process_note_peak(p);
    SPIN_GUARD(&p->lock);
    *ret = p->dead_usage;
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        struct usage own;
        usage_of_thread(t, &own);
        usage_add(ret, &own);
    }
}

void process_note_peak(struct process *p)
{
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (!mm || mm_users(mm) > 1) /* of a vfork child: it is its parent's */
        return;
    struct mm_stats st;
    mm_stats(mm, &st);
    SPIN_GUARD(&p->lock);
    p->dead_usage.peak_pages = MAX(p->dead_usage.peak_pages, st.resident);
}
