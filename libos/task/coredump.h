/* Death by a signal that leaves a core file. */
#ifndef TASK_COREDUMP_H
#define TASK_COREDUMP_H
#include "libos/task/signal.h"

/* The calling process dies of info->signo, after its core file if its limits ask for one. Sleeps. */
noreturn_fn void coredump_die(const struct linux_siginfo *info);
/* At the start of a thread's end: it stays, with registers and vector state, while the file is written. */
void coredump_park(struct thread *t);
/* Its vector state in XSAVE standard format, xstate_size() bytes; NULL: there was no memory. */
const void *coredump_xstate(const struct thread *t);
#endif
