/* Birth of threads and processes: clone, clone3, vfork. */
#ifndef TASK_CLONE_H
#define TASK_CLONE_H
#include "libos/task/process.h"

struct clone_params {
    uint64_t flags; /* CLONE_*, without the signal */
    int exit_signal;
    uintptr_t stack_pointer; /* 0: the parent's */
    uaddr_t parent_tid, child_tid, pidfd;
    uint64_t tls;
};
/* Flag combinations as Linux checks them; also those we do not offer. Pure. */
must_check int clone_check(const struct clone_params *c);
/* The new tid, in the parent. With CLONE_VFORK after the child has called exec or exited. */
long process_clone(const struct clone_params *c);
#endif
