/* Pipes and FIFOs: a byte ring shared by readers and writers.
 *
 * The ring starts small and grows up to `capacity`. The mutex covers everything; copies to and from user memory happen under it, which is allowed because nothing that a
 * page fault needs takes it. Writes of up to PIPE_BUF bytes are atomic.
 *
 * Wake-ups are lazy: readers are woken when data arrives in an empty pipe (or somebody sleeps), a
 * writer only once half of the ring, or all that it still wants to write, is free; so both sides work
 * in large steps instead of switching at each page.
 */
#include "libos/vfs/pipe.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/mm/ring.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"

#define PIPE_BUF_SIZE     4096u
#define PIPE_CAPACITY_MIN 4096u
#define PIPE_CAPACITY     65536u
#define PIPE_CAPACITY_MAX (1u << 20)
#define SIGPIPE_NUMBER    13
#define FIONREAD_REQUEST  0x541bu

struct pipe {
    struct inode inode; /* anonymous pipes; unused by FIFOs, which hang on a named inode */
    struct ref ref;
    struct mutex mutex; /* everything below */
    struct ring ring;   /* ring.used is also read without it */
    uint32_t capacity;
    uint32_t readers, writers;
    uint32_t reader_opens, writer_opens; /* ever: what a FIFO open waits for */
    uint32_t want;                       /* smallest need of the sleeping writers */
    bool claimed; /* splice() moves the first bytes: other readers wait. Also read without it */
    struct waitq read_queue, write_queue;
};

static uint64_t pipe_next_ino = 1;
static struct super pipe_super = {.magic = 0x50495045};

static void pipe_free(struct pipe *p)
{
    ring_fini(&p->ring);
    kfree(p);
}

static void pipe_inode_free(struct inode *i)
{
    struct pipe *p = container_of(i, struct pipe, inode);
    inode_fini(i);
    pipe_free(p);
}

static const struct super_ops pipe_super_ops = {.inode_free = pipe_inode_free};
static const struct inode_ops pipe_inode_ops = {0};
static const struct file_ops pipe_file_ops;

static struct pipe *pipe_alloc(void)
{
    struct pipe *p = new_zero(struct pipe);
    if (!p)
        return NULL;
    mutex_init(&p->mutex);
    waitq_init(&p->read_queue);
    waitq_init(&p->write_queue);
    p->capacity = PIPE_CAPACITY;
    ref_init(&p->ref);
    return p;
}

static struct pipe *pipe_of(const struct file *f)
{
    return f->priv;
}

bool file_is_pipe(const struct file *f)
{
    return f->ops == &pipe_file_ops;
}

/* ---- reading and writing ---- */

static uint32_t room_of(const struct pipe *p)
{
    return p->capacity > p->ring.used ? p->capacity - p->ring.used : 0;
}

static bool nonblocking(const struct file *f)
{
    return f->flags & O_NONBLOCK;
}

/* Data, or no writer left. Looks without the mutex: the loop of the caller looks again with it. */
static bool readable_now(const struct pipe *p)
{
    return !atomic_load(&p->claimed) &&
           (atomic_load(&p->ring.used) > 0 || atomic_load(&p->writers) == 0);
}

static int wait_readable(struct pipe *p, const struct file *f, bool nowait)
{
    if (nonblocking(f) || nowait)
        return -EAGAIN;
    int r = wait_event(&p->read_queue, readable_now(p), SLEEP_INTERRUPTIBLE, FOREVER);
    return r < 0 ? -ERESTARTSYS : 0;
}

static void wake_writers(struct pipe *p, bool roomy)
{
    if (roomy)
        waitq_wake(&p->write_queue, POLL_OUT | POLL_WRNORM);
}

static bool roomy_locked(const struct pipe *p)
{
    return room_of(p) >= MIN(p->want, p->capacity / 2) || p->ring.used == 0;
}

static long pipe_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    if (uio->left == 0)
        return 0;
    for (;;) {
        mutex_lock(&p->mutex);
        if (p->ring.used > 0 && !p->claimed) {
            uint32_t n = (uint32_t) MIN(uio->left, (size_t) p->ring.used);
            int r = ring_copy(&p->ring, uio, 0, n);
            if (r == 0)
                ring_drop(&p->ring, n);
            bool roomy = roomy_locked(p);
            mutex_unlock(&p->mutex);
            if (r < 0)
                return r;
            wake_writers(p, roomy);
            return (long) n;
        }
        bool over = p->writers == 0 && !p->claimed;
        mutex_unlock(&p->mutex);
        if (over)
            return 0;
        int r = wait_readable(p, f, uio->nowait);
        if (r < 0)
            return r;
    }
}

static bool writable_now(const struct pipe *p, uint32_t need)
{
    uint32_t used = atomic_load(&p->ring.used);
    return (p->capacity > used && p->capacity - used >= need) || atomic_load(&p->readers) == 0;
}

/* Bytes moved in one go; 0: no room. The mutex is held. */
static long write_some(struct pipe *p, struct uio *uio, size_t total)
{
    uint32_t room = room_of(p);
    size_t n = MIN(uio->left, (size_t) room);
    if (n == 0 || (total <= PIPE_BUF_SIZE && n < uio->left))
        return 0;
    long have = ring_reserve(&p->ring, (uint32_t) n);
    if (have < 0)
        return have;
    n = MIN(n, (size_t) have);
    int r = ring_put(&p->ring, uio, (uint32_t) n);
    return r < 0 ? r : (long) n;
}

static long broken_pipe(size_t done)
{
    if (done)
        return (long) done;
    signal_send_process(current_process(), SIGPIPE_NUMBER);
    return -EPIPE;
}

static long pipe_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pipe *p = pipe_of(f);
    size_t total = uio->left, done = 0;
    if (total == 0)
        return 0;
    for (;;) {
        mutex_lock(&p->mutex);
        bool broken = p->readers == 0;
        long n = broken ? 0 : write_some(p, uio, total);
        uint32_t need = total <= PIPE_BUF_SIZE
                            ? (uint32_t) uio->left
                            : (uint32_t) MIN(uio->left, (size_t) p->capacity / 2);
        p->want = need;
        mutex_unlock(&p->mutex);
        if (n > 0) {
            done += (size_t) n;
            waitq_wake(&p->read_queue, POLL_IN | POLL_RDNORM);
        }
        if (broken)
            return broken_pipe(done);
        if (n < 0)
            return done ? (long) done : n;
        if (uio->left == 0)
            return (long) done;
        if (nonblocking(f) || uio->nowait)
            return done ? (long) done : -EAGAIN;
        if (n > 0)
            continue;
        if (wait_event(&p->write_queue, writable_now(p, need), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return done ? (long) done : -ERESTARTSYS;
    }
}

/* ---- splice: what cannot be written stays where it was ---- */

long pipe_claim(struct file *f, struct span to, bool nowait)
{
    struct pipe *p = pipe_of(f);
    for (;;) {
        mutex_lock(&p->mutex);
        bool free = !p->claimed;
        uint32_t n = (uint32_t) MIN(to.n, (size_t) p->ring.used);
        if (free && n > 0) {
            struct uio uio = uio_kernel(to);
            int r = ring_copy(&p->ring, &uio, 0, n);
            check(r == 0); /* kernel memory */
            atomic_post(&p->claimed, true);
        }
        bool over = free && (n > 0 || p->writers == 0);
        mutex_unlock(&p->mutex);
        if (over)
            return (long) n;
        int r = wait_readable(p, f, nowait);
        if (r < 0)
            return r;
    }
}

void pipe_consume(struct file *f, size_t n)
{
    struct pipe *p = pipe_of(f);
    mutex_lock(&p->mutex);
    check(p->claimed && n <= p->ring.used);
    ring_drop(&p->ring, (uint32_t) n);
    atomic_post(&p->claimed, false);
    bool roomy = n > 0 && roomy_locked(p);
    mutex_unlock(&p->mutex);
    wake_writers(p, roomy);
    waitq_wake(&p->read_queue, POLL_IN | POLL_RDNORM);
}

long pipe_wait_room(struct file *f, bool nowait)
{
    struct pipe *p = pipe_of(f);
    for (;;) {
        mutex_lock(&p->mutex);
        bool broken = p->readers == 0;
        uint32_t room = room_of(p);
        p->want = 1;
        mutex_unlock(&p->mutex);
        if (broken)
            return broken_pipe(0);
        if (room > 0)
            return (long) room;
        if (nonblocking(f) || nowait)
            return -EAGAIN;
        if (wait_event(&p->write_queue, writable_now(p, 1), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return -ERESTARTSYS;
    }
}

long pipe_push(struct file *f, struct cspan from)
{
    struct pipe *p = pipe_of(f);
    struct uio uio = uio_kernel_source(from);
    long r = 0;
    mutex_lock(&p->mutex);
    while (r >= 0 && uio.left > 0) {
        r = ring_reserve(&p->ring, (uint32_t) uio.left);
        if (r > 0)
            r = ring_put(&p->ring, &uio, (uint32_t) MIN(uio.left, (size_t) r));
    }
    mutex_unlock(&p->mutex);
    size_t done = from.n - uio.left;
    if (done)
        waitq_wake(&p->read_queue, POLL_IN | POLL_RDNORM);
    return done ? (long) done : r;
}

/* ---- tee: the mutexes of two pipes are taken in the order of their addresses ---- */

/* Bytes copied in one go; 0: nothing to read, or no room. Sets *ret_over when no more will come. */
static long tee_locked(struct pipe *in, struct pipe *out, size_t n, bool *ret_over)
{
    n = MIN(n, (size_t) in->ring.used);
    n = MIN(n, (size_t) room_of(out));
    *ret_over = in->ring.used == 0 && in->writers == 0;
    if (out->readers == 0)
        return -EPIPE;
    size_t done = 0;
    while (done < n) {
        uint8_t chunk[256];
        uint32_t part = (uint32_t) MIN(n - done, sizeof chunk);
        struct uio to = uio_kernel(SPAN_OF(chunk)), from;
        int r = ring_copy(&in->ring, &to, (uint32_t) done, part);
        from = uio_kernel_source((struct cspan){chunk, part});
        long room = r < 0 ? r : ring_reserve(&out->ring, part);
        if (room < (long) part)
            return done ? (long) done : room < 0 ? room : -ENOMEM;
        r = ring_put(&out->ring, &from, part);
        if (r < 0)
            return done ? (long) done : r;
        done += part;
    }
    return (long) done;
}

static long tee_some(struct pipe *in, struct pipe *out, size_t n, bool *ret_over)
{
    struct pipe *first = in < out ? in : out, *second = in < out ? out : in;
    mutex_lock(&first->mutex);
    mutex_lock_nested(&second->mutex);
    long r = tee_locked(in, out, n, ret_over);
    mutex_unlock(&second->mutex);
    mutex_unlock(&first->mutex);
    return r;
}

long pipe_tee(struct file *in_file, struct file *out_file, size_t n, bool nowait)
{
    struct pipe *in = pipe_of(in_file), *out = pipe_of(out_file);
    nowait = nowait || ((in_file->flags | out_file->flags) & O_NONBLOCK);
    for (;;) {
        bool over;
        long r = tee_some(in, out, n, &over);
        if (r > 0)
            waitq_wake(&out->read_queue, POLL_IN | POLL_RDNORM);
        if (r == -EPIPE)
            return broken_pipe(0);
        if (r != 0 || over)
            return r;
        if (nowait)
            return -EAGAIN;
        int w =
            atomic_load(&in->ring.used) == 0
                ? wait_event(&in->read_queue, readable_now(in), SLEEP_INTERRUPTIBLE, FOREVER)
                : wait_event(&out->write_queue, writable_now(out, 1), SLEEP_INTERRUPTIBLE, FOREVER);
        if (w < 0)
            return -ERESTARTSYS;
    }
}

bool pipe_same(const struct file *a, const struct file *b)
{
    return pipe_of(a) == pipe_of(b);
}

static uint32_t pipe_poll(struct file *f, struct poll_table *pt)
{
    struct pipe *p = pipe_of(f);
    uint32_t events = 0;
    if (f->mode & FILE_READ)
        poll_wait(pt, &p->read_queue);
    if (f->mode & FILE_WRITE)
        poll_wait(pt, &p->write_queue);
    MUTEX_GUARD(&p->mutex);
    if (f->mode & FILE_READ) {
        if (p->ring.used)
            events |= POLL_IN | POLL_RDNORM;
        if (p->writers == 0 && p->writer_opens)
            events |= POLL_HUP;
    }
    if (f->mode & FILE_WRITE) {
        if (room_of(p) >= PIPE_BUF_SIZE)
            events |= POLL_OUT | POLL_WRNORM;
        else
            p->want = PIPE_BUF_SIZE;
        if (p->readers == 0)
            events |= POLL_ERR;
    }
    return events;
}

static long pipe_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    if (cmd != FIONREAD_REQUEST)
        return -ENOTTY;
    return put_user(UADDR(arg), (int) pipe_of(f)->ring.used);
}

long pipe_get_size(struct file *f)
{
    return file_is_pipe(f) ? (long) pipe_of(f)->capacity : -EBADF;
}

long pipe_set_size(struct file *f, uint64_t size)
{
    if (!file_is_pipe(f))
        return -EBADF;
    if (size > (1ull << 31))
        return -EINVAL;
    if (size > PIPE_CAPACITY_MAX && !capable(CAP_SYS_RESOURCE))
        return -EPERM;
    if (size > PIPE_CAPACITY_MAX * 4ull)
        return -ENOMEM;
    uint32_t capacity = PIPE_CAPACITY_MIN;
    while (capacity < size)
        capacity *= 2;
    struct pipe *p = pipe_of(f);
    MUTEX_GUARD(&p->mutex);
    if (capacity < p->ring.used)
        return -EBUSY;
    p->capacity = capacity;
    waitq_wake(&p->write_queue, POLL_OUT | POLL_WRNORM);
    return (long) capacity;
}

/* ---- opening and closing ---- */

static void end_opened(struct pipe *p, uint32_t mode)
{
    if (mode & FILE_READ) {
        atomic_post(&p->readers, p->readers + 1);
        p->reader_opens++;
    }
    if (mode & FILE_WRITE) {
        atomic_post(&p->writers, p->writers + 1);
        p->writer_opens++;
    }
}

static void pipe_put_named(struct inode *i, struct pipe *p)
{
    spin_lock(&i->lock);
    bool last = ref_put_last(&p->ref);
    if (last)
        i->pipe = NULL;
    spin_unlock(&i->lock);
    if (last)
        pipe_free(p);
}

static void pipe_release(struct file *f)
{
    struct pipe *p = pipe_of(f);
    mutex_lock(&p->mutex);
    if (f->mode & FILE_READ)
        atomic_post(&p->readers, p->readers - 1);
    if (f->mode & FILE_WRITE)
        atomic_post(&p->writers, p->writers - 1);
    mutex_unlock(&p->mutex);
    waitq_wake(&p->read_queue, POLL_IN | POLL_HUP);
    waitq_wake(&p->write_queue, POLL_OUT | POLL_ERR);
    if (f->inode != &p->inode)
        pipe_put_named(inode_real(f->inode), p);
}

static void pipe_fdinfo(struct file *f, struct text *t)
{
    (void) t; /* nothing beyond pos and flags */
}

static const struct file_ops pipe_file_ops = {
    .release = pipe_release,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .fdinfo = pipe_fdinfo,
    .name = "pipe",
};

static struct file *pipe_end(struct pipe *p, unsigned o_flags)
{
    inode_get(&p->inode);
    struct file *f = file_new_pathless(&p->inode, &pipe_file_ops, p, o_flags, FILE_STREAM);
    if (!f) {
        inode_put(&p->inode);
        return NULL;
    }
    end_opened(p, f->mode);
    return f;
}

int pipe_new(unsigned o_flags, struct file **ret_read, struct file **ret_write)
{
    static uint8_t ready;
    if (!atomic_swap(&ready, 1))
        super_init(&pipe_super, &pipe_super_ops, "pipefs");
    struct pipe *p = pipe_alloc();
    if (!p)
        return -ENFILE;
    inode_init(&p->inode, &pipe_super, S_IFIFO | 0600);
    p->inode.ops = &pipe_inode_ops;
    p->inode.ino = atomic_add(&pipe_next_ino, 1);
    inode_owner_init(&p->inode, NULL, S_IFIFO);
    o_flags &= O_NONBLOCK | O_DIRECT;
    AUTO(file_put) struct file *r = pipe_end(p, O_RDONLY | o_flags);
    AUTO(file_put) struct file *w = pipe_end(p, O_WRONLY | o_flags);
    inode_put(&p->inode);
    if (!r || !w)
        return -ENFILE;
    *ret_read = TAKE(r);
    *ret_write = TAKE(w);
    return 0;
}

int pipe_reopen(struct file *old, unsigned o_flags, struct file **ret)
{
    struct pipe *p = pipe_of(old);
    if (!file_is_pipe(old) || old->inode != &p->inode)
        return -ENXIO;
    MUTEX_GUARD(&p->mutex);
    struct file *f = pipe_end(p, o_flags & (O_ACCMODE | O_NONBLOCK));
    if (!f)
        return -ENOMEM;
    *ret = f;
    return 0;
}

/* ---- FIFOs ---- */

/* The pipe of a FIFO inode: made by the first opener. A reference. */
static struct pipe *pipe_named_get(struct inode *i)
{
    struct pipe *fresh = pipe_alloc(), *p;
    spin_lock(&i->lock);
    p = i->pipe;
    if (p) {
        ref_get(&p->ref);
    } else if (fresh) {
        i->pipe = p = TAKE(fresh);
    }
    spin_unlock(&i->lock);
    if (fresh)
        pipe_free(fresh);
    return p;
}

/* An open for reading waits for a writer and the other way round. */
static int fifo_wait(struct pipe *p, struct file *f, uint32_t reader_opens, uint32_t writer_opens)
{
    bool read_only = (f->mode & (FILE_READ | FILE_WRITE)) == FILE_READ;
    bool write_only = (f->mode & (FILE_READ | FILE_WRITE)) == FILE_WRITE;
    if (read_only && !nonblocking(f))
        return wait_event(&p->read_queue,
                          p->writers > 0 || atomic_load(&p->writer_opens) != writer_opens,
                          SLEEP_INTERRUPTIBLE, FOREVER);
    if (write_only && p->readers == 0) {
        if (nonblocking(f))
            return -ENXIO;
        return wait_event(&p->write_queue,
                          p->readers > 0 || atomic_load(&p->reader_opens) != reader_opens,
                          SLEEP_INTERRUPTIBLE, FOREVER);
    }
    return 0;
}

static int fifo_open(struct inode *i, struct file *f)
{
    struct pipe *p = pipe_named_get(i);
    if (!p)
        return -ENOMEM;
    f->mode |= FILE_STREAM;
    mutex_lock(&p->mutex);
    uint32_t reader_opens = p->reader_opens, writer_opens = p->writer_opens;
    end_opened(p, f->mode);
    mutex_unlock(&p->mutex);
    waitq_wake(&p->read_queue, POLL_IN);
    waitq_wake(&p->write_queue, POLL_OUT);
    f->priv = p;
    f->ops = &pipe_file_ops;
    int r = fifo_wait(p, f, reader_opens, writer_opens);
    if (r < 0) {
        pipe_release(f);
        f->priv = NULL;
    }
    return r == -EINTR ? -ERESTARTSYS : r;
}

const struct file_ops fifo_file_ops = {.open = fifo_open, .name = "pipe"};
