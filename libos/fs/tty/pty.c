/* The files of pseudo-terminal pairs: opening, reading, writing, readiness, closing.
 *
 * Locks: pty->mutex; inside it only spin locks. The table's lock is a spin lock taken before tty_lock.
 * Whoever changes what a side waits for wakes that side's queue.
 */
#include "libos/fs/tty/pty.h"
#include "abi/linux/signal.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/vfs/registry.h"

#define VTIME_UNIT_NS (100 * NSEC_PER_MS)

struct pty_defaults pty_defaults = {.mode = 0620, .gid = 5};

static struct spinlock table_lock = SPINLOCK_INIT;
static struct pty *table[PTY_MAX]; /* no references: a pair leaves the table before it is freed */

static const struct file_ops master_ops, slave_ops;

static struct pty *pty_of_tty(struct tty *t)
{
    return container_of(t, struct pty, tty);
}

static struct pty *pty_of(const struct file *f)
{
    return f->priv;
}

bool pty_file_is_master(const struct file *f)
{
    return f->ops == &master_ops;
}

/* ---- the table ---- */

static int enter_table(struct pty *p)
{
    SPIN_GUARD(&table_lock);
    for (int n = 0; n < PTY_MAX; n++) {
        if (!table[n]) {
            table[n] = p;
            p->number = n;
            return 0;
        }
    }
    return -ENOSPC;
}

struct pty *pty_lookup_get(int number)
{
    SPIN_GUARD(&table_lock);
    struct pty *p = number >= 0 && number < PTY_MAX ? table[number] : NULL;
    if (!p || atomic_load(&p->master_gone) || !ref_get_unless_zero(&p->tty.ref))
        return NULL;
    return p;
}

int pty_next(int number)
{
    SPIN_GUARD(&table_lock);
    for (; number < PTY_MAX; number++)
        if (table[number] && !atomic_load(&table[number]->master_gone))
            return number;
    return -1;
}

static void pty_free(struct tty *t)
{
    struct pty *p = pty_of_tty(t);
    spin_lock(&table_lock);
    table[p->number] = NULL;
    spin_unlock(&table_lock);
    kfree(p);
}

/* ---- opening ---- */

static int pty_tty_open(struct tty *t, struct file *f)
{
    return pty_open_slave(pty_of_tty(t), f);
}

static const struct tty_ops pty_tty_ops = {.open = pty_tty_open, .free = pty_free};

static struct pty *pty_new(void)
{
    struct pty *p = new_zero(struct pty);
    if (!p)
        return NULL;
    mutex_init(&p->mutex);
    waitq_init(&p->slave_queue);
    waitq_init(&p->master_queue);
    ldisc_init(&p->line);
    p->locked = true;
    p->mode = pty_defaults.mode;
    p->uid = current_cred()->fsuid;
    p->gid = pty_defaults.gid;
    p->atime_ns = p->mtime_ns = p->ctime_ns = clock_realtime_ns();
    return p;
}

static int ptmx_open(struct inode *i, struct file *f)
{
    struct pty *p = pty_new();
    if (!p)
        return -ENOMEM;
    int r = enter_table(p); /* without a reference nobody finds it yet */
    if (r < 0) {
        kfree(p);
        return r;
    }
    tty_init(&p->tty, &pty_tty_ops, linux_makedev(PTY_MAJOR, (uint32_t) p->number));
    f->priv = p;
    f->ops = &master_ops;
    f->mode |= FILE_STREAM;
    return 0;
}

static int slave_enter(struct pty *p)
{
    MUTEX_GUARD(&p->mutex);
    if (p->locked || p->master_gone)
        return -EIO;
    if (p->exclusive && current_cred()->euid != 0)
        return -EBUSY;
    p->slaves++;
    p->slave_gone = false;
    return 0;
}

int pty_open_slave(struct pty *p, struct file *f)
{
    int r = slave_enter(p);
    if (r < 0)
        return r;
    tty_get(&p->tty);
    f->priv = p;
    f->ops = &slave_ops;
    f->mode |= FILE_STREAM;
    tty_opened(&p->tty, f);
    return 0;
}

/* ---- the slave ---- */

static bool nonblocking(const struct file *f)
{
    return f->flags & O_NONBLOCK;
}

static bool hung_up(const struct pty *p)
{
    return atomic_load(&p->master_gone);
}

static bool slave_has_input(struct pty *p)
{
    MUTEX_GUARD(&p->mutex);
    return p->master_gone || p->line.tail != p->line.line || ldisc_available(&p->line);
}

/* -EAGAIN: nothing there. */
static long slave_take(struct pty *p, struct uio *uio)
{
    mutex_lock(&p->mutex);
    long r = p->master_gone ? -EIO : ldisc_read(&p->line, uio);
    mutex_unlock(&p->mutex);
    if (r >= 0)
        waitq_wake(&p->master_queue, POLL_OUT | POLL_WRNORM);
    return r;
}

static int slave_wait(const struct file *f, int64_t deadline_ns)
{
    struct pty *p = pty_of(f);
    if (nonblocking(f))
        return -EAGAIN;
    int r = wait_event(&p->slave_queue, slave_has_input(p), SLEEP_INTERRUPTIBLE, deadline_ns);
    return r == -EINTR ? -ERESTARTSYS : r;
}

static long read_lines(struct file *f, struct uio *uio)
{
    for (;;) {
        long r = slave_take(pty_of(f), uio);
        if (r == -EAGAIN)
            r = slave_wait(f, FOREVER);
        else
            return r;
        if (r < 0)
            return r;
    }
}

/* min and time_ns are VMIN and VTIME: a count to wait for, and with it a limit of the gaps between
 * bytes; without it a limit of the whole. */
static long read_bytes(struct file *f, struct uio *uio, size_t min, int64_t time_ns)
{
    int64_t deadline_ns = min || !time_ns ? FOREVER : clock_mono_ns() + time_ns;
    size_t least = MAX(MIN(min, uio->left), (size_t) 1), done = 0;
    while (done < least) {
        long r = slave_take(pty_of(f), uio);
        if (r > 0) {
            done += (size_t) r;
            if (min && time_ns)
                deadline_ns = clock_mono_ns() + time_ns;
            continue;
        }
        if (r == -EAGAIN)
            r = min || time_ns ? slave_wait(f, deadline_ns) : -ETIMEDOUT;
        if (r == -ETIMEDOUT)
            break;
        if (r < 0)
            return done ? (long) done : r;
    }
    return (long) done;
}

static long slave_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pty *p = pty_of(f);
    if (hung_up(p) || uio->left == 0)
        return 0;
    long r = tty_check(&p->tty, SIGTTIN);
    if (r < 0)
        return r;
    mutex_lock(&p->mutex);
    const struct linux_termios t = p->line.termios.base;
    mutex_unlock(&p->mutex);
    if (t.lflag & TTY_ICANON)
        return read_lines(f, uio);
    return read_bytes(f, uio, t.cc[TTY_VMIN], t.cc[TTY_VTIME] * VTIME_UNIT_NS);
}

static bool slave_has_room(struct pty *p)
{
    MUTEX_GUARD(&p->mutex);
    return p->master_gone || ldisc_writable(&p->line);
}

static long slave_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pty *p = pty_of(f);
    size_t done = 0;
    long r = p->line.termios.base.lflag & TTY_TOSTOP ? tty_check(&p->tty, SIGTTOU) : 0;
    if (r < 0)
        return r;
    for (;;) {
        mutex_lock(&p->mutex);
        long n = p->master_gone ? -EIO : ldisc_write(&p->line, uio);
        mutex_unlock(&p->mutex);
        if (n < 0)
            return done ? (long) done : n;
        done += (size_t) n;
        waitq_wake(&p->master_queue, POLL_IN | POLL_RDNORM);
        if (uio->left == 0)
            return (long) done;
        if (nonblocking(f))
            return done ? (long) done : -EAGAIN;
        if (wait_event(&p->slave_queue, slave_has_room(p), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return done ? (long) done : -ERESTARTSYS;
    }
}

static uint32_t slave_poll(struct file *f, struct poll_table *pt)
{
    struct pty *p = pty_of(f);
    poll_wait(pt, &p->slave_queue);
    MUTEX_GUARD(&p->mutex);
    if (p->master_gone)
        return POLL_IN | POLL_RDNORM | POLL_OUT | POLL_WRNORM | POLL_ERR | POLL_HUP;
    return (ldisc_readable(&p->line) ? POLL_IN | POLL_RDNORM : 0) |
           (ldisc_writable(&p->line) ? POLL_OUT | POLL_WRNORM : 0);
}

static void slave_release(struct file *f)
{
    struct pty *p = pty_of(f);
    mutex_lock(&p->mutex);
    p->slave_gone = --p->slaves == 0;
    mutex_unlock(&p->mutex);
    waitq_wake(&p->master_queue, ~0u);
    pty_put(p);
}

static const struct file_ops slave_ops = {
    .read = slave_read,
    .write = slave_write,
    .poll = slave_poll,
    .ioctl = pty_ioctl,
    .release = slave_release,
};

/* ---- the master ---- */

static bool master_has_input(struct pty *p)
{
    MUTEX_GUARD(&p->mutex);
    return p->slave_gone || p->packet.status || ldisc_collectable(&p->line);
}

static long master_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pty *p = pty_of(f);
    if (uio->left == 0)
        return 0;
    for (;;) {
        mutex_lock(&p->mutex);
        long r = packet_collect(p, uio);
        if (r == -EAGAIN && p->slave_gone)
            r = -EIO;
        mutex_unlock(&p->mutex);
        if (r > 0)
            waitq_wake(&p->slave_queue, POLL_OUT | POLL_WRNORM);
        if (r != -EAGAIN || nonblocking(f))
            return r;
        if (wait_event(&p->master_queue, master_has_input(p), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return -ERESTARTSYS;
    }
}

/* What has room, in one go; -EFAULT if nothing moved. The mutex is held. */
static long type_locked(struct pty *p, struct uio *uio)
{
    uint8_t buf[256];
    size_t n = MIN(MIN(uio->left, sizeof buf), (size_t) ldisc_room(&p->line));
    int r = uio_take(uio, buf, n);
    if (r < 0)
        return r;
    bool stopped = p->line.stopped;
    for (size_t i = 0; i < n; i++) {
        int sig = ldisc_receive(&p->line, buf[i]);
        if (sig)
            tty_signal(&p->tty, sig);
        packet_note_flow(p, stopped);
        stopped = p->line.stopped;
    }
    return (long) n;
}

static bool master_has_room(struct pty *p)
{
    MUTEX_GUARD(&p->mutex);
    return ldisc_room(&p->line) > 0;
}

static long master_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct pty *p = pty_of(f);
    size_t done = 0;
    while (uio->left) {
        mutex_lock(&p->mutex);
        long n = type_locked(p, uio);
        mutex_unlock(&p->mutex);
        if (n < 0)
            return done ? (long) done : n;
        done += (size_t) n;
        waitq_wake(&p->slave_queue, ~0u); /* input, and START lets writers go on */
        waitq_wake(&p->master_queue, POLL_IN | POLL_RDNORM); /* echo */
        if (n > 0)
            continue;
        if (nonblocking(f))
            return done ? (long) done : -EAGAIN;
        if (wait_event(&p->master_queue, master_has_room(p), SLEEP_INTERRUPTIBLE, FOREVER) < 0)
            return done ? (long) done : -ERESTARTSYS;
    }
    return (long) done;
}

static uint32_t master_poll(struct file *f, struct poll_table *pt)
{
    struct pty *p = pty_of(f);
    poll_wait(pt, &p->master_queue);
    MUTEX_GUARD(&p->mutex);
    bool input = p->slave_gone || p->packet.status || ldisc_collectable(&p->line);
    return (p->packet.status ? POLL_PRI : 0) | (input ? POLL_IN | POLL_RDNORM : 0) |
           (p->slave_gone ? POLL_HUP : 0) | (ldisc_room(&p->line) ? POLL_OUT | POLL_WRNORM : 0);
}

static void master_release(struct file *f)
{
    struct pty *p = pty_of(f);
    mutex_lock(&p->mutex);
    atomic_store(&p->master_gone, true);
    mutex_unlock(&p->mutex);
    waitq_wake(&p->slave_queue, ~0u);
    tty_hangup(&p->tty);
    pty_put(p);
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = pty_ioctl,
    .release = master_release,
};

static const struct file_ops ptmx_ops = {.open = ptmx_open};

DEVICE(ptmx, 0666, ptmx_device);
const struct device_type ptmx_device = {
    .name = "ptmx", .mode = 0666, .major = 5, .minor = 2, .ops = &ptmx_ops};
