/* The runtime's standard streams, and /dev/tty and /dev/console on top of them. The host is asked
 * without blocking; a thread that has to wait sleeps on the host's queue for that stream, so no vCPU
 * is held. Line editing, echo and signals are the host terminal's business.
 *
 * One inode per stream, so that fstat tells pipes from terminals as the host says (only the type
 * is believed).
 */
#include "libos/fs/console.h"
#include "libos/base/atomic.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/registry.h"

#define BOUNCE 16384u

enum {
    TCGETS = 0x5401,
    TCSETS = 0x5402,
    TCSETSW = 0x5403,
    TCSETSF = 0x5404,
    TIOCGPGRP = 0x540f,
    TIOCSPGRP = 0x5410,
    TIOCGWINSZ = 0x5413,
    TIOCSWINSZ = 0x5414,
    TCFLSH = 0x540b,
    TCXONC = 0x540a,
    TCSBRK = 0x5409,
    FIONREAD = 0x541b,
    FIONBIO = 0x5421,
    TIOCSCTTY = 0x540e,
    TIOCNOTTY = 0x5422,
    TIOCGSID = 0x5429,
};

static struct super console_super;
static struct inode console_inode[3];
static int console_pgrp;
static const struct inode_ops console_inode_ops = {0};

static int stream_of(const struct file *f)
{
    if (f->inode >= console_inode && f->inode < console_inode + 3)
        return (int) (f->inode - console_inode);
    return -1; /* /dev/tty: reads from 0, writes to 1 */
}

static int read_stream(const struct file *f)
{
    int s = stream_of(f);
    return s < 0 ? 0 : s;
}

static int write_stream(const struct file *f)
{
    int s = stream_of(f);
    return s < 0 ? 1 : s;
}

static uint32_t host_ready(int fd)
{
    long r = hostcall(HOSTCALL_stdio_poll, (uint64_t) fd, 0, 0);
    return r < 0 ? POLL_IN | POLL_OUT : (uint32_t) r;
}

static int wait_ready(const struct file *f, int fd, uint32_t events)
{
    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    struct waitq *q = host_stdio_queue(fd);
    struct waiter w;
    waiter_init(&w);
    waitq_add(q, &w);
    host_stdio_watch(fd, events);
    int r = 0;
    if (!(host_ready(fd) & (events | POLL_ERR | POLL_HUP)))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, FOREVER);
    waitq_del(&w);
    return r < 0 ? -ERESTARTSYS : 0;
}

static long console_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    int fd = read_stream(f);
    size_t size = MIN(uio->left, (size_t) BOUNCE);
    if (size == 0)
        return 0;
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
    long r;
    do {
        r = hostcall_io(HOSTCALL_stdio_read, (struct cspan){0}, (struct span){buf, size},
                        (uint64_t) fd, 0, 0, 0);
        if (r == -EAGAIN)
            r = wait_ready(f, fd, POLL_IN);
        else if (r > 0)
            r = uio_put(uio, buf, (size_t) r) < 0 ? -EFAULT : r;
        else
            break;
    } while (r == 0);
    kfree(buf);
    return r;
}

/* Writes all of buf; the number written, or an error if none. */
static long write_all(struct file *f, int fd, const uint8_t *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        long r = hostcall_io(HOSTCALL_stdio_write, (struct cspan){buf + done, n - done},
                             (struct span){0}, (uint64_t) fd, 0, 0, 0);
        if (r == -EAGAIN)
            r = wait_ready(f, fd, POLL_OUT);
        if (r == -EPIPE)
            signal_send_process(current_process(), 13);
        if (r < 0)
            return done ? (long) done : r;
        done += (size_t) r;
    }
    return (long) done;
}

static long console_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    int fd = write_stream(f);
    size_t total = uio->left, done = 0;
    if (total == 0)
        return 0;
    size_t size = MIN(total, (size_t) BOUNCE);
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
    long r = 0;
    while (done < total) {
        size_t n = MIN(total - done, size);
        r = uio_take(uio, buf, n);
        if (r == 0)
            r = write_all(f, fd, buf, n);
        if (r < 0)
            break;
        done += (size_t) r;
        if ((size_t) r < n)
            break;
    }
    kfree(buf);
    return done ? (long) done : r;
}

static uint32_t console_poll(struct file *f, struct poll_table *pt)
{
    uint32_t events = 0;
    if (f->mode & FILE_READ) {
        int fd = read_stream(f);
        poll_wait(pt, host_stdio_queue(fd));
        if (pt)
            host_stdio_watch(fd, POLL_IN);
        events |= host_ready(fd) & (POLL_IN | POLL_RDNORM | POLL_HUP | POLL_ERR);
    }
    if (f->mode & FILE_WRITE) {
        int fd = write_stream(f);
        if (!(f->mode & FILE_READ) || fd != read_stream(f))
            poll_wait(pt, host_stdio_queue(fd));
        events |= host_ready(fd) & (POLL_OUT | POLL_WRNORM | POLL_ERR);
        if (pt && !(events & POLL_OUT))
            host_stdio_watch(fd, POLL_OUT);
    }
    return events;
}

/* An ioctl whose argument is a struct of n bytes; out: the host fills it. */
static long pass_ioctl(int fd, unsigned cmd, uint64_t arg, size_t n, bool out)
{
    uint8_t buf[64] = {0};
    struct span s = {buf, n};
    long r = out ? 0 : copy_from_user(s, UADDR(arg));
    if (r == 0)
        r = hostcall_io(HOSTCALL_stdio_ioctl, out ? (struct cspan){0} : cspan(s),
                        out ? s : (struct span){0}, (uint64_t) fd, cmd, 0, 0);
    if (r >= 0 && out)
        r = copy_to_user(UADDR(arg), cspan(s));
    return r < 0 ? r : 0;
}

static bool is_terminal(int fd)
{
    uint8_t buf[sizeof(struct linux_termios)];
    return hostcall_io(HOSTCALL_stdio_ioctl, (struct cspan){0}, (struct span){buf, sizeof buf},
                       (uint64_t) fd, TCGETS, 0, 0) >= 0;
}

static long get_foreground(uint64_t arg)
{
    int pgrp = atomic_load(&console_pgrp);
    return put_user(UADDR(arg), pgrp ? pgrp : current_process()->pgid);
}

static long set_foreground(uint64_t arg)
{
    int pgrp;
    if (get_user(&pgrp, UADDR(arg)) < 0)
        return -EFAULT;
    if (pgrp <= 0)
        return -EINVAL;
    atomic_store(&console_pgrp, pgrp);
    return 0;
}

static long console_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    int fd = f->mode & FILE_READ ? read_stream(f) : write_stream(f);
    switch (cmd) {
    case TCGETS:
        return pass_ioctl(fd, cmd, arg, sizeof(struct linux_termios), true);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return pass_ioctl(fd, cmd, arg, sizeof(struct linux_termios), false);
    case TIOCGWINSZ:
        return pass_ioctl(fd, cmd, arg, sizeof(struct linux_winsize), true);
    case TIOCSWINSZ:
        return pass_ioctl(fd, cmd, arg, sizeof(struct linux_winsize), false);
    case FIONREAD: {
        uint32_t ready = host_ready(fd) & POLL_IN;
        return ready ? put_user(UADDR(arg), 1) : put_user(UADDR(arg), 0);
    }
    default:
        break;
    }
    if (!is_terminal(fd))
        return -ENOTTY;
    switch (cmd) {
    case TIOCGPGRP:
        return get_foreground(arg);
    case TIOCSPGRP:
        return set_foreground(arg);
    case TIOCGSID:
        return put_user(UADDR(arg), current_process()->sid);
    case TIOCSCTTY:
    case TIOCNOTTY:
    case TCFLSH:
    case TCXONC:
    case TCSBRK:
        return 0;
    default:
        return -ENOTTY;
    }
}

static int console_open(struct inode *i, struct file *f)
{
    f->mode |= FILE_STREAM;
    return 0;
}

static const struct file_ops console_file_ops = {
    .open = console_open,
    .read = console_read,
    .write = console_write,
    .poll = console_poll,
    .ioctl = console_ioctl,
    .name = "/dev/console",
};

DEVICE(tty, 0666, tty_device);
const struct device_type tty_device = {
    .name = "tty",
    .mode = 0666,
    .major = 5,
    .minor = 0,
    .ops = &console_file_ops,
};
DEVICE(console, 0600, console_device);
const struct device_type console_device = {
    .name = "console",
    .mode = 0600,
    .major = 5,
    .minor = 1,
    .ops = &console_file_ops,
};

static void stream_inode_init(int fd)
{
    struct host_stat st = {.mode = S_IFCHR | 0620, .rdev = linux_makedev(136, 0)};
    if (hostcall_io(HOSTCALL_stdio_stat, (struct cspan){0}, SPAN_OF(st), (uint64_t) fd, 0, 0, 0) <
        0)
        st.mode = S_IFCHR | 0620;
    uint32_t type = st.mode & S_IFMT;
    if (type != S_IFCHR && type != S_IFIFO && type != S_IFREG && type != S_IFSOCK)
        type = S_IFCHR;
    struct inode *i = &console_inode[fd];
    inode_init(i, &console_super, type | (type == S_IFCHR ? 0620 : 0600));
    i->ops = &console_inode_ops;
    i->ino = (uint64_t) fd + 3;
    i->rdev = type == S_IFCHR ? (is_terminal(fd) ? linux_makedev(136, 0) : linux_makedev(1, 3)) : 0;
}

int console_install(struct fdtable *t)
{
    if (!console_super.ref.n) {
        super_init(&console_super, NULL, "devpts");
        for (int fd = 0; fd < 3; fd++)
            stream_inode_init(fd);
    }
    for (int fd = 0; fd < 3; fd++) {
        bool terminal = console_inode[fd].rdev == linux_makedev(136, 0);
        unsigned o_flags = terminal ? O_RDWR : fd == 0 ? O_RDONLY : O_WRONLY;
        inode_get(&console_inode[fd]);
        struct file *f =
            file_new_pathless(&console_inode[fd], &console_file_ops, NULL, o_flags, FILE_STREAM);
        if (!f)
            return -ENOMEM;
        int r = fdtable_install_at(t, f, fd, false);
        if (r < 0) {
            file_put(f);
            return r;
        }
    }
    return 0;
}
