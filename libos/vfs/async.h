/* The owner of an open file (F_SETOWN), and O_ASYNC: a signal to it when the file becomes ready. */
#ifndef VFS_ASYNC_H
#define VFS_ASYNC_H
#include "libos/task/signal.h"
#include "libos/vfs/file.h"

/* id 0: nobody */
struct signal_owner async_owner(struct file *f);
/* Nobody is asked whether the owner is there. -ENOMEM */
must_check int async_set_owner(struct file *f, const struct signal_owner *owner);
int async_signal(struct file *f); /* 0: SIGIO, without information */
must_check int async_set_signal(struct file *f, int sig);

/* Whether the file tells anybody that it is ready; others ignore O_ASYNC. */
bool async_possible(const struct file *f);
/* From now on, or no more; fd is what the signal's information names. -ENOMEM */
must_check int async_set(struct file *f, int fd, bool on);
/* The file goes. */
void async_release(struct file *f);
#endif
