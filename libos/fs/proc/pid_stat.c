/* /proc/PID/stat and /proc/PID/task/TID/stat: one line of numbers. A process's times and faults are the
 * sums of its threads, a thread's are its own; everything else is the process's. */
#include "libos/base/atomic.h"
#include "libos/fs/proc/numbers.h"
#include "libos/fs/tty/tty_info.h"
#include "libos/task/cputime.h"
#include "libos/task/process.h"
#include "libos/task/signal.h"
#include "abi/layout.h"

struct numbers {
    int id;
    char comm[16], state;
    struct cputime cpu;
    struct usage used;
    uint64_t pending, blocked;
    int last_cpu;
    struct thread_wishes wishes;
};

void proc_memory(struct process *p, struct mm_stats *ret)
{
    *ret = (struct mm_stats){0};
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    if (mm)
        mm_stats(mm, ret);
}

static void of_thread_only(const struct thread *th, struct numbers *n)
{
    n->last_cpu = MAX(th->last_cpu, 0);
    n->wishes = th->wishes;
    n->blocked = th->sigmask;
}

static void of_process(struct process *p, struct numbers *n)
{
    n->id = p->pid;
    memcpy(n->comm, p->comm, sizeof n->comm);
    n->state = process_state_letter(p);
    n->cpu = process_cputime(p);
    process_usage(p, &n->used);
    SPIN_GUARD(&p->lock);
    n->pending = p->pending.set;
    if (p->leader)
        of_thread_only(p->leader, n);
}

static void of_thread(struct process *p, const struct thread *th, struct numbers *n)
{
    n->id = th->tid;
    memcpy(n->comm, th->comm, sizeof n->comm);
    bool runs = th->state == THREAD_RUNNING || th->state == THREAD_RUNNABLE;
    n->state = p->stopped ? 'T' : runs ? 'R' : 'S';
    n->cpu = thread_cputime(th);
    usage_of_thread(th, &n->used);
    SPIN_GUARD(&p->lock);
    n->pending = th->sig ? th->sig->pending.set : 0;
    of_thread_only(th, n);
}

static int numbers_of(const struct proc_ref *ref, struct process **ret_process, struct numbers *ret)
{
    *ret = (struct numbers){0};
    if (ref->tid) {
        AUTO(thread_put) struct thread *th = thread_lookup_get(ref->tid, ret_process);
        if (!th)
            return -ESRCH;
        of_thread(*ret_process, th, ret);
        return 0;
    }
    *ret_process = process_lookup_get(ref->pid);
    if (!*ret_process)
        return -ESRCH;
    of_process(*ret_process, ret);
    return 0;
}

static void dispositions(struct process *p, uint64_t *ret_ignored, uint64_t *ret_caught)
{
    SPIN_GUARD(&p->lock);
    for (int s = 1; p->sighand && s <= 64; s++) {
        uint64_t h = (uint64_t) p->sighand->action[s - 1].handler;
        *ret_ignored |= h == 1 ? sigbit(s) : 0;
        *ret_caught |= h > 1 ? sigbit(s) : 0;
    }
}

static void first_fields(struct process *p, const struct numbers *n, struct text *t)
{
    int foreground, rt = n->wishes.rt_priority;
    uint64_t tty;
    tty_of_process(p, &tty, &foreground);
    text_add(t, "%d (%s) %c %d %d %d %lu %d 4194304 %lu %lu 0 0 ", n->id, n->comm, n->state,
             process_parent_pid(p), p->pgid, p->sid, (unsigned long) tty, foreground,
             (unsigned long) n->used.minflt, (unsigned long) p->child_usage.minflt);
    text_add(t, "%ld %ld %ld %ld %d %d %d 0 %ld ", ticks(n->cpu.user_ns), ticks(n->cpu.system_ns),
             ticks(p->child_utime_ns), ticks(p->child_stime_ns), rt ? -1 - rt : 20 + p->nice,
             p->nice, atomic_peek(&p->thread_count), ticks(p->start_ns));
}

int proc_stat_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = NULL;
    struct numbers n;
    int r = numbers_of(ref, &p, &n);
    if (r < 0)
        return r;
    struct mm_stats m;
    uint64_t ignored = 0, caught = 0;
    proc_memory(p, &m);
    dispositions(p, &ignored, &caught);
    first_fields(p, &n, t);
    text_add(t, "%lu %lu %lu 0 0 %lu 0 0 %lu %lu %lu %lu 0 0 0 %d %d %d %d 0 0 0 0 0 0 ",
             (unsigned long) (m.total * PAGE_SIZE), (unsigned long) m.resident,
             (unsigned long) p->rlimits[5].cur, (unsigned long) p->stack_start.v,
             (unsigned long) n.pending & 0x7fffffff, (unsigned long) n.blocked & 0x7fffffff,
             (unsigned long) ignored & 0x7fffffff, (unsigned long) caught & 0x7fffffff,
             p->exit_signal, n.last_cpu, n.wishes.rt_priority, n.wishes.policy);
    text_add(t, "%lu %lu %lu %lu %d\n", (unsigned long) p->arg_start.v,
             (unsigned long) p->arg_end.v, (unsigned long) p->env_start.v,
             (unsigned long) p->env_end.v, p->exit_code);
    return 0;
}
