/* `occlum trace`: one line per system call, like strace. */
#ifndef SYS_TRACE_H
#define SYS_TRACE_H
#include "libos/sys/syscall.h"

/* Before the call: what is printed must be read before the call changes it. Returns the length. */
#define TRACE_LINE 400
size_t trace_call(char *line, size_t size, uint64_t nr, const struct syscall_args *args);
void trace_result(const char *call, long result);
#endif
