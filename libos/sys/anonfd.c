/* Descriptors of objects without names: eventfd, timerfd, memfd, inotify. */
#include "libos/sys/path.h"
#include "libos/sys/timespec.h"
#include "libos/task/cred.h"
#include "libos/vfs/eventfd.h"
#include "libos/vfs/inotify.h"
#include "libos/vfs/memfd.h"

#define NS_SECONDS_MAX (INT64_MAX / NSEC_PER_SEC - 1)

static long install(int error, struct file *f, unsigned flags)
{
    if (error < 0)
        return error;
    int r = fd_install(f, flags);
    if (r < 0)
        file_put(f);
    return r;
}

#define EFD_SEMAPHORE_ 1

/* full */
SYSCALL(eventfd2, unsigned, count, int, flags)
{
    if (flags & ~(EFD_SEMAPHORE_ | O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    struct file *f = NULL;
    return install(eventfd_new(count, flags & EFD_SEMAPHORE_, (unsigned) flags, &f), f,
                   (unsigned) flags);
}

/* full */
SYSCALL(eventfd, unsigned, count)
{
    struct file *f = NULL;
    return install(eventfd_new(count, false, 0, &f), f, 0);
}

/* full */
SYSCALL(timerfd_create, int, clock, int, flags)
{
    bool known = clock == 0 || clock == 1 || clock == 7 || clock == 8 || clock == 9;
    if (!known || (flags & ~(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    if ((clock == 8 || clock == 9) &&
        !capable(CAP_WAKE_ALARM)) /* CLOCK_*_ALARM wake a machine that sleeps */
        return -EPERM;
    struct file *f = NULL;
    return install(timerfd_new(clock, (unsigned) flags, &f), f, (unsigned) flags);
}

static int ns_of(const struct linux_timespec *t, int64_t *ret)
{
    if (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= NSEC_PER_SEC)
        return -EINVAL;
    *ret = t->tv_sec > NS_SECONDS_MAX ? INT64_MAX - 1 : t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
    return 0;
}

/* full */
SYSCALL(timerfd_settime, int, fd, int, flags, uaddr_t, new, uaddr_t, old)
{
    struct linux_itimerspec t;
    int64_t value, interval, old_value, old_interval;
    if (get_user(&t, new) < 0)
        return -EFAULT;
    if ((flags & ~3) || ns_of(&t.value, &value) < 0 || ns_of(&t.interval, &interval) < 0)
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    int r = timerfd_set(f, flags & 1, value, interval, &old_value, &old_interval);
    if (r < 0 || uaddr_null(old))
        return r;
    t.value = timespec_of(old_value);
    t.interval = timespec_of(old_interval);
    return put_user(old, t);
}

/* full */
SYSCALL(timerfd_gettime, int, fd, uaddr_t, ret)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    int64_t value, interval;
    int r = timerfd_get(f, &value, &interval);
    if (r < 0)
        return r;
    struct linux_itimerspec t = {timespec_of(interval), timespec_of(value)};
    return put_user(ret, t);
}

enum {
    MFD_CLOEXEC_ = 1,
    MFD_ALLOW_SEALING_ = 2,
    MFD_HUGETLB_ = 4,
    MFD_NOEXEC_SEAL_ = 8,
    MFD_EXEC_ = 16
};

/* partial: no MFD_HUGETLB */
SYSCALL(memfd_create, uaddr_t, ua, unsigned, flags)
{
    if (flags & ~(unsigned) (MFD_CLOEXEC_ | MFD_ALLOW_SEALING_ | MFD_NOEXEC_SEAL_ | MFD_EXEC_))
        return -EINVAL;
    if ((flags & MFD_NOEXEC_SEAL_) && (flags & MFD_EXEC_))
        return -EINVAL;
    char name[251];
    long n = str_from_user(name, sizeof name, ua);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    struct file *f = NULL;
    int r = memfd_new(name, flags & (MFD_ALLOW_SEALING_ | MFD_NOEXEC_SEAL_), &f);
    if (r == 0 && (flags & MFD_NOEXEC_SEAL_)) {
        f->inode->mode &= ~0111u;
        f->inode->seals |= SEAL_EXEC;
    }
    return install(r, f, flags & MFD_CLOEXEC_ ? O_CLOEXEC : 0);
}

/* full */
SYSCALL(inotify_init1, int, flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    struct file *f = NULL;
    return install(inotify_new((unsigned) flags, &f), f, (unsigned) flags);
}

/* full */
SYSCALL(inotify_init)
{
    struct file *f = NULL;
    return install(inotify_new(0, &f), f, 0);
}

/* partial: no events from /host */
SYSCALL(inotify_add_watch, int, fd, uaddr_t, path, uint32_t, mask)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    struct target t = {0};
    int r = target_at(AT_FDCWD_, path, mask & 0x02000000u ? FD_AT_SYMLINK_NOFOLLOW : 0, &t);
    if (r < 0)
        return r;
    r = inode_permission(t.inode, MAY_READ);
    if (r == 0)
        r = inotify_add(f, t.inode, mask);
    target_put(&t);
    return r;
}

/* full */
SYSCALL(inotify_rm_watch, int, fd, int, wd)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    return f ? inotify_remove(f, wd) : -EBADF;
}
