/* Decoding that file system calls share. */
#ifndef SYS_PATH_H
#define SYS_PATH_H
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/namei.h"

#define AT_FDCWD_ (-100)

/* A path of the guest; 0, -EFAULT, -ENAMETOOLONG. */
static inline must_check int path_from_user(char buf[PATH_LIMIT], uaddr_t ua)
{
    long n = str_from_user(buf, PATH_LIMIT, ua);
    return n < 0 ? (int) n : 0;
}

#define RW_MAX 0x7ffff000ul /* most bytes that one call moves */
/* Copies and bounds a vector; what is above RW_MAX in total is cut, as Linux does. */
must_check int vec_from_user(struct user_iovec *vec, uaddr_t ua, size_t count);

/* What AT_* flags of a path argument mean for the walk. */
static inline unsigned lookup_flags(int at_flags)
{
    return (at_flags & FD_AT_SYMLINK_NOFOLLOW ? 0 : (unsigned) LOOKUP_FOLLOW) |
           (at_flags & FD_AT_EMPTY_PATH ? (unsigned) LOOKUP_EMPTY : 0);
}

/* An inode with whatever keeps it: by path, or by an open file. */
struct target {
    struct path path;
    struct file *file; /* instead of path, for pathless files */
    struct inode *inode;
};
must_check int target_at(int dirfd, uaddr_t path, int at_flags, struct target *ret);
must_check int target_fd(int fd, struct target *ret);
void target_put(const struct target *t);
must_check int target_want_write(const struct target *t);
/* Applies attributes and tells watchers; change: with the read-only check. */
must_check int target_apply(const struct target *t, struct iattr *attr);
must_check int target_change(const struct target *t, struct iattr *attr);
#endif
