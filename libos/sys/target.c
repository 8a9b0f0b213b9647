/* Finding the inode that a system call is about. */
#include "libos/sys/path.h"
#include "libos/vfs/notify.h"

int target_at(int dirfd, uaddr_t ua, int at_flags, struct target *ret)
{
    UNINIT char path[PATH_LIMIT];
    int r = 0;
    if ((at_flags & FD_AT_EMPTY_PATH) && uaddr_null(ua))
        path[0] = 0;
    else
        r = path_from_user(path, ua);
    if (r < 0)
        return r;
    if (!path[0] && (at_flags & FD_AT_EMPTY_PATH) && dirfd != AT_FDCWD_)
        return target_fd(dirfd, ret);
    ret->file = NULL;
    r = path_at(dirfd, path, lookup_flags(at_flags), &ret->path, &ret->file);
    if (r == 0)
        ret->inode = ret->file ? ret->file->inode : ret->path.dentry->inode;
    return r;
}

int target_fd(int fd, struct target *ret)
{
    struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    *ret = (struct target){.file = f, .inode = f->inode};
    return 0;
}

void target_put(const struct target *t)
{
    if (t->file)
        file_put(t->file);
    path_put(&t->path);
}

int target_want_write(const struct target *t)
{
    return mount_want_write(t->file ? &t->file->path : &t->path);
}

int target_change(const struct target *t, struct iattr *attr)
{
    int r = target_want_write(t);
    return r < 0 ? r : target_apply(t, attr);
}

int target_apply(const struct target *t, struct iattr *attr)
{
    int r = inode_change(t->inode, attr);
    if (r == 0)
        notify_dentry(t->file ? t->file->path.dentry : t->path.dentry, t->inode,
                      notify_mask_of(attr->valid));
    return r;
}
