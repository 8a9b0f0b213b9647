/* clone: a thread of the calling process, a new process that shares its memory (vfork, posix_spawn), or
 * one with a copy of it (fork).
 *
 * Everything that can fail is done before the child is visible; then the child enters the table, its
 * family and its process's thread list in one step under process_table_lock and proc->lock, where
 * it is also decided that nobody is killing the parent meanwhile. The thread's first reference
 * belongs to the process's thread list, the process's first to the family tree.
 *
 * After fork the child runs first, in place, if nobody else runs the parent's memory meanwhile: most
 * children exec or exit at once, and then the parent's pages need not move at all.
 */
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/clone.h"
#include "libos/task/family.h"
#include "libos/task/signal.h"

/* ---- a new process ---------------------------------------------------------------------------- */
static void copy_identity(struct process *child, struct process *parent)
{
    SPIN_GUARD(&parent->lock);
    child->cred = cred_get(current_cred());
    memcpy(child->rlimits, parent->rlimits, sizeof child->rlimits);
    memcpy(child->comm, parent->comm, sizeof child->comm);
    child->dumpable = parent->dumpable;
    child->nice = parent->nice;
    child->ioprio = parent->ioprio;
    child->timer_slack_ns = parent->timer_slack_ns;
    child->personality = parent->personality;
    child->thp_disabled = parent->thp_disabled;
    child->oom_score_adj = parent->oom_score_adj;
    child->login_uid = parent->login_uid;
    child->login_session = parent->login_session;
    child->tty_link = parent->tty_link;
    child->arg_start = parent->arg_start;
    child->arg_end = parent->arg_end;
    child->env_start = parent->env_start;
    child->env_end = parent->env_end;
    child->stack_start = parent->stack_start;
    child->exe = parent->exe;
    if (child->exe)
        process_hooks.file_get(child->exe);
}

static struct fdtable *clone_files(struct process *parent, uint64_t flags)
{
    if (!(flags & CLONE_FILES))
        return process_hooks.files_dup(parent->files);
    process_hooks.files_get(parent->files);
    parent->files_shared = true;
    return parent->files;
}

static struct fs_ctx *clone_fs(struct process *parent, uint64_t flags)
{
    if (!(flags & CLONE_FS))
        return process_hooks.fs_dup(parent->fs);
    process_hooks.fs_get(parent->fs);
    return parent->fs;
}

static struct sighand *clone_sighand(struct process *parent, uint64_t flags)
{
    if (!(flags & CLONE_SIGHAND))
        return sighand_copy(parent->sighand, flags & LINUX_CLONE_CLEAR_SIGHAND);
    sighand_get(parent->sighand);
    return parent->sighand;
}

static struct mm *clone_memory(struct mm *mm, uint64_t flags)
{
    if (!(flags & CLONE_VM))
        return mm_fork(mm);
    mm_get(mm);
    return mm;
}

void process_discard(struct process *p)
{
    if (p->files)
        process_hooks.files_put(TAKE(p->files));
    if (p->fs)
        process_hooks.fs_put(TAKE(p->fs));
    if (p->sighand)
        sighand_put(TAKE(p->sighand));
    if (p->exe)
        process_hooks.file_put(TAKE(p->exe));
    if (p->mm)
        mm_put(TAKE(p->mm));
    process_put(p);
}

static struct process *clone_process(const struct clone_params *c)
{
    struct process *parent = current_process(), *p = process_new();
    if (!p)
        return NULL;
    copy_identity(p, parent);
    p->vfork_done = !(c->flags & CLONE_VFORK);
    p->exit_signal = c->exit_signal;
    if (c->flags & CLONE_PARENT)
        p->exit_signal = parent->exit_signal;
    p->mm = clone_memory(parent->mm, c->flags);
    p->files = clone_files(parent, c->flags);
    p->files_shared = c->flags & CLONE_FILES;
    p->fs = clone_fs(parent, c->flags);
    p->sighand = clone_sighand(parent, c->flags);
    if (p->mm && p->files && p->fs && p->sighand)
        return p;
    process_discard(p);
    return NULL;
}

/* The first thing a forked child does. */
static void fork_child_begin(void *arg)
{
    struct thread *me = current();
    int tid = me->tid;
    me->kthread_fn = NULL;
    (void) put_user(me->set_child_tid, tid); /* as on Linux a bad pointer stops nothing */
    thread_enter_user();
}

/* ---- a new thread ----------------------------------------------------------------------------- */
static struct thread *clone_thread(struct process *proc, const struct clone_params *c)
{
    struct thread *t = thread_clone(proc, 0), *me = current();
    if (!t)
        return NULL;
    t->sig = signal_state_new();
    if (!t->sig) {
        thread_put(t);
        return NULL;
    }
    t->cred = cred_get(current_cred());
    t->sigmask = me->sigmask;
    t->sig->altstack.flags = SS_DISABLE;
    if (!(c->flags & CLONE_VM) || (c->flags & CLONE_VFORK))
        t->sig->altstack = me->sig->altstack;
    struct user_frame *f = thread_frame(t);
    f->rax = 0;
    f->orig_rax = UINT64_MAX;
    if (c->stack_pointer)
        f->rsp = c->stack_pointer;
    if (c->flags & CLONE_SETTLS)
        t->fs_base = c->tls;
    if (c->flags & CLONE_CHILD_CLEARTID)
        t->clear_child_tid = c->child_tid;
    if ((c->flags & CLONE_CHILD_SETTID) && !(c->flags & CLONE_VM)) {
        t->set_child_tid = c->child_tid;
        t->kthread_fn = fork_child_begin;
    }
    return t;
}

void thread_discard(struct thread *t)
{
    kfree(TAKE(t->sig));
    thread_put(t);
}

/* ---- becoming visible ------------------------------------------------------------------------- */
static void enter_family_locked(struct process *p, const struct clone_params *c)
{
    struct process *me = current_process();
    struct process *parent = (c->flags & CLONE_PARENT) && me->parent ? me->parent : me;
    family_add_child_locked(parent, p);
    family_join_group_locked(p, me->pgid);
    family_join_session_locked(p, me->sid);
    pid_slot_locked(p->pid)->proc = p;
    process_table_count++;
    process_table_count_ever++;
}

struct user_count {
    uint32_t uid;
    uint64_t threads;
};

static int count_user(struct process *p, void *arg)
{
    struct user_count *c = arg;
    if (p->state == PROCESS_LIVE && process_uid(p) == c->uid)
        c->threads += (uint64_t) atomic_peek(&p->thread_count);
    else if (p->state == PROCESS_ZOMBIE && process_uid(p) == c->uid)
        c->threads++;
    return 0;
}

/* RLIMIT_NPROC counts the threads of the real user; root and its like may have any number. */
static bool too_many_locked(struct process *me)
{
    uint64_t limit = me->rlimits[RLIMIT_NPROC].cur;
    bool exempt = current_cred()->uid == 0 || capable(CAP_SYS_ADMIN) || capable(CAP_SYS_RESOURCE);
    if (process_table_count >= PID_MAX / 2)
        return true;
    if (limit == LINUX_RLIM_INFINITY || exempt)
        return false;
    struct user_count c = {.uid = current_cred()->uid};
    process_for_each_locked(count_user, &c);
    return c.threads >= limit;
}

/* 0 and the child's number, or why it cannot live. */
static int clone_enter(struct process *p, struct thread *t, const struct clone_params *c)
{
    struct process *me = current_process();
    bool new_process = p != me;
    SPIN_GUARD(&process_table_lock);
    if (thread_interrupted()) /* signals sent to the group before must reach all its members */
        return -ERESTARTNOINTR;
    if (too_many_locked(me))
        return -EAGAIN;
    int tid = pid_alloc_locked();
    if (tid < 0)
        return tid;
    spin_lock(&p->lock);
    if (p->exiting || p->exec_in_progress) {
        spin_unlock(&p->lock);
        pid_free_locked(tid);
        return -ERESTARTNOINTR;
    }
    t->tid = tid;
    process_get(p);
    list_add_tail(&p->threads, &t->proc_link);
    atomic_post(&p->thread_count, p->thread_count + 1);
    if (new_process) {
        p->pid = tid;
        p->leader = t;
    }
    t->heap_owner = heap_owner_of(p->pid);
    spin_unlock(&p->lock);
    pid_slot_locked(tid)->thread = t;
    if (new_process)
        enter_family_locked(p, c);
    return 0;
}

static int tell_tid(const struct clone_params *c, int tid)
{
    int r = 0;
    if (c->flags & CLONE_PARENT_SETTID)
        r = put_user(c->parent_tid, tid);
    if ((c->flags & CLONE_CHILD_SETTID) &&
        (c->flags & CLONE_VM)) /* no need to do it in the child */
        r |= put_user(c->child_tid, tid);
    return r;
}

static void vfork_wait(struct process *child)
{
    (void) wait_event(&child->vfork_wait, atomic_load(&child->vfork_done), SLEEP_KILLABLE,
                      FOREVER); /* -EINTR: this thread dies on its way out */
}

void vfork_complete(struct process *p)
{
    if (p->vfork_done)
        return;
    (void) atomic_swap(&p->vfork_done, true);
    waitq_wake(&p->vfork_wait, ~0u);
}

/* The turn goes to a forked child at once, if nobody else runs the parent's memory. */
static bool child_first(struct process *child, const struct clone_params *c)
{
    struct process *me = current_process();
    return !(c->flags & CLONE_VM) && atomic_load(&me->thread_count) == 1 &&
           mm_fork_turn(me->mm, child->mm);
}

static long clone_run(struct process *p, struct thread *t, const struct clone_params *c)
{
    int pid = t->tid;
    bool vfork = c->flags & CLONE_VFORK && p != current_process();
    (void) tell_tid(c, pid); /* as on Linux a bad pointer does not stop the birth */
    if (c->flags & CLONE_PIDFD) {
        int fd = process_hooks.pidfd_open(p);
        (void) put_user(c->pidfd, fd); /* the same */
    }
    process_get(p);
    bool gives_way = child_first(p, c);
    thread_start(t);
    if (gives_way)
        thread_give_way();
    if (vfork)
        vfork_wait(p);
    process_put(p);
    return pid;
}

long process_clone(const struct clone_params *c)
{
    int r = clone_check(c);
    if (r < 0)
        return r;
    if ((c->flags & CLONE_SETTLS) && c->tls >= ELRANGE_END)
        return -EPERM;
    struct process *me = current_process();
    bool new_process = !(c->flags & CLONE_THREAD);
    struct process *p = new_process ? clone_process(c) : me;
    struct thread *t = p ? clone_thread(p, c) : NULL;
    r = t ? clone_enter(p, t, c) : -ENOMEM;
    if (r == 0)
        return clone_run(p, t, c);
    if (t)
        thread_discard(t);
    if (p && new_process)
        process_discard(p);
    return r;
}
