/* Death by a signal that leaves a core file.
 *
 * The thread that takes the signal becomes the dumper: it ends the process as any fatal signal does, but
 * lives on itself. The others come to process_exit_thread one by one, from wherever they are, and park there, registers
 * in their frames and vector state saved, until the file is written (exec/core.c); who was on the way out
 * already just leaves. When all are parked nothing changes the threads, and only processes that share the memory
 * (CLONE_VM) could change that. Whoever kills the dumper now ends its sleeps: the file is
 * incomplete then and the core bit stays clear.
 */
#include "abi/linux/resource.h"
#include "abi/linux/wait.h"
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/task/coredump.h"
#include "libos/task/signal_priv.h"

static bool begin(struct process *p, int sig)
{
    struct thread *me = current();
    SPIN_GUARD(&p->lock);
    if (p->exiting || !p->dumpable || p->rlimits[RLIMIT_CORE].cur < PAGE_SIZE)
        return false;
    process_kill_locked(p, sig);
    atomic_and(&me->work, ~(uint32_t) THREAD_WORK_EXIT);
    atomic_post(&p->dumper, me);
    return true;
}

static bool all_parked(struct process *p)
{
    SPIN_GUARD(&p->lock);
    return p->parked == p->thread_count - 1;
}

static void end(struct process *p, bool written)
{
    spin_lock(&p->lock);
    if (written)
        atomic_post(&p->exit_code, p->exit_code | WAIT_STATUS_CORE);
    atomic_post(&p->dumper, NULL);
    waitq_wake(&p->thread_wait, ~0u);
    spin_unlock(&p->lock);
}

void coredump_die(const struct linux_siginfo *info)
{
    struct process *p = current_process();
    if (begin(p, info->signo)) {
        (void) signal_xstate_keep();
        (void) wait_event(&p->thread_wait, all_parked(p), SLEEP_UNINTERRUPTIBLE, FOREVER);
        end(p, process_hooks.core_write(info));
    }
    process_exit_group(info->signo);
}

static bool park(struct process *p, const struct thread *t)
{
    SPIN_GUARD(&p->lock);
    if (!p->dumper || p->dumper == t)
        return false;
    p->parked++;
    waitq_wake(&p->thread_wait, ~0u);
    return true;
}

void coredump_park(struct thread *t)
{
    struct process *p = t->proc;
    const struct thread *dumper = atomic_peek(&p->dumper);
    if (!dumper || dumper == t)
        return;
    (void) signal_xstate_keep();
    if (park(p, t))
        (void) wait_event(&p->thread_wait, !atomic_load(&p->dumper), SLEEP_UNINTERRUPTIBLE,
                          FOREVER);
}

const void *coredump_xstate(const struct thread *t)
{
    return t->sig->xstate;
}
