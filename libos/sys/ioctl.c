/* ioctl: the requests every file understands; the rest goes to the file. */
#include "libos/base/atomic.h"
#include "libos/sys/owner.h"
#include "libos/sys/path.h"

enum {
    FIONCLEX_ = 0x5450,
    FIOCLEX_ = 0x5451,
    FIONBIO_ = 0x5421,
    FIOASYNC_ = 0x5452,
    FIONREAD_ = 0x541b,
    FIOQSIZE_ = 0x5460
};

static long set_flag(struct file *f, unsigned flag, uaddr_t arg)
{
    int on;
    if (get_user(&on, arg) < 0)
        return -EFAULT;
    if (on)
        atomic_or(&f->flags, flag);
    else
        atomic_and(&f->flags, ~flag);
    return 0;
}

static long set_async(struct file *f, int fd, uaddr_t arg)
{
    int on;
    if (get_user(&on, arg) < 0)
        return -EFAULT;
    int r = owner_set_async(f, fd, on);
    if (r < 0)
        return r;
    if (on && r == 0)
        return -ENOTTY;
    if (on)
        atomic_or(&f->flags, O_ASYNC);
    else
        atomic_and(&f->flags, ~(unsigned) O_ASYNC);
    return 0;
}

/* partial: those of terminals, sockets, files and pipes; no block devices, no network interfaces */
SYSCALL(ioctl, int, fd, unsigned, cmd, uint64_t, arg)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    switch (cmd) {
    case FIOCLEX_:
    case FIONCLEX_:
        return fdtable_set_cloexec(current_fds(), fd, cmd == FIOCLEX_);
    case FIONBIO_:
        return set_flag(f, O_NONBLOCK, UADDR(arg));
    case FIOASYNC_:
        return set_async(f, fd, UADDR(arg));
    default:
        break;
    }
    long r = owner_ioctl(f, cmd, arg);
    if (r != OWNER_OTHER)
        return r;
    if (f->ops->ioctl)
        return f->ops->ioctl(f, cmd, arg);
    if (cmd == FIONREAD_ && S_ISREG(f->inode->mode))
        return put_user(UADDR(arg),
                        (int) MAX((int64_t) (inode_size(f->inode) - f->pos), (int64_t) 0));
    if (cmd == FIOQSIZE_ && (S_ISREG(f->inode->mode) || inode_is_dir(f->inode)))
        return put_user(UADDR(arg), (int64_t) inode_size(f->inode));
    return -ENOTTY;
}
