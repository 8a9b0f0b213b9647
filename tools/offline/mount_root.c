/* Changes of "/" through `occlum mount -w @`: operations of the union's inodes, which copy up and white out as for a
 * program inside. What a program's system calls check before they call these, the kernel of this machine has checked
 * (permissions, names that are there or not, loops), because it asks for each name first; what it cannot have seen is
 * checked here. Content goes through the page cache, and to the volume in runs: at the last close, at fsync, and when
 * there is much. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <fuse.h>
#include <string.h>
#include <sys/stat.h>
#include "libos/fs/cowfs/volume.h"
#include "libos/vfs/inode.h"
#include "tools/offline/inodes.h"
#include "tools/offline/mount.h"

#define DIRTY_MAX 4096 /* pages */

static int find(const char *path, struct inode **ret)
{
    return fsys_find(mount_fsys(), path, false, (struct fsys_node **) ret);
}

/* The directory that the last name of path is in. */
static int parent(const char *path, struct inode **ret, struct qname *ret_name)
{
    struct cow_name name;
    int r = volume_parent(mount_fsys(), path, (struct fsys_node **) ret, &name);
    if (r == 0)
        *ret_name = (struct qname){name.p, name.n};
    return r;
}

static int change(struct inode *i, const struct iattr *a)
{
    int r = i->ops->prepare_write(i);
    return r == 0 ? i->ops->setattr(i, a) : r;
}

/* ---- names */

static int make_at(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                   const char *target, struct inode **ret)
{
    const struct fuse_context *c = fuse_get_context();
    const struct iattr owner = {.valid = ATTR_UID | ATTR_GID, .uid = c->uid, .gid = c->gid};
    int r = S_ISDIR(mode)   ? dir->ops->mkdir(dir, name, mode, ret)
            : S_ISLNK(mode) ? dir->ops->symlink(dir, name, target, ret)
                            : dir->ops->create(dir, name, mode, rdev, ret);
    if (r < 0)
        return r;
    r = change(*ret, &owner);
    if (r < 0)
        inode_put(*ret);
    return r;
}

static int make(const char *path, uint32_t mode, uint64_t rdev, const char *target, uint64_t *ret)
{
    AUTO(inode_put) struct inode *dir = NULL;
    AUTO(inode_put) struct inode *i = NULL;
    struct qname name;
    int r = parent(path, &dir, &name);
    if (r == 0)
        r = make_at(dir, name, mode, rdev, target, &i);
    if (r == 0 && ret)
        *ret = (uint64_t) TAKE(i);
    return r;
}

static int take_away(const char *path, bool directory)
{
    AUTO(inode_put) struct inode *dir = NULL;
    AUTO(inode_put) struct inode *victim = NULL;
    struct qname name;
    int r = parent(path, &dir, &name);
    if (r == 0)
        r = dir->ops->lookup(dir, name, &victim);
    if (r == 0)
        r = directory ? dir->ops->rmdir(dir, name, victim) : dir->ops->unlink(dir, name, victim);
    return r;
}

static int do_unlink(const char *path)
{
    return take_away(path, false);
}

static int do_rmdir(const char *path)
{
    return take_away(path, true);
}

static int do_link(const char *from, const char *to)
{
    AUTO(inode_put) struct inode *i = NULL;
    AUTO(inode_put) struct inode *dir = NULL;
    struct qname name;
    int r = find(from, &i);
    if (r == 0)
        r = parent(to, &dir, &name);
    return r == 0 ? dir->ops->link(dir, name, i) : r;
}

struct rename_side {
    struct inode *dir, *what; /* what: NULL: there is none */
    struct qname name;
};

static void side_fini(struct rename_side *s)
{
    if (s->dir)
        inode_put(s->dir);
    if (s->what)
        inode_put(s->what);
}

static int side_init(const char *path, struct rename_side *s)
{
    int r = parent(path, &s->dir, &s->name);
    if (r == 0)
        r = s->dir->ops->lookup(s->dir, s->name, &s->what);
    return r;
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
    __attribute__((cleanup(side_fini))) struct rename_side a = {0}, b = {0};
    bool exchange = flags & RENAME_EXCHANGE;
    if (flags & ~(unsigned) (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int r = side_init(from, &a);
    if (r < 0)
        return r;
    r = side_init(to, &b);
    if (r < 0 && (r != -ENOENT || exchange || !b.dir))
        return r;
    if (r == 0 && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (a.what == b.what)
        return 0;
    if (b.what && !exchange && inode_is_dir(a.what) != inode_is_dir(b.what))
        return inode_is_dir(b.what) ? -EISDIR : -ENOTDIR;
    return a.dir->ops->rename(a.dir, a.name, a.what, b.dir, b.name, b.what,
                              exchange ? RENAME_EXCHANGE_BIT : 0);
}

/* ---- attributes */

static int change_path(const char *path, struct fuse_file_info *fi, const struct iattr *a)
{
    AUTO(inode_put) struct inode *i = NULL;
    int r = fi ? 0 : find(path, &i);
    return r == 0 ? change(fi ? (struct inode *) fi->fh : i, a) : r;
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    const struct iattr a = {.valid = ATTR_MODE, .mode = mode & 07777};
    return change_path(path, fi, &a);
}

static int do_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    struct iattr a = {.uid = uid, .gid = gid};
    a.valid = (uid == UINT32_MAX ? 0 : ATTR_UID) | (gid == UINT32_MAX ? 0 : ATTR_GID);
    return change_path(path, fi, &a);
}

static int64_t time_of(const struct timespec *ts)
{
    return ts->tv_nsec == UTIME_NOW ? volume_now() : ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static int do_utimens(const char *path, const struct timespec ts[2], struct fuse_file_info *fi)
{
    struct iattr a = {.atime_ns = time_of(&ts[0]), .mtime_ns = time_of(&ts[1])};
    a.valid = (ts[0].tv_nsec == UTIME_OMIT ? 0 : ATTR_ATIME) |
              (ts[1].tv_nsec == UTIME_OMIT ? 0 : ATTR_MTIME);
    return change_path(path, fi, &a);
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    const struct iattr a = {.valid = ATTR_SIZE, .size = (uint64_t) size};
    return change_path(path, fi, &a);
}

static int do_getxattr(const char *path, const char *name, char *buf, size_t size)
{
    AUTO(inode_put) struct inode *i = NULL;
    int r = find(path, &i);
    return r < 0 ? r : (int) inodes_getxattr(mount_fsys(), (struct fsys_node *) i, name, buf, size);
}

static int do_listxattr(const char *path, char *buf, size_t size)
{
    AUTO(inode_put) struct inode *i = NULL;
    int r = find(path, &i);
    return r < 0 ? r : (int) inodes_listxattr(mount_fsys(), (struct fsys_node *) i, buf, size);
}

static int do_setxattr(const char *path, const char *name, const char *value, size_t size,
                       int flags)
{
    AUTO(inode_put) struct inode *i = NULL;
    int r = mount_xattr_ok(name) ? find(path, &i) : -EOPNOTSUPP;
    return r == 0 ? i->ops->setxattr(i, name, (struct cspan){(const uint8_t *) value, size}, flags)
                  : r;
}

static int do_removexattr(const char *path, const char *name)
{
    AUTO(inode_put) struct inode *i = NULL;
    int r = mount_xattr_ok(name) ? find(path, &i) : -EOPNOTSUPP;
    return r == 0 ? i->ops->removexattr(i, name) : r;
}

/* ---- content */

static int write_page(struct inode *real, uint64_t index, size_t at, const char *src, size_t n)
{
    struct cpage *page;
    int r = pages_get(real, index, true, &page);
    if (r < 0)
        return r;
    memcpy(page->data + at, src, n);
    pages_written(real, page, (uint32_t) at, (uint32_t) n);
    cpage_unpin(page);
    return 0;
}

static int flush_if_much(struct super *s)
{
    return atomic_load(&s->dirty_pages) > DIRTY_MAX ? s->ops->writeback(s) : 0;
}

static int do_write(const char *path, const char *buf, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    struct inode *i = (struct inode *) fi->fh;
    int r = i->ops->prepare_write(i);
    struct inode *real = inode_real(i);
    if (r == 0)
        r = real->ops->room(real, size / COW_BLOCK + 2);
    for (size_t done = 0; r == 0 && done < size;) {
        uint64_t to = (uint64_t) off + done;
        size_t at = to % COW_BLOCK, n = MIN(size - done, COW_BLOCK - at);
        r = write_page(real, to / COW_BLOCK, at, buf + done, n);
        done += n;
        if (r == 0)
            atomic_store(&real->size, MAX(real->size, to + n));
    }
    if (r == 0) {
        real->mtime_ns = real->ctime_ns = volume_now();
        r = flush_if_much(real->super);
    }
    return r < 0 ? r : (int) size;
}

static int do_flush(const char *path, struct fuse_file_info *fi)
{
    struct inode *real = inode_real((struct inode *) fi->fh);
    return real->ops->write_pages ? pages_flush(real, 0, UINT64_MAX) : 0;
}

static int do_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    AUTO(inode_put) struct inode *root = NULL;
    int r = find("/", &root);
    return r == 0 ? root->super->ops->sync(root->super) : r;
}

static int do_statfs(const char *path, struct statvfs *ret)
{
    AUTO(inode_put) struct inode *root = NULL;
    struct linux_statfs s;
    int r = find("/", &root);
    if (r == 0)
        r = root->super->ops->statfs(root->super, &s);
    if (r < 0)
        return r;
    *ret = (struct statvfs){
        .f_bsize = (unsigned long) s.bsize,
        .f_frsize = (unsigned long) s.frsize,
        .f_blocks = s.blocks,
        .f_bfree = s.bfree,
        .f_bavail = s.bavail,
        .f_files = s.files,
        .f_ffree = s.ffree,
        .f_namemax = 255,
    };
    return 0;
}

void mount_root_operations(struct fuse_operations *o, bool writable)
{
    o->getxattr = do_getxattr;
    o->listxattr = do_listxattr;
    o->statfs = do_statfs;
    if (!writable)
        return;
    mount_make_operations(o, make);
    o->unlink = do_unlink;
    o->rmdir = do_rmdir;
    o->link = do_link;
    o->rename = do_rename;
    o->chmod = do_chmod;
    o->chown = do_chown;
    o->utimens = do_utimens;
    o->truncate = do_truncate;
    o->setxattr = do_setxattr;
    o->removexattr = do_removexattr;
    o->write = do_write;
    o->flush = do_flush;
    o->fsync = do_fsync;
    o->fsyncdir = do_fsync;
}
