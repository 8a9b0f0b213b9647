/* dup, dup2, dup3, fcntl, flock. */
#include "libos/base/atomic.h"
#include "libos/base/ckmath.h"
#include "libos/sys/owner.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/lock.h"
#include "libos/vfs/memfd.h"
#include "libos/vfs/pipe.h"

enum {
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_SETLEASE = 1024,
    F_GETLEASE = 1025,
    F_NOTIFY = 1026,
    F_DUPFD_CLOEXEC = 1030,
    F_SETPIPE_SZ = 1031,
    F_GETPIPE_SZ = 1032,
    F_ADD_SEALS = 1033,
    F_GET_SEALS = 1034,
};
#define SETTABLE (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)
#define FLOCK_NB 4

static long dup_min(struct file *f, unsigned min, bool cloexec)
{
    file_get(f);
    int r = fdtable_install(current_fds(), f, min, cloexec);
    if (r < 0)
        file_put(f);
    return r;
}

/* full */
SYSCALL(dup, int, fd)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    return f ? dup_min(f, 0, false) : -EBADF;
}

static long dup_to(int old, int new, bool cloexec)
{
    struct file *f = fd_get(old);
    if (!f)
        return -EBADF;
    int r = fdtable_install_at(current_fds(), f, new, cloexec);
    if (r < 0)
        file_put(f);
    return r;
}

/* full */
SYSCALL(dup2, int, old, int, new)
{
    if (old != new)
        return dup_to(old, new, false);
    AUTO(file_put) struct file *f = fd_get(old);
    return f ? new : -EBADF;
}

/* full */
SYSCALL(dup3, int, old, int, new, int, flags)
{
    if ((flags & ~O_CLOEXEC) || old == new)
        return -EINVAL;
    return dup_to(old, new, flags & O_CLOEXEC);
}

/* ---- record locks ---- */

/* The guest's range as first and last byte. */
static int range_of(const struct linux_flock *l, struct file *f, struct lock_range *r)
{
    int64_t base = l->whence == 1   ? (int64_t) f->pos
                   : l->whence == 2 ? (int64_t) inode_size(f->inode)
                                    : 0;
    int64_t start, end;
    if (l->whence < 0 || l->whence > 2)
        return -EINVAL;
    if (ck_add(&start, base, l->start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (l->len == 0) {
        end = INT64_MAX;
    } else if (l->len > 0) {
        if (ck_add(&end, start, l->len - 1))
            return -EOVERFLOW;
    } else {
        end = start - 1;
        if (ck_add(&start, start, l->len) || start < 0)
            return -EINVAL;
    }
    r->start = (uint64_t) start;
    r->end = (uint64_t) end;
    return 0;
}

static long get_lock(struct file *f, struct linux_flock *l, struct lock_range *r, uaddr_t arg)
{
    if (r->type == LOCK_NONE)
        return -EINVAL;
    lock_test(f, r);
    l->type = (int16_t) r->type;
    if (r->type != LOCK_NONE) {
        l->whence = 0;
        l->start = (int64_t) r->start;
        l->len = r->end == INT64_MAX ? 0 : (int64_t) (r->end - r->start + 1);
        l->pid = r->pid;
    }
    return put_user(arg, *l);
}

static long record_lock(struct file *f, int cmd, uaddr_t arg)
{
    struct linux_flock l;
    if (get_user(&l, arg) < 0)
        return -EFAULT;
    bool ofd = cmd >= F_OFD_GETLK;
    struct lock_range r = {.kind = ofd ? LOCK_OFD : LOCK_POSIX, .type = l.type};
    if (l.type < LOCK_READ || l.type > LOCK_NONE || (ofd && l.pid != 0))
        return -EINVAL;
    int e = range_of(&l, f, &r);
    if (e < 0)
        return e;
    if (cmd == F_GETLK || cmd == F_OFD_GETLK)
        return get_lock(f, &l, &r, arg);
    if ((l.type == LOCK_READ && !(f->mode & FILE_READ)) ||
        (l.type == LOCK_WRITE && !(f->mode & FILE_WRITE)))
        return -EBADF;
    return lock_set(f, &r, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

enum { FLOCK_SH = 1, FLOCK_EX = 2, FLOCK_UN = 8 };

/* full */
SYSCALL(flock, int, fd, int, op)
{
    int kind = op & ~FLOCK_NB;
    if (kind != FLOCK_SH && kind != FLOCK_EX && kind != FLOCK_UN)
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    struct lock_range r = {
        .kind = LOCK_FLOCK,
        .end = INT64_MAX,
        .type = kind == FLOCK_SH   ? LOCK_READ
                : kind == FLOCK_EX ? LOCK_WRITE
                                   : LOCK_NONE,
    };
    return lock_set(f, &r, !(op & FLOCK_NB));
}

/* ---- fcntl ---- */

static long set_flags(struct file *f, int fd, unsigned flags)
{
    if (((flags ^ f->flags) & O_NOATIME) && (flags & O_NOATIME) &&
        !inode_owner_or_capable(f->inode))
        return -EPERM;
    if ((flags & O_DIRECT) && S_ISSOCK(f->inode->mode))
        return -EINVAL;
    int async = owner_set_async(f, fd, flags & O_ASYNC);
    if (async < 0)
        return async;
    flags = async ? flags : flags & ~(unsigned) O_ASYNC;
    atomic_store(&f->flags, (f->flags & ~(unsigned) SETTABLE) | (flags & SETTABLE));
    return 0;
}

static long dup_fd(struct file *f, uint64_t arg, bool cloexec)
{
    uint64_t limit = MIN(current_process()->rlimits[7].cur, (uint64_t) INT32_MAX);
    return arg >= limit ? -EINVAL : dup_min(f, (unsigned) arg, cloexec);
}

static bool works_on_path_files(int cmd)
{
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
           cmd == F_GETFL;
}

static long fcntl_object(struct file *f, int cmd, uint64_t arg)
{
    switch (cmd) {
    case F_SETPIPE_SZ:
        return pipe_set_size(f, (unsigned) arg);
    case F_GETPIPE_SZ:
        return pipe_get_size(f);
    case F_ADD_SEALS:
        return memfd_add_seals(f, (unsigned) arg);
    case F_GET_SEALS:
        return memfd_seals(f);
    case F_GETLEASE:
        return LOCK_NONE;
    default:
        return owner_fcntl(f, cmd, arg);
    }
}

/* partial: no leases, no F_NOTIFY, no hints of lifetime */
SYSCALL(fcntl, int, fd, int, cmd, uint64_t, arg)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || ((f->mode & FILE_PATH) && !works_on_path_files(cmd)))
        return -EBADF;
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return dup_fd(f, arg, cmd == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return fdtable_cloexec(current_fds(), fd);
    case F_SETFD:
        return fdtable_set_cloexec(current_fds(), fd, arg & 1);
    case F_GETFL:
        return (long) f->flags;
    case F_SETFL:
        return set_flags(f, fd, (unsigned) arg);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return record_lock(f, cmd, UADDR(arg));
    default:
        return fcntl_object(f, cmd, arg);
    }
}
