/* Opening: permission checks, truncation, and choosing the file operations by the inode's type. */
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/namei.h"
#include "libos/vfs/notify.h"
#include "libos/vfs/pipe.h"
#include "libos/vfs/registry.h"

static const struct file_ops path_file_ops = {0};

static const struct device_type *device_lookup(uint64_t rdev, bool block)
{
    for (const struct device_type *const *t = device_type_table; *t; t++)
        if (linux_makedev((*t)->major, (*t)->minor) == rdev && (*t)->block == block)
            return *t;
    return NULL;
}

/* -ENXIO: nothing there to open. */
static int ops_for(struct file *f)
{
    struct inode *i = inode_real(f->inode);
    if (i->fops) {
        f->ops = i->fops;
        return 0;
    }
    switch (i->mode & S_IFMT) {
    case S_IFREG:
        f->ops = &regular_file_ops;
        return 0;
    case S_IFDIR:
        f->ops = &directory_file_ops;
        return 0;
    case S_IFIFO:
        f->ops = &fifo_file_ops;
        return 0;
    case S_IFCHR:
    case S_IFBLK: {
        const struct device_type *t = device_lookup(i->rdev, S_ISBLK(i->mode));
        if (!t)
            return -ENXIO;
        f->ops = t->ops;
        return 0;
    }
    case S_IFLNK:
        return -ELOOP;
    default:
        return -ENXIO;
    }
}

static int check_access(const struct path *p, unsigned o_flags, bool created)
{
    struct inode *i = p->dentry->inode;
    uint32_t mode = inode_mode(i);
    bool write = (o_flags & O_ACCMODE) != O_RDONLY;
    if (S_ISDIR(mode) && (write || (o_flags & O_CREAT)))
        return -EISDIR;
    if ((o_flags & O_DIRECTORY) && !S_ISDIR(mode))
        return -ENOTDIR;
    if (S_ISLNK(mode))
        return -ELOOP;
    bool device = S_ISCHR(mode) || S_ISBLK(mode);
    if (device && (p->mnt->flags & MOUNT_NODEV))
        return -EACCES;
    if ((write || ((o_flags & O_TRUNC) && S_ISREG(mode))) && !device && !S_ISFIFO(mode) &&
        !S_ISSOCK(mode)) {
        int r = mount_want_write(p);
        if (r < 0)
            return r;
    }
    if ((o_flags & O_NOATIME) && !inode_owner_or_capable(i))
        return -EPERM;
    if (created)
        return 0;
    unsigned acc = o_flags & O_ACCMODE;
    int mask = (acc != O_WRONLY ? MAY_READ : 0) | (write ? MAY_WRITE : 0);
    if (o_flags & O_TRUNC)
        mask |= MAY_WRITE;
    return inode_permission(i, mask);
}

/* Counts a writer; -ETXTBSY if the file is being executed. */
static int writer_get(struct file *f)
{
    struct inode *i = f->inode;
    SPIN_GUARD(&i->lock);
    if (i->writers < 0)
        return -ETXTBSY;
    i->writers++;
    f->mode |= FILE_WRITER;
    return 0;
}

/* Keeps writers away; -ETXTBSY if there are some. */
static int deny_write(struct file *f)
{
    struct inode *i = f->inode;
    SPIN_GUARD(&i->lock);
    if (i->writers > 0)
        return -ETXTBSY;
    i->writers--;
    f->mode |= FILE_DENIES;
    return 0;
}

static int truncate_open(const struct path *path, struct inode *i)
{
    struct iattr a = {.valid = ATTR_SIZE, .size = 0};
    mutex_lock(&i->mutex);
    int r = i->ops->setattr ? i->ops->setattr(i, &a) : inode_setattr_simple(i, &a);
    mutex_unlock(&i->mutex);
    if (r == 0)
        notify_dentry(path->dentry, i, NOTIFY_MODIFY);
    return r;
}

static int open_regular(const struct path *path, struct file *f, unsigned o_flags, bool created)
{
    struct inode *i = f->inode;
    bool change = (f->mode & FILE_WRITE) || (o_flags & O_TRUNC);
    if (change && i->ops->prepare_write) {
        int r = i->ops->prepare_write(i);
        if (r < 0)
            return r;
    }
    int r = f->mode & FILE_WRITE ? writer_get(f) : 0;
    if (r == 0 && (o_flags & O_TRUNC) && !created && inode_size(i))
        r = truncate_open(path, i);
    return r;
}

static int open_checked(const struct path *path, struct file *f, unsigned o_flags, bool created)
{
    int r = ops_for(f);
    if (r < 0)
        return r;
    const struct inode *real = inode_real(f->inode);
    bool special = real->fops && !(real->super->flags & SUPER_UNTRUSTED); /* generated content */
    if (S_ISREG(f->inode->mode) && !special)
        r = open_regular(path, f, o_flags, created);
    if (r == 0 && f->ops->open)
        r = f->ops->open(inode_real(f->inode), f);
    return r;
}

int file_open_path(const struct path *path, unsigned o_flags, bool created, struct file **ret)
{
    bool only_path = o_flags & O_PATH;
    if (!only_path) {
        int r = check_access(path, o_flags, created);
        if (r < 0)
            return r;
    } else if ((o_flags & O_DIRECTORY) && !inode_is_dir(path->dentry->inode)) {
        return -ENOTDIR;
    }
    unsigned keep = o_flags & ~(unsigned) (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
    unsigned acc = o_flags & O_ACCMODE;
    uint32_t mode = only_path
                        ? FILE_PATH
                        : (acc != O_WRONLY ? FILE_READ : 0) | (acc != O_RDONLY ? FILE_WRITE : 0);
    struct file *f =
        file_new_pathless(path->dentry->inode, &path_file_ops, NULL,
                          only_path ? keep & (O_PATH | O_DIRECTORY | O_NOFOLLOW) : keep, 0);
    if (!f)
        return -ENOMEM;
    f->mode = mode;
    inode_get(f->inode);
    int r = only_path ? 0 : open_checked(path, f, o_flags, created);
    if (r < 0) { /* the path stays with the caller and release must not run */
        f->ops = &path_file_ops;
        file_put(f);
        return r;
    }
    f->flags &= ~(unsigned) O_NOCTTY; /* terminals looked at it */
    f->path = *path;
    notify_file(f, NOTIFY_OPEN);
    *ret = f;
    return 0;
}

int file_reopen(struct file *old, unsigned o_flags, struct file **ret)
{
    if (o_flags & O_PATH)
        return -ENXIO;
    uint32_t mode = old->inode->mode;
    if (file_is_pipe(old))
        return pipe_reopen(old, o_flags, ret);
    if (!S_ISCHR(mode) && !S_ISREG(mode) && !S_ISFIFO(mode))
        return -ENXIO;
    if (old->ops->release && !old->ops->reopened)
        return -ENXIO;
    inode_get(old->inode);
    unsigned keep = o_flags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
    struct file *f =
        file_new_pathless(old->inode, old->ops, old->priv, keep, old->mode & FILE_STREAM);
    if (!f) {
        inode_put(old->inode);
        return -ENOMEM;
    }
    if (f->ops->reopened)
        f->ops->reopened(f);
    *ret = f;
    return 0;
}

static int open_tmpfile(int dirfd, const char *path, unsigned o_flags, uint32_t mode,
                        unsigned resolve, struct file **ret)
{
    if ((o_flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    AUTO_PATH struct path dir = {0};
    int r = path_at(dirfd, path, resolve | LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dir, NULL);
    if (r == 0)
        r = mount_want_write(&dir);
    struct inode *d = r == 0 ? dir.dentry->inode : NULL;
    if (r == 0)
        r = inode_permission(d, MAY_WRITE | MAY_EXEC);
    if (r == 0 && !d->ops->tmpfile)
        r = -EOPNOTSUPP;
    struct inode *i = NULL;
    if (r == 0)
        r = d->ops->tmpfile(d, S_IFREG | (mode & 07777 & ~atomic_peek(&current_fs()->umask)), &i);
    if (r < 0)
        return r;
    if (o_flags & O_EXCL)
        i->flags |= INODE_NAMELESS;
    struct path p = {dir.mnt, dentry_new_root(dir.mnt->super, i)};
    if (!p.dentry) {
        inode_put(i);
        return -ENOMEM;
    }
    p.dentry->flags |= DENTRY_DELETED;
    mount_get(p.mnt);
    r = file_open_path(&p, o_flags & ~(unsigned) (O_TMPFILE | O_CREAT), true, ret);
    if (r < 0)
        path_put(&p);
    return r;
}

int vfs_openat(int dirfd, const char *path, unsigned o_flags, uint32_t mode, unsigned resolve,
               struct file **ret)
{
    if ((o_flags & O_TMPFILE_BIT) && (o_flags & O_DIRECTORY) && !(o_flags & O_PATH))
        return open_tmpfile(dirfd, path, o_flags, mode, resolve, ret);
    struct open_result res;
    int r = path_open(dirfd, path, o_flags, mode, resolve, &res);
    if (r < 0)
        return r;
    if (res.file) {
        r = file_reopen(res.file, o_flags, ret);
        file_put(res.file);
        return r;
    }
    if (res.created && unlikely(notify_watchers)) {
        struct dentry *d = res.path.dentry;
        notify_name(d->parent->inode, NOTIFY_CREATE, (struct qname){d->name, d->name_len}, d->inode,
                    0);
    }
    r = file_open_path(&res.path, o_flags, res.created, ret);
    if (r < 0)
        path_put(&res.path);
    return r;
}

int vfs_open(const char *path, int flags, uint32_t mode, struct file **ret_file)
{
    return vfs_openat(FD_AT_FDCWD, path, (unsigned) flags, mode, 0, ret_file);
}

int vfs_open_exec(int dirfd, const char *path, int at_flags, struct file **ret_file)
{
    unsigned flags = (at_flags & FD_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                     (at_flags & FD_AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    AUTO_PATH struct path p = {0};
    int r = path_at(dirfd, path, flags, &p, NULL);
    if (r < 0)
        return r;
    const struct inode *i = p.dentry->inode;
    if (S_ISLNK(i->mode))
        return -ELOOP;
    if (!S_ISREG(i->mode) || (p.mnt->flags & MOUNT_NOEXEC))
        return -EACCES;
    r = inode_permission(i, MAY_EXEC);
    if (r < 0)
        return r;
    struct file *f;
    r = file_open_path(&p, O_RDONLY, true, &f); /* execute permission suffices */
    if (r < 0)
        return r;
    p = (struct path){0};
    r = deny_write(f);
    if (r == 0)
        *ret_file = f;
    else
        file_put(f);
    return r;
}
