/* signalfd. The file only holds a mask: whoever reads or polls gets the signals of its own process
 * and thread. Signals must be blocked to stay pending until they are read.
 *
 * An epoll set stays on the queue of the process that added the file, even when that process is gone.
 * So the file keeps a reference on each process that polled it; epoll leaves all queues before the
 * file is released. A program that hands one signalfd to more processes than fit gets no wake-ups
 * from epoll in the last ones. */
#include "abi/linux/fs.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/signal.h"
#include "libos/vfs/signalfd.h"

#define POLLERS_MAX 8

struct signalfd {
    uint64_t mask; /* changed in one store */
    struct spinlock lock;
    struct process *pollers[POLLERS_MAX]; /* lock; references */
};

static uint64_t mask_of(struct file *f)
{
    struct signalfd *s = f->priv;
    return atomic_load(&s->mask);
}

static struct linux_signalfd_siginfo convert(const struct linux_siginfo *i)
{
    struct linux_signalfd_siginfo out = {
        .signo = (uint32_t) i->signo, .error = i->error, .code = i->code};
    if (i->signo == SIGCHLD && i->code > 0) {
        out.pid = (uint32_t) i->chld.pid;
        out.uid = i->chld.uid;
        out.status = i->chld.status;
        out.utime = (uint64_t) i->chld.utime;
        out.stime = (uint64_t) i->chld.stime;
    } else if (i->code == SI_TIMER) {
        out.tid = (uint32_t) i->timer.id;
        out.overrun = (uint32_t) i->timer.overrun;
        out.value_ptr = i->timer.value;
        out.value_int = (int32_t) i->timer.value;
    } else if (i->code <= 0) {
        out.pid = (uint32_t) i->rt.pid;
        out.uid = i->rt.uid;
        out.value_ptr = i->rt.value;
        out.value_int = (int32_t) i->rt.value;
    } else {
        out.addr = i->fault.addr;
    }
    return out;
}

static int take_first(struct file *f, struct linux_siginfo *info)
{
    int sig = signal_take(mask_of(f), info);
    if (sig)
        return 0;
    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    int r = wait_event(&current_process()->signal_wait, (sig = signal_take(mask_of(f), info)) != 0,
                       SLEEP_INTERRUPTIBLE, FOREVER);
    return r < 0 ? -ERESTARTSYS : 0;
}

static long signalfd_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct linux_signalfd_siginfo out;
    struct linux_siginfo info;
    long done = 0;
    if (uio->left < sizeof out)
        return -EINVAL;
    int r = take_first(f, &info);
    while (r == 0) {
        out = convert(&info);
        r = uio_put(uio, &out, sizeof out);
        if (r < 0)
            break;
        done += (long) sizeof out;
        if (uio->left < sizeof out || !signal_take(mask_of(f), &info))
            break;
    }
    return done ? done : r;
}

/* True if p's queue will outlive everybody who waits on it. */
static bool poller_kept(struct signalfd *s, struct process *p)
{
    SPIN_GUARD(&s->lock);
    for (size_t i = 0; i < POLLERS_MAX; i++) {
        if (s->pollers[i] == p)
            return true;
        if (s->pollers[i])
            continue;
        process_get(p);
        s->pollers[i] = p;
        return true;
    }
    return false;
}

static uint32_t signalfd_poll(struct file *f, struct poll_table *pt)
{
    if (pt && poller_kept(f->priv, current_process()))
        poll_wait(pt, &current_process()->signal_wait);
    return signal_pending_set() & mask_of(f) ? POLL_IN | POLL_RDNORM : 0;
}

static void signalfd_release(struct file *f)
{
    struct signalfd *s = f->priv;
    for (size_t i = 0; i < POLLERS_MAX && s->pollers[i]; i++)
        process_put(s->pollers[i]);
    kfree(s);
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .name = "anon_inode:[signalfd]",
};

int signalfd_set(struct file *f, uint64_t mask)
{
    if (f->ops != &signalfd_ops)
        return -EINVAL;
    struct signalfd *s = f->priv;
    atomic_store(&s->mask, mask & ~SIGMASK_UNBLOCKABLE);
    waitq_wake(&current_process()->signal_wait, ~0u);
    return 0;
}

int signalfd_new(uint64_t mask, unsigned o_flags, struct file **ret)
{
    struct signalfd *s = new_zero(struct signalfd);
    if (!s)
        return -ENOMEM;
    s->mask = mask & ~SIGMASK_UNBLOCKABLE;
    struct inode *i = anon_inode();
    struct file *f =
        file_new_pathless(i, &signalfd_ops, s, O_RDWR | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (!f) {
        inode_put(i);
        kfree(s);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}
