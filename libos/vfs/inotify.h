/* inotify instances. */
#ifndef VFS_INOTIFY_H
#define VFS_INOTIFY_H
#include "libos/vfs/file.h"

must_check int inotify_new(unsigned o_flags, struct file **ret);
must_check int inotify_add(struct file *f, struct inode *i, uint32_t mask); /* a watch descriptor */
must_check int inotify_remove(struct file *f, int wd);
#endif
