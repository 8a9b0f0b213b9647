/* Death of threads and processes.
 *
 * A thread dies in its own context: process_exit_thread settles its robust futexes and tid word while
 * user memory is still there, leaves its process and the table, and leaves the scheduler. The last
 * one also gives back what the process holds, then makes it a zombie or, if the parent does not care,
 * lets it vanish. exit_group, fatal signals and exec only mark the other threads (THREAD_WORK_EXIT);
 * each comes here by itself, from its sleep or from user mode at the next tick.
 *
 * The exit status is the one group exit set first, else the leader's.
 */
#include "abi/linux/wait.h"
#include "abi/linux/signal.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/family.h"
#include "libos/task/cputime.h"
#include "libos/task/coredump.h"
#include "libos/task/futex.h"
#include "libos/task/signal.h"
#include "libos/task/wait.h"

#define INIT_KILL_WAIT_NS (3 * NSEC_PER_SEC)

/* ---- the thread ------------------------------------------------------------------------------- */
static void clear_tid_word(struct thread *t)
{
    uaddr_t word = t->clear_child_tid;
    t->clear_child_tid = UADDR(0);
    if (uaddr_null(word))
        return;
    uint32_t zero = 0;
    if (put_user(word, zero) == 0)
        futex_wake(word, 1);
}

void process_kill_locked(struct process *p, int wait_status)
{
    if (!p->exiting) {
        p->exiting = true;
        atomic_post(&p->exit_code, wait_status);
    }
    atomic_post(&p->stopped, false);
    struct thread *t;
    list_for_each (t, &p->threads, proc_link)
        thread_set_work(t, THREAD_WORK_EXIT);
    waitq_wake(&p->stop_wait, ~0u);
}

/* True if t was the last. Otherwise t has left the process. */
static bool leave_process(struct process *p, struct thread *t, int code)
{
    SPIN_GUARD(&p->lock);
    if (t == p->leader && !p->exiting)
        atomic_post(&p->exit_code, WAIT_STATUS_EXIT(code));
    if (p->thread_count == 1) {
        p->exiting = true;
        return true;
    }
    atomic_post(&p->thread_count, p->thread_count - 1);
    process_thread_exit_times_locked(p, t);
    list_del(&t->proc_link);
    if (t == p->leader)
        p->leader = NULL;
    if (p->exec_in_progress || p->dumper)
        waitq_wake(&p->thread_wait, ~0u);
    return false;
}

static void leave_table(struct process *p, struct thread *t)
{
    SPIN_GUARD(&process_table_lock);
    pid_slot_locked(t->tid)->thread = NULL;
    if (t->tid != p->pid)
        pid_free_locked(t->tid);
}

/* ---- what the process holds ------------------------------------------------------------------- */
static void release_memory(struct process *p)
{
    process_note_peak(p);
    spin_lock(&p->lock);
    struct mm *mm = TAKE(p->mm);
    struct file *exe = TAKE(p->exe);
    spin_unlock(&p->lock);
    vfork_complete(p);
    bool last = p->pid == 1 && process_count() == 1; /* the memory goes with the enclave */
    if (mm && !last)
        mm_put(mm);
    if (exe)
        process_hooks.file_put(exe);
}

static void release_files(struct process *p)
{
    spin_lock(&p->lock);
    struct fdtable *files = TAKE(p->files);
    struct fs_ctx *fs = TAKE(p->fs);
    spin_unlock(&p->lock);
    process_hooks.files_put(files);
    process_hooks.fs_put(fs);
}

/* ---- the family ------------------------------------------------------------------------------- */
static struct process *find_reaper_locked(struct process *p)
{
    struct process *a = p->parent;
    for (; a && a->parent; a = a->parent)
        if (a->child_subreaper && a->state == PROCESS_LIVE && !a->exiting)
            return a;
    return a;
}

static bool parent_ignores_child(struct process *parent)
{
    SPIN_GUARD(&parent->lock);
    const struct linux_sigaction *a = &parent->sighand->action[SIGCHLD - 1];
    return atomic_load(&a->handler) == SIG_HANDLER_IGN || (atomic_load(&a->flags) & SA_NOCLDWAIT);
}

static struct linux_siginfo child_info(struct process *p, int sig)
{
    struct linux_siginfo info = {.signo = sig};
    int status = p->exit_code;
    info.code = wait_end_code(status);
    info.chld.pid = p->pid;
    info.chld.uid = process_uid(p);
    info.chld.status = (status & 0x7f) ? (status & 0x7f) : (status >> 8 & 0xff);
    info.chld.utime = p->dead_utime_ns / (NSEC_PER_SEC / 100);
    info.chld.stime = p->dead_stime_ns / (NSEC_PER_SEC / 100);
    return info;
}

/* p is a zombie. True if nobody will wait for it: it is reaped and the caller puts the tree's
 * reference. */
static bool tell_parent_locked(struct process *p)
{
    struct process *parent = p->parent;
    if (!parent || parent->state != PROCESS_LIVE)
        return false; /* pid 1, at the very end */
    bool reap = p->adopted || parent->exiting;
    if (!reap && p->exit_signal == SIGCHLD)
        reap = parent_ignores_child(parent);
    if (!p->adopted && p->exit_signal > 0) {
        struct linux_siginfo info = child_info(p, p->exit_signal);
        (void) signal_send(parent, &info); /* a full queue still sets the bit */
    }
    if (reap) {
        family_reap_locked(p);
    } else { /* where wait looks first */
        list_del(&p->sibling);
        list_add(&parent->children, &p->sibling);
    }
    waitq_wake(&parent->child_wait, ~0u);
    return reap;
}

static void continue_orphans_locked(int pgid, const struct process *except)
{
    struct pid_slot *s = pid_slot_locked(pgid);
    if (!s || !family_group_orphaned_locked(pgid, except))
        return;
    bool stopped = false;
    struct process *p;
    list_for_each (p, &s->group, group_link)
        stopped |= p != except && p->stopped;
    if (!stopped)
        return;
    list_for_each (p, &s->group, group_link) {
        if (p->state != PROCESS_LIVE)
            continue;
        struct linux_siginfo hup = siginfo_kernel(SIGHUP), cont = siginfo_kernel(SIGCONT);
        (void) signal_send(p, &hup); /* kernel signals cannot fail */
        (void) signal_send(p, &cont);
    }
}

static void adopt_locked(struct process *child, struct process *reaper, struct list *dead)
{
    list_del(&child->sibling);
    family_add_child_locked(reaper, child);
    child->adopted = !reaper->child_subreaper;
    child->exit_signal = SIGCHLD;
    if (child->pdeath_signal && child->state == PROCESS_LIVE) {
        struct linux_siginfo info = siginfo_kernel(child->pdeath_signal);
        info.code = SI_USER;
        (void) signal_send(child, &info); /* as above */
    }
    if (child->state == PROCESS_ZOMBIE && tell_parent_locked(child))
        list_add(dead, &child->sibling);
}

static void put_dead(struct list *dead)
{
    struct process *p;
    list_for_each_safe (p, dead, sibling) {
        list_del(&p->sibling);
        process_put(p);
    }
}

static void reparent_children_locked(struct process *p, struct list *dead)
{
    struct process *reaper = find_reaper_locked(p), *child;
    if (!reaper)
        return;
    list_for_each_safe (child, &p->children, sibling) {
        int pgid = child->pgid;
        bool same_session = child->sid == p->sid && pgid != p->pgid;
        adopt_locked(child, reaper, dead);
        if (same_session)
            continue_orphans_locked(pgid, p);
    }
}

static void become_zombie(struct process *p, struct thread *t)
{
    struct list dead = LIST_INIT(dead);
    spin_lock(&process_table_lock);
    spin_lock(&p->lock);
    atomic_post(&p->thread_count, 0);
    process_thread_exit_times_locked(p, t);
    list_del(&t->proc_link);
    p->leader = NULL;
    p->state = PROCESS_ZOMBIE;
    spin_unlock(&p->lock);
    pid_slot_locked(t->tid)->thread = NULL;
    if (t->tid != p->pid)
        pid_free_locked(t->tid);
    process_table_count--;
    reparent_children_locked(p, &dead);
    if (p->parent && p->parent->sid == p->sid && p->parent->pgid != p->pgid)
        continue_orphans_locked(p->pgid, p);
    if (tell_parent_locked(p))
        list_add(&dead, &p->sibling);
    spin_unlock(&process_table_lock);
    waitq_wake(&p->exit_wait, ~0u);
    put_dead(&dead);
}

/* ---- the end of pid 1 ------------------------------------------------------------------------- */
static int kill_one(struct process *p, void *except)
{
    if (p == except || p->state != PROCESS_LIVE)
        return 0;
    SPIN_GUARD(&p->lock);
    process_kill_locked(p, SIGKILL);
    return 0;
}

static bool alone(struct process *init)
{
    process_for_each(kill_one, init);
    return process_count() == 1;
}

void process_end_others(void)
{
    struct process *init = current_process();
    int64_t deadline = clock_mono_ns() + INIT_KILL_WAIT_NS;
    int r = wait_event(&init->child_wait, alone(init), SLEEP_UNINTERRUPTIBLE, deadline);
    if (r < 0)
        log_warn("%d processes did not end in time", process_count() - 1);
}

static void process_finish(struct process *p, struct thread *t)
{
    timers_process_exit(p);
    itimer_process_exit(p);
    release_memory(p);
    process_hooks.sem_exit(p);
    release_files(p);
    process_hooks.tty_leader_exit(p);
    if (p->pid == 1)
        process_end_others();
    signal_thread_exit(t);
    become_zombie(p, t);
    signal_process_exit(p);
    if (p->pid == 1 && process_init_exited)
        process_init_exited(p->exit_code);
}

/* ---- entries ---------------------------------------------------------------------------------- */
void process_exit_thread(int code)
{
    struct thread *t = current();
    struct process *p = t->proc;
    coredump_park(t);
    futex_exit_robust(t);
    futex_exit_pi(t);
    clear_tid_word(t);
    if (leave_process(p, t, code)) {
        process_finish(p, t);
    } else {
        leave_table(p, t);
        signal_thread_exit(t);
    }
    thread_put(t); /* the thread list's; the scheduler has its own */
    process_put(p);
    thread_exit_final();
}

void process_exit_group(int wait_status)
{
    struct process *p = current_process();
    spin_lock(&p->lock);
    process_kill_locked(p, wait_status);
    int code = p->exit_code >> 8 & 0xff;
    spin_unlock(&p->lock);
    process_exit_thread(code);
}
