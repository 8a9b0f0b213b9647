/* Making, removing and renaming names: what mkdirat, unlinkat, renameat2 and so on are made of. Each
 * resolves the parent, locks it, looks the name up again under the lock, checks, asks the file system
 * and then tells the dcache. */
#include "libos/vfs/namei.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/notify.h"

static void parent_put(struct parent *p)
{
    path_put(&p->dir);
}

static struct qname parent_name(const struct parent *p)
{
    return (struct qname){p->name, p->name_len};
}

static int may_change(const struct path *dir)
{
    const struct inode *i = dir->dentry->inode;
    int r = mount_want_write(dir);
    if (r == 0)
        r = inode_permission(i, MAY_WRITE | MAY_EXEC);
    return r == 0 && (i->flags & INODE_DEAD) ? -ENOENT : r;
}

/* Sticky directories: only the owners of file or directory, and root, may remove. */
static int may_delete(const struct path *dir, const struct inode *victim)
{
    int r = may_change(dir);
    const struct inode *d = inode_real(dir->dentry->inode);
    if (r == 0 && (d->mode & S_ISVTX) && !inode_owner_or_capable(victim) &&
        !inode_owner_or_capable(d))
        return -EPERM;
    return r;
}

/* The negative dentry for a new name in p, with p's mutex held. */
static int new_name(const struct parent *p, bool directory, struct dentry **ret)
{
    AUTO(dentry_put) struct dentry *d = NULL;
    int r = dcache_lookup_mutex(p->dir.dentry, parent_name(p), dcache_hash(parent_name(p)), &d);
    if (r < 0)
        return r;
    if (d->inode)
        return -EEXIST;
    if (p->slash && !directory)
        return -ENOENT;
    r = may_change(&p->dir);
    if (r < 0)
        return r;
    *ret = TAKE(d);
    return 0;
}

enum make { MAKE_DIR, MAKE_NODE, MAKE_LINK };

static int make_locked(const struct parent *p, enum make what, uint32_t mode, uint64_t rdev,
                       const char *target, struct path *ret)
{
    struct inode *dir = p->dir.dentry->inode, *i = NULL;
    AUTO(dentry_put) struct dentry *d = NULL;
    int r = new_name(p, what == MAKE_DIR, &d);
    if (r < 0)
        return r;
    const struct inode_ops *ops = dir->ops;
    struct qname name = parent_name(p);
    if (what == MAKE_DIR)
        r = ops->mkdir ? ops->mkdir(dir, name, mode, &i) : -EPERM;
    else if (what == MAKE_NODE)
        r = ops->create ? ops->create(dir, name, mode, rdev, &i) : -EPERM;
    else
        r = ops->symlink ? ops->symlink(dir, name, target, &i) : -EPERM;
    if (r < 0)
        return r;
    dcache_instantiate(d, i);
    notify_name(dir, NOTIFY_CREATE, name, i, 0);
    if (ret) {
        *ret = (struct path){p->dir.mnt, d};
        path_get(ret);
    }
    return 0;
}

static int make(int dirfd, const char *path, enum make what, uint32_t mode, uint64_t rdev,
                const char *target, struct path *ret)
{
    UNINIT struct parent p;
    int r = path_parent(dirfd, path, 0, &p);
    if (r < 0)
        return r;
    if (p.dot) {
        r = -EEXIST;
    } else {
        MUTEX_GUARD(&p.dir.dentry->inode->mutex);
        r = make_locked(&p, what, mode, rdev, target, ret);
    }
    parent_put(&p);
    return r;
}

int vfs_mkdir(int dirfd, const char *path, uint32_t mode)
{
    mode = S_IFDIR | (mode & 01777 & ~atomic_peek(&current_fs()->umask));
    return make(dirfd, path, MAKE_DIR, mode, 0, NULL, NULL);
}

int vfs_mknod(int dirfd, const char *path, uint32_t mode, uint64_t rdev, struct path *ret)
{
    uint32_t type = mode & S_IFMT;
    if (type == 0)
        type = S_IFREG;
    if (type == S_IFDIR)
        return -EPERM;
    if (type == S_IFLNK || (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK &&
                            type != S_IFCHR && type != S_IFBLK))
        return -EINVAL;
    bool device = type == S_IFCHR || type == S_IFBLK;
    if (device && !capable(CAP_MKNOD))
        return -EPERM;
    mode = type | (mode & 07777 & ~atomic_peek(&current_fs()->umask));
    return make(dirfd, path, MAKE_NODE, mode, device ? rdev : 0, NULL, ret);
}

int vfs_symlink(const char *target, int dirfd, const char *path)
{
    if (!*target)
        return -ENOENT;
    return make(dirfd, path, MAKE_LINK, 0, 0, target, NULL);
}

static int link_locked(const struct parent *p, const struct path *old)
{
    struct inode *dir = p->dir.dentry->inode, *i = old->dentry->inode;
    AUTO(dentry_put) struct dentry *d = NULL;
    int r = new_name(p, false, &d);
    if (r < 0)
        return r;
    if (old->mnt != p->dir.mnt)
        return -EXDEV;
    if (inode_is_dir(i))
        return -EPERM;
    if (i->flags & INODE_NAMELESS)
        return -ENOENT;
    if (!dir->ops->link)
        return -EPERM;
    r = dir->ops->link(dir, parent_name(p), i);
    if (r < 0)
        return r;
    inode_get(i);
    dcache_instantiate(d, i);
    notify_self(i, NOTIFY_ATTRIB); /* its link count */
    notify_name(dir, NOTIFY_CREATE, parent_name(p), i, 0);
    return 0;
}

int vfs_link(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int at_flags)
{
    unsigned flags = (at_flags & FD_AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
                     (at_flags & FD_AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    AUTO_PATH struct path old = {0};
    int r = path_at(old_dirfd, old_path, flags, &old, NULL);
    if (r < 0)
        return r;
    UNINIT struct parent p;
    r = path_parent(new_dirfd, new_path, 0, &p);
    if (r < 0)
        return r;
    if (p.dot) {
        r = -EEXIST;
    } else {
        MUTEX_GUARD(&p.dir.dentry->inode->mutex);
        r = link_locked(&p, &old);
    }
    parent_put(&p);
    return r;
}

static bool is_mountpoint(const struct dentry *d)
{
    dcache_lock();
    bool r = (d->flags & DENTRY_MOUNTPOINT) && mount_is_point_locked(d);
    dcache_unlock();
    return r;
}

static int remove_locked(const struct parent *p, bool directory)
{
    struct inode *dir = p->dir.dentry->inode;
    AUTO(dentry_put) struct dentry *d = NULL;
    struct qname name = parent_name(p);
    int r = dcache_lookup_mutex(p->dir.dentry, name, dcache_hash(name), &d);
    if (r < 0)
        return r;
    struct inode *victim = d->inode;
    if (!victim)
        return -ENOENT;
    if (directory && !inode_is_dir(victim))
        return -ENOTDIR;
    if (!directory && p->slash && !inode_is_dir(victim))
        return -ENOTDIR;
    r = may_delete(&p->dir, victim);
    if (r < 0)
        return r;
    if (!directory && inode_is_dir(victim))
        return -EISDIR;
    if (is_mountpoint(d))
        return -EBUSY;
    if (directory) {
        MUTEX_GUARD_NESTED(&victim->mutex);
        r = dir->ops->rmdir ? dir->ops->rmdir(dir, name, victim) : -EPERM;
        if (r == 0)
            victim->flags |= INODE_DEAD;
    } else {
        r = dir->ops->unlink ? dir->ops->unlink(dir, name, victim) : -EPERM;
    }
    if (r < 0)
        return r;
    dcache_delete(d);
    if (!directory)
        notify_self(victim, NOTIFY_ATTRIB);
    notify_name(dir, NOTIFY_DELETE, name, victim, 0);
    return 0;
}

int vfs_unlink(int dirfd, const char *path)
{
    UNINIT struct parent p;
    int r = path_parent(dirfd, path, 0, &p);
    if (r < 0)
        return r;
    if (p.dot) {
        r = -EISDIR;
    } else {
        MUTEX_GUARD(&p.dir.dentry->inode->mutex);
        r = remove_locked(&p, false);
    }
    parent_put(&p);
    return r;
}

int vfs_rmdir(int dirfd, const char *path)
{
    UNINIT struct parent p;
    int r = path_parent(dirfd, path, 0, &p);
    if (r < 0)
        return r;
    if (p.root) {
        r = -EBUSY;
    } else if (p.dotdot) {
        r = -ENOTEMPTY;
    } else if (p.dot) {
        r = -EINVAL;
    } else {
        MUTEX_GUARD(&p.dir.dentry->inode->mutex);
        r = remove_locked(&p, true);
    }
    parent_put(&p);
    return r;
}

/* Locks both directories, an ancestor first; the rename mutex is held, so ancestry stands still. */
static void lock_two(struct dentry *a, struct dentry *b)
{
    if (a->inode == b->inode) {
        mutex_lock(&a->inode->mutex);
        return;
    }
    dcache_lock();
    bool b_first = dcache_is_below_locked(a, b) ||
                   (!dcache_is_below_locked(b, a) && (uintptr_t) b->inode < (uintptr_t) a->inode);
    dcache_unlock();
    mutex_lock(b_first ? &b->inode->mutex : &a->inode->mutex);
    mutex_lock_nested(b_first ? &a->inode->mutex : &b->inode->mutex);
}

static void unlock_two(struct dentry *a, struct dentry *b)
{
    mutex_unlock(&a->inode->mutex);
    if (a->inode != b->inode)
        mutex_unlock(&b->inode->mutex);
}

/* Neither may a directory go below itself, nor (exchange) the other way round. */
static int check_loop(const struct parent *op, const struct dentry *od, const struct parent *np,
                      const struct dentry *nd, bool exchange)
{
    dcache_lock();
    bool down = dcache_is_below_locked(np->dir.dentry, od);
    bool up = nd->inode && dcache_is_below_locked(op->dir.dentry, nd);
    dcache_unlock();
    if (down)
        return -EINVAL;
    if (up)
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int rename_checks(const struct parent *op, const struct dentry *od, const struct parent *np,
                         const struct dentry *nd, unsigned flags)
{
    bool exchange = flags & RENAME_EXCHANGE_BIT;
    if (!od->inode)
        return -ENOENT;
    if (nd->inode && (flags & RENAME_NOREPLACE_BIT))
        return -EEXIST;
    if (exchange && !nd->inode)
        return -ENOENT;
    if (!inode_is_dir(od->inode) && (op->slash || (!exchange && np->slash)))
        return -ENOTDIR;
    if (exchange && np->slash && !inode_is_dir(nd->inode))
        return -ENOTDIR;
    int r = check_loop(op, od, np, nd, exchange);
    if (r == 0)
        r = may_delete(&op->dir, od->inode);
    if (r == 0)
        r = nd->inode ? may_delete(&np->dir, nd->inode) : may_change(&np->dir);
    if (r < 0 || !nd->inode)
        return r;
    if (!exchange && inode_is_dir(od->inode) && !inode_is_dir(nd->inode))
        return -ENOTDIR;
    if (!exchange && !inode_is_dir(od->inode) && inode_is_dir(nd->inode))
        return -EISDIR;
    return is_mountpoint(od) || is_mountpoint(nd) ? -EBUSY : 0;
}

static void rename_notify(struct inode *od, struct qname on, struct inode *nd, struct qname nn,
                          struct inode *moved)
{
    uint32_t cookie = notify_cookie();
    notify_name(od, NOTIFY_MOVED_FROM, on, moved, cookie);
    notify_name(nd, NOTIFY_MOVED_TO, nn, moved, cookie);
    notify_self(moved, NOTIFY_MOVE_SELF);
}

static int rename_locked(const struct parent *op, const struct parent *np, unsigned flags)
{
    struct inode *odir = op->dir.dentry->inode, *ndir = np->dir.dentry->inode;
    AUTO(dentry_put) struct dentry *od = NULL;
    AUTO(dentry_put) struct dentry *nd = NULL;
    struct qname on = parent_name(op), nn = parent_name(np);
    int r = dcache_lookup_mutex(op->dir.dentry, on, dcache_hash(on), &od);
    if (r == 0)
        r = dcache_lookup_mutex(np->dir.dentry, nn, dcache_hash(nn), &nd);
    if (r == 0)
        r = rename_checks(op, od, np, nd, flags);
    if (r < 0)
        return r;
    if (od->inode == nd->inode)
        return 0; /* two names of one file: POSIX wants nothing to happen */
    if (!odir->ops->rename)
        return -EPERM;
    bool exchange = flags & RENAME_EXCHANGE_BIT;
    r = odir->ops->rename(odir, on, od->inode, ndir, nn, nd->inode, flags);
    if (r < 0)
        return r;
    if (nd->inode && !exchange && inode_is_dir(nd->inode))
        nd->inode->flags |= INODE_DEAD;
    r = dcache_move(od, nd, exchange);
    rename_notify(odir, on, ndir, nn, od->inode);
    if (nd->inode && !exchange && !inode_is_dir(nd->inode))
        notify_self(nd->inode, NOTIFY_ATTRIB); /* its link count */
    return r;
}

int vfs_rename(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
               unsigned flags)
{
    UNINIT struct parent op, np;
    int r = path_parent(old_dirfd, old_path, 0, &op);
    if (r < 0)
        return r;
    r = path_parent(new_dirfd, new_path, 0, &np);
    if (r < 0) {
        parent_put(&op);
        return r;
    }
    if (op.dir.mnt != np.dir.mnt) {
        r = -EXDEV;
    } else if (op.dot || np.dot) {
        r = !op.dot && (flags & RENAME_NOREPLACE_BIT) ? -EEXIST : -EBUSY;
    } else {
        MUTEX_GUARD(&op.dir.mnt->super->rename_mutex);
        lock_two(op.dir.dentry, np.dir.dentry);
        r = rename_locked(&op, &np, flags);
        unlock_two(op.dir.dentry, np.dir.dentry);
    }
    parent_put(&op);
    parent_put(&np);
    return r;
}
