/* Inode operations of cowfs: each one call of the library, and the VFS inode brought up to date. */
#include "libos/fs/cowfs/volume.h"
#include "libos/vfs/writeback.h"

static struct cow_name name_of(struct qname name)
{
    return (struct cow_name){name.p, name.n};
}

/* What went wrong with a block is in the log; a program sees an I/O error. */
static int seen(int r)
{
    return r == -EBADMSG || r == -EUCLEAN ? -EIO : r;
}

/* ---- names ---- */

static void cowfs_changed(struct inode *dir)
{
    cowfs_refresh(dir);
    writeback_note(dir->super);
}

static int cowfs_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    struct cow_inode *ci;
    int r = cow_lookup(cowfs_cow(dir), cowfs_inner(dir), name_of(name), &ci);
    return r < 0 ? seen(r) : cowfs_wrap(dir->super, ci, ret);
}

/* The owner is the caller, by the VFS's rule, and both are in the same commit. */
static int make(struct inode *dir, struct qname name, const struct cow_new *what,
                struct inode **ret)
{
    struct cow *c = cowfs_cow(dir);
    struct cow_inode *ci;
    cow_hold(c);
    int r = name.n ? cow_make(c, cowfs_inner(dir), name_of(name), what, &ci)
                   : cow_tmpfile(c, what, &ci);
    if (r == 0)
        r = cowfs_wrap(dir->super, ci, ret);
    if (r == 0) {
        inode_owner_init(*ret, dir, what->mode);
        r = cowfs_store(*ret);
        if (r < 0)
            inode_put(*ret);
    }
    cow_release(c);
    cowfs_changed(dir);
    return seen(r);
}

static int cowfs_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                        struct inode **ret)
{
    const struct cow_new what = {.mode = mode, .rdev = rdev, .now_ns = inode_now()};
    return make(dir, name, &what, ret);
}

static int cowfs_mkdir(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret)
{
    return cowfs_create(dir, name, S_IFDIR | (mode & 07777), 0, ret);
}

static int cowfs_symlink(struct inode *dir, struct qname name, const char *target,
                         struct inode **ret)
{
    const struct cow_new what = {.mode = S_IFLNK | 0777, .target = target, .now_ns = inode_now()};
    return make(dir, name, &what, ret);
}

static int cowfs_tmpfile(struct inode *dir, uint32_t mode, struct inode **ret)
{
    return cowfs_create(dir, QNAME(""), mode, 0, ret);
}

static int cowfs_link(struct inode *dir, struct qname name, struct inode *target)
{
    int r =
        cow_link(cowfs_cow(dir), cowfs_inner(dir), name_of(name), cowfs_inner(target), inode_now());
    cowfs_refresh(target);
    cowfs_changed(dir);
    return seen(r);
}

static int cowfs_unlink(struct inode *dir, struct qname name, struct inode *victim)
{
    int r = cow_unlink(cowfs_cow(dir), cowfs_inner(dir), name_of(name), inode_now());
    if (victim)
        cowfs_refresh(victim);
    cowfs_changed(dir);
    return seen(r);
}

/* What a program wrote before it renamed the file goes down first: a crash must not show the new name
 * with nothing in it. */
static int cowfs_rename(struct inode *old_dir, struct qname old_name, struct inode *moved,
                        struct inode *new_dir, struct qname new_name, struct inode *victim,
                        unsigned flags)
{
    int r = pages_flush(moved, 0, UINT64_MAX);
    if (r == 0)
        r = cow_rename(cowfs_cow(old_dir), cowfs_inner(old_dir), name_of(old_name),
                       cowfs_inner(new_dir), name_of(new_name), flags & RENAME_EXCHANGE_BIT,
                       inode_now());
    cowfs_refresh(moved);
    if (victim)
        cowfs_refresh(victim);
    cowfs_refresh(old_dir);
    cowfs_changed(new_dir);
    return seen(r);
}

static int cowfs_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    struct cow_dirent e;
    int r;
    for (uint64_t pos = ctx->pos - 2;
         (r = cow_readdir(cowfs_cow(dir), cowfs_inner(dir), pos, &e)) == 1; pos = e.next) {
        struct qname name = {e.name, e.name_size};
        if (!ctx->emit(ctx, name, e.ino, e.type, e.next + 2))
            return 0;
        ctx->pos = e.next + 2;
    }
    return seen(r);
}

static int cowfs_sync_dir(struct inode *dir)
{
    return dir->super->ops->sync(dir->super);
}

/* ---- attributes ---- */

/* Before a program may change what is written back only later: whether that will be possible. */
static int cowfs_prepare_write(struct inode *i)
{
    return seen(cow_claim(cowfs_cow(i)));
}

static int cowfs_getattr(struct inode *i, struct kstat *st)
{
    struct cow_attr a;
    int r = S_ISREG(i->mode) ? pages_flush(i, 0, UINT64_MAX) : 0;
    cow_attr_get(cowfs_cow(i), cowfs_inner(i), &a);
    st->blocks = a.blocks * (COW_BLOCK / 512);
    if (S_ISDIR(i->mode))
        st->size = a.size;
    return r;
}

static int cowfs_setattr(struct inode *i, const struct iattr *a)
{
    int r = 0;
    bool size = a->valid & ATTR_SIZE;
    if (size)
        pages_cut_begin(i);
    if (size && a->size > i->size)
        r = cow_truncate(cowfs_cow(i), cowfs_inner(i), a->size);
    if (r == 0)
        r = inode_setattr_simple(i, a);
    if (r == 0 && size)
        r = cow_truncate(cowfs_cow(i), cowfs_inner(i), a->size);
    if (size)
        pages_cut_end(i);
    writeback_note(i->super);
    return r == 0 ? cowfs_store(i) : r;
}

static long cowfs_getxattr(struct inode *i, const char *name, struct span buf)
{
    return cow_xattr_get(cowfs_cow(i), cowfs_inner(i), name, buf);
}

static int cowfs_setxattr(struct inode *i, const char *name, struct cspan value, int flags)
{
    inode_touch(i, ATTR_CTIME);
    return cow_xattr_set(cowfs_cow(i), cowfs_inner(i), name, value, flags);
}

static int cowfs_removexattr(struct inode *i, const char *name)
{
    inode_touch(i, ATTR_CTIME);
    return cow_xattr_remove(cowfs_cow(i), cowfs_inner(i), name);
}

static long cowfs_listxattr(struct inode *i, struct span buf)
{
    return cow_xattr_list(cowfs_cow(i), cowfs_inner(i), buf);
}

/* ---- content ---- */

static void cowfs_read_pages(struct inode *i, const uint64_t *index, uint32_t count,
                             void *const *dst, int *ret_each)
{
    cow_read_list(cowfs_cow(i), cowfs_inner(i), index, count, dst, ret_each);
    for (uint32_t n = 0; n < count; n++)
        ret_each[n] = seen(ret_each[n]);
}

static int cowfs_read_page(struct inode *i, uint64_t index, void *dst)
{
    int r;
    cowfs_read_pages(i, &index, 1, &dst, &r);
    return r;
}

static int cowfs_write_pages(struct inode *i, uint64_t index, uint32_t count,
                             const void *const *src, uint64_t size)
{
    return seen(cow_write_back(cowfs_cow(i), cowfs_inner(i), index, count, src, size));
}

static int cowfs_room(struct inode *i, uint64_t pages)
{
    return cow_room(cowfs_cow(i), pages + atomic_load(&i->super->dirty_pages));
}

static int cowfs_sync_file(struct inode *i)
{
    struct cowfs_super *s = container_of(i->super, struct cowfs_super, super);
    return seen(together_sync(&s->together, i));
}

static int cowfs_next(struct inode *i, uint64_t index, bool data, uint64_t *ret)
{
    int r = pages_flush(i, 0, UINT64_MAX);
    return r == 0 ? cow_next(cowfs_cow(i), cowfs_inner(i), index, data, ret) : r;
}

static int cowfs_punch(struct inode *i, uint64_t index, uint64_t count)
{
    return cow_punch(cowfs_cow(i), cowfs_inner(i), index, count);
}

#define COMMON_OPS                                                                                 \
    .prepare_write = cowfs_prepare_write, .getattr = cowfs_getattr, .setattr = cowfs_setattr,      \
    .getxattr = cowfs_getxattr, .setxattr = cowfs_setxattr, .removexattr = cowfs_removexattr,      \
    .listxattr = cowfs_listxattr

const struct inode_ops cowfs_other_ops = {COMMON_OPS};
const struct inode_ops cowfs_file_ops = {
    .read_page = cowfs_read_page,
    .read_pages = cowfs_read_pages,
    .write_pages = cowfs_write_pages,
    .room = cowfs_room,
    .sync = cowfs_sync_file,
    .next = cowfs_next,
    .punch = cowfs_punch,
    COMMON_OPS,
};
const struct inode_ops cowfs_dir_ops = {
    .lookup = cowfs_lookup,
    .create = cowfs_create,
    .mkdir = cowfs_mkdir,
    .symlink = cowfs_symlink,
    .link = cowfs_link,
    .unlink = cowfs_unlink,
    .rmdir = cowfs_unlink,
    .rename = cowfs_rename,
    .tmpfile = cowfs_tmpfile,
    .readdir = cowfs_readdir,
    .sync_dir = cowfs_sync_dir,
    COMMON_OPS,
};
