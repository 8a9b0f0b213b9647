/* Open files: life, and the way of every read and write. Anything specific is in file_ops. */
#include "libos/vfs/file.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/async.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/notify.h"

static struct file *file_new(struct inode *i, const struct file_ops *ops, unsigned o_flags,
                             uint32_t mode)
{
    struct file *f = new_zero(struct file);
    if (!f)
        return NULL;
    ref_init(&f->ref);
    mutex_init(&f->pos_lock);
    list_init(&f->epoll_items);
    f->inode = i;
    f->ops = ops;
    f->flags = o_flags;
    f->mode = mode;
    return f;
}

static uint32_t mode_of(unsigned o_flags)
{
    unsigned acc = o_flags & O_ACCMODE;
    return (acc != O_WRONLY ? FILE_READ : 0) | (acc != O_RDONLY ? FILE_WRITE : 0);
}

struct file *file_new_pathless(struct inode *i, const struct file_ops *ops, void *priv,
                               unsigned o_flags, uint32_t mode)
{
    struct file *f = file_new(i, ops, o_flags, mode | mode_of(o_flags));
    if (f)
        f->priv = priv;
    return f;
}

void file_get(struct file *f)
{
    ref_get(&f->ref);
}

static void writers_add(struct inode *i, int n)
{
    SPIN_GUARD(&i->lock);
    i->writers += n;
}

void file_allow_write(struct file *f)
{
    if (f->mode & FILE_DENIES)
        writers_add(f->inode, 1);
    f->mode &= ~(uint32_t) FILE_DENIES;
}

static void file_free(struct file *f)
{
    if (f->mode & FILE_POLLED)
        epoll_release_file(f);
    if (f->mode & FILE_LOCKS)
        lock_release_file(f);
    async_release(f);
    if (!(f->mode & FILE_PATH)) {
        notify_file(f, f->mode & FILE_WRITE ? NOTIFY_CLOSE_WRITE : NOTIFY_CLOSE_NOWRITE);
        if (f->ops->release)
            f->ops->release(f);
    }
    if (f->mode & FILE_WRITER)
        writers_add(f->inode, -1);
    file_allow_write(f);
    path_put(&f->path);
    inode_put(f->inode);
    kfree(f);
}

void file_put(struct file *f)
{
    if (ref_put_last(&f->ref))
        file_free(f);
}

void file_flush(struct file *f, const struct fdtable *table)
{
    if (f->mode & FILE_PATH)
        return;
    if (f->inode->locks)
        lock_flush(f, table);
    if (f->ops->flush)
        f->ops->flush(f);
}

struct inode *file_inode(struct file *f)
{
    return inode_real(f->inode);
}

unsigned file_flags(const struct file *f)
{
    return f->flags;
}

bool file_readable(const struct file *f)
{
    return f->mode & FILE_READ;
}

bool file_writable(const struct file *f)
{
    return f->mode & FILE_WRITE;
}

bool file_noexec(const struct file *f)
{
    return f->path.mnt && (f->path.mnt->flags & MOUNT_NOEXEC);
}

long file_read(struct file *f, struct uio *uio, const uint64_t *pos)
{
    if (!(f->mode & FILE_READ))
        return -EBADF;
    if (inode_is_dir(f->inode))
        return -EISDIR;
    if (!f->ops->read)
        return -EINVAL;
    if ((f->mode & FILE_STREAM) && pos)
        return -ESPIPE;
    long r;
    if (f->mode & FILE_STREAM) {
        r = f->ops->read(f, uio, NULL);
    } else if (pos) {
        uint64_t at = *pos;
        r = f->ops->read(f, uio, &at);
    } else {
        mutex_lock(&f->pos_lock);
        r = f->ops->read(f, uio, &f->pos);
        mutex_unlock(&f->pos_lock);
    }
    if (r > 0)
        notify_file(f, NOTIFY_ACCESS);
    return r;
}

long file_write(struct file *f, struct uio *uio, const uint64_t *pos, bool append)
{
    if (!(f->mode & FILE_WRITE))
        return -EBADF;
    if (!f->ops->write)
        return -EINVAL;
    if ((f->mode & FILE_STREAM) && pos)
        return -ESPIPE;
    long r;
    if (f->mode & FILE_STREAM) {
        r = f->ops->write(f, uio, NULL);
    } else if (pos) {
        uint64_t at = append ? UINT64_MAX : *pos;
        r = f->ops->write(f, uio, &at);
    } else {
        mutex_lock(&f->pos_lock);
        uint64_t at = append ? UINT64_MAX : f->pos;
        r = f->ops->write(f, uio, &at);
        if (r >= 0)
            f->pos = at;
        mutex_unlock(&f->pos_lock);
    }
    if (r > 0)
        notify_file(f, NOTIFY_MODIFY);
    return r;
}

static long seek_data(struct file *f, uint64_t offset, bool data)
{
    struct inode *i = inode_real(f->inode);
    uint64_t size = inode_size(i);
    if (offset >= size)
        return -ENXIO;
    if (i->ops->next) {
        uint64_t found;
        int r = i->ops->next(i, offset / 4096, data, &found);
        if (r < 0)
            return r;
        if (found >= (size + 4095) / 4096)
            return data ? -ENXIO : (long) size;
        return (long) MIN(MAX(found * 4096, offset), size);
    }
    if (i->ops->read_page) /* no map of holes: all is data */
        return (long) (data ? offset : size);
    uint64_t page = pages_next(i, offset / 4096, data);
    if (page >= (size + 4095) / 4096)
        return data ? -ENXIO : (long) size;
    uint64_t at = MAX(page * 4096, offset);
    return (long) MIN(at, size);
}

static long seek_target(struct file *f, int64_t offset, int whence)
{
    int64_t base;
    switch (whence) {
    case 0:
        base = 0;
        break;
    case 1:
        base = (int64_t) f->pos;
        break;
    case 2:
        base = (int64_t) inode_size(f->inode);
        break;
    case 3:
    case 4:
        if (offset < 0)
            return -ENXIO;
        return seek_data(f, (uint64_t) offset, whence == 3);
    default:
        return -EINVAL;
    }
    int64_t target;
    if (ck_add(&target, base, offset))
        return -EINVAL;
    return target < 0 ? -EINVAL : target;
}

long file_seek_generic(struct file *f, int64_t offset, int whence)
{
    MUTEX_GUARD(&f->pos_lock);
    long target = seek_target(f, offset, whence);
    if (target >= 0)
        f->pos = (uint64_t) target;
    return target;
}

long file_seek(struct file *f, int64_t offset, int whence)
{
    if (f->mode & FILE_PATH)
        return -EBADF;
    if (f->mode & FILE_STREAM)
        return -ESPIPE;
    return f->ops->seek ? f->ops->seek(f, offset, whence) : file_seek_generic(f, offset, whence);
}

uint32_t file_poll(struct file *f, struct poll_table *pt)
{
    if (f->ops->poll)
        return f->ops->poll(f, pt);
    return POLL_IN | POLL_OUT | POLL_RDNORM | POLL_WRNORM;
}

long file_pread(struct file *f, struct span dst, uint64_t offset)
{
    struct uio uio = uio_kernel(dst);
    return file_read(f, &uio, &offset);
}

const char *file_anon_name(struct file *f, char *buf, size_t size)
{
    const char *base = f->ops->name ? f->ops->name : "anon_inode:[unknown]";
    if (strchr(base, '['))
        fmt_str(buf, size, "%s", base);
    else
        fmt_str(buf, size, "%s:[%lu]", base, (unsigned long) f->inode->ino);
    return buf;
}

long file_path(struct file *f, char *buf, size_t size)
{
    if (!f->path.dentry) {
        UNINIT char name[64];
        size_t n = str_copy(buf, file_anon_name(f, name, sizeof name), size);
        return n < size ? (long) n : -ENAMETOOLONG;
    }
    AUTO_PATH struct path root = fs_ctx_root(current_fs());
    bool outside;
    dcache_lock();
    char *p = mount_path_locked(&f->path, &root, buf, size, &outside);
    dcache_unlock();
    if (!p)
        return -ENAMETOOLONG;
    size_t n = strlen(p);
    memmove(buf, p, n + 1);
    return (long) n;
}
