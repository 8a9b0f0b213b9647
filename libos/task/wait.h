/* Waiting for children: wait4, waitid. */
#ifndef TASK_WAIT_H
#define TASK_WAIT_H
#include "abi/linux/signal.h"
#include "libos/task/cputime.h"

struct wait_params {
    int type;               /* LINUX_P_* */
    int id;                 /* pid or pgid */
    struct process *target; /* LINUX_P_PIDFD: borrowed */
    unsigned options;       /* WEXITED ... */
};
struct wait_result {
    int pid;    /* 0: WNOHANG and nothing there */
    int status; /* as wait4 reports */
    struct linux_siginfo info;
    struct cputime used; /* by the child and its children */
    struct usage usage;  /* the same */
};
/* What siginfo says of an end with this wait status: CLD_*. */
int wait_end_code(int status);
/* -ECHILD, -ERESTARTSYS, 0. Reaps unless WNOWAIT. */
must_check int process_wait(const struct wait_params *params, struct wait_result *ret);
#endif
