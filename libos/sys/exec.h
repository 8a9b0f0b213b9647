/* Replacing a process's program, for execve and for the first process. */
#ifndef SYS_EXEC_H
#define SYS_EXEC_H
#include "libos/exec/exec.h"

/* The calling process becomes in->file; in->path, argv and envp are set by the caller, the rest comes
 * from the process. 0: the thread's frame is the new program's start; -errno: nothing changed. */
must_check long exec_replace(struct exec_params *in);
#endif
