/* signalfd: pending signals as a file. */
#ifndef VFS_SIGNALFD_H
#define VFS_SIGNALFD_H
#include "libos/vfs/file.h"

must_check int signalfd_new(uint64_t mask, unsigned o_flags, struct file **ret);
must_check int signalfd_set(struct file *f, uint64_t mask); /* -EINVAL: not a signalfd */
#endif
