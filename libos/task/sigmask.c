/* Masks of the calling thread, and taking signals out of the sets.
 *
 * THREAD_WORK_SIGNAL is set while the thread has an unblocked pending signal. Whoever sends sets it;
 * only the thread itself clears it, in signal_recalc_locked, under proc->lock, so none gets lost.
 */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/family.h"
#include "libos/task/signal_priv.h"

struct signal_state *signal_state_new(void)
{
    struct signal_state *s = new_zero(struct signal_state);
    if (!s)
        return NULL;
    sigpending_init(&s->pending);
    s->altstack.flags = SS_DISABLE;
    return s;
}

void signal_recalc_locked(struct thread *t)
{
    uint64_t pending = t->sig->pending.set | t->proc->pending.set;
    if (pending & ~t->sigmask)
        atomic_or(&t->work, THREAD_WORK_SIGNAL);
    else
        atomic_and(&t->work, ~(uint32_t) THREAD_WORK_SIGNAL);
}

/* Signals to the process that this thread no longer takes: somebody else may. */
static void hand_on_locked(struct process *p, struct thread *except, uint64_t set)
{
    set &= p->pending.set;
    if (!set)
        return;
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        if (t != except && t->sig && (set & ~t->sigmask))
            thread_set_work(t, THREAD_WORK_SIGNAL);
    }
}

static void set_locked(struct thread *t, uint64_t mask)
{
    mask &= ~SIGMASK_UNBLOCKABLE;
    uint64_t newly_blocked = mask & ~t->sigmask;
    t->sigmask = mask;
    hand_on_locked(t->proc, t, newly_blocked);
    signal_recalc_locked(t);
}

void sigmask_set(uint64_t mask)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    set_locked(t, mask);
}

void sigmask_set_for_handler(uint64_t mask)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    t->sig->restore_mask = false;
    set_locked(t, mask);
}

void sigmask_set_temporary(uint64_t mask)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    t->saved_sigmask = t->sigmask;
    t->sig->restore_mask = true;
    set_locked(t, mask);
}

void sigmask_restore_unless(bool interrupted)
{
    struct thread *t = current();
    if (!t->sig->restore_mask)
        return;
    if (interrupted) { /* a handler may run first; thread_user_work restores if none does */
        atomic_or(&t->work, THREAD_WORK_SIGNAL);
        return;
    }
    SPIN_GUARD(&t->proc->lock);
    t->sig->restore_mask = false;
    set_locked(t, t->saved_sigmask);
}

uint64_t signal_pending_set(void)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    return t->sig->pending.set | t->proc->pending.set;
}

int signal_take_locked(struct thread *t, uint64_t mask, struct linux_siginfo *ret)
{
    struct process *p = t->proc;
    struct sigpending *from = &t->sig->pending;
    int sig = sigset_next(from->set & mask);
    if (!sig) {
        from = &p->pending;
        sig = sigset_next(from->set & mask);
    }
    if (sig)
        sigpending_take_locked(p, from, sig, ret);
    signal_recalc_locked(t);
    return sig;
}

void signal_wait_for(uint64_t set)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    t->sig->waiting = set;
    if (!set)
        signal_recalc_locked(t);
}

int signal_take(uint64_t mask, struct linux_siginfo *ret)
{
    struct thread *t = current();
    SPIN_GUARD(&t->proc->lock);
    return signal_take_locked(t, mask & ~SIGMASK_UNBLOCKABLE, ret);
}

/* ---- the end ---------------------------------------------------------------------------------- */
void signal_thread_exit(struct thread *t)
{
    struct process *p = t->proc;
    spin_lock(&p->lock);
    struct signal_state *s = TAKE(t->sig);
    sigpending_drop_locked(p, &s->pending, ~0ull);
    hand_on_locked(p, t, ~t->sigmask);
    spin_unlock(&p->lock);
    kfree(s->xstate);
    kfree(s);
}

void signal_process_exit(struct process *p)
{
    spin_lock(&p->lock);
    sigpending_drop_locked(p, &p->pending, ~0ull);
    struct sighand *s = TAKE(p->sighand);
    spin_unlock(&p->lock);
    sighand_put(s);
}
