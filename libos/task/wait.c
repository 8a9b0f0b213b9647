/* wait4 and waitid.
 *
 * One look at the children happens under process_table_lock and takes what it finds at once, so two
 * waiting threads never get the same child. Zombies stand at the front of the children list: a wait
 * for any child looks at one or two of them, a wait for one pid goes through the pid table.
 */
#include "abi/linux/wait.h"
#include "libos/task/family.h"
#include "libos/task/signal.h"
#include "libos/task/wait.h"

enum look { LOOK_NONE, LOOK_LATER, LOOK_FOUND }; /* no such child; not yet; taken */

static bool eligible(const struct process *c, const struct wait_params *w)
{
    if (c->adopted && !c->parent->child_subreaper)
        return false;
    if (w->type == LINUX_P_PID && c->pid != w->id)
        return false;
    if (w->type == LINUX_P_PGID && c->pgid != w->id)
        return false;
    if (w->type == LINUX_P_PIDFD && c != w->target)
        return false;
    bool clone_child = c->exit_signal != SIGCHLD;
    bool wants_clone = w->options & __WCLONE;
    return (w->options & __WALL) || clone_child == wants_clone;
}

static void fill(struct wait_result *ret, struct process *c, int status, int code, int si_status)
{
    *ret = (struct wait_result){.pid = c->pid, .status = status};
    ret->info = (struct linux_siginfo){.signo = SIGCHLD, .code = code};
    ret->info.chld.pid = c->pid;
    ret->info.chld.status = si_status;
}

int wait_end_code(int status)
{
    if (status & WAIT_STATUS_CORE)
        return CLD_DUMPED;
    return status & 0x7f ? CLD_KILLED : CLD_EXITED;
}

static void take_zombie_locked(struct process *c, const struct wait_params *w,
                               struct wait_result *ret, struct process **ret_dead)
{
    int status = c->exit_code, sig = status & 0x7f;
    fill(ret, c, status, wait_end_code(status), sig ? sig : status >> 8 & 0xff);
    ret->info.chld.uid = process_uid(c);
    ret->used = (struct cputime){c->dead_utime_ns + c->child_utime_ns,
                                 c->dead_stime_ns + c->child_stime_ns};
    ret->usage = c->dead_usage;
    usage_add(&ret->usage, &c->child_usage);
    if (w->options & WNOWAIT)
        return;
    struct process *parent = c->parent;
    spin_lock(&parent->lock);
    parent->child_utime_ns += ret->used.user_ns;
    parent->child_stime_ns += ret->used.system_ns;
    usage_add(&parent->child_usage, &ret->usage);
    spin_unlock(&parent->lock);
    family_reap_locked(c);
    *ret_dead = c;
}

static bool take_job_state_locked(struct process *c, const struct wait_params *w,
                                  struct wait_result *ret)
{
    SPIN_GUARD(&c->lock);
    bool keep = w->options & WNOWAIT;
    if ((w->options & WSTOPPED) && c->stopped && !c->stop_reported) {
        fill(ret, c, WAIT_STATUS_STOPPED(c->stop_signal), CLD_STOPPED, c->stop_signal);
        c->stop_reported = !keep;
    } else if ((w->options & WCONTINUED) && c->continued) {
        fill(ret, c, WAIT_STATUS_CONTINUED, CLD_CONTINUED, SIGCONT);
        c->continued = keep;
    } else {
        return false;
    }
    ret->info.chld.uid = c->cred->uid;
    ret->used = process_cputime_locked(c);
    return true;
}

static enum look look_at_locked(struct process *c, const struct wait_params *w,
                                struct wait_result *ret, struct process **ret_dead)
{
    if (!eligible(c, w))
        return LOOK_NONE;
    if (c->state == PROCESS_ZOMBIE) {
        if (!(w->options & WEXITED))
            return LOOK_NONE; /* it stops or goes on no more */
        take_zombie_locked(c, w, ret, ret_dead);
        return LOOK_FOUND;
    }
    return take_job_state_locked(c, w, ret) ? LOOK_FOUND : LOOK_LATER;
}

static enum look look_at_all_locked(struct process *me, const struct wait_params *w,
                                    struct wait_result *ret, struct process **ret_dead)
{
    bool only_dead = !(w->options & (WSTOPPED | WCONTINUED));
    enum look best = LOOK_NONE;
    struct process *c;
    list_for_each_safe (c, &me->children, sibling) {
        enum look l = look_at_locked(c, w, ret, ret_dead);
        if (l == LOOK_FOUND)
            return l;
        best = MAX(best, l);
        if (best == LOOK_LATER && only_dead && c->state != PROCESS_ZOMBIE)
            break; /* no zombies behind it */
    }
    return best;
}

static enum look look_once(const struct wait_params *w, struct wait_result *ret)
{
    struct process *me = current_process(), *dead = NULL;
    spin_lock(&process_table_lock);
    enum look l = LOOK_NONE;
    if (w->type == LINUX_P_PID) {
        struct pid_slot *s = pid_slot_locked(w->id);
        if (s && s->proc && s->proc->parent == me)
            l = look_at_locked(s->proc, w, ret, &dead);
    } else {
        l = look_at_all_locked(me, w, ret, &dead);
    }
    spin_unlock(&process_table_lock);
    if (dead)
        process_put(dead); /* the family tree's */
    return l;
}

int process_wait(const struct wait_params *params, struct wait_result *ret)
{
    *ret = (struct wait_result){0};
    enum look l = look_once(params, ret);
    if (l == LOOK_LATER && !(params->options & WNOHANG)) {
        int r =
            wait_event(&current_process()->child_wait, (l = look_once(params, ret)) != LOOK_LATER,
                       SLEEP_INTERRUPTIBLE, FOREVER);
        if (r < 0)
            return -ERESTARTSYS;
    }
    return l == LOOK_NONE ? -ECHILD : 0;
}

void process_notify_parent(struct process *p, int cld_code)
{
    if (p->pid == PID_INIT && cld_code == CLD_STOPPED && process_init_stopped)
        process_init_stopped(p->stop_signal);
    SPIN_GUARD(&process_table_lock);
    struct process *parent = p->parent;
    if (!parent || parent->state != PROCESS_LIVE || (p->adopted && !parent->child_subreaper))
        return;
    spin_lock(&parent->lock);
    uint64_t flags = parent->sighand ? parent->sighand->action[SIGCHLD - 1].flags : SA_NOCLDSTOP;
    spin_unlock(&parent->lock);
    if (!(flags & SA_NOCLDSTOP)) {
        struct linux_siginfo info = {.signo = SIGCHLD, .code = cld_code};
        info.chld.pid = p->pid;
        info.chld.uid = process_uid(p);
        info.chld.status = cld_code == CLD_CONTINUED ? SIGCONT : p->stop_signal;
        (void) signal_send(parent, &info); /* a full queue still sets the bit */
    }
    waitq_wake(&parent->child_wait, ~0u);
}
