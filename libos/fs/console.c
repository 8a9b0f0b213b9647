/* The runtime's standard streams, and the console on top of them. The host is asked without blocking; a
 * thread that has to wait sleeps on the host's queue for that stream, so no vCPU is held.
 *
 * A stream that is a terminal outside is /dev/console here: its settings, line editing and echo are
 * the host terminal's business; sessions, groups and who may read are ours (fs/tty/tty.h). The signals
 * that the host's terminal sends the runtime go to the console's foreground group. Any other stream is
 * an inode of its own, so that fstat tells pipes from files as the host says (only the type is believed).
 */
#include "libos/fs/console.h"
#include "abi/linux/signal.h"
#include "abi/linux/termios.h"
#include "libos/fs/tty/speed.h"
#include "libos/fs/tty/tty.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/registry.h"

#define BOUNCE 16384u

struct stream { /* what an open file reads from and writes to: host descriptors */
    int in, out;
};

static struct super console_super;
static struct inode console_inode[3];
static struct {
    struct tty tty;
    bool terminal[3]; /* which streams are; set once, like all of this but lflag */
    bool any;
    struct stream stream[4]; /* the last: /dev/console and /dev/tty */
    uint32_t lflag;          /* as the guest set it last; a word */
} console;
static const struct inode_ops console_inode_ops = {0};
static const struct file_ops console_file_ops;

static int read_stream(const struct file *f)
{
    const struct stream *s = f->priv;
    return s->in;
}

static int write_stream(const struct file *f)
{
    const struct stream *s = f->priv;
    return s->out;
}

static uint32_t host_ready(int fd)
{
    long r = hostcall(HOSTCALL_stdio_poll, (uint64_t) fd, 0, 0);
    return r < 0 ? POLL_IN | POLL_OUT : (uint32_t) r;
}

static int wait_ready(const struct file *f, int fd, uint32_t events, int64_t deadline_ns)
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
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    waitq_del(&w);
    return r == -EINTR ? -ERESTARTSYS : r;
}

static int host_termios(int fd, struct linux_termios *ret)
{
    return (int) hostcall_io(HOSTCALL_stdio_ioctl, (struct cspan){0}, SPAN_OF(*ret), (uint64_t) fd,
                             TCGETS, 0, 0);
}

/* When a read that finds nothing ends: a terminal without VMIN has VTIME, or nothing, to wait for. */
static int64_t read_deadline(int fd)
{
    struct linux_termios t;
    if (!console.terminal[fd] || host_termios(fd, &t) < 0 || (t.lflag & TTY_ICANON) ||
        t.cc[TTY_VMIN])
        return FOREVER;
    return clock_mono_ns() + t.cc[TTY_VTIME] * 100 * NSEC_PER_MS;
}

static long read_some(struct file *f, int fd, struct span buf)
{
    int64_t deadline_ns = 0;
    for (;;) {
        long r = hostcall_io(HOSTCALL_stdio_read, (struct cspan){0}, buf, (uint64_t) fd, 0, 0, 0);
        if (r != -EAGAIN)
            return r;
        if (deadline_ns == 0)
            deadline_ns = read_deadline(fd);
        r = wait_ready(f, fd, POLL_IN, deadline_ns);
        if (r < 0)
            return r == -ETIMEDOUT ? 0 : r;
    }
}

static long console_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    int fd = read_stream(f);
    size_t size = MIN(uio->left, (size_t) BOUNCE);
    long r = console.terminal[fd] ? tty_check(&console.tty, SIGTTIN) : 0;
    if (size == 0 || r < 0)
        return r;
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
    r = read_some(f, fd, (struct span){buf, size});
    if (r > 0 && uio_put(uio, buf, (size_t) r) < 0)
        r = -EFAULT;
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
            r = wait_ready(f, fd, POLL_OUT, FOREVER);
        if (r == -EPIPE)
            signal_send_process(current_process(), SIGPIPE);
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
    long r = console.terminal[fd] && (atomic_load(&console.lflag) & TTY_TOSTOP)
                 ? tty_check(&console.tty, SIGTTOU)
                 : 0;
    if (total == 0 || r < 0)
        return r;
    size_t size = MIN(total, (size_t) BOUNCE);
    uint8_t *buf = kzalloc(size);
    if (!buf)
        return -ENOMEM;
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

/* ---- requests ---- */

/* One whose argument is a struct of n bytes that the host fills in. */
static long ask_host(int fd, unsigned cmd, uint64_t arg, size_t n)
{
    uint8_t buf[64] = {0};
    struct span s = {buf, n};
    long r = hostcall_io(HOSTCALL_stdio_ioctl, (struct cspan){0}, s, (uint64_t) fd, cmd, 0, 0);
    return r < 0 ? r : copy_to_user(UADDR(arg), cspan(s));
}

static long tell_host(int fd, unsigned cmd, struct cspan data, uint64_t arg)
{
    long r = hostcall_io(HOSTCALL_stdio_ioctl, data, (struct span){0}, (uint64_t) fd, cmd, arg, 0);
    return r < 0 ? r : 0;
}

static long set_window(int fd, uint64_t arg)
{
    struct linux_winsize w;
    if (get_user(&w, UADDR(arg)) < 0)
        return -EFAULT;
    return tell_host(fd, TIOCSWINSZ, CSPAN_OF(w), 0);
}

static long get_settings2(int fd, uint64_t arg)
{
    struct linux_termios2 t = {.ispeed = 38400, .ospeed = 38400};
    long r = host_termios(fd, &t.base);
    if (r < 0)
        return r;
    speed_decode(&t);
    return put_user(UADDR(arg), t);
}

/* The settings proper are the first part of both structs. */
static long set_settings(int fd, unsigned host_cmd, uint64_t arg)
{
    struct linux_termios t;
    long r = tty_check(&console.tty, SIGTTOU);
    if (r < 0)
        return r;
    if (get_user(&t, UADDR(arg)) < 0)
        return -EFAULT;
    r = tell_host(fd, host_cmd, CSPAN_OF(t), 0);
    if (r == 0)
        atomic_store(&console.lflag, t.lflag);
    return r;
}

static long flush(int fd, uint64_t queue)
{
    if (queue > TCIOFLUSH)
        return -EINVAL;
    long r = tty_check(&console.tty, SIGTTOU);
    return r < 0 ? r : tell_host(fd, TCFLSH, (struct cspan){0}, queue);
}

static long terminal_ioctl(int fd, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TCGETS:
        return ask_host(fd, cmd, arg, sizeof(struct linux_termios));
    case TCGETS2:
        return get_settings2(fd, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_settings(fd, cmd, arg);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return set_settings(fd, cmd - TCSETS2 + TCSETS, arg);
    case TIOCGWINSZ:
        return ask_host(fd, cmd, arg, sizeof(struct linux_winsize));
    case TIOCSWINSZ:
        return set_window(fd, arg);
    case TCFLSH:
        return flush(fd, arg);
    case TIOCOUTQ:
    case TIOCGETD:
        return put_user(UADDR(arg), 0);
    case TCXONC: /* the host's flow control is its user's */
    case TCSBRK:
    case TCSBRKP:
        return 0;
    case TIOCSTI:
        return -EIO;
    default:
        return -ENOTTY;
    }
}

static long console_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    int fd = f->mode & FILE_READ ? read_stream(f) : write_stream(f);
    if (cmd == FIONREAD)
        return ask_host(fd, cmd, arg, sizeof(int));
    if (!console.terminal[fd])
        return -ENOTTY;
    long r = tty_job_ioctl(&console.tty, f, false, cmd, arg);
    return r == TTY_OTHER ? terminal_ioctl(fd, cmd, arg) : r;
}

/* ---- opening ---- */

static int console_open(struct inode *i, struct file *f)
{
    f->mode |= FILE_STREAM;
    f->priv = &console.stream[3];
    return 0;
}

static int console_tty_open(struct tty *t, struct file *f)
{
    f->ops = &console_file_ops;
    return console_open(f->inode, f);
}

static const struct tty_ops console_tty_ops = {.open = console_tty_open};

static const struct file_ops console_file_ops = {
    .open = console_open,
    .read = console_read,
    .write = console_write,
    .poll = console_poll,
    .ioctl = console_ioctl,
    .name = "/dev/console",
};

DEVICE(console, 0600, console_device);
const struct device_type console_device = {
    .name = "console",
    .mode = 0600,
    .major = 5,
    .minor = 1,
    .ops = &console_file_ops,
};

/* ---- the streams of the first process ---- */

static void stream_inode_init(int fd)
{
    struct host_stat st;
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
    i->rdev = type == S_IFCHR ? linux_makedev(1, 3) : 0;
}

static int first_terminal(int a, int b, int c)
{
    return console.terminal[a] ? a : console.terminal[b] ? b : console.terminal[c] ? c : a;
}

static int console_foreground(void)
{
    return tty_foreground(&console.tty);
}

static void console_init(void)
{
    super_init(&console_super, NULL, "hostfd");
    for (int fd = 0; fd < 3; fd++) {
        struct linux_termios t;
        console.stream[fd] = (struct stream){fd, fd};
        stream_inode_init(fd);
        console.terminal[fd] = S_ISCHR(console_inode[fd].mode) && host_termios(fd, &t) >= 0;
        if (console.terminal[fd])
            console.lflag = t.lflag;
        console.any |= console.terminal[fd];
    }
    console.stream[3] = (struct stream){first_terminal(0, 1, 2), first_terminal(1, 2, 0)};
    if (!console.any)
        return;
    tty_init(&console.tty, &console_tty_ops, linux_makedev(5, 1));
    tty_take(&console.tty);
    signal_foreground_pgid = console_foreground;
}

/* A terminal is opened by its name, so that ttyname() finds it. */
static struct file *stream_file(int fd)
{
    struct file *f;
    bool terminal = console.terminal[fd];
    if (terminal && vfs_open("/dev/console", O_RDWR, 0, &f) == 0) {
        f->priv = &console.stream[fd];
        return f;
    }
    inode_get(&console_inode[fd]);
    unsigned o_flags = terminal ? O_RDWR : fd == 0 ? O_RDONLY : O_WRONLY;
    f = file_new_pathless(&console_inode[fd], &console_file_ops, &console.stream[fd], o_flags,
                          FILE_STREAM);
    if (!f)
        inode_put(&console_inode[fd]);
    return f;
}

int console_install(struct fdtable *t)
{
    if (!console_super.ref.n)
        console_init();
    for (int fd = 0; fd < 3; fd++) {
        struct file *f = stream_file(fd);
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
