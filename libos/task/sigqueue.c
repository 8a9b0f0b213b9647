/* Sets of pending signals. A standard signal is queued at most once per set; a real-time signal as
 * often as it is sent, in order. A signal whose queue entry could not be had is still pending: it is
 * then taken with an empty siginfo. All under proc->lock. */
#include "abi/linux/resource.h"
#include "libos/mm/heap.h"
#include "libos/task/signal_priv.h"
#include "libos/task/timers.h"

void sigpending_init(struct sigpending *s)
{
    s->set = 0;
    list_init(&s->queue);
}

/* kill, tgkill and the kernel never fail; sigqueue and timers want to know. */
static bool must_be_queued(const struct linux_siginfo *info)
{
    return info->signo >= SIG_RT_FIRST && info->code != SI_USER && info->code != SI_KERNEL;
}

int sigpending_add_locked(struct process *p, struct sigpending *s, const struct linux_siginfo *info)
{
    bool again = s->set & sigbit(info->signo);
    if (again && info->signo < SIG_RT_FIRST)
        return 0;
    struct sigqueue *q = NULL;
    if (p->queued_signals < p->rlimits[RLIMIT_SIGPENDING].cur || info->signo < SIG_RT_FIRST)
        q = new_zero(struct sigqueue);
    if (!q && must_be_queued(info))
        return -EAGAIN;
    if (q) {
        q->info = *info;
        list_add_tail(&s->queue, &q->link);
        p->queued_signals++;
    }
    s->set |= sigbit(info->signo);
    return 0;
}

static void entry_free_locked(struct process *p, struct sigqueue *q)
{
    list_del(&q->link);
    p->queued_signals--;
    kfree(q);
}

void sigpending_take_locked(struct process *p, struct sigpending *s, int sig,
                            struct linux_siginfo *ret)
{
    *ret = (struct linux_siginfo){.signo = sig, .code = SI_USER};
    bool found = false, more = false;
    struct sigqueue *q;
    list_for_each_safe (q, &s->queue, link) {
        if (q->info.signo != sig)
            continue;
        if (found) {
            more = true;
            break;
        }
        *ret = q->info;
        if (q->info.code == SI_TIMER)
            posix_timer_delivered_locked(p, q->info.timer.id, q->info.timer.overrun);
        entry_free_locked(p, q);
        found = true;
    }
    if (!more)
        s->set &= ~sigbit(sig);
}

void sigpending_drop_locked(struct process *p, struct sigpending *s, uint64_t set)
{
    if (!(s->set & set))
        return;
    struct sigqueue *q;
    list_for_each_safe (q, &s->queue, link) {
        if (sigbit(q->info.signo) & set)
            entry_free_locked(p, q);
    }
    s->set &= ~set;
}

void signal_drop_all_locked(struct process *p, uint64_t set)
{
    sigpending_drop_locked(p, &p->pending, set);
    struct thread *t;
    list_for_each (t, &p->threads, proc_link) {
        if (t->sig)
            sigpending_drop_locked(p, &t->sig->pending, set);
    }
}
