/* sendfile, copy_file_range, splice: bytes move through one kernel buffer. tee. */
#include "libos/base/ckmath.h"
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/task/thread.h"
#include "libos/vfs/pipe.h"

#define CHUNK 65536u
enum { SPLICE_MOVE = 1, SPLICE_NONBLOCK = 2, SPLICE_MORE = 4, SPLICE_GIFT = 8 };
#define SPLICE_KNOWN (unsigned) (SPLICE_MOVE | SPLICE_NONBLOCK | SPLICE_MORE | SPLICE_GIFT)

struct end { /* one side of a copy */
    struct file *f;
    uint64_t pos;
    bool positioned; /* at pos, which advances; else at the file's own position */
    bool nowait;
};

static long end_read(struct end *e, uint8_t *buf, size_t n)
{
    struct uio uio = uio_kernel((struct span){buf, n});
    uio.nowait = e->nowait;
    return file_read(e->f, &uio, e->positioned ? &e->pos : NULL);
}

static long end_write(struct end *e, const uint8_t *buf, size_t n)
{
    struct uio uio = uio_kernel_source((struct cspan){buf, n});
    uio.nowait = e->nowait;
    return file_write(e->f, &uio, e->positioned ? &e->pos : NULL, false);
}

/* Bytes read but not written go back, where the source has a position. */
static void unread(struct end *in, uint64_t n)
{
    if (in->positioned)
        return; /* pos was not advanced yet */
    mutex_lock(&in->f->pos_lock);
    if (!(in->f->mode & FILE_STREAM))
        in->f->pos -= MIN(n, in->f->pos);
    mutex_unlock(&in->f->pos_lock);
}

/* As much of from as out takes; an error only if that is nothing. */
static long write_all(struct end *out, struct cspan from)
{
    size_t done = 0;
    while (done < from.n) {
        long r = end_write(out, from.p + done, from.n - done);
        if (r <= 0)
            return done ? (long) done : r;
        done += (size_t) r;
        out->pos += (size_t) r;
    }
    return (long) done;
}

/* What the other end does not take stays in the pipe. */
static long move_from_pipe(struct end *in, struct end *out, struct span buf)
{
    long have = pipe_claim(in->f, buf, in->nowait);
    if (have <= 0)
        return have;
    buf.n = (size_t) have;
    long r = 1;
    if (file_is_pipe(out->f) && (r = pipe_wait_room(out->f, out->nowait)) > 0)
        r = pipe_push(out->f, (struct cspan){buf.p, MIN(buf.n, (size_t) r)});
    else if (r > 0)
        r = write_all(out, (struct cspan){buf.p, buf.n});
    pipe_consume(in->f, r > 0 ? (size_t) r : 0);
    return r;
}

/* Some sources (sockets, terminals) cannot take bytes back: not more is read than there is room for. */
static long move_into_pipe(struct end *in, struct end *out, struct span buf)
{
    long room = pipe_wait_room(out->f, out->nowait);
    if (room < 0)
        return room;
    long have = end_read(in, buf.p, MIN(buf.n, (size_t) room));
    if (have <= 0)
        return have;
    long r = pipe_push(out->f, (struct cspan){buf.p, (size_t) have});
    unread(in, (uint64_t) (have - MAX(r, 0L))); /* no memory */
    return r;
}

static long move_plain(struct end *in, struct end *out, struct span buf)
{
    long have = end_read(in, buf.p, buf.n);
    if (have <= 0)
        return have;
    long r = write_all(out, (struct cspan){buf.p, (size_t) have});
    unread(in, (uint64_t) (have - MAX(r, 0L)));
    return r;
}

static long move_some(struct end *in, struct end *out, struct span buf)
{
    if (file_is_pipe(in->f))
        return move_from_pipe(in, out, buf);
    return file_is_pipe(out->f) ? move_into_pipe(in, out, buf) : move_plain(in, out, buf);
}

static long copy(struct end *in, struct end *out, size_t count, bool one_round)
{
    uint8_t *buf = kpages_alloc(CHUNK / 4096);
    if (!buf)
        return -ENOMEM;
    size_t done = 0;
    long r = 0;
    count = MIN(count, RW_MAX);
    while (done < count) {
        size_t n = MIN(count - done, (size_t) CHUNK);
        r = move_some(in, out, (struct span){buf, n});
        if (r <= 0)
            break;
        in->pos += (size_t) r;
        done += (size_t) r;
        if (one_round || thread_interrupted())
            break;
    }
    kpages_free(buf, CHUNK / 4096);
    return done ? (long) done : r;
}

/* An optional offset argument; back to the guest after the copy. */
static int offset_get(struct end *e, uaddr_t ua)
{
    e->positioned = !uaddr_null(ua);
    if (!e->positioned)
        return 0;
    if (get_user(&e->pos, ua) < 0)
        return -EFAULT;
    return 0;
}

static bool negative(const struct end *e)
{
    return e->positioned && (int64_t) e->pos < 0;
}

static int offset_put(const struct end *e, uaddr_t ua)
{
    return e->positioned ? put_user(ua, e->pos) : 0;
}

/* Files that hold a stream of bytes, not events, directories and the like. */
static bool holds_bytes(const struct file *f)
{
    uint32_t mode = f->inode->mode;
    return S_ISREG(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

static long copy_between(struct end *in, struct end *out, uaddr_t in_pos, uaddr_t out_pos,
                         size_t count, bool one_round)
{
    if (!(in->f->mode & FILE_READ) || !(out->f->mode & FILE_WRITE))
        return -EBADF;
    long r = copy(in, out, count, one_round);
    if (r >= 0 && (offset_put(in, in_pos) < 0 || offset_put(out, out_pos) < 0))
        r = -EFAULT;
    return r;
}

/* full */
SYSCALL(sendfile, int, out_fd, int, in_fd, uaddr_t, offset, size_t, count)
{
    AUTO(file_put) struct file *fi = fd_get(in_fd);
    AUTO(file_put) struct file *fo = fd_get(out_fd);
    if (!fi || !fo)
        return -EBADF;
    struct end in = {.f = fi}, out = {.f = fo};
    int r = offset_get(&in, offset);
    if (r < 0)
        return r;
    if ((fo->flags & O_APPEND) || negative(&in))
        return -EINVAL;
    if (fi->mode & FILE_STREAM)
        return in.positioned ? -ESPIPE : -EINVAL;
    if ((fi->mode & FILE_READ) && !holds_bytes(fi))
        return -EINVAL;
    return copy_between(&in, &out, offset, UADDR(0), count, false);
}

static bool overlap(const struct end *a, const struct end *b, size_t n)
{
    return inode_real(a->f->inode) == inode_real(b->f->inode) && a->pos < b->pos + n &&
           b->pos < a->pos + n;
}

/* full */
SYSCALL(copy_file_range, int, in_fd, uaddr_t, in_pos, int, out_fd, uaddr_t, out_pos, size_t, count,
        unsigned, flags)
{
    AUTO(file_put) struct file *fi = fd_get(in_fd);
    AUTO(file_put) struct file *fo = fd_get(out_fd);
    if (!fi || !fo)
        return -EBADF;
    struct end in = {.f = fi}, out = {.f = fo};
    if (flags)
        return -EINVAL;
    int r = offset_get(&in, in_pos);
    if (r == 0)
        r = offset_get(&out, out_pos);
    if (r < 0)
        return r;
    if (inode_is_dir(fi->inode) || inode_is_dir(fo->inode))
        return -EISDIR;
    if (!S_ISREG(fi->inode->mode) || !S_ISREG(fo->inode->mode))
        return -EINVAL;
    if (fo->flags & O_APPEND)
        return -EBADF;
    struct end a = in, b = out;
    a.pos = in.positioned ? in.pos : fi->pos;
    b.pos = out.positioned ? out.pos : fo->pos;
    uint64_t sum;
    if (ck_add(&sum, a.pos, count) || ck_add(&sum, b.pos, count))
        return -EOVERFLOW;
    if ((int64_t) a.pos < 0 || (int64_t) b.pos < 0)
        return -EINVAL;
    long most = regular_write_limit(b.pos, MIN(count, RW_MAX));
    if (most < 0)
        return most;
    if (overlap(&a, &b, MIN(count, RW_MAX)))
        return -EINVAL;
    return copy_between(&in, &out, in_pos, out_pos, count, false);
}

/* full */
SYSCALL(splice, int, in_fd, uaddr_t, in_pos, int, out_fd, uaddr_t, out_pos, size_t, count, unsigned,
        flags)
{
    if (count == 0)
        return 0;
    if (flags & ~SPLICE_KNOWN)
        return -EINVAL;
    AUTO(file_put) struct file *fi = fd_get(in_fd);
    AUTO(file_put) struct file *fo = fd_get(out_fd);
    if (!fi || !fo || !(fi->mode & FILE_READ) || !(fo->mode & FILE_WRITE))
        return -EBADF;
    if ((!file_is_pipe(fi) && !file_is_pipe(fo)) || !holds_bytes(fi) || !holds_bytes(fo))
        return -EINVAL;
    if ((file_is_pipe(fi) && !uaddr_null(in_pos)) || (file_is_pipe(fo) && !uaddr_null(out_pos)))
        return -ESPIPE;
    if ((fo->flags & O_APPEND) || (file_is_pipe(fi) && file_is_pipe(fo) && pipe_same(fi, fo)))
        return -EINVAL;
    bool nowait = flags & SPLICE_NONBLOCK;
    struct end in = {.f = fi, .nowait = nowait && file_is_pipe(fi)};
    struct end out = {.f = fo, .nowait = nowait && file_is_pipe(fo)};
    int r = offset_get(&in, in_pos);
    if (r == 0)
        r = offset_get(&out, out_pos);
    if (r == 0 && (negative(&in) || negative(&out)))
        r = -EINVAL;
    return r < 0 ? r : copy_between(&in, &out, in_pos, out_pos, count, true);
}

/* full */
SYSCALL(tee, int, in_fd, int, out_fd, size_t, count, unsigned, flags)
{
    if (flags & ~SPLICE_KNOWN)
        return -EINVAL;
    if (count == 0)
        return 0;
    AUTO(file_put) struct file *fi = fd_get(in_fd);
    AUTO(file_put) struct file *fo = fd_get(out_fd);
    if (!fi || !fo || !(fi->mode & FILE_READ) || !(fo->mode & FILE_WRITE))
        return -EBADF;
    if (!file_is_pipe(fi) || !file_is_pipe(fo) || pipe_same(fi, fo))
        return -EINVAL;
    return pipe_tee(fi, fo, MIN(count, RW_MAX), flags & SPLICE_NONBLOCK);
}
