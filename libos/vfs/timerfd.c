/* timerfd: expirations counted by a kernel timer. Deadlines are on the monotonic clock; an absolute
 * realtime deadline is converted when it is set. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/vfs/eventfd.h"

struct timerfd {
    struct ktimer timer;
    struct spinlock lock; /* below */
    int64_t interval_ns;
    int64_t deadline_ns; /* 0: disarmed */
    uint64_t expired;
    int clock;
    struct waitq queue;
};

static const struct file_ops timerfd_ops;

static void timer_fired(struct ktimer *kt)
{
    struct timerfd *t = container_of(kt, struct timerfd, timer);
    int64_t now = clock_mono_ns(), next = 0;
    spin_lock(&t->lock);
    if (t->deadline_ns && now >= t->deadline_ns) {
        uint64_t n = 1;
        if (t->interval_ns > 0) {
            n += (uint64_t) ((now - t->deadline_ns) / t->interval_ns);
            next = t->deadline_ns + (int64_t) n * t->interval_ns;
        }
        t->expired += n;
        t->deadline_ns = next;
    }
    spin_unlock(&t->lock);
    if (next)
        ktimer_rearm(kt, next);
    waitq_wake(&t->queue, POLL_IN | POLL_RDNORM);
}

static uint64_t expired_take(struct timerfd *t)
{
    SPIN_GUARD(&t->lock);
    uint64_t n = t->expired;
    t->expired = 0;
    return n;
}

static long timerfd_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct timerfd *t = f->priv;
    uint64_t n;
    if (uio->left < sizeof n)
        return -EINVAL;
    while (!(n = expired_take(t))) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event(&t->queue, atomic_load(&t->expired) > 0, SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return -ERESTARTSYS;
    }
    int r = uio_put(uio, &n, sizeof n);
    return r < 0 ? r : (long) sizeof n;
}

static uint32_t timerfd_poll(struct file *f, struct poll_table *pt)
{
    struct timerfd *t = f->priv;
    poll_wait(pt, &t->queue);
    return atomic_load(&t->expired) ? POLL_IN | POLL_RDNORM : 0;
}

static void timerfd_release(struct file *f)
{
    struct timerfd *t = f->priv;
    spin_lock(&t->lock);
    t->deadline_ns = 0;
    t->interval_ns = 0;
    spin_unlock(&t->lock);
    ktimer_cancel(&t->timer);
    kfree(t);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .name = "anon_inode:[timerfd]",
};

int timerfd_new(int clock, unsigned o_flags, struct file **ret)
{
    struct timerfd *t = new_zero(struct timerfd);
    if (!t)
        return -ENOMEM;
    ktimer_init(&t->timer, timer_fired);
    waitq_init(&t->queue);
    t->clock = clock;
    struct inode *i = anon_inode();
    struct file *f =
        file_new_pathless(i, &timerfd_ops, t, O_RDWR | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (!f) {
        inode_put(i);
        kfree(t);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}

static void get_locked(const struct timerfd *t, int64_t *value, int64_t *interval)
{
    *interval = t->interval_ns;
    *value = t->deadline_ns ? MAX(t->deadline_ns - clock_mono_ns(), (int64_t) 1) : 0;
}

static bool is_realtime(int clock)
{
    return clock == 0 || clock == 8; /* CLOCK_REALTIME, CLOCK_REALTIME_ALARM */
}

int timerfd_set(struct file *f, bool absolute, int64_t value_ns, int64_t interval_ns,
                int64_t *ret_old_value, int64_t *ret_old_interval)
{
    if (f->ops != &timerfd_ops)
        return -EINVAL;
    struct timerfd *t = f->priv;
    ktimer_cancel(&t->timer);
    int64_t deadline = value_ns;
    if (value_ns && !absolute && ck_add(&deadline, clock_mono_ns(), value_ns))
        deadline = FOREVER - 1;
    if (value_ns && absolute && is_realtime(t->clock))
        deadline = MAX(value_ns - clock_boot_real_ns(), (int64_t) 1);
    spin_lock(&t->lock);
    get_locked(t, ret_old_value, ret_old_interval);
    t->expired = 0;
    t->interval_ns = interval_ns;
    t->deadline_ns = deadline;
    spin_unlock(&t->lock);
    if (deadline)
        ktimer_arm(&t->timer, deadline);
    return 0;
}

int timerfd_get(struct file *f, int64_t *ret_value, int64_t *ret_interval)
{
    if (f->ops != &timerfd_ops)
        return -EINVAL;
    struct timerfd *t = f->priv;
    SPIN_GUARD(&t->lock);
    get_locked(t, ret_value, ret_interval);
    return 0;
}
