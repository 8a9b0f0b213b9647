/* Reading directories, and the working and root directory. */
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/fs_ctx.h"

#define DENTS_MAX 65536u

struct dents { /* getdents in the making: records go to a kernel buffer, then out at once */
    struct dir_ctx ctx;
    uint8_t *buf;
    size_t size, used;
    bool old_form; /* getdents: the type is the record's last byte */
    bool full;
};

static bool dents_emit(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                       uint64_t next)
{
    struct dents *d = container_of(ctx, struct dents, ctx);
    size_t head = d->old_form ? 18 : 19;
    size_t len = ROUND_UP(head + name.n + 1 + (d->old_form ? 1 : 0), 8ul);
    if (len > d->size - d->used) {
        d->full = true;
        return false;
    }
    uint8_t *p = d->buf + d->used;
    uint16_t reclen = (uint16_t) len;
    memset(p, 0, len);
    memcpy(p, &ino, 8);
    memcpy(p + 8, &next, 8);
    memcpy(p + 16, &reclen, 2);
    p[d->old_form ? len - 1 : 18] = (uint8_t) type;
    memcpy(p + head, name.p, name.n);
    d->used += len;
    ctx->pos = next;
    return true;
}

static long getdents_file(struct file *f, uaddr_t buf, size_t size, bool old_form)
{
    struct dents d = {
        .ctx.emit = dents_emit, .size = MIN(size, (size_t) DENTS_MAX), .old_form = old_form};
    if (d.size == 0)
        return -EINVAL;
    d.buf = kzalloc(d.size);
    if (!d.buf)
        return -ENOMEM;
    mutex_lock(&f->pos_lock);
    d.ctx.pos = f->pos;
    long r = file_readdir(f, &d.ctx);
    if (r == 0 && d.used == 0 && d.full)
        r = -EINVAL;
    if (r == 0 || d.used > 0)
        r = copy_to_user(buf, (struct cspan){d.buf, d.used});
    if (r == 0)
        f->pos = d.ctx.pos;
    mutex_unlock(&f->pos_lock);
    kfree(d.buf);
    return r < 0 ? r : (long) d.used;
}

static long getdents_fd(int fd, uaddr_t buf, size_t size, bool old_form)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH))
        return -EBADF;
    return inode_is_dir(f->inode) ? getdents_file(f, buf, size, old_form) : -ENOTDIR;
}

/* full */
SYSCALL(getdents, int, fd, uaddr_t, buf, unsigned, size)
{
    return getdents_fd(fd, buf, size, true);
}

/* full */
SYSCALL(getdents64, int, fd, uaddr_t, buf, unsigned, size)
{
    return getdents_fd(fd, buf, size, false);
}

/* full */
SYSCALL(getcwd, uaddr_t, buf, size_t, size)
{
    UNINIT char text[PATH_LIMIT + 16];
    static const char unreachable[] = "(unreachable)";
    AUTO_PATH struct path cwd = fs_ctx_cwd(current_fs());
    AUTO_PATH struct path root = fs_ctx_root(current_fs());
    bool outside, deleted;
    dcache_lock();
    deleted = cwd.dentry->flags & DENTRY_DELETED;
    char *p = mount_path_locked(&cwd, &root, text + sizeof unreachable, PATH_LIMIT, &outside);
    dcache_unlock();
    if (deleted)
        return -ENOENT;
    if (!p)
        return -ENAMETOOLONG;
    if (outside) {
        p -= sizeof unreachable - 1;
        memcpy(p, unreachable, sizeof unreachable - 1);
    }
    size_t n = strlen(p) + 1;
    if (n > size)
        return -ERANGE;
    int r = copy_to_user(buf, (struct cspan){(const uint8_t *) p, n});
    return r < 0 ? r : (long) n;
}

static int enter(const struct path *p)
{
    if (!inode_is_dir(p->dentry->inode))
        return -ENOTDIR;
    int r = inode_permission(p->dentry->inode, MAY_EXEC);
    if (r == 0)
        fs_ctx_set_cwd(current_fs(), p);
    return r;
}

/* full */
SYSCALL(chdir, uaddr_t, ua)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    if (r < 0)
        return r;
    AUTO_PATH struct path p = {0};
    r = path_at(AT_FDCWD_, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p, NULL);
    return r < 0 ? r : enter(&p);
}

/* full */
SYSCALL(fchdir, int, fd)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f)
        return -EBADF;
    return f->path.dentry ? enter(&f->path) : -ENOTDIR;
}

/* full */
SYSCALL(chroot, uaddr_t, ua)
{
    UNINIT char path[PATH_LIMIT];
    int r = path_from_user(path, ua);
    if (r < 0)
        return r;
    AUTO_PATH struct path p = {0};
    r = path_at(AT_FDCWD_, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p, NULL);
    if (r == 0)
        r = inode_permission(p.dentry->inode, MAY_EXEC);
    if (r < 0)
        return r;
    if (!capable(CAP_SYS_CHROOT))
        return -EPERM;
    fs_ctx_set_root(current_fs(), &p);
    return 0;
}
