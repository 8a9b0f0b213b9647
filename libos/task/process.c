/* The process table and the memory of processes.
 *
 * Numbers 1 .. PID_MAX - 1 index a two-level table whose chunks are made on first use and never freed,
 * so a lookup is two loads. Allocation walks on from the last number given, as Linux does: a number
 * is not used again soon. Nothing outside holds raw pointers: a process is found by number under the
 * table's lock and referenced, so a stale number finds nothing or another process, never a dead one.
 *
 * References of a process: one of the family tree (until it is reaped), one per thread, one per
 * lookup. Locks: process_table_lock before proc->lock.
 */
#include "abi/linux/resource.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/cputime.h"
#include "libos/task/family.h"
#include "libos/task/signal.h"

#define CHUNK_SHIFT 7
#define CHUNK_SIZE  (1 << CHUNK_SHIFT)

struct spinlock process_table_lock = SPINLOCK_INIT;
int process_table_count;
unsigned long process_table_count_ever;

static struct {
    struct pid_slot *chunks[PID_MAX / CHUNK_SIZE];
    int last;
} pids = {.last = PID_INIT}; /* the first process takes that one itself */

/* ---- numbers ---------------------------------------------------------------------------------- */
struct pid_slot *pid_slot_locked(int pid)
{
    if (pid <= 0 || pid >= PID_MAX)
        return NULL;
    struct pid_slot *chunk = pids.chunks[pid >> CHUNK_SHIFT];
    return chunk ? &chunk[pid & (CHUNK_SIZE - 1)] : NULL;
}

struct pid_slot *pid_slot_make_locked(int pid)
{
    struct pid_slot **chunk = &pids.chunks[pid >> CHUNK_SHIFT];
    if (!*chunk) {
        *chunk = kzalloc(CHUNK_SIZE * sizeof **chunk);
        for (int i = 0; *chunk && i < CHUNK_SIZE; i++)
            list_init(&(*chunk)[i].group);
    }
    return pid_slot_locked(pid);
}

int pid_alloc_locked(void)
{
    for (int tried = 1; tried < PID_MAX; tried++) {
        pids.last = pids.last + 1 < PID_MAX ? pids.last + 1 : PID_INIT + 1;
        struct pid_slot *s = pid_slot_make_locked(pids.last);
        if (!s)
            return -EAGAIN;
        if (s->reserved || s->sessions > 0 || !list_empty(&s->group))
            continue;
        s->reserved = true;
        return pids.last;
    }
    return -EAGAIN;
}

bool process_number_used(int pid)
{
    SPIN_GUARD(&process_table_lock);
    const struct pid_slot *s = pid_slot_locked(pid);
    return s && (s->reserved || !list_empty(&s->group) || s->sessions);
}

void pid_free_locked(int pid)
{
    struct pid_slot *s = pid_slot_locked(pid);
    check(s && s->reserved && !s->proc && !s->thread);
    s->reserved = false;
}

/* ---- lookup ----------------------------------------------------------------------------------- */
struct process *process_of_task_locked(int id)
{
    struct pid_slot *s = pid_slot_locked(id);
    if (!s)
        return NULL;
    return s->proc ? s->proc : s->thread ? s->thread->proc : NULL;
}

struct process *process_lookup_get(int pid)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_locked(pid);
    if (!s || !s->proc)
        return NULL;
    process_get(s->proc);
    return s->proc;
}

struct process *process_of_task_get(int id)
{
    SPIN_GUARD(&process_table_lock);
    struct process *p = process_of_task_locked(id);
    if (p)
        process_get(p);
    return p;
}

struct process *process_next_get(int pid)
{
    SPIN_GUARD(&process_table_lock);
    for (pid = MAX(pid, 1); pid < PID_MAX; pid++) {
        struct pid_slot *s = pid_slot_locked(pid);
        if (!s) {
            pid |= CHUNK_SIZE - 1;
        } else if (s->proc) {
            process_get(s->proc);
            return s->proc;
        }
    }
    return NULL;
}

struct thread *thread_lookup_get(int tid, struct process **ret_proc)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_locked(tid);
    if (!s || !s->thread)
        return NULL;
    thread_get(s->thread);
    process_get(s->thread->proc);
    *ret_proc = s->thread->proc;
    return s->thread;
}

struct thread *process_thread_get(struct process *p, unsigned n)
{
    SPIN_GUARD(&p->lock);
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        if (n-- == 0) {
            thread_get(t);
            return t;
        }
    }
    return NULL;
}

int process_for_each_locked(int (*fn)(struct process *p, void *arg), void *arg)
{
    for (int pid = 1; pid < PID_MAX; pid++) {
        struct pid_slot *s = pid_slot_locked(pid);
        if (!s) {
            pid |= CHUNK_SIZE - 1;
            continue;
        }
        int r = s->proc ? fn(s->proc, arg) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

int process_for_each(int (*fn)(struct process *p, void *arg), void *arg)
{
    SPIN_GUARD(&process_table_lock);
    return process_for_each_locked(fn, arg);
}

int process_count(void)
{
    SPIN_GUARD(&process_table_lock);
    return process_table_count;
}

unsigned long process_count_ever(void)
{
    SPIN_GUARD(&process_table_lock);
    return process_table_count_ever;
}

int process_last_pid(void)
{
    SPIN_GUARD(&process_table_lock);
    return pids.last;
}

static int add_threads(struct process *p, void *sum)
{
    *(int *) sum += atomic_peek(&p->thread_count);
    return 0;
}

int process_thread_total(void)
{
    int sum = 0;
    process_for_each(add_threads, &sum);
    return sum;
}

/* ---- shared objects --------------------------------------------------------------------------- */
struct mm *process_mm_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->mm)
        mm_get(p->mm);
    return p->mm;
}

struct fdtable *process_files_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->files)
        process_hooks.files_get(p->files);
    return p->files;
}

struct fs_ctx *process_fs_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->fs)
        process_hooks.fs_get(p->fs);
    return p->fs;
}

struct file *process_exe_get(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->exe)
        process_hooks.file_get(p->exe);
    return p->exe;
}

int process_parent_pid(struct process *p)
{
    SPIN_GUARD(&process_table_lock);
    return p->parent ? p->parent->pid : 0;
}

static bool any_thread_runs_locked(struct process *p)
{
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        enum thread_state state = atomic_peek(&t->state);
        if (state == THREAD_RUNNING || state == THREAD_RUNNABLE)
            return true;
    }
    return false;
}

char process_state_letter(struct process *p)
{
    SPIN_GUARD(&p->lock);
    if (p->state != PROCESS_LIVE)
        return 'Z';
    if (p->stopped)
        return 'T';
    return any_thread_runs_locked(p) ? 'R' : 'S';
}

/* ---- memory ----------------------------------------------------------------------------------- */
struct process *process_new(void)
{
    struct process *p = new_zero(struct process);
    if (!p)
        return NULL;
    ref_init(&p->ref);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->group_link);
    list_init(&p->threads);
    list_init(&p->posix_timers);
    list_init(&p->pending.queue);
    waitq_init(&p->child_wait);
    waitq_init(&p->thread_wait);
    waitq_init(&p->vfork_wait);
    waitq_init(&p->signal_wait);
    waitq_init(&p->stop_wait);
    waitq_init(&p->exit_wait);
    p->start_ns = clock_mono_ns();
    p->vfork_done = true;
    return p;
}

void process_get(struct process *p)
{
    ref_get(&p->ref);
}

void process_put(struct process *p)
{
    if (!ref_put_last(&p->ref))
        return;
    check(list_empty(&p->threads) && list_empty(&p->children) && !p->mm && !p->files);
    if (p->cred)
        cred_put(p->cred);
    kfree(p);
}

void process_thread_exit_times_locked(struct process *p, struct thread *t)
{
    struct cputime used = thread_cputime(t);
    p->dead_utime_ns += used.user_ns;
    p->dead_stime_ns += used.system_ns;
    struct usage own;
    usage_of_thread(t, &own);
    usage_add(&p->dead_usage, &own);
}
