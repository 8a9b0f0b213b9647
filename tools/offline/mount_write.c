/* Changes through `occlum mount -w`. They reach the disk at fsync and at the end, all together. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <fuse.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/offline/mount.h"

static struct cow *the_cow(void)
{
    return volume_cow(mount_fsys());
}

static void put(struct fsys_node *n)
{
    mount_fsys()->ops->put(mount_fsys(), n);
}

static int make(const char *path, uint32_t mode, uint64_t rdev, const char *target, uint64_t *ret)
{
    const struct fuse_context *c = fuse_get_context();
    const struct cow_new new = {.mode = mode,
                                .uid = c->uid,
                                .gid = c->gid,
                                .rdev = rdev,
                                .target = target,
                                .now_ns = volume_now()};
    struct fsys_node *dir, *n;
    struct cow_name name;
    int r = volume_parent(mount_fsys(), path, &dir, &name);
    if (r < 0)
        return r;
    r = cow_make(the_cow(), volume_inode(dir), name, &new, (struct cow_inode **) &n);
    put(dir);
    if (r < 0)
        return r;
    if (ret)
        *ret = (uint64_t) n;
    else
        put(n);
    return 0;
}

static int do_unlink(const char *path)
{
    struct fsys_node *dir;
    struct cow_name name;
    int r = volume_parent(mount_fsys(), path, &dir, &name);
    if (r < 0)
        return r;
    r = cow_unlink(the_cow(), volume_inode(dir), name, volume_now());
    put(dir);
    return r;
}

static int do_link(const char *from, const char *to)
{
    struct fsys_node *n, *dir;
    struct cow_name name;
    int r = fsys_find(mount_fsys(), from, false, &n);
    if (r < 0)
        return r;
    r = volume_parent(mount_fsys(), to, &dir, &name);
    if (r == 0) {
        r = cow_link(the_cow(), volume_inode(dir), name, volume_inode(n), volume_now());
        put(dir);
    }
    put(n);
    return r;
}

static int exists(struct fsys_node *dir, struct cow_name name)
{
    struct cow_inode *i;
    int r = cow_lookup(the_cow(), volume_inode(dir), name, &i);
    if (r == 0)
        cow_put(the_cow(), i);
    return r;
}

static int rename_in(struct fsys_node *a, struct cow_name old, struct fsys_node *b,
                     struct cow_name new, unsigned flags)
{
    if (flags & ~(unsigned) (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int there = exists(b, new);
    if (there == 0 && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    return cow_rename(the_cow(), volume_inode(a), old, volume_inode(b), new,
                      flags & RENAME_EXCHANGE, volume_now());
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
    struct fsys_node *a, *b;
    struct cow_name old, new;
    int r = volume_parent(mount_fsys(), from, &a, &old);
    if (r < 0)
        return r;
    r = volume_parent(mount_fsys(), to, &b, &new);
    if (r == 0) {
        r = rename_in(a, old, b, new, flags);
        put(b);
    }
    put(a);
    return r;
}

static int64_t new_time(const struct timespec *ts, int64_t old, int64_t now)
{
    return ts->tv_nsec == UTIME_OMIT  ? old
           : ts->tv_nsec == UTIME_NOW ? now
                                      : ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

/* Changes the attributes of what a path or an open file names. */
static int attributes(const char *path, struct fuse_file_info *fi,
                      void (*fn)(struct cow_attr *a, const void *arg), const void *arg)
{
    struct fsys_node *n = fi ? (struct fsys_node *) fi->fh : NULL;
    int r = n ? 0 : fsys_find(mount_fsys(), path, false, &n);
    if (r < 0)
        return r;
    struct cow_attr a;
    cow_attr_get(the_cow(), volume_inode(n), &a);
    a.ctime_ns = volume_now();
    fn(&a, arg);
    r = cow_attr_set(the_cow(), volume_inode(n), &a);
    if (!fi)
        put(n);
    return r;
}

static void set_mode(struct cow_attr *a, const void *arg)
{
    a->mode = (a->mode & S_IFMT) | (*(const mode_t *) arg & 07777);
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    return attributes(path, fi, set_mode, &mode);
}

static void set_owner(struct cow_attr *a, const void *arg)
{
    const uint32_t *ids = arg;
    a->uid = ids[0] == UINT32_MAX ? a->uid : ids[0];
    a->gid = ids[1] == UINT32_MAX ? a->gid : ids[1];
}

static int do_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    const uint32_t ids[2] = {uid, gid};
    return attributes(path, fi, set_owner, ids);
}

static void set_times(struct cow_attr *a, const void *arg)
{
    const struct timespec *ts = arg;
    a->atime_ns = new_time(&ts[0], a->atime_ns, a->ctime_ns);
    a->mtime_ns = new_time(&ts[1], a->mtime_ns, a->ctime_ns);
}

static int do_utimens(const char *path, const struct timespec ts[2], struct fuse_file_info *fi)
{
    return attributes(path, fi, set_times, ts);
}

static void touch(struct cow_attr *a, const void *arg)
{
    a->mtime_ns = a->ctime_ns;
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    struct fsys_node *n = fi ? (struct fsys_node *) fi->fh : NULL;
    int r = n ? 0 : fsys_find(mount_fsys(), path, false, &n);
    if (r < 0)
        return r;
    r = cow_truncate(the_cow(), volume_inode(n), (uint64_t) size);
    if (!fi)
        put(n);
    return r == 0 ? attributes(path, fi, touch, NULL) : r;
}

static int do_write(const char *path, const char *buf, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    long r = volume_write(mount_fsys(), (struct fsys_node *) fi->fh, buf, size, (uint64_t) off);
    int touched = r > 0 ? attributes(path, fi, touch, NULL) : 0;
    return touched < 0 ? touched : (int) r;
}

static int do_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    return cow_sync(the_cow());
}

static int do_statfs(const char *path, struct statvfs *ret)
{
    struct cow_space s;
    cow_space(the_cow(), &s);
    *ret = (struct statvfs){
        .f_bsize = COW_BLOCK,
        .f_frsize = COW_BLOCK,
        .f_blocks = s.blocks,
        .f_bfree = s.free,
        .f_bavail = s.available,
        .f_files = s.inodes + s.available,
        .f_ffree = s.available,
        .f_namemax = 255,
    };
    return 0;
}

void mount_write_operations(struct fuse_operations *o)
{
    mount_make_operations(o, make);
    o->unlink = do_unlink;
    o->rmdir = do_unlink;
    o->link = do_link;
    o->rename = do_rename;
    o->chmod = do_chmod;
    o->chown = do_chown;
    o->utimens = do_utimens;
    o->truncate = do_truncate;
    o->write = do_write;
    o->fsync = do_fsync;
    o->fsyncdir = do_fsync;
    o->statfs = do_statfs;
}
