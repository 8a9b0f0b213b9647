/* Directories of hostfs: one name at a time goes to the host, relative to the directory's token. Whether
 * a change is possible is the host's to say; the VFS has checked the guest's rights before. */
#include "libos/fs/hostfs/hostfs.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"

#define READDIR_SIZE 8192u

static uint32_t token_of(const struct inode *i)
{
    return hostfs_of(i)->token;
}

static struct cspan bytes(struct qname name)
{
    return (struct cspan){(const uint8_t *) name.p, name.n};
}

static int by_name(struct inode *dir, enum hostcall_nr nr, struct cspan in, uint32_t mode,
                   struct inode **ret)
{
    struct host_stat st;
    uint32_t token;
    int r = hostfs_call_token(nr, in, token_of(dir), mode, &st, &token);
    if (r < 0)
        return r;
    struct inode *i = NULL;
    r = hostfs_wrap(dir->super, token, &st, &i);
    if (r < 0) {
        if (i)
            inode_put(i);
        return r;
    }
    *ret = i;
    return 0;
}

/* What was to be made must have become that. */
static int made(int r, struct inode *i, uint32_t type, struct inode **ret)
{
    if (r < 0)
        return r;
    if ((i->mode & S_IFMT) != type) {
        inode_put(i);
        return -EIO;
    }
    *ret = i;
    return 0;
}

static int hostfs_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    return by_name(dir, HOSTCALL_file_lookup, bytes(name), 0, ret);
}

static int hostfs_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                         struct inode **ret)
{
    if (!S_ISREG(mode))
        return S_ISFIFO(mode) || S_ISSOCK(mode) ? -EOPNOTSUPP : -EPERM;
    struct inode *i = NULL;
    int r = by_name(dir, HOSTCALL_file_create, bytes(name), mode & 0777, &i);
    r = made(r, i, S_IFREG, ret);
    if (r == 0)
        atomic_or(&hostfs_of(i)->opened, HOST_FILE_READ | HOST_FILE_WRITE);
    return r;
}

static int hostfs_mkdir(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret)
{
    struct inode *i = NULL;
    int r = by_name(dir, HOSTCALL_file_mkdir, bytes(name), mode & 01777, &i);
    return made(r, i, S_IFDIR, ret);
}

static int hostfs_symlink(struct inode *dir, struct qname name, const char *target,
                          struct inode **ret)
{
    struct span in;
    int r = hostfs_join(bytes(name), bytes(QNAME(target)), &in);
    if (r < 0)
        return r;
    struct inode *i = NULL;
    r = by_name(dir, HOSTCALL_file_symlink, cspan(in), 0, &i);
    kfree(in.p);
    return made(r, i, S_IFLNK, ret);
}

static int hostfs_link(struct inode *dir, struct qname name, struct inode *target)
{
    struct host_stat st;
    int r = hostfs_call_name(HOSTCALL_file_link, name, token_of(dir), token_of(target));
    return r < 0 ? r : hostfs_refresh(target, &st);
}

static int remove_name(struct inode *dir, struct qname name, struct inode *victim, bool directory)
{
    int r = hostfs_call_name(HOSTCALL_file_unlink, name, token_of(dir), directory);
    if (r == 0 && victim->nlink > 0)
        victim->nlink--;
    return r;
}

static int hostfs_unlink(struct inode *dir, struct qname name, struct inode *victim)
{
    return remove_name(dir, name, victim, false);
}

static int hostfs_rmdir(struct inode *dir, struct qname name, struct inode *victim)
{
    return remove_name(dir, name, victim, true);
}

static int hostfs_rename(struct inode *old_dir, struct qname old_name, struct inode *moved,
                         struct inode *new_dir, struct qname new_name, struct inode *victim,
                         unsigned flags)
{
    struct span in;
    int r = hostfs_join(bytes(old_name), bytes(new_name), &in);
    if (r < 0)
        return r;
    r = (int) hostfs_call_io(HOSTCALL_file_rename, cspan(in), (struct span){0}, token_of(old_dir),
                             token_of(new_dir), flags & RENAME_EXCHANGE_BIT ? 1 : 0);
    kfree(in.p);
    return r;
}

/* ---- reading */

static bool is_dot(struct qname n)
{
    return n.p[0] == '.' && (n.n == 1 || (n.n == 2 && n.p[1] == '.'));
}

/* 1: all taken; 0: the reader is full; -EIO. */
static int emit_all(struct hostfs_inode *dir, struct dir_ctx *ctx, uint64_t start,
                    struct cspan records)
{
    struct hostfs_dirent e;
    int r;
    while ((r = hostfs_dirent_next(&records, &e)) > 0) {
        uint64_t next;
        if (e.next == 0 || e.next > INT64_MAX || e.next == start)
            return -EIO; /* it would never end */
        int known = hostfs_position(&dir->positions, e.next, &next);
        if (known < 0)
            return known;
        if (!is_dot(e.name) && !ctx->emit(ctx, e.name, e.ino, e.type, next))
            return 0;
        ctx->pos = next;
    }
    return r < 0 ? r : 1;
}

static int hostfs_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    uint8_t *buf = kzalloc(READDIR_SIZE);
    if (!buf)
        return -ENOMEM;
    int more = 1;
    uint64_t start;
    while (more > 0 && hostfs_cookie(&hostfs_of(dir)->positions, ctx->pos, &start)) {
        long n = hostfs_call_io(HOSTCALL_file_readdir, (struct cspan){0},
                                (struct span){buf, READDIR_SIZE}, token_of(dir), start, 0);
        if (n <= 0)
            more = (int) n;
        else
            more = emit_all(hostfs_of(dir), ctx, start, (struct cspan){buf, (size_t) n});
    }
    kfree(buf);
    return MIN(more, 0);
}

static int hostfs_sync_dir(struct inode *dir)
{
    return hostfs_call(HOSTCALL_file_sync, token_of(dir), HOST_SYNC_FILE);
}

const struct inode_ops hostfs_dir_ops = {
    .lookup = hostfs_lookup,
    .create = hostfs_create,
    .mkdir = hostfs_mkdir,
    .symlink = hostfs_symlink,
    .link = hostfs_link,
    .unlink = hostfs_unlink,
    .rmdir = hostfs_rmdir,
    .rename = hostfs_rename,
    .readdir = hostfs_readdir,
    .sync_dir = hostfs_sync_dir,
    .getattr = hostfs_getattr,
    .setattr = hostfs_setattr,
};
