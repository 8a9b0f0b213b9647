/* What /proc/PID/stat says of a process's terminal. */
#ifndef FS_TTY_TTY_INFO_H
#define FS_TTY_TTY_INFO_H
#include "libos/task/process.h"

/* Device number and foreground group of p's controlling terminal; 0 and -1: it has none. */
void tty_of_process(struct process *p, uint64_t *ret_rdev, int *ret_pgid);
#endif
