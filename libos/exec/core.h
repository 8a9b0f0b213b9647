/* Core files: the memory and the threads of a process that died, for a debugger (core(5)). */
#ifndef EXEC_CORE_H
#define EXEC_CORE_H
#include "libos/base/span.h"

struct linux_siginfo;
struct mm;

/* Writes the file "core" into the working directory of the calling process, which dies of info and whose
 * other threads are parked (task/coredump.h). A file of that name goes. False: nothing was written, or not
 * all, because RLIMIT_CORE or the file system ended it; then there may be a part. Sleeps. */
bool core_write(const struct linux_siginfo *info);
/* May core files go to file systems that the host reads? Set at boot, for debuggable enclaves. */
extern bool core_to_host;

/* core_notes.c: the content of the PT_NOTE segment, on the heap; -ENOMEM. */
must_check int core_notes(struct mm *mm, const struct linux_siginfo *info, struct span *ret);
#endif
