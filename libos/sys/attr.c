/* chmod, chown, utimes, truncate, fallocate, umask. */
#include "libos/base/atomic.h"
#include "libos/mm/mm.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/fs_ctx.h"

static long change_at(int dirfd, uaddr_t path, int at_flags, struct iattr *a)
{
    struct target t = {0};
    int r = target_at(dirfd, path, at_flags, &t);
    if (r < 0)
        return r;
    r = (a->valid & ATTR_MODE) && S_ISLNK(t.inode->mode) ? -EOPNOTSUPP : target_change(&t, a);
    target_put(&t);
    return r;
}

static long change_fd(int fd, struct iattr *a)
{
    struct target t;
    int r = target_fd(fd, &t);
    if (r < 0)
        return r;
    r = t.file->mode & FILE_PATH ? -EBADF : target_change(&t, a);
    target_put(&t);
    return r;
}

static struct iattr mode_attr(uint32_t mode)
{
    return (struct iattr){.valid = ATTR_MODE, .mode = mode & 07777};
}

/* full */
SYSCALL(chmod, uaddr_t, path, uint32_t, mode)
{
    struct iattr a = mode_attr(mode);
    return change_at(AT_FDCWD_, path, 0, &a);
}

/* full */
SYSCALL(fchmod, int, fd, uint32_t, mode)
{
    struct iattr a = mode_attr(mode);
    return change_fd(fd, &a);
}

/* full */
SYSCALL(fchmodat, int, dirfd, uaddr_t, path, uint32_t, mode)
{
    struct iattr a = mode_attr(mode);
    return change_at(dirfd, path, 0, &a);
}

/* full */
SYSCALL(fchmodat2, int, dirfd, uaddr_t, path, uint32_t, mode, int, flags)
{
    if (flags & ~(FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH))
        return -EINVAL;
    struct iattr a = mode_attr(mode);
    return change_at(dirfd, path, flags, &a);
}

static struct iattr owner_attr(uint32_t uid, uint32_t gid)
{
    return (struct iattr){.valid = (uid != ~0u ? ATTR_UID : 0u) | (gid != ~0u ? ATTR_GID : 0u),
                          .uid = uid,
                          .gid = gid};
}

/* full */
SYSCALL(chown, uaddr_t, path, uint32_t, uid, uint32_t, gid)
{
    struct iattr a = owner_attr(uid, gid);
    return change_at(AT_FDCWD_, path, 0, &a);
}

/* full */
SYSCALL(lchown, uaddr_t, path, uint32_t, uid, uint32_t, gid)
{
    struct iattr a = owner_attr(uid, gid);
    return change_at(AT_FDCWD_, path, FD_AT_SYMLINK_NOFOLLOW, &a);
}

/* full */
SYSCALL(fchown, int, fd, uint32_t, uid, uint32_t, gid)
{
    struct iattr a = owner_attr(uid, gid);
    return change_fd(fd, &a);
}

/* full */
SYSCALL(fchownat, int, dirfd, uaddr_t, path, uint32_t, uid, uint32_t, gid, int, flags)
{
    if (flags & ~(FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH))
        return -EINVAL;
    struct iattr a = owner_attr(uid, gid);
    return change_at(dirfd, path, flags, &a);
}

/* full */
SYSCALL(umask, uint32_t, mask)
{
    return (long) atomic_swap(&current_fs()->umask, mask & 0777);
}

/* ---- sizes ---- */

static int may_truncate(const struct target *t, uint64_t size)
{
    struct inode *i = t->inode;
    if (S_ISDIR(i->mode))
        return -EISDIR;
    if (!S_ISREG(i->mode))
        return -EINVAL;
    int r = inode_permission(i, MAY_WRITE);
    if (r == 0 && atomic_load(&i->writers) < 0)
        r = -ETXTBSY;
    return r < 0 ? r : regular_may_grow(inode_real(i), size);
}

/* full */
SYSCALL(truncate, uaddr_t, path, int64_t, size)
{
    if (size < 0)
        return -EINVAL;
    struct target t = {0};
    int r = target_at(AT_FDCWD_, path, 0, &t);
    if (r < 0)
        return r;
    struct iattr a = {.valid = ATTR_SIZE, .size = (uint64_t) size};
    r = may_truncate(&t, a.size);
    if (r == 0)
        r = target_change(&t, &a);
    if (r == 0)
        r = mm_forget_behind(current_process()->mm, t.inode, a.size);
    target_put(&t);
    return r;
}

/* full */
SYSCALL(ftruncate, int, fd, int64_t, size)
{
    if (size < 0)
        return -EINVAL;
    struct target t;
    int r = target_fd(fd, &t);
    if (r < 0)
        return r;
    struct iattr a = {.valid = ATTR_SIZE, .size = (uint64_t) size};
    if (t.file->mode & FILE_PATH)
        r = -EBADF;
    else if (!S_ISREG(t.inode->mode) || !(t.file->mode & FILE_WRITE))
        r = -EINVAL;
    else
        r = regular_may_grow(inode_real(t.inode), a.size);
    if (r == 0)
        r = target_apply(&t, &a);
    if (r == 0)
        r = mm_forget_behind(current_process()->mm, t.inode, a.size);
    target_put(&t);
    return r;
}

/* partial: no FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE */
SYSCALL(fallocate, int, fd, int, mode, int64_t, offset, int64_t, len)
{
    if (offset < 0 || len <= 0)
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || !(f->mode & FILE_WRITE))
        return -EBADF;
    if (S_ISFIFO(f->inode->mode))
        return -ESPIPE;
    if (inode_is_dir(f->inode))
        return -EISDIR;
    if (!S_ISREG(f->inode->mode) || !f->ops->fallocate)
        return -ENODEV;
    return f->ops->fallocate(f, mode, (uint64_t) offset, (uint64_t) len);
}

/* ---- times ---- */

static int time_of(const struct linux_timespec *t, bool *set, bool *now, int64_t *ret_ns)
{
    *now = t->tv_nsec == LINUX_UTIME_NOW;
    *set = t->tv_nsec != LINUX_UTIME_OMIT;
    if (*now || !*set)
        return 0;
    if (t->tv_nsec < 0 || t->tv_nsec >= NSEC_PER_SEC)
        return -EINVAL;
    int64_t sec = MAX(MIN(t->tv_sec, INT64_MAX / NSEC_PER_SEC - 1), INT64_MIN / NSEC_PER_SEC + 1);
    *ret_ns = sec * NSEC_PER_SEC + t->tv_nsec;
    return 0;
}

static int times_attr(const struct linux_timespec times[2], struct iattr *a, bool *ret_all_now)
{
    bool set[2], now[2];
    int64_t ns[2] = {0, 0};
    int r = time_of(&times[0], &set[0], &now[0], &ns[0]);
    if (r == 0)
        r = time_of(&times[1], &set[1], &now[1], &ns[1]);
    if (r < 0)
        return r;
    int64_t current = inode_now();
    *a = (struct iattr){
        .valid = (set[0] ? ATTR_ATIME : 0u) | (set[1] ? ATTR_MTIME : 0u),
        .atime_ns = now[0] ? current : ns[0],
        .mtime_ns = now[1] ? current : ns[1],
    };
    *ret_all_now = now[0] && now[1];
    return 0;
}

/* Setting to now needs write permission, to anything else ownership. */
static int times_permission(const struct target *t, bool all_now)
{
    if (inode_owner_or_capable(t->inode))
        return 0;
    if (!all_now)
        return -EPERM;
    return inode_permission(t->inode, MAY_WRITE);
}

static long utimes_at(int dirfd, uaddr_t path, const struct linux_timespec times[2], int flags)
{
    struct iattr a;
    bool all_now;
    int r = times_attr(times, &a, &all_now);
    if (r < 0 || !a.valid)
        return r;
    if (uaddr_null(path) && dirfd != AT_FDCWD_ && flags)
        return -EINVAL;
    struct target t = {0};
    if (uaddr_null(path) && dirfd != AT_FDCWD_)
        r = target_fd(dirfd, &t);
    else
        r = target_at(dirfd, path, flags, &t);
    if (r < 0)
        return r;
    r = times_permission(&t, all_now);
    if (r == 0)
        r = target_change(&t, &a);
    target_put(&t);
    return r;
}

static const struct linux_timespec times_now[2] = {{0, LINUX_UTIME_NOW}, {0, LINUX_UTIME_NOW}};

/* full */
SYSCALL(utimensat, int, dirfd, uaddr_t, path, uaddr_t, times, int, flags)
{
    struct linux_timespec ts[2] = {times_now[0], times_now[1]};
    if (flags & ~(FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH))
        return -EINVAL;
    if (!uaddr_null(times) && get_user(&ts, times) < 0)
        return -EFAULT;
    return utimes_at(dirfd, path, ts, flags);
}

static long utimes_micro(int dirfd, uaddr_t path, uaddr_t times)
{
    struct linux_timeval tv[2];
    struct linux_timespec ts[2] = {times_now[0], times_now[1]};
    if (!uaddr_null(times)) {
        if (get_user(&tv, times) < 0)
            return -EFAULT;
        for (int i = 0; i < 2; i++) {
            if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
                return -EINVAL;
            ts[i] = (struct linux_timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
        }
    }
    return utimes_at(dirfd, path, ts, 0);
}

/* full */
SYSCALL(utimes, uaddr_t, path, uaddr_t, times)
{
    return utimes_micro(AT_FDCWD_, path, times);
}

/* full */
SYSCALL(futimesat, int, dirfd, uaddr_t, path, uaddr_t, times)
{
    return utimes_micro(dirfd, path, times);
}

/* full */
SYSCALL(utime, uaddr_t, path, uaddr_t, times)
{
    int64_t t[2];
    struct linux_timespec ts[2] = {times_now[0], times_now[1]};
    if (!uaddr_null(times)) {
        if (get_user(&t, times) < 0)
            return -EFAULT;
        ts[0] = (struct linux_timespec){t[0], 0};
        ts[1] = (struct linux_timespec){t[1], 0};
    }
    return utimes_at(AT_FDCWD_, path, ts, 0);
}
