/* eventfd: a 64-bit counter one can wait on; and the inode that pathless objects share. */
#include "libos/vfs/eventfd.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"

#define COUNT_MAX (UINT64_MAX - 1)

static struct super anon_super = {.magic = 0x09041934};
static struct inode anon;
static const struct inode_ops anon_inode_ops = {0};

struct inode *anon_inode(void)
{
    static struct spinlock once;
    static bool made;
    SPIN_GUARD(&once);
    if (!made) { /* this first reference is never given back */
        made = true;
        super_init(&anon_super, NULL, "anon_inodefs");
        inode_init(&anon, &anon_super, 0600);
        anon.ops = &anon_inode_ops;
        anon.ino = 1;
    }
    inode_get(&anon);
    return &anon;
}

struct eventfd {
    struct spinlock lock;
    uint64_t count;
    bool semaphore;
    struct waitq queue;
};

/* 0: the counter does not allow it now. */
static bool take(struct eventfd *e, uint64_t *ret)
{
    SPIN_GUARD(&e->lock);
    if (e->count == 0)
        return false;
    *ret = e->semaphore ? 1 : e->count;
    atomic_post(&e->count, e->count - *ret);
    return true;
}

static bool add(struct eventfd *e, uint64_t n)
{
    SPIN_GUARD(&e->lock);
    if (n > COUNT_MAX - e->count)
        return false;
    atomic_post(&e->count, e->count + n);
    return true;
}

static long eventfd_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct eventfd *e = f->priv;
    uint64_t v;
    if (uio->left < sizeof v)
        return -EINVAL;
    while (!take(e, &v)) {
        if ((f->flags & O_NONBLOCK) || uio->nowait)
            return -EAGAIN;
        if (wait_event(&e->queue, atomic_load(&e->count) > 0, SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return -ERESTARTSYS;
    }
    waitq_wake(&e->queue, POLL_OUT | POLL_WRNORM);
    int r = uio_put(uio, &v, sizeof v);
    return r < 0 ? r : (long) sizeof v;
}

static long eventfd_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct eventfd *e = f->priv;
    uint64_t v;
    if (uio->left < sizeof v)
        return -EINVAL;
    int r = uio_take(uio, &v, sizeof v);
    if (r < 0)
        return r;
    if (v == UINT64_MAX)
        return -EINVAL;
    while (!add(e, v)) {
        if ((f->flags & O_NONBLOCK) || uio->nowait)
            return -EAGAIN;
        if (wait_event(&e->queue, v <= COUNT_MAX - atomic_load(&e->count), SLEEP_INTERRUPTIBLE,
                       FOREVER) < 0)
            return -ERESTARTSYS;
    }
    waitq_wake(&e->queue, POLL_IN | POLL_RDNORM);
    return (long) sizeof v;
}

static uint32_t eventfd_poll(struct file *f, struct poll_table *pt)
{
    struct eventfd *e = f->priv;
    poll_wait(pt, &e->queue);
    uint64_t count = atomic_load(&e->count);
    return (count ? POLL_IN | POLL_RDNORM : 0) | (count < COUNT_MAX ? POLL_OUT | POLL_WRNORM : 0);
}

static void eventfd_release(struct file *f)
{
    kfree(f->priv);
}

static void eventfd_fdinfo(struct file *f, struct text *t)
{
    const struct eventfd *e = f->priv;
    text_add(t, "eventfd-count: %16lx\n", (unsigned long) e->count);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .fdinfo = eventfd_fdinfo,
    .name = "anon_inode:[eventfd]",
};

bool file_is_eventfd(const struct file *f)
{
    return f->ops == &eventfd_ops;
}

void eventfd_signal(struct file *f)
{
    struct eventfd *e = f->priv;
    if (add(e, 1))
        waitq_wake(&e->queue, POLL_IN | POLL_RDNORM);
}

int eventfd_new(uint64_t count, bool semaphore, unsigned o_flags, struct file **ret)
{
    struct eventfd *e = new_zero(struct eventfd);
    if (!e)
        return -ENOMEM;
    e->count = count;
    e->semaphore = semaphore;
    waitq_init(&e->queue);
    struct inode *i = anon_inode();
    struct file *f =
        file_new_pathless(i, &eventfd_ops, e, O_RDWR | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (!f) {
        inode_put(i);
        kfree(e);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}
