/* open, openat, openat2, creat, close, close_range. */
#include "libos/sys/path.h"
#include "libos/task/process.h"

#define OPEN_KNOWN                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |          \
     O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |         \
     O_PATH | O_TMPFILE)
#define RESOLVE_KNOWN 0x3fu

static long open_at(int dirfd, uaddr_t ua, unsigned flags, uint32_t mode, unsigned resolve)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    if (r < 0)
        return r;
    struct file *f;
    r = vfs_openat(dirfd, path, flags | O_LARGEFILE, mode, resolve, &f);
    if (r < 0)
        return r;
    r = fd_install(f, flags);
    if (r < 0)
        file_put(f);
    return r;
}

/* full */
SYSCALL(open, uaddr_t, path, int, flags, uint32_t, mode)
{
    return open_at(AT_FDCWD_, path, (unsigned) flags & OPEN_KNOWN, mode & 07777, 0);
}

/* full */
SYSCALL(openat, int, dirfd, uaddr_t, path, int, flags, uint32_t, mode)
{
    return open_at(dirfd, path, (unsigned) flags & OPEN_KNOWN, mode & 07777, 0);
}

/* full */
SYSCALL(creat, uaddr_t, path, uint32_t, mode)
{
    return open_at(AT_FDCWD_, path, O_CREAT | O_WRONLY | O_TRUNC, mode & 07777, 0);
}

/* full */
SYSCALL(openat2, int, dirfd, uaddr_t, path, uaddr_t, how, size_t, size)
{
    struct linux_open_how h;
    if (size < sizeof h)
        return -EINVAL;
    if (size > 4096)
        return -E2BIG;
    if (get_user(&h, how) < 0)
        return -EFAULT;
    for (size_t i = sizeof h; i < size; i++) {
        uint8_t byte;
        if (get_user(&byte, uaddr_add(how, i)) < 0)
            return -EFAULT;
        if (byte)
            return -E2BIG;
    }
    bool creates = (h.flags & O_CREAT) || (h.flags & O_TMPFILE_BIT);
    if ((h.flags & ~(uint64_t) OPEN_KNOWN) || (h.mode & ~07777ull) || (!creates && h.mode) ||
        (h.resolve & ~(uint64_t) RESOLVE_KNOWN))
        return -EINVAL;
    if ((h.resolve & RESOLVE_BENEATH_BIT) && (h.resolve & RESOLVE_IN_ROOT_BIT))
        return -EINVAL;
    uint64_t with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((h.flags & O_PATH) && (h.flags & ~with_path))
        return -EINVAL;
    if ((h.resolve & RESOLVE_CACHED_BIT) && (h.flags & (O_TRUNC | O_CREAT | O_TMPFILE_BIT)))
        return -EAGAIN;
    return open_at(dirfd, path, (unsigned) h.flags, (uint32_t) h.mode, (unsigned) h.resolve);
}

/* full */
SYSCALL(close, int, fd)
{
    return fdtable_close(current_fds(), fd);
}

enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };

/* full */
SYSCALL(close_range, unsigned, first, unsigned, last, unsigned, flags)
{
    if ((flags & ~(unsigned) (CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
        return -EINVAL;
    struct process *p = current_process();
    if (flags & CLOSE_RANGE_UNSHARE) {
        struct fdtable *own = fdtable_dup(p->files), *old = p->files;
        if (!own)
            return -ENOMEM;
        p->files = own;
        fdtable_put(old);
    }
    fdtable_close_range(p->files, first, last, flags & CLOSE_RANGE_CLOEXEC);
    return 0;
}
