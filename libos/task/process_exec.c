/* Becoming another program.
 *
 * exec_in_progress keeps new threads and a second exec away while the others die; the survivor then
 * is the leader under the process's pid whatever its tid was. A vfork child shares the mm and perhaps
 * the dispositions with its parent: it gets its own and the parent goes on.
 */
#include "libos/base/atomic.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/family.h"
#include "libos/task/cputime.h"
#include "libos/task/futex.h"
#include "libos/task/process_exec.h"
#include "libos/task/signal.h"

/* ---- alone ------------------------------------------------------------------------------------ */
static int begin_locked(struct process *p, struct thread *me)
{
    if (p->exiting || p->exec_in_progress)
        return -ERESTARTNOINTR;
    p->exec_in_progress = true;
    p->exec_thread = me;
    struct thread *t;
    list_for_each (t, &p->threads, proc_link)
        if (t != me)
            thread_set_work(t, THREAD_WORK_EXIT);
    return 0;
}

static void end(struct process *p)
{
    SPIN_GUARD(&p->lock);
    p->exec_in_progress = false;
    p->exec_thread = NULL;
}

static int kill_other_threads(struct process *p, struct thread *me)
{
    spin_lock(&p->lock);
    int r = begin_locked(p, me);
    bool single = p->thread_count == 1;
    spin_unlock(&p->lock);
    if (r < 0 || single)
        return r;
    r = wait_event(&p->thread_wait, atomic_load(&p->thread_count) == 1, SLEEP_KILLABLE, FOREVER);
    if (r < 0)
        end(p);
    return r < 0 ? -ERESTARTNOINTR : 0;
}

/* The last thread to leave may still be in the pid table for a moment under the leader's number. */
static bool leader_slot_free(struct process *p, struct thread *me)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_locked(p->pid);
    return !s->thread || s->thread == me;
}

static void become_leader(struct process *p, struct thread *me)
{
    if (me->tid != p->pid) {
        while (!leader_slot_free(p, me))
            thread_yield();
        SPIN_GUARD(&process_table_lock);
        pid_slot_locked(me->tid)->thread = NULL;
        pid_free_locked(me->tid);
        pid_slot_locked(p->pid)->thread = me;
        me->tid = p->pid;
    }
    SPIN_GUARD(&p->lock);
    p->leader = me;
}

/* ---- the new program -------------------------------------------------------------------------- */
/* CLONE_SIGHAND ends at exec; without it the table is ours alone. */
static void reset_sighand(struct process *p, struct sighand *fresh)
{
    if (!fresh) {
        sighand_reset(p->sighand);
        return;
    }
    spin_lock(&p->lock);
    struct sighand *old = p->sighand;
    p->sighand = fresh;
    spin_unlock(&p->lock);
    sighand_put(old);
}

/* CLONE_FILES ends at exec. */
static void swap_files(struct process *p, struct fdtable *fresh)
{
    if (!fresh)
        return;
    spin_lock(&p->lock);
    struct fdtable *old = p->files;
    p->files = fresh;
    p->files_shared = false;
    spin_unlock(&p->lock);
    process_hooks.files_put(old);
}

static void replace_image(struct process *p, struct thread *me, const struct process_image *img)
{
    spin_lock(&p->lock);
    struct mm *old_mm = p->mm;
    struct file *old_exe = p->exe;
    p->mm = img->mm;
    p->exe = img->exe;
    str_copy(p->comm, img->comm, sizeof p->comm);
    str_copy(me->comm, img->comm, sizeof me->comm);
    p->arg_start = UADDR(img->arg_start);
    p->arg_end = UADDR(img->arg_end);
    p->env_start = UADDR(img->env_start);
    p->env_end = UADDR(img->env_end);
    p->stack_start = UADDR(img->stack_start);
    p->did_exec = true;
    p->dumpable = true; /* unless set-id */
    p->exit_signal = SIGCHLD;
    spin_unlock(&p->lock);
    cred_commit_exec(img->cred);
    vfork_complete(p);
    mm_put(old_mm);
    if (old_exe)
        process_hooks.file_put(old_exe);
}

/* The old memory's last duties: robust futexes and the tid word of the thread that execs. */
static void leave_old_memory(struct thread *me)
{
    futex_exit_robust(me);
    futex_exit_pi(me);
    atomic_store(&me->pi_settled, false); /* it lives on, in other memory */
    uaddr_t word = me->clear_child_tid;
    uint32_t zero = 0;
    me->clear_child_tid = UADDR(0);
    if (!uaddr_null(word) && put_user(word, zero) == 0)
        futex_wake(word, 1);
}

/* ---- entries ---------------------------------------------------------------------------------- */
static int prepare(struct process *p)
{
    bool shared = sighand_is_shared(p->sighand);
    p->exec_sighand = shared ? sighand_copy(p->sighand, true) : NULL;
    p->exec_files = p->files_shared ? process_hooks.files_dup(p->files) : NULL;
    if ((p->exec_sighand || !shared) && (p->exec_files || !p->files_shared))
        return 0;
    if (p->exec_sighand)
        sighand_put(TAKE(p->exec_sighand));
    return -ENOMEM;
}

int process_exec_begin(void)
{
    struct thread *me = current();
    struct process *p = me->proc;
    int r = kill_other_threads(p, me);
    if (r < 0)
        return r;
    r = prepare(p);
    if (r < 0)
        end(p);
    else
        become_leader(p, me);
    return r;
}

void process_exec_commit(struct process_image *img)
{
    struct thread *me = current();
    struct process *p = me->proc;
    leave_old_memory(me);
    process_note_peak(p);
    reset_sighand(p, TAKE(p->exec_sighand));
    swap_files(p, TAKE(p->exec_files));
    timers_process_exit(p);
    replace_image(p, me, img);
    process_hooks.files_close_on_exec(p->files);
    me->sig->altstack = (struct linux_sigaltstack){.flags = SS_DISABLE};
    end(p);
}
