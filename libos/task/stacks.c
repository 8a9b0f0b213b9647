/* A sleeping thread's kernel stack. Under thread->lock nobody can wake it, so the stack stands still. */
#include "libos/task/stacks.h"
#include "libos/arch/trap.h"
#include "libos/base/atomic.h"
#include "libos/base/string.h"

void thread_stack_get(struct thread *t, struct thread_stack *ret)
{
    *ret = (struct thread_stack){.syscall = UINT64_MAX};
    SPIN_GUARD(&t->lock);
    if (atomic_peek(&t->state) != THREAD_ASLEEP || atomic_load(&t->on_cpu))
        return;
    ret->asleep = true;
    if (t->proc)
        ret->syscall = thread_frame(t)->orig_rax;
    ret->depth = arch_stack_walk(t->ksp, t->kstack_top - KSTACK_SIZE, t->kstack_top, ret->address,
                                 STACK_DEPTH);
}
