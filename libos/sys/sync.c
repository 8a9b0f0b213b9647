/* fsync and friends, and advice about future access. */
#include "libos/sys/path.h"
#include "libos/vfs/vfs.h"

static long sync_fd(int fd, bool data_only)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    if (f->ops->fsync)
        return f->ops->fsync(f, data_only);
    return f->mode & FILE_STREAM ? -EINVAL : 0;
}

/* full */
SYSCALL(fsync, int, fd)
{
    return sync_fd(fd, false);
}

/* full */
SYSCALL(fdatasync, int, fd)
{
    return sync_fd(fd, true);
}

/* full */
SYSCALL(sync)
{
    vfs_sync_all();
    return 0;
}

/* full */
SYSCALL(syncfs, int, fd)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    struct super *s = f->inode->super;
    return s->ops && s->ops->sync ? s->ops->sync(s) : 0;
}

/* full */
SYSCALL(sync_file_range, int, fd, int64_t, offset, int64_t, len, unsigned, flags)
{
    if (offset < 0 || len < 0 || (flags & ~7u))
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    if (f->mode & FILE_STREAM)
        return -ESPIPE;
    return f->ops->fsync ? f->ops->fsync(f, true) : 0;
}

/* full */
SYSCALL(fadvise64, int, fd, int64_t, offset, int64_t, len, int, advice)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    if (f->mode & FILE_STREAM)
        return -ESPIPE;
    return len < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}

/* full */
SYSCALL(readahead, int, fd, int64_t, offset, size_t, count)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || !(f->mode & FILE_READ))
        return -EBADF;
    return S_ISREG(f->inode->mode) ? 0 : -EINVAL;
}
