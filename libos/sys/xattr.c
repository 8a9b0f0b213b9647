/* Extended attributes. Which a file system keeps is its business; names and permissions are checked
 * here. */
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"

#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536

static int name_from_user(char name[XATTR_NAME_MAX + 1], uaddr_t ua)
{
    long n = str_from_user(name, XATTR_NAME_MAX + 1, ua);
    if (n == -ENAMETOOLONG || n == 0)
        return -ERANGE;
    return n < 0 ? (int) n : 0;
}

/* A name that begins with its name space and goes on. */
static bool in_space(const char *name, const char *space)
{
    return str_starts(name, space) && name[strlen(space)];
}

/* May the caller use this name on i? write: change it. */
static int name_check(const struct inode *i, const char *name, bool write)
{
    if (in_space(name, "user.")) {
        if (!S_ISREG(i->mode) && !inode_is_dir(i))
            return write ? -EPERM : -ENODATA;
        return inode_permission(i, write ? MAY_WRITE : MAY_READ);
    }
    bool root = capable(CAP_SYS_ADMIN);
    if (in_space(name, "trusted."))
        return root ? 0 : write ? -EPERM : -ENODATA;
    if (in_space(name, "security."))
        return write && !root ? -EPERM : 0;
    const char *const spaces[] = {"user.", "trusted.", "security."};
    for (size_t k = 0; k < ARRAY_SIZE(spaces); k++)
        if (str_starts(name, spaces[k]))
            return -EINVAL;
    return -EOPNOTSUPP;
}

static long set(const struct target *t, const char *name, uaddr_t value, size_t size, int flags)
{
    struct inode *i = t->inode;
    if (flags & ~3 || flags == 3)
        return -EINVAL;
    if (size > XATTR_SIZE_MAX)
        return -E2BIG;
    int r = target_want_write(t);
    if (r == 0)
        r = name_check(i, name, true);
    if (r < 0)
        return r;
    if (!i->ops->setxattr)
        return -EOPNOTSUPP;
    uint8_t *buf = kzalloc(size + 1);
    if (!buf)
        return -ENOMEM;
    r = copy_from_user((struct span){buf, size}, value);
    if (r == 0) {
        MUTEX_GUARD(&i->mutex);
        r = i->ops->setxattr(i, name, (struct cspan){buf, size}, flags);
    }
    kfree(buf);
    return r;
}

static long get(const struct target *t, const char *name, uaddr_t value, size_t size)
{
    struct inode *i = t->inode;
    int r = name_check(i, name, false);
    if (r < 0)
        return r;
    if (!i->ops->getxattr)
        return -EOPNOTSUPP;
    size = MIN(size, (size_t) XATTR_SIZE_MAX);
    uint8_t *buf = kzalloc(size + 1);
    if (!buf)
        return -ENOMEM;
    mutex_lock(&i->mutex);
    long n = i->ops->getxattr(i, name, (struct span){buf, size});
    mutex_unlock(&i->mutex);
    if (n > 0 && size && copy_to_user(value, (struct cspan){buf, (size_t) n}) < 0)
        n = -EFAULT;
    kfree(buf);
    return n;
}

static long list(const struct target *t, uaddr_t ua, size_t size)
{
    struct inode *i = t->inode;
    if (!i->ops->listxattr)
        return 0;
    size = MIN(size, (size_t) XATTR_SIZE_MAX);
    uint8_t *buf = kzalloc(size + 1);
    if (!buf)
        return -ENOMEM;
    mutex_lock(&i->mutex);
    long n = i->ops->listxattr(i, (struct span){buf, size});
    mutex_unlock(&i->mutex);
    if (n > 0 && size && copy_to_user(ua, (struct cspan){buf, (size_t) n}) < 0)
        n = -EFAULT;
    kfree(buf);
    return n;
}

static long unset(const struct target *t, const char *name)
{
    struct inode *i = t->inode;
    int r = target_want_write(t);
    if (r == 0)
        r = name_check(i, name, true);
    if (r < 0)
        return r;
    if (!i->ops->removexattr)
        return -EOPNOTSUPP;
    MUTEX_GUARD(&i->mutex);
    return i->ops->removexattr(i, name);
}

struct request { /* the part after the target, common to the three forms of each call */
    enum { XATTR_SET, XATTR_GET, XATTR_LIST, XATTR_REMOVE } what;
    uaddr_t name, value;
    size_t size;
    int flags;
};

static long run(const struct target *t, const struct request *q)
{
    char name[XATTR_NAME_MAX + 1];
    if (q->what == XATTR_LIST)
        return list(t, q->value, q->size);
    int r = name_from_user(name, q->name);
    if (r < 0)
        return r;
    if (q->what == XATTR_GET)
        return get(t, name, q->value, q->size);
    return q->what == XATTR_SET ? set(t, name, q->value, q->size, q->flags) : unset(t, name);
}

static long by_path(uaddr_t path, int at_flags, struct request q)
{
    struct target t = {0};
    long r = target_at(AT_FDCWD_, path, at_flags, &t);
    if (r < 0)
        return r;
    r = run(&t, &q);
    target_put(&t);
    return r;
}

static long by_fd(int fd, struct request q)
{
    struct target t;
    long r = target_fd(fd, &t);
    if (r < 0)
        return r;
    r = t.file->mode & FILE_PATH ? -EBADF : run(&t, &q);
    target_put(&t);
    return r;
}

/* partial: no access control lists (system.posix_acl_*) */
SYSCALL(setxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
    return by_path(path, 0, (struct request){XATTR_SET, name, value, size, flags});
}

/* partial: no access control lists (system.posix_acl_*) */
SYSCALL(lsetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
    return by_path(path, FD_AT_SYMLINK_NOFOLLOW,
                   (struct request){XATTR_SET, name, value, size, flags});
}

/* partial: no access control lists (system.posix_acl_*) */
SYSCALL(fsetxattr, int, fd, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
    return by_fd(fd, (struct request){XATTR_SET, name, value, size, flags});
}

/* full */
SYSCALL(getxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size)
{
    return by_path(path, 0, (struct request){XATTR_GET, name, value, size, 0});
}

/* full */
SYSCALL(lgetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size)
{
    return by_path(path, FD_AT_SYMLINK_NOFOLLOW, (struct request){XATTR_GET, name, value, size, 0});
}

/* full */
SYSCALL(fgetxattr, int, fd, uaddr_t, name, uaddr_t, value, size_t, size)
{
    return by_fd(fd, (struct request){XATTR_GET, name, value, size, 0});
}

/* full */
SYSCALL(listxattr, uaddr_t, path, uaddr_t, buf, size_t, size)
{
    return by_path(path, 0, (struct request){XATTR_LIST, UADDR(0), buf, size, 0});
}

/* full */
SYSCALL(llistxattr, uaddr_t, path, uaddr_t, buf, size_t, size)
{
    return by_path(path, FD_AT_SYMLINK_NOFOLLOW,
                   (struct request){XATTR_LIST, UADDR(0), buf, size, 0});
}

/* full */
SYSCALL(flistxattr, int, fd, uaddr_t, buf, size_t, size)
{
    return by_fd(fd, (struct request){XATTR_LIST, UADDR(0), buf, size, 0});
}

/* full */
SYSCALL(removexattr, uaddr_t, path, uaddr_t, name)
{
    return by_path(path, 0, (struct request){XATTR_REMOVE, name, UADDR(0), 0, 0});
}

/* full */
SYSCALL(lremovexattr, uaddr_t, path, uaddr_t, name)
{
    return by_path(path, FD_AT_SYMLINK_NOFOLLOW,
                   (struct request){XATTR_REMOVE, name, UADDR(0), 0, 0});
}

/* full */
SYSCALL(fremovexattr, int, fd, uaddr_t, name)
{
    return by_fd(fd, (struct request){XATTR_REMOVE, name, UADDR(0), 0, 0});
}
