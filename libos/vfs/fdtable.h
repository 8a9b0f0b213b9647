/* Descriptor tables: what system calls do with descriptors. */
#ifndef VFS_FDTABLE_H
#define VFS_FDTABLE_H
#include "libos/vfs/file.h"

struct fdtable *current_fds(void);

must_check int fdtable_close(struct fdtable *t, int fd); /* -EBADF */
void fdtable_close_range(struct fdtable *t, unsigned first, unsigned last, bool cloexec_only);
/* Lowest free descriptor >= min; takes over f on success. -EMFILE, -ENOMEM. */
must_check int fdtable_install(struct fdtable *t, struct file *f, unsigned min, bool cloexec);
/* Exactly fd, closing what was there; takes over f on success. */
must_check int fdtable_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec);
must_check int fdtable_set_cloexec(struct fdtable *t, int fd, bool on);
/* -EBADF; references a file for the scope of a system call. O_PATH files count as EBADF unless
 * path_ok. */
struct file *fd_get_any(int fd); /* also O_PATH */
#endif
