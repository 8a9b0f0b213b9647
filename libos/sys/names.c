/* Making, removing and renaming names. */
#include "libos/sys/path.h"

static long mkdir_at(int dirfd, uaddr_t ua, uint32_t mode)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    return r < 0 ? r : vfs_mkdir(dirfd, path, mode);
}

/* full */
SYSCALL(mkdir, uaddr_t, path, uint32_t, mode)
{
    return mkdir_at(AT_FDCWD_, path, mode);
}

/* full */
SYSCALL(mkdirat, int, dirfd, uaddr_t, path, uint32_t, mode)
{
    return mkdir_at(dirfd, path, mode);
}

static long mknod_at(int dirfd, uaddr_t ua, uint32_t mode, uint32_t dev)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    uint64_t rdev = linux_makedev((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
    return r < 0 ? r : vfs_mknod(dirfd, path, mode, rdev, NULL);
}

/* full */
SYSCALL(mknod, uaddr_t, path, uint32_t, mode, uint32_t, dev)
{
    return mknod_at(AT_FDCWD_, path, mode, dev);
}

/* full */
SYSCALL(mknodat, int, dirfd, uaddr_t, path, uint32_t, mode, uint32_t, dev)
{
    return mknod_at(dirfd, path, mode, dev);
}

static long unlink_at(int dirfd, uaddr_t ua, bool directory)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    if (r < 0)
        return r;
    return directory ? vfs_rmdir(dirfd, path) : vfs_unlink(dirfd, path);
}

/* full */
SYSCALL(unlink, uaddr_t, path)
{
    return unlink_at(AT_FDCWD_, path, false);
}

/* full */
SYSCALL(rmdir, uaddr_t, path)
{
    return unlink_at(AT_FDCWD_, path, true);
}

/* full */
SYSCALL(unlinkat, int, dirfd, uaddr_t, path, int, flags)
{
    if (flags & ~FD_AT_REMOVEDIR)
        return -EINVAL;
    return unlink_at(dirfd, path, flags & FD_AT_REMOVEDIR);
}

static long symlink_at(uaddr_t target_ua, int dirfd, uaddr_t path_ua)
{
    UNINIT char target[PATH_LIMIT], path[PATH_LIMIT];
    int r = path_from_user(target, target_ua);
    if (r == 0)
        r = path_from_user(path, path_ua);
    return r < 0 ? r : vfs_symlink(target, dirfd, path);
}

/* full */
SYSCALL(symlink, uaddr_t, target, uaddr_t, path)
{
    return symlink_at(target, AT_FDCWD_, path);
}

/* full */
SYSCALL(symlinkat, uaddr_t, target, int, dirfd, uaddr_t, path)
{
    return symlink_at(target, dirfd, path);
}

static long link_at(int old_dirfd, uaddr_t old_ua, int new_dirfd, uaddr_t new_ua, int flags)
{
    UNINIT char old[PATH_LIMIT], new[PATH_LIMIT];
    if (flags & ~(FD_AT_SYMLINK_FOLLOW | FD_AT_EMPTY_PATH))
        return -EINVAL;
    int r = path_from_user(old, old_ua);
    if (r == 0)
        r = path_from_user(new, new_ua);
    return r < 0 ? r : vfs_link(old_dirfd, old, new_dirfd, new, flags);
}

/* full */
SYSCALL(link, uaddr_t, old, uaddr_t, new)
{
    return link_at(AT_FDCWD_, old, AT_FDCWD_, new, 0);
}

/* full */
SYSCALL(linkat, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, new, int, flags)
{
    return link_at(old_dirfd, old, new_dirfd, new, flags);
}

static long rename_at(int old_dirfd, uaddr_t old_ua, int new_dirfd, uaddr_t new_ua, unsigned flags)
{
    UNINIT char old[PATH_LIMIT], new[PATH_LIMIT];
    unsigned known = RENAME_NOREPLACE_BIT | RENAME_EXCHANGE_BIT;
    if ((flags & ~known) || flags == known)
        return -EINVAL;
    int r = path_from_user(old, old_ua);
    if (r == 0)
        r = path_from_user(new, new_ua);
    return r < 0 ? r : vfs_rename(old_dirfd, old, new_dirfd, new, flags);
}

/* partial: image directories are EXDEV */
SYSCALL(rename, uaddr_t, old, uaddr_t, new)
{
    return rename_at(AT_FDCWD_, old, AT_FDCWD_, new, 0);
}

/* partial: image directories are EXDEV */
SYSCALL(renameat, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, new)
{
    return rename_at(old_dirfd, old, new_dirfd, new, 0);
}

/* partial: no RENAME_WHITEOUT; image directories are EXDEV */
SYSCALL(renameat2, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, new, unsigned, flags)
{
    return rename_at(old_dirfd, old, new_dirfd, new, flags);
}
