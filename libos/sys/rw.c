/* read, write and their vector and positioned forms, lseek. */
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/vfs/pipe.h"

#define TASK_END 0x7ffffffff000ul /* where Linux' user addresses end: beyond is EFAULT at once */
enum { RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4, RWF_NOWAIT = 8, RWF_APPEND = 16 };
#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)

static long rw(int fd, struct uio *uio, const uint64_t *pos, bool write, int rwf)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || !(f->mode & (write ? FILE_WRITE : FILE_READ)))
        return -EBADF;
    if (rwf & RWF_NOWAIT) {
        if ((f->mode & FILE_STREAM) && !file_is_pipe(f) && !S_ISSOCK(f->inode->mode))
            return -EOPNOTSUPP;
        uio->nowait = true;
    }
    long r = write ? file_write(f, uio, pos, rwf & RWF_APPEND) : file_read(f, uio, pos);
    if (r > 0 && write && (rwf & (RWF_DSYNC | RWF_SYNC)) && f->ops->fsync) {
        int e = f->ops->fsync(f, !(rwf & RWF_SYNC));
        return e < 0 ? e : r;
    }
    return r;
}

static long rw_buffer(int fd, uaddr_t buf, size_t n, const uint64_t *pos, bool write)
{
    if (n > TASK_END || buf.v > TASK_END - n) {
        AUTO(file_put) struct file *f = fd_get(fd);
        return f && (f->mode & (write ? FILE_WRITE : FILE_READ)) ? -EFAULT : -EBADF;
    }
    struct user_iovec v;
    struct uio uio = uio_user(&v, buf, MIN(n, RW_MAX));
    return rw(fd, &uio, pos, write, 0);
}

/* full */
SYSCALL(read, int, fd, uaddr_t, buf, size_t, n)
{
    return rw_buffer(fd, buf, n, NULL, false);
}

/* full */
SYSCALL(write, int, fd, uaddr_t, buf, size_t, n)
{
    return rw_buffer(fd, buf, n, NULL, true);
}

/* full */
SYSCALL(pread64, int, fd, uaddr_t, buf, size_t, n, int64_t, offset)
{
    uint64_t pos = (uint64_t) offset;
    return offset < 0 ? -EINVAL : rw_buffer(fd, buf, n, &pos, false);
}

/* full */
SYSCALL(pwrite64, int, fd, uaddr_t, buf, size_t, n, int64_t, offset)
{
    uint64_t pos = (uint64_t) offset;
    return offset < 0 ? -EINVAL : rw_buffer(fd, buf, n, &pos, true);
}

int vec_from_user(struct user_iovec *vec, uaddr_t ua, size_t count)
{
    int r = copy_from_user((struct span){(uint8_t *) vec, count * sizeof *vec}, ua);
    if (r < 0)
        return r;
    uint64_t left = RW_MAX;
    for (size_t i = 0; i < count; i++) {
        if ((int64_t) vec[i].len < 0)
            return -EINVAL;
        if (vec[i].len > TASK_END || vec[i].base > TASK_END - vec[i].len)
            return -EFAULT;
        vec[i].len = MIN(vec[i].len, left);
        left -= vec[i].len;
    }
    return 0;
}

#define VEC_INLINE 8

static long rw_vector(int fd, uaddr_t ua, size_t count, const uint64_t *pos, bool write, int rwf)
{
    if (count > IOV_LIMIT)
        return -EINVAL;
    UNINIT struct user_iovec few[VEC_INLINE];
    struct user_iovec *vec = few;
    if (count > VEC_INLINE && !(vec = kzalloc(count * sizeof *vec)))
        return -ENOMEM;
    long r = vec_from_user(vec, ua, count);
    if (r == 0) {
        struct uio uio = uio_user_vec(vec, count);
        r = rw(fd, &uio, pos, write, rwf);
    }
    if (vec != few)
        kfree(vec);
    return r;
}

/* full */
SYSCALL(readv, int, fd, uaddr_t, vec, size_t, count)
{
    return rw_vector(fd, vec, count, NULL, false, 0);
}

/* full */
SYSCALL(writev, int, fd, uaddr_t, vec, size_t, count)
{
    return rw_vector(fd, vec, count, NULL, true, 0);
}

static long rw_vector_at(int fd, uaddr_t vec, size_t count, int64_t offset, bool write, int rwf)
{
    uint64_t pos = (uint64_t) offset;
    return offset < 0 ? -EINVAL : rw_vector(fd, vec, count, &pos, write, rwf);
}

/* full */
SYSCALL(preadv, int, fd, uaddr_t, vec, size_t, count, int64_t, offset)
{
    return rw_vector_at(fd, vec, count, offset, false, 0);
}

/* full */
SYSCALL(pwritev, int, fd, uaddr_t, vec, size_t, count, int64_t, offset)
{
    return rw_vector_at(fd, vec, count, offset, true, 0);
}

/* The high half of the offset is for 32-bit callers; offset -1: the file's position. */
/* full */
SYSCALL(preadv2, int, fd, uaddr_t, vec, size_t, count, int64_t, offset, long, high, int, flags)
{
    if (flags & ~RWF_KNOWN)
        return -EOPNOTSUPP;
    if (offset == -1)
        return rw_vector(fd, vec, count, NULL, false, flags);
    return rw_vector_at(fd, vec, count, offset, false, flags);
}

/* full */
SYSCALL(pwritev2, int, fd, uaddr_t, vec, size_t, count, int64_t, offset, long, high, int, flags)
{
    if (flags & ~RWF_KNOWN)
        return -EOPNOTSUPP;
    if (offset == -1)
        return rw_vector(fd, vec, count, NULL, true, flags);
    return rw_vector_at(fd, vec, count, offset, true, flags);
}

/* full */
SYSCALL(vmsplice, int, fd, uaddr_t, vec, size_t, count, unsigned, flags)
{
    const unsigned move = 1, nonblock = 2, more = 4, gift = 8;
    if (flags & ~(move | nonblock | more | gift))
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || !file_is_pipe(f))
        return -EBADF;
    bool write = f->mode & FILE_WRITE;
    if (count == 0)
        return 0;
    return rw_vector(fd, vec, count, NULL, write, flags & nonblock ? RWF_NOWAIT : 0);
}

/* full */
SYSCALL(lseek, int, fd, int64_t, offset, int, whence)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    return f ? file_seek(f, offset, whence) : -EBADF;
}
