/* Sending signals: to a process, a thread, a group; who may; what happens at once.
 *
 * Sending never sleeps and works from any context, timer functions too. Three things happen at the
 * moment of sending, not at delivery: an ignored signal is dropped, stop signals and SIGCONT cancel
 * each other (and SIGCONT continues), and a signal that certainly kills marks all threads to die.
 * Otherwise the signal becomes pending and one thread that does not block it is told to look.
 *
 * Lock order: process_table_lock (groups), proc->lock, sighand->lock.
 */
#include "libos/base/atomic.h"
#include "libos/task/family.h"
#include "libos/task/signal_priv.h"

int (*signal_foreground_pgid)(void);

struct linux_siginfo siginfo_kernel(int sig)
{
    return (struct linux_siginfo){.signo = sig, .code = SI_KERNEL};
}

struct linux_siginfo siginfo_user(int sig, int code)
{
    struct linux_siginfo info = {.signo = sig, .code = code};
    info.rt.pid = current_process()->pid;
    info.rt.uid = current_cred()->uid;
    return info;
}

/* ---- what happens at once --------------------------------------------------------------------- */
void signal_continue_locked(struct process *p)
{
    if (!p->stopped)
        return;
    atomic_post(&p->stopped, false);
    p->stop_reported = false;
    p->continued = true;
    p->tell_continued = true;
    struct thread *t;
    list_for_each (t, &p->threads, proc_link)
        thread_set_work(t, THREAD_WORK_STOP);
    waitq_wake(&p->stop_wait, ~0u);
}

static void cancel_opposites_locked(struct process *p, int sig)
{
    if (sig_stops(sig)) {
        signal_drop_all_locked(p, sigbit(SIGCONT));
    } else if (sig == SIGCONT) {
        signal_drop_all_locked(p, SIGMASK_STOPS);
        signal_continue_locked(p);
    }
}

static bool blocked_by(const struct thread *t, int sig)
{
    uint64_t mask = t->sigmask;
    if (t->sig && t->sig->restore_mask) /* sigsuspend & co: what counts for ignoring is both */
        mask &= t->saved_sigmask;
    return mask & sigbit(sig);
}

static bool ignored_locked(struct process *p, struct thread *t, int sig)
{
    if (t && (blocked_by(t, sig) || (t->sig && (t->sig->waiting & sigbit(sig)))))
        return false;
    return sig_kernel_ignored(sighand_handler(p, sig), sig);
}

static bool wants(const struct thread *t, int sig)
{
    return t->sig && (!(t->sigmask & sigbit(sig)) || (t->sig->waiting & sigbit(sig)));
}

/* Prefers the caller (no switch needed), then the leader, then anyone. */
static struct thread *choose_locked(struct process *p, int sig)
{
    struct thread *me = current(), *t;
    if (me && me->proc == p && wants(me, sig))
        return me;
    list_for_each (t, &p->threads, proc_link) {
        if (wants(t, sig))
            return t;
    }
    return NULL;
}

/* Not those with a core file: a thread has to take them and write it. */
static bool kills_at_once_locked(struct process *p, const struct thread *t, int sig)
{
    if (sig == SIGKILL)
        return true;
    return sig_default(sig) == SIG_DEF_TERMINATE && sighand_handler(p, sig) == SIG_HANDLER_DFL &&
           !(t->sigmask & sigbit(sig)) && !(t->sig->waiting & sigbit(sig));
}

static void notify_locked(struct process *p, struct thread *t, int sig)
{
    if (!t)
        return;
    if (kills_at_once_locked(p, t, sig)) {
        process_kill_locked(p, sig);
        return;
    }
    if (t->sig->waiting & sigbit(sig)) /* sigtimedwait takes it, blocked or not */
        thread_wake(t);
    else
        thread_set_work(t, THREAD_WORK_SIGNAL);
}

/* ---- sending ---------------------------------------------------------------------------------- */
static int send_locked(struct process *p, const struct linux_siginfo *info)
{
    int sig = info->signo;
    if (sig == 0 || p->state != PROCESS_LIVE || p->exiting || p->immortal || !p->sighand)
        return 0;
    cancel_opposites_locked(p, sig);
    struct thread *main = p->leader ? p->leader : list_first(&p->threads, struct thread, proc_link);
    if (ignored_locked(p, main, sig))
        return 0;
    int r = sigpending_add_locked(p, &p->pending, info);
    if (r == 0)
        notify_locked(p, choose_locked(p, sig), sig);
    return r;
}

static int send_thread_locked(struct process *p, struct thread *t, const struct linux_siginfo *info)
{
    int sig = info->signo;
    if (sig == 0 || p->state != PROCESS_LIVE || p->exiting || p->immortal || !t->sig)
        return 0;
    cancel_opposites_locked(p, sig);
    if (ignored_locked(p, t, sig))
        return 0;
    int r = sigpending_add_locked(p, &t->sig->pending, info);
    if (r == 0)
        notify_locked(p, wants(t, sig) || sig == SIGKILL ? t : NULL, sig);
    return r;
}

/* signalfd's readers and pollers are woken without proc->lock: what they do looks at the sets. */
int signal_send(struct process *p, const struct linux_siginfo *info)
{
    spin_lock(&p->lock);
    int r = send_locked(p, info);
    spin_unlock(&p->lock);
    waitq_wake(&p->signal_wait, ~0u);
    return r;
}

int signal_send_thread(struct process *p, struct thread *t, const struct linux_siginfo *info)
{
    spin_lock(&p->lock);
    int r = send_thread_locked(p, t, info);
    spin_unlock(&p->lock);
    waitq_wake(&p->signal_wait, ~0u);
    return r;
}

bool signal_permitted(struct process *target, int sig)
{
    struct process *me = current_process();
    if (target == me)
        return true;
    if (capable(CAP_KILL))
        return true;
    const struct cred *mine = current_cred();
    AUTO(cred_put) const struct cred *theirs = process_cred_get(target);
    return mine->euid == theirs->uid || mine->euid == theirs->suid || mine->uid == theirs->uid ||
           mine->uid == theirs->suid || (sig == SIGCONT && me->sid == target->sid);
}

/* Sums up a sending to many: success if any took it, else the last error. */
static int send_one(struct process *p, const struct linux_siginfo *info, bool check_permission,
                    int so_far)
{
    if (p->state != PROCESS_LIVE)
        return so_far == -ESRCH ? 0 : so_far; /* a zombie is there, but takes nothing */
    if (check_permission && !signal_permitted(p, info->signo))
        return so_far == -ESRCH ? -EPERM : so_far;
    int r = signal_send(p, info);
    return so_far == 0 ? 0 : r;
}

static int send_group_locked(int pgid, const struct linux_siginfo *info, bool check_permission)
{
    struct pid_slot *s = pid_slot_locked(pgid);
    int r = -ESRCH;
    struct process *p;
    if (!s)
        return r;
    list_for_each (p, &s->group, group_link)
        r = send_one(p, info, check_permission, r);
    return r;
}

int signal_send_group(int pgid, const struct linux_siginfo *info, bool check_permission)
{
    SPIN_GUARD(&process_table_lock);
    return send_group_locked(pgid, info, check_permission);
}

struct send_all {
    const struct linux_siginfo *info;
    int result;
};

static int send_all_one(struct process *p, void *arg)
{
    struct send_all *all = arg;
    if (p->pid != PID_INIT && p != current_process())
        all->result = send_one(p, all->info, true, all->result);
    return 0;
}

int signal_send_all(const struct linux_siginfo *info)
{
    struct send_all all = {info, -ESRCH};
    process_for_each(send_all_one, &all);
    return all.result;
}

/* ---- the owner of a file ---------------------------------------------------------------------- */
static bool owner_permitted(const struct signal_owner *o, struct process *p)
{
    AUTO(cred_put) const struct cred *c = process_cred_get(p);
    return o->euid == 0 || o->euid == c->uid || o->euid == c->suid || o->uid == c->uid ||
           o->uid == c->suid;
}

static void send_owner_one(const struct signal_owner *o, struct process *p,
                           const struct linux_siginfo *info)
{
    if (p && p->state == PROCESS_LIVE && owner_permitted(o, p))
        (void) signal_send(p, info); /* a full queue loses it */
}

void signal_send_owner(const struct signal_owner *o, const struct linux_siginfo *info)
{
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = o->id ? pid_slot_locked(o->id) : NULL;
    struct process *p;
    if (!s)
        return;
    switch (o->type) {
    case OWNER_TID:
        if (s->thread && owner_permitted(o, s->thread->proc))
            (void) signal_send_thread(s->thread->proc, s->thread, info); /* the same */
        break;
    case OWNER_PID:
        send_owner_one(o, s->proc, info);
        break;
    default:
        list_for_each (p, &s->group, group_link)
            send_owner_one(o, p, info);
    }
}

/* ---- from the kernel -------------------------------------------------------------------------- */
void signal_send_process(struct process *p, int sig)
{
    struct linux_siginfo info = siginfo_kernel(sig);
    (void) signal_send(p, &info); /* kernel signals cannot fail */
}

void signal_send_pgrp(int pgid, int sig)
{
    struct linux_siginfo info = siginfo_kernel(sig);
    (void) signal_send_group(pgid, &info, false); /* an empty group is fine */
}

/* What a terminal sends is for whoever is in its foreground; the rest is for the program as a whole. */
static bool from_terminal(int sig)
{
    return sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP || sig == SIGWINCH;
}

void signal_from_host(int sig)
{
    if (sig < 1 || sig >= SIG_RT_FIRST)
        return;
    int pgid = signal_foreground_pgid && from_terminal(sig) ? signal_foreground_pgid() : 0;
    struct linux_siginfo info = siginfo_kernel(sig);
    SPIN_GUARD(&process_table_lock);
    struct pid_slot *s = pid_slot_locked(PID_INIT);
    if (pgid <= 0 && s && s->proc)
        pgid = s->proc->pgid;
    (void) send_group_locked(pgid, &info, false); /* an empty group is fine */
}

void signal_pipe_broken(void)
{
    struct linux_siginfo info = siginfo_user(SIGPIPE, SI_USER);
    (void) signal_send_thread(current_process(), current(), &info); /* standard: cannot fail */
}
