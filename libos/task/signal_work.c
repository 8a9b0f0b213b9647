/* What a thread does before it goes back to user mode: die, stop, give way, take signals, run an
 * interrupted system call again.
 *
 * A restart happens inside the kernel (process_hooks.syscall_again), not by moving RIP back: the
 * instruction may be patched and RIP may lie in a stub. With a handler in between, the signal frame
 * records that the call is to run again and rt_sigreturn does it (sigframe.c).
 */
#include "abi/linux/wait.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/task/coredump.h"
#include "libos/task/family.h"
#include "libos/task/job.h"
#include "libos/task/signal_priv.h"

/* ---- job control ------------------------------------------------------------------------------ */
static void stop_process(struct process *p, int sig)
{
    if (sig != SIGSTOP && job_group_orphaned(job_getpgid(0)))
        return;
    spin_lock(&p->lock);
    bool live = !p->exiting;
    if (live) {
        atomic_post(&p->stopped, true);
        p->stop_signal = sig;
        p->stop_reported = p->continued = p->tell_continued = false;
        struct thread *t;
        list_for_each (t, &p->threads, proc_link)
            thread_set_work(t, THREAD_WORK_STOP);
    }
    spin_unlock(&p->lock);
    if (live)
        process_notify_parent(p, CLD_STOPPED);
}

static void stay_stopped(struct thread *t)
{
    struct process *p = t->proc;
    atomic_and(&t->work, ~(uint32_t) THREAD_WORK_STOP);
    (void) wait_event(&p->stop_wait, !atomic_load(&p->stopped), SLEEP_KILLABLE,
                      FOREVER); /* -EINTR: the loop sees EXIT */
    spin_lock(&p->lock);
    bool tell = p->tell_continued && !p->stopped;
    p->tell_continued = p->tell_continued && !tell;
    spin_unlock(&p->lock);
    if (tell)
        process_notify_parent(p, CLD_CONTINUED);
}

/* ---- one signal ------------------------------------------------------------------------------- */
static void default_action(struct process *p, const struct linux_siginfo *info)
{
    int sig = info->signo;
    switch (sig_default(sig)) {
    case SIG_DEF_IGNORE:
    case SIG_DEF_CONTINUE:
        return;
    case SIG_DEF_STOP:
        stop_process(p, sig);
        return;
    case SIG_DEF_CORE:
        coredump_die(info);
    case SIG_DEF_TERMINATE:
        process_exit_group(sig);
    }
}

/* Does the interrupted call run again after the handler? Otherwise its result becomes EINTR. */
static bool settle_result(struct user_frame *f, uint64_t action_flags)
{
    switch (-(int64_t) f->rax) {
    case ERESTARTNOINTR:
        return true;
    case ERESTARTSYS:
        if (action_flags & SA_RESTART)
            return true;
        __attribute__((fallthrough));
    case ERESTARTNOHAND:
    case ERESTART_RESTARTBLOCK:
        f->rax = (uint64_t) -EINTR;
        return false;
    default:
        return false;
    }
}

static void run_handler(struct thread *t, struct user_frame *f,
                        const struct linux_sigaction *action, const struct linux_siginfo *info,
                        bool from_syscall)
{
    bool restart = from_syscall && f->orig_rax != UINT64_MAX && settle_result(f, action->flags);
    uint64_t old_mask = t->sig->restore_mask ? t->saved_sigmask : t->sigmask;
    if (sigframe_push(f, action, info, old_mask, restart) < 0) {
        if (info->signo == SIGSEGV)
            coredump_die(info);
        signal_fault(SIGSEGV, SI_KERNEL, UADDR(0), 0, 0);
        return;
    }
    uint64_t mask = t->sigmask | action->mask;
    if (!(action->flags & SA_NODEFER))
        mask |= sigbit(info->signo);
    sigmask_set_for_handler(mask);
}

/* Takes one signal with its disposition; false: there was none. */
static bool take_with_action(struct thread *t, struct linux_siginfo *ret_info,
                             struct linux_sigaction *ret_action)
{
    struct process *p = t->proc;
    SPIN_GUARD(&p->lock);
    int sig = signal_take_locked(t, ~t->sigmask, ret_info);
    if (!sig)
        return false;
    spin_lock(&p->sighand->lock);
    struct linux_sigaction *a = &p->sighand->action[sig - 1];
    *ret_action = *a;
    if ((a->flags & SA_RESETHAND) && a->handler > SIG_HANDLER_IGN)
        a->handler = SIG_HANDLER_DFL;
    spin_unlock(&p->sighand->lock);
    return true;
}

/* True if a handler's frame was pushed. */
static bool deliver_one(struct thread *t, struct user_frame *f, bool from_syscall)
{
    struct linux_siginfo info;
    struct linux_sigaction action;
    if (!take_with_action(t, &info, &action) || action.handler == SIG_HANDLER_IGN)
        return false;
    if (action.handler == SIG_HANDLER_DFL) {
        default_action(t->proc, &info);
        return false;
    }
    run_handler(t, f, &action, &info, from_syscall);
    return true;
}

/* ---- restart without a handler ---------------------------------------------------------------- */
static bool wants_restart(const struct user_frame *f)
{
    if (f->orig_rax == UINT64_MAX)
        return false;
    int64_t e = -(int64_t) f->rax;
    return e == ERESTARTSYS || e == ERESTARTNOINTR || e == ERESTARTNOHAND ||
           e == ERESTART_RESTARTBLOCK;
}

static void restart(struct thread *t, struct user_frame *f)
{
    t->sig->restarting = f->rax == (uint64_t) -ERESTART_RESTARTBLOCK;
    f->rax = f->orig_rax;
    f->rax = (uint64_t) process_hooks.syscall_again(f);
    t->sig->restarting = false;
}

static void restore_mask(struct thread *t)
{
    SPIN_GUARD(&t->proc->lock);
    t->sig->restore_mask = false;
    t->sigmask = t->saved_sigmask;
    signal_recalc_locked(t);
}

void thread_user_work(struct user_frame *frame, bool from_syscall)
{
    struct thread *t = current();
    for (;;) {
        uint32_t work = atomic_load(&t->work);
        if (work & THREAD_WORK_EXIT)
            process_exit_thread(atomic_peek(&t->proc->exit_code) >> 8 & 0xff);
        if (work & THREAD_WORK_RESCHED) {
            atomic_and(&t->work, ~(uint32_t) THREAD_WORK_RESCHED);
            thread_yield();
        } else if (work & THREAD_WORK_STOP) {
            stay_stopped(t);
        } else if (work & THREAD_WORK_SIGNAL) {
            if (deliver_one(t, frame, from_syscall))
                from_syscall = false;
        } else if (from_syscall && wants_restart(frame)) {
            if (t->sig->restore_mask) /* the call sets it again */
                restore_mask(t);
            else
                restart(t, frame);
        } else if (t->sig->restore_mask) {
            restore_mask(t);
        } else {
            return;
        }
    }
}

/* ---- forced faults ---------------------------------------------------------------------------- */
void signal_fault(int sig, int code, uaddr_t addr, int trapno, uint64_t error_code)
{
    struct thread *t = current();
    struct process *p = t->proc;
    struct linux_siginfo info = {.signo = sig, .code = code};
    info.fault.addr = addr.v;
    t->sig->trapno = (uint64_t) trapno;
    t->sig->error_code = error_code;
    t->sig->fault_addr = addr.v;
    const struct user_frame *f = thread_frame(t);
    log_debug(
        "[%d] fault: signal %d code %d address 0x%lx vector %d error 0x%lx rip 0x%lx rsp 0x%lx",
        t->tid, sig, code, addr.v, trapno, error_code, f->rip, f->rsp);
    SPIN_GUARD(&p->lock);
    if ((t->sigmask & sigbit(sig)) || sighand_handler(p, sig) == SIG_HANDLER_IGN) {
        t->sigmask &= ~sigbit(sig);
        sighand_default(p, sig);
    }
    (void) sigpending_add_locked(p, &t->sig->pending, &info); /* standard: cannot fail */
    signal_recalc_locked(t);
}
