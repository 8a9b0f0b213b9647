/* Where threads sleep in the kernel: for people who have to find out why something hangs. */
#ifndef TASK_STACKS_H
#define TASK_STACKS_H
#include "libos/task/thread.h"

#define STACK_DEPTH 24

struct thread_stack {
    bool asleep;      /* else it runs or waits for a vCPU, and the rest is empty */
    uint64_t syscall; /* the call it is in; UINT64_MAX: none */
    size_t depth;
    uintptr_t address[STACK_DEPTH]; /* return addresses, the innermost first */
};
/* Takes only t's own spin lock: works while everything else hangs. */
void thread_stack_get(struct thread *t, struct thread_stack *ret);
#endif
