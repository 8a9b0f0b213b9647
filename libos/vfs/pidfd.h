/* pidfd: a process as a file. */
#ifndef VFS_PIDFD_H
#define VFS_PIDFD_H
#include "libos/task/process.h"
#include "libos/vfs/file.h"

must_check int pidfd_new(struct process *p, unsigned o_flags, struct file **ret);
/* The process behind a descriptor of the caller, with a reference. -EBADF: not a pidfd. */
must_check int pidfd_process_get(int fd, struct process **ret);
#endif
