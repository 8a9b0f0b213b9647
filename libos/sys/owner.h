/* The owner of a file, as fcntl and ioctl set it. */
#ifndef SYS_OWNER_H
#define SYS_OWNER_H
#include "libos/vfs/file.h"

/* F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG; else -EINVAL. */
must_check long owner_fcntl(struct file *f, int cmd, uint64_t arg);
#define OWNER_OTHER 1
/* FIOSETOWN and the like of sockets; OWNER_OTHER: none of these. */
must_check long owner_ioctl(struct file *f, unsigned cmd, uint64_t arg);
/* Turns O_ASYNC on or off; whether the file has it then. */
must_check int owner_set_async(struct file *f, int fd, bool on);
#endif
