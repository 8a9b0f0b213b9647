/* Open files of hostfs. Every read and write goes to the host through a kernel buffer; nothing is kept,
 * sizes neither: the end of a file is where the host says it is. A mapping is a snapshot, page by page,
 * of what the host showed at the first touch. */
#include "libos/fs/hostfs/hostfs.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "abi/layout.h"

#define BOUNCE     (128u * 1024)
#define AT_END     UINT64_MAX
#define OFFSET_MAX ((uint64_t) INT64_MAX)

static uint32_t token_of(const struct file *f)
{
    return hostfs_of(inode_real(f->inode))->token;
}

static int hostfs_open(struct inode *i, struct file *f)
{
    struct hostfs_inode *h = hostfs_of(i);
    uint32_t want =
        (f->mode & FILE_READ ? HOST_FILE_READ : 0u) | (f->mode & FILE_WRITE ? HOST_FILE_WRITE : 0u);
    want &= ~atomic_load(&h->opened);
    if (!want)
        return 0;
    int r = hostfs_call(HOSTCALL_file_open, h->token, want);
    if (r == 0)
        atomic_or(&h->opened, want);
    return r;
}

static long hostfs_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    if (*pos > OFFSET_MAX)
        return -EINVAL;
    size_t size = MIN(uio->left, (size_t) BOUNCE);
    if (size == 0)
        return 0;
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
    long done = 0, r = 0;
    while (uio->left > 0) {
        size_t n = MIN(uio->left, size);
        r = hostfs_call_io(HOSTCALL_file_read, (struct cspan){0}, (struct span){buf, n},
                           token_of(f), *pos, 0);
        if (r <= 0)
            break;
        size_t got = (size_t) r;
        r = uio_put(uio, buf, got);
        if (r < 0)
            break;
        done += (long) got;
        *pos += got;
        if (got < n)
            break;
    }
    kfree(buf);
    return done ? done : r;
}

static long write_chunk(struct file *f, const uint8_t *buf, size_t n, uint64_t pos, bool append)
{
    return hostfs_call_io(HOSTCALL_file_write, (struct cspan){buf, n}, (struct span){0},
                          token_of(f), append ? AT_END : pos, 0);
}

static long write_through(struct file *f, struct uio *uio, uint64_t *pos, size_t most, bool append)
{
    size_t size = MIN(most, (size_t) BOUNCE);
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
    size_t done = 0;
    long r = 0;
    while (done < most) {
        size_t n = MIN(most - done, size);
        r = uio_take(uio, buf, n);
        if (r == 0)
            r = write_chunk(f, buf, n, *pos, append);
        if (r <= 0)
            break;
        done += (size_t) r;
        *pos += (uint64_t) r;
        if ((size_t) r < n)
            break;
    }
    kfree(buf);
    return done ? (long) done : r;
}

/* After a write the size is at least where it ended; appending, the host tells where that was. */
static int written(struct inode *i, uint64_t *pos, bool append)
{
    struct host_stat st;
    if (append) {
        int r = hostfs_refresh(i, &st);
        if (r == 0)
            *pos = st.size;
        return r;
    }
    if (*pos > i->size)
        atomic_store(&i->size, *pos);
    return 0;
}

static int hostfs_fsync(struct file *f, bool data_only)
{
    return hostfs_call(HOSTCALL_file_sync, token_of(f),
                       data_only ? HOST_SYNC_DATA : HOST_SYNC_FILE);
}

static long hostfs_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct inode *i = inode_real(f->inode);
    bool append = *pos == AT_END || (f->flags & O_APPEND);
    MUTEX_GUARD(&i->mutex);
    struct host_stat st;
    int r = append ? hostfs_refresh(i, &st) : 0;
    if (r < 0)
        return r;
    if (append)
        *pos = st.size;
    if (*pos > OFFSET_MAX)
        return -EINVAL;
    if (uio->left == 0)
        return 0;
    long n = regular_write_limit(*pos, uio->left);
    if (n > 0)
        n = write_through(f, uio, pos, (size_t) n, append);
    if (n <= 0)
        return n;
    r = written(i, pos, append);
    if (r == 0 && (f->flags & O_DSYNC))
        r = hostfs_fsync(f, (f->flags & O_SYNC) != O_SYNC);
    return r < 0 ? r : n;
}

static long hostfs_seek(struct file *f, int64_t offset, int whence)
{
    struct host_stat st;
    int r = whence >= 2 ? hostfs_refresh(inode_real(f->inode), &st) : 0;
    return r < 0 ? r : file_seek_generic(f, offset, whence);
}

static long hostfs_fallocate(struct file *f, int mode, uint64_t offset, uint64_t len)
{
    return -EOPNOTSUPP; /* libc writes zeros then */
}

/* The host can change or cut a file under a mapping, so it is never mapped itself. Shared but read-only
 * is as good as private, as far as the guest can tell. */
static int hostfs_mmap(struct file *f, int prot, bool shared)
{
    if (shared && ((prot & PROT_W) || (f->mode & FILE_WRITE)))
        return -ENODEV;
    struct host_stat st;
    int r = hostfs_refresh(inode_real(f->inode), &st);
    return r < 0 ? r : shared;
}

int hostfs_read_page(struct inode *i, uint64_t index, void *dst)
{
    uint8_t *p = dst;
    for (size_t done = 0; done < PAGE_SIZE;) {
        long r = hostfs_call_io(HOSTCALL_file_read, (struct cspan){0},
                                (struct span){p + done, PAGE_SIZE - done}, hostfs_of(i)->token,
                                index * PAGE_SIZE + done, 0);
        if (r <= 0)
            return (int) r;
        done += (size_t) r;
    }
    return 0;
}

const struct file_ops hostfs_file_ops = {
    .open = hostfs_open,
    .read = hostfs_read,
    .write = hostfs_write,
    .seek = hostfs_seek,
    .fsync = hostfs_fsync,
    .fallocate = hostfs_fallocate,
    .mmap = hostfs_mmap,
};

static int refuse_open(struct inode *i, struct file *f)
{
    return S_ISLNK(i->mode) ? -ELOOP : -EOPNOTSUPP;
}

const struct file_ops hostfs_refused_ops = {.open = refuse_open};
