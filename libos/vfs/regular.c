/* Regular files over the page cache, and directories as open files. Writes hold the inode's mutex;
 * reads hold only a pin on the page they copy from. */
#include "libos/base/atomic.h"
#include "libos/vfs/file.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/spare.h"
#include "libos/task/process.h"
#include "libos/vfs/memfd.h"
#include "libos/vfs/writeback.h"
#include "abi/layout.h"

#define RLIMIT_FSIZE_INDEX 1
#define SIGXFSZ_NUMBER     25
#define FILE_SIZE_MAX      ((uint64_t) INT64_MAX - 4096)

/* relatime: only if it would otherwise not be later than the last change. */
static void touch_atime(struct file *f, struct inode *i)
{
    if (i->atime_ns > i->mtime_ns || (f->flags & O_NOATIME) ||
        (i->super->flags & (SUPER_READONLY | SUPER_NO_ATIME)))
        return;
    if (f->path.mnt && (f->path.mnt->flags & MOUNT_NOATIME))
        return;
    i->atime_ns = inode_now();
}

/* The page of pos, of a read that goes on for so many pages. */
static int read_page_get(struct file *f, struct inode *i, uint64_t pos, size_t left,
                         struct cpage **ret)
{
    if (!i->ops->read_page)
        return pages_get(i, pos / PAGE_SIZE, false, ret);
    struct cpage *page = pages_find(i, pos / PAGE_SIZE);
    if (page) {
        *ret = page;
        return 0;
    }
    uint64_t more = (pos % PAGE_SIZE + left + PAGE_SIZE - 1) / PAGE_SIZE;
    struct load_plan plan = readahead_plan(&f->ahead, more);
    return pages_get_ahead(i, pos / PAGE_SIZE, &plan, ret);
}

/* One page here, one there, of a file that changes: what is read once does not get memory of its own. */
static bool scattered(const struct file *f, struct inode *i, uint64_t pos, size_t left)
{
    return i->ops->read_page && i->ops->write_pages && f->ahead.window == 0 &&
           pos % PAGE_SIZE + left <= PAGE_SIZE && !pages_has(i, pos / PAGE_SIZE);
}

static int read_past_cache(struct inode *i, struct uio *uio, uint64_t pos, size_t n)
{
    static struct spare pages;
    uint8_t *page = spare_take(&pages, 1);
    int r = page ? pages_pass(i, pos / PAGE_SIZE, page) : -ENOMEM;
    if (r == 0)
        r = uio_put(uio, page + pos % PAGE_SIZE, n);
    if (page)
        spare_give(&pages, page, 1);
    return r;
}

static int read_part(struct file *f, struct inode *i, struct uio *uio, uint64_t pos, size_t n)
{
    struct cpage *page;
    if (scattered(f, i, pos, uio->left))
        return read_past_cache(i, uio, pos, n);
    int r = read_page_get(f, i, pos, uio->left, &page);
    if (r < 0)
        return r;
    if (!page)
        return uio_zero(uio, n);
    r = uio_put(uio, page->data + pos % PAGE_SIZE, n);
    cpage_unpin(page);
    return r;
}

long regular_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct inode *i = inode_real(f->inode);
    if (*pos > FILE_SIZE_MAX)
        return -EINVAL;
    size_t done = 0;
    readahead_note(&f->ahead, *pos / PAGE_SIZE, (*pos + uio->left - 1) / PAGE_SIZE + 1);
    while (uio->left > 0) {
        uint64_t size = inode_size(i);
        if (*pos >= size)
            break;
        size_t n = MIN(uio->left, PAGE_SIZE - *pos % PAGE_SIZE);
        n = MIN(n, size - *pos);
        size_t before = uio->left;
        int r = read_part(f, i, uio, *pos, n);
        n = before - uio->left; /* fewer where the caller's memory ends */
        done += n;
        *pos += n;
        if (r < 0 && done == 0)
            return r;
        if (r < 0)
            break;
    }
    touch_atime(f, i);
    return (long) done;
}

/* A page that is not in memory and is written as a whole is not read before. Where the caller's memory ends too early,
 * the bytes go into what the file has there. */
static long write_whole(struct inode *i, struct uio *uio, uint64_t index)
{
    struct cpage *page = cpage_new(index), *old;
    if (!page)
        return -ENOMEM;
    size_t before = uio->left;
    int r = uio_take(uio, page->data, PAGE_SIZE);
    size_t taken = before - uio->left;
    if (taken == PAGE_SIZE) {
        r = pages_put_whole(i, page);
        return r < 0 ? r : (long) taken;
    }
    if (taken > 0 && (r = pages_get(i, index, true, &old)) == 0) {
        memcpy(old->data, page->data, taken);
        pages_written(i, old, 0, taken);
        cpage_unpin(old);
    }
    cpage_free(page);
    return r < 0 ? r : (long) taken;
}

/* Bytes written into one page: fewer than n where the caller's memory ends. */
static long write_part(struct inode *i, struct uio *uio, uint64_t pos, size_t n)
{
    struct cpage *page = i->ops->write_pages ? pages_find(i, pos / PAGE_SIZE) : NULL;
    if (!page && i->ops->write_pages && n == PAGE_SIZE)
        return write_whole(i, uio, pos / PAGE_SIZE);
    int r = page ? 0 : pages_get(i, pos / PAGE_SIZE, true, &page);
    if (r < 0)
        return r;
    size_t before = uio->left;
    r = uio_take(uio, page->data + pos % PAGE_SIZE, n);
    n = before - uio->left;
    if (n > 0)
        pages_written(i, page, pos % PAGE_SIZE, n);
    cpage_unpin(page);
    return n > 0 ? (long) n : r;
}

static uint64_t size_limit(void)
{
    return MIN(current_process()->rlimits[RLIMIT_FSIZE_INDEX].cur, FILE_SIZE_MAX);
}

static int above_limit(uint64_t limit)
{
    if (limit < FILE_SIZE_MAX)
        signal_send_process(current_process(), SIGXFSZ_NUMBER);
    return -EFBIG;
}

long regular_write_limit(uint64_t pos, size_t n)
{
    uint64_t limit = size_limit();
    return pos >= limit ? above_limit(limit) : (long) MIN((uint64_t) n, limit - pos);
}

int regular_may_grow(struct inode *i, uint64_t size)
{
    uint64_t limit = size_limit();
    return size > limit && size > inode_size(i) ? above_limit(limit) : 0;
}

/* A write by others than root takes away set-user-ID and set-group-ID. */
static void drop_suid(struct inode *i)
{
    if (!(i->mode & (S_ISUID | S_ISGID)) || capable(CAP_FSETID))
        return;
    i->mode &= ~(uint32_t) S_ISUID;
    if (i->mode & 0010)
        i->mode &= ~(uint32_t) S_ISGID;
}

static long write_locked(struct inode *i, struct uio *uio, uint64_t *pos)
{
    if (*pos == UINT64_MAX)
        *pos = i->size;
    if (*pos > (uint64_t) INT64_MAX - uio->left)
        return -EINVAL;
    if (uio->left == 0)
        return 0;
    long most = regular_write_limit(*pos, uio->left);
    if (most < 0)
        return most;
    int r = memfd_may_write(i, *pos, (uint64_t) most);
    if (r < 0)
        return r;
    if (i->ops->room && (r = i->ops->room(i, (uint64_t) most / PAGE_SIZE + 2)) < 0)
        return r;
    size_t done = 0;
    long n = 0;
    for (; done < (size_t) most; done += (size_t) n) {
        size_t part = MIN((size_t) most - done, PAGE_SIZE - *pos % PAGE_SIZE);
        n = write_part(i, uio, *pos, part);
        if (n == -ENOMEM && pages_flush(i, 0, UINT64_MAX) == 0) /* clean pages can go */
            n = write_part(i, uio, *pos, part);
        if (n <= 0)
            break;
        *pos += (uint64_t) n;
        if (*pos > i->size)
            atomic_store(&i->size, *pos);
    }
    if (done == 0)
        return n;
    drop_suid(i);
    inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    return (long) done;
}

long regular_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct inode *i = inode_real(f->inode);
    if (f->flags & O_APPEND)
        *pos = UINT64_MAX;
    mutex_lock(&i->mutex);
    long n = write_locked(i, uio, pos);
    mutex_unlock(&i->mutex);
    int r = n > 0 && i->ops->write_pages ? writeback_balance(i) : 0;
    return r < 0 ? r : n;
}

static void zero_range(struct inode *i, uint64_t from, uint64_t to)
{
    uint64_t first = (from + PAGE_SIZE - 1) / PAGE_SIZE, end = to / PAGE_SIZE;
    if (first > end) { /* within one page */
        pages_zero_part(i, from / PAGE_SIZE, from % PAGE_SIZE, to - from);
        return;
    }
    if (from % PAGE_SIZE)
        pages_zero_part(i, from / PAGE_SIZE, from % PAGE_SIZE, PAGE_SIZE - from % PAGE_SIZE);
    if (to % PAGE_SIZE)
        pages_zero_part(i, end, 0, to % PAGE_SIZE);
    pages_drop(i, first, end);
}

/* Backed pages (O(1) copy-up) must be in the cache before they can be zeroed. */
static int fill_range(struct inode *i, uint64_t from, uint64_t to)
{
    if (!i->ops->read_page)
        return pages_fill(i, from / PAGE_SIZE, (to + PAGE_SIZE - 1) / PAGE_SIZE);
    for (uint64_t index = from / PAGE_SIZE; index < (to + PAGE_SIZE - 1) / PAGE_SIZE; index++) {
        struct cpage *page;
        int r = pages_get(i, index, true, &page);
        if (r < 0)
            return r;
        cpage_unpin(page);
    }
    return 0;
}

static int grow_locked(struct inode *i, uint64_t size)
{
    const struct iattr a = {.valid = ATTR_SIZE, .size = size};
    return i->ops->setattr ? i->ops->setattr(i, &a) : inode_setattr_simple(i, &a);
}

/* Whole pages become holes of the store, parts of pages zeros. */
static int punch_locked(struct inode *i, uint64_t from, uint64_t to)
{
    uint64_t first = (from + PAGE_SIZE - 1) / PAGE_SIZE, end = to / PAGE_SIZE;
    bool last = to == i->size; /* its page goes as a whole */
    int r = from % PAGE_SIZE ? fill_range(i, from, MIN(to, first * PAGE_SIZE)) : 0;
    if (r == 0 && to % PAGE_SIZE && !last)
        r = fill_range(i, MAX(from, end * PAGE_SIZE), to);
    if (r < 0)
        return r;
    zero_range(i, from, to);
    end += last && to % PAGE_SIZE;
    inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    if (first >= end)
        return 0;
    pages_cut_begin(i);
    pages_drop(i, first, end);
    r = i->ops->punch(i, first, end - first);
    pages_cut_end(i);
    return r;
}

/* Zeros, and holes where the store has them; up to `to`, at most the end of the file. */
static int clear_locked(struct inode *i, uint64_t from, uint64_t to)
{
    if (from >= to)
        return 0;
    if (i->ops->punch)
        return punch_locked(i, from, to);
    if (!i->ops->read_page) {
        zero_range(i, from, to);
        return 0;
    }
    int r = fill_range(i, from, to);
    for (uint64_t at = from; r == 0 && at < to; at = (at / PAGE_SIZE + 1) * PAGE_SIZE)
        pages_zero_part(i, at / PAGE_SIZE, at % PAGE_SIZE,
                        MIN(PAGE_SIZE - at % PAGE_SIZE, to - at));
    return r;
}

static long fallocate_locked(struct inode *i, int mode, uint64_t offset, uint64_t end)
{
    if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_PUNCH_HOLE) && (mode & FALLOC_ZERO || !(mode & FALLOC_KEEP_SIZE)))
        return -EOPNOTSUPP;
    int r = mode & FALLOC_KEEP_SIZE ? 0 : regular_may_grow(i, end);
    if (r == 0)
        r = memfd_may_write(i, offset, mode & FALLOC_KEEP_SIZE ? 0 : end - offset);
    if (r == 0 && (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO)))
        r = memfd_may_write(i, offset, 0);
    if (r < 0)
        return r;
    if (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO))
        r = clear_locked(i, offset, MIN(end, i->size));
    else if (i->ops->room) /* a store gives blocks when it writes: only whether there are */
        r = i->ops->room(i, (end - offset) / PAGE_SIZE + 1);
    else if (!(mode & FALLOC_KEEP_SIZE))
        r = fill_range(i, offset, end);
    if (r == 0 && !(mode & FALLOC_KEEP_SIZE) && end > i->size)
        r = grow_locked(i, end);
    inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    return r;
}

static long regular_fallocate(struct file *f, int mode, uint64_t offset, uint64_t len)
{
    struct inode *i = inode_real(f->inode);
    uint64_t end;
    if (ck_add(&end, offset, len) || end > FILE_SIZE_MAX)
        return -EFBIG;
    MUTEX_GUARD(&i->mutex);
    return fallocate_locked(i, mode, offset, end);
}

static int regular_mmap(struct file *f, int prot, bool shared)
{
    return memfd_may_map(inode_real(f->inode), prot, shared, f->mode & FILE_WRITE);
}

static int regular_fsync(struct file *f, bool data_only)
{
    struct inode *i = inode_real(f->inode);
    return i->ops->sync ? i->ops->sync(i) : 0;
}

const struct file_ops regular_file_ops = {
    .fsync = regular_fsync,
    .read = regular_read,
    .write = regular_write,
    .fallocate = regular_fallocate,
    .mmap = regular_mmap,
};

/* ---- directories ---- */

int file_readdir(struct file *f, struct dir_ctx *ctx)
{
    if (f->ops->readdir)
        return f->ops->readdir(f, ctx);
    return -ENOTDIR;
}

static uint64_t parent_ino(struct file *f)
{
    dcache_lock();
    struct path p = f->path;
    while (p.dentry == p.mnt->root && p.mnt->parent != p.mnt)
        p = (struct path){p.mnt->parent, p.mnt->mountpoint};
    uint64_t ino = p.dentry->parent->inode->ino;
    dcache_unlock();
    return ino;
}

static int directory_readdir(struct file *f, struct dir_ctx *ctx)
{
    struct inode *i = f->inode;
    MUTEX_GUARD(&i->mutex);
    if (i->flags & INODE_DEAD)
        return -ENOENT;
    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, QNAME("."), i->ino, LINUX_DT_DIR, 1))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        if (!ctx->emit(ctx, QNAME(".."), parent_ino(f), LINUX_DT_DIR, 2))
            return 0;
        ctx->pos = 2;
    }
    return i->ops->readdir ? i->ops->readdir(i, ctx) : 0;
}

static long directory_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    return -EISDIR;
}

static long directory_seek(struct file *f, int64_t offset, int whence)
{
    MUTEX_GUARD(&f->pos_lock);
    int64_t at = whence == 1 ? (int64_t) f->pos + offset : offset;
    if (whence > 1 || whence < 0 || at < 0)
        return -EINVAL;
    f->pos = (uint64_t) at;
    return at;
}

static int directory_fsync(struct file *f, bool data_only)
{
    struct inode *i = f->inode;
    return i->ops->sync_dir ? i->ops->sync_dir(i) : 0;
}

const struct file_ops directory_file_ops = {
    .read = directory_read,
    .readdir = directory_readdir,
    .seek = directory_seek,
    .fsync = directory_fsync,
};
