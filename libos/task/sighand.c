/* Dispositions: what a process does with each signal. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/signal_priv.h"

struct sighand *sighand_new(void)
{
    struct sighand *s = new_zero(struct sighand);
    if (s)
        ref_init(&s->ref);
    return s;
}

static void reset_action(struct linux_sigaction *a)
{
    uint64_t handler = a->handler == SIG_HANDLER_IGN ? SIG_HANDLER_IGN : SIG_HANDLER_DFL;
    *a = (struct linux_sigaction){.handler = handler};
}

void sighand_reset(struct sighand *s)
{
    SPIN_GUARD(&s->lock);
    for (int i = 0; i < SIG_COUNT; i++)
        reset_action(&s->action[i]);
}

bool sighand_is_shared(const struct sighand *s)
{
    return ref_count(&s->ref) > 1;
}

struct sighand *sighand_copy(struct sighand *old, bool reset_handlers)
{
    struct sighand *s = sighand_new();
    if (!s)
        return NULL;
    spin_lock(&old->lock);
    memcpy(s->action, old->action, sizeof s->action);
    spin_unlock(&old->lock);
    if (reset_handlers)
        sighand_reset(s);
    return s;
}

void sighand_get(struct sighand *s)
{
    ref_get(&s->ref);
}

void sighand_put(struct sighand *s)
{
    if (ref_put_last(&s->ref))
        kfree(s);
}

uint64_t sighand_handler(struct process *p, int sig)
{
    return atomic_load(&p->sighand->action[sig - 1].handler);
}

void sighand_default(struct process *p, int sig)
{
    SPIN_GUARD(&p->sighand->lock);
    p->sighand->action[sig - 1] = (struct linux_sigaction){.handler = SIG_HANDLER_DFL};
}

int signal_action(int sig, const struct linux_sigaction *new, struct linux_sigaction *ret_old)
{
    if (sig < 1 || sig > SIG_COUNT || (new && (sigbit(sig) & SIGMASK_UNBLOCKABLE)))
        return -EINVAL;
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    spin_lock(&p->sighand->lock);
    struct linux_sigaction *a = &p->sighand->action[sig - 1];
    *ret_old = *a;
    if (new) {
        *a = *new;
        a->mask &= ~SIGMASK_UNBLOCKABLE;
        a->flags &= SA_KNOWN_FLAGS; /* programs ask so which flags there are */
    }
    spin_unlock(&p->sighand->lock);
    if (new &&sig_kernel_ignored(new->handler, sig))
        signal_drop_all_locked(p, sigbit(sig));
    return 0;
}
