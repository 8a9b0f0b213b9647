/* stat and friends, statx, statfs, access, readlink. */
#include "libos/sys/path.h"
#include "libos/sys/timespec.h"
#include "libos/task/process.h"

static int stat_to_user(uaddr_t ua, struct inode *i)
{
    struct kstat k;
    inode_stat(i, &k);
    struct linux_stat st = {
        .dev = k.dev,
        .ino = k.ino,
        .nlink = k.nlink,
        .mode = k.mode,
        .uid = k.uid,
        .gid = k.gid,
        .rdev = k.rdev,
        .size = (int64_t) k.size,
        .blksize = k.blksize,
        .blocks = (int64_t) k.blocks,
        .atime = timespec_of(k.atime_ns),
        .mtime = timespec_of(k.mtime_ns),
        .ctime = timespec_of(k.ctime_ns),
    };
    return put_user(ua, st);
}

static long stat_at(int dirfd, uaddr_t path, uaddr_t buf, int at_flags)
{
    struct target t = {0};
    int r = target_at(dirfd, path, at_flags, &t);
    if (r < 0)
        return r;
    r = stat_to_user(buf, t.inode);
    target_put(&t);
    return r;
}

/* full */
SYSCALL(stat, uaddr_t, path, uaddr_t, buf)
{
    return stat_at(AT_FDCWD_, path, buf, 0);
}

/* full */
SYSCALL(lstat, uaddr_t, path, uaddr_t, buf)
{
    return stat_at(AT_FDCWD_, path, buf, FD_AT_SYMLINK_NOFOLLOW);
}

/* full */
SYSCALL(fstat, int, fd, uaddr_t, buf)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    return f ? stat_to_user(buf, f->inode) : -EBADF;
}

/* full */
SYSCALL(newfstatat, int, dirfd, uaddr_t, path, uaddr_t, buf, int, flags)
{
    if (flags & ~(FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH | FD_AT_NO_AUTOMOUNT))
        return -EINVAL;
    return stat_at(dirfd, path, buf, flags);
}

static struct linux_statx_time statx_time(int64_t ns)
{
    struct linux_timespec t = timespec_of(ns);
    return (struct linux_statx_time){.sec = t.tv_sec, .nsec = (uint32_t) t.tv_nsec};
}

static void statx_fill(struct linux_statx *x, const struct target *t)
{
    struct kstat k;
    inode_stat(t->inode, &k);
    const struct path *p = t->file ? &t->file->path : &t->path;
    const struct mount *m = p->mnt;
    *x = (struct linux_statx){
        .mask = LINUX_STATX_BASIC | LINUX_STATX_BTIME | (m ? LINUX_STATX_MNT_ID : 0),
        .blksize = k.blksize,
        .nlink = k.nlink,
        .uid = k.uid,
        .gid = k.gid,
        .mode = (uint16_t) k.mode,
        .ino = k.ino,
        .size = k.size,
        .blocks = k.blocks,
        .atime = statx_time(k.atime_ns),
        .btime = statx_time(k.btime_ns),
        .ctime = statx_time(k.ctime_ns),
        .mtime = statx_time(k.mtime_ns),
        .rdev_major = linux_major(k.rdev),
        .rdev_minor = linux_minor(k.rdev),
        .dev_major = linux_major(k.dev),
        .dev_minor = linux_minor(k.dev),
        .mnt_id = m ? m->id : 0,
        .attributes = m && m->root == p->dentry ? LINUX_STATX_ATTR_MOUNT_ROOT : 0,
        .attributes_mask = LINUX_STATX_ATTR_MOUNT_ROOT,
    };
}

/* partial: no STATX_DIOALIGN; of the attributes only STATX_ATTR_MOUNT_ROOT */
SYSCALL(statx, int, dirfd, uaddr_t, path, int, flags, uint32_t, mask, uaddr_t, buf)
{
    if ((mask & 0x80000000u) || (flags & FD_AT_STATX_SYNC_TYPE) == FD_AT_STATX_SYNC_TYPE ||
        (flags &
         ~(FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH | FD_AT_NO_AUTOMOUNT | FD_AT_STATX_SYNC_TYPE)))
        return -EINVAL;
    struct target t = {0};
    int r = target_at(dirfd, path, flags, &t);
    if (r < 0)
        return r;
    struct linux_statx x;
    statx_fill(&x, &t);
    target_put(&t);
    return put_user(buf, x);
}

static long statfs_super(const struct inode *i, const struct mount *m, uaddr_t buf)
{
    struct linux_statfs s = {.bsize = 4096, .frsize = 4096, .namelen = NAME_LIMIT};
    struct super *super = i->super;
    s.type = super->magic;
    int r = super->ops && super->ops->statfs ? super->ops->statfs(super, &s) : 0;
    if (r < 0)
        return r;
    s.fsid[0] = (int32_t) super->dev;
    s.flags = 0x20 | (m ? (int64_t) (m->flags & 0xf) : 0) |
              (super->flags & SUPER_READONLY ? MOUNT_RDONLY : 0);
    return put_user(buf, s);
}

/* full */
SYSCALL(statfs, uaddr_t, path, uaddr_t, buf)
{
    struct target t = {0};
    int r = target_at(AT_FDCWD_, path, 0, &t);
    if (r < 0)
        return r;
    long n = statfs_super(t.inode, t.path.mnt, buf);
    target_put(&t);
    return n;
}

/* full */
SYSCALL(ustat, unsigned, dev, uaddr_t, ret)
{
    struct ustat {
        int32_t free_blocks;
        uint64_t free_inodes;
        char name[6], pack[6];
    } u = {0};
    struct linux_statfs s = {0};
    uint64_t rdev = linux_makedev((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
    struct mount *m = mount_by_dev_get(rdev);
    if (!m)
        return -EINVAL;
    struct super *super = m->super;
    int r = super->ops && super->ops->statfs ? super->ops->statfs(super, &s) : 0;
    mount_put(m);
    if (r < 0)
        return r;
    u.free_blocks = (int32_t) s.bfree;
    u.free_inodes = s.ffree;
    return put_user(ret, u);
}

/* full */
SYSCALL(fstatfs, int, fd, uaddr_t, buf)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    return f ? statfs_super(f->inode, f->path.mnt, buf) : -EBADF;
}

static long access_at(int dirfd, uaddr_t path, int mode, int flags)
{
    if ((mode & ~7) || (flags & ~(FD_AT_EACCESS | FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH)))
        return -EINVAL;
    struct target t = {0};
    int r = target_at(dirfd, path, flags & ~FD_AT_EACCESS, &t);
    if (r < 0)
        return r;
    struct cred c = {0};
    cred_copy_values(&c, current_cred());
    if (!(flags & FD_AT_EACCESS)) { /* the real ids, with root's powers only for the real root */
        c.fsuid = c.uid;
        c.fsgid = c.gid;
        if (!(c.securebits & SECURE_NO_SETUID_FIXUP))
            c.cap_effective = c.uid == 0 ? c.cap_permitted : 0;
    }
    if (mode)
        r = inode_permission_cred(t.inode, mode, &c);
    const struct mount *m = t.file ? t.file->path.mnt : t.path.mnt;
    if (r == 0 && (mode & MAY_EXEC) && S_ISREG(t.inode->mode) && m && (m->flags & MOUNT_NOEXEC))
        r = -EACCES;
    bool special = S_ISCHR(t.inode->mode) || S_ISBLK(t.inode->mode) || S_ISFIFO(t.inode->mode) ||
                   S_ISSOCK(t.inode->mode);
    if (r == 0 && (mode & MAY_WRITE) && !special)
        r = target_want_write(&t);
    target_put(&t);
    return r;
}

/* full */
SYSCALL(access, uaddr_t, path, int, mode)
{
    return access_at(AT_FDCWD_, path, mode, 0);
}

/* full */
SYSCALL(faccessat, int, dirfd, uaddr_t, path, int, mode)
{
    return access_at(dirfd, path, mode, 0);
}

/* full */
SYSCALL(faccessat2, int, dirfd, uaddr_t, path, int, mode, int, flags)
{
    return access_at(dirfd, path, mode, flags);
}

static long readlink_at(int dirfd, uaddr_t path, uaddr_t buf, int size)
{
    if (size <= 0)
        return -EINVAL;
    struct target t = {0};
    int r = target_at(dirfd, path, FD_AT_SYMLINK_NOFOLLOW | FD_AT_EMPTY_PATH, &t);
    if (r < 0)
        return r;
    UNINIT char text[PATH_LIMIT];
    char first = '/';
    (void) get_user(&first, path); /* target_at has read it */
    long n = first ? -EINVAL : -ENOENT;
    if (S_ISLNK(t.inode->mode))
        n = inode_readlink(t.inode, text, sizeof text);
    target_put(&t);
    if (n < 0)
        return n;
    n = MIN(n, (long) size);
    r = copy_to_user(buf, (struct cspan){(const uint8_t *) text, (size_t) n});
    return r < 0 ? r : n;
}

/* full */
SYSCALL(readlink, uaddr_t, path, uaddr_t, buf, int, size)
{
    return readlink_at(AT_FDCWD_, path, buf, size);
}

/* full */
SYSCALL(readlinkat, int, dirfd, uaddr_t, path, uaddr_t, buf, int, size)
{
    return readlink_at(dirfd, path, buf, size);
}
