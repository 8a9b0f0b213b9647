/* Consoles: streams of the host as files, and a terminal on top of them. Console 0 has the runtime's own
 * standard streams; each session that `occlum exec` adds has one more (console_session.c makes them). The
 * host is asked without blocking; a thread that has to wait sleeps on the host's queue for that stream,
 * so no vCPU is held.
 *
 * A stream that is a terminal outside is /dev/console here: its settings, line editing and echo are
 * the host terminal's business; sessions, groups and who may read are ours (fs/tty/tty.h). The signals
 * that the host's terminal sends go to the console's foreground group. Any other stream is an inode of its
 * own, so that fstat tells pipes from files as the host says (only the type is believed).
 *
 * States of a console: open -> hung up (a terminal whose client or session leader is gone: reads end,
 * writes fail, nothing is asked of the host) -> freed with its last file, when the host learns that it
 * may close the streams.
 */
#include "abi/linux/signal.h"
#include "abi/linux/termios.h"
#include "libos/fs/console_priv.h"
#include "libos/fs/tty/speed.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"

#define BOUNCE 16384u

static struct console *console_of(const struct file *f)
{
    const struct console_stream *s = f->priv;
    return s->console;
}

static int read_stream(const struct file *f)
{
    const struct console_stream *s = f->priv;
    return s->in;
}

static int write_stream(const struct file *f)
{
    const struct console_stream *s = f->priv;
    return s->out;
}

static bool is_terminal(const struct file *f, int stream)
{
    return console_of(f)->terminal[stream % 3];
}

static bool hung_up(const struct file *f)
{
    return atomic_load(&console_of(f)->hung_up);
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
    if (!hung_up(f) && !(host_ready(fd) & (events | POLL_ERR | POLL_HUP)))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    waitq_del(&w);
    return r == -EINTR ? -ERESTARTSYS : r;
}

int console_termios(int fd, struct linux_termios *ret)
{
    return (int) hostcall_io(HOSTCALL_stdio_ioctl, (struct cspan){0}, SPAN_OF(*ret), (uint64_t) fd,
                             TCGETS, 0, 0);
}

/* When a read that finds nothing ends: a terminal without VMIN has VTIME, or nothing, to wait for. */
static int64_t read_deadline(const struct file *f, int fd)
{
    struct linux_termios t;
    if (!is_terminal(f, fd) || console_termios(fd, &t) < 0 || (t.lflag & TTY_ICANON) ||
        t.cc[TTY_VMIN])
        return FOREVER;
    return clock_mono_ns() + t.cc[TTY_VTIME] * 100 * NSEC_PER_MS;
}

static long read_some(struct file *f, int fd, struct span buf)
{
    int64_t deadline_ns = 0;
    for (;;) {
        if (hung_up(f))
            return 0;
        long r = hostcall_io(HOSTCALL_stdio_read, (struct cspan){0}, buf, (uint64_t) fd, 0, 0, 0);
        if (r != -EAGAIN)
            return r;
        if (deadline_ns == 0)
            deadline_ns = read_deadline(f, fd);
        r = wait_ready(f, fd, POLL_IN, deadline_ns);
        if (r < 0)
            return r == -ETIMEDOUT ? 0 : r;
    }
}

static long console_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    int fd = read_stream(f);
    size_t size = MIN(uio->left, (size_t) BOUNCE);
    long r = is_terminal(f, fd) ? tty_check(&console_of(f)->tty, SIGTTIN) : 0;
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
        long r = hung_up(f)
                     ? -EIO
                     : hostcall_io(HOSTCALL_stdio_write, (struct cspan){buf + done, n - done},
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
    struct console *c = console_of(f);
    long r = is_terminal(f, fd) && (atomic_load(&c->lflag) & TTY_TOSTOP)
                 ? tty_check(&c->tty, SIGTTOU)
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
    uint32_t events =
        hung_up(f) ? POLL_IN | POLL_RDNORM | POLL_OUT | POLL_WRNORM | POLL_ERR | POLL_HUP : 0;
    if (f->mode & FILE_READ) {
        int fd = read_stream(f);
        poll_wait(pt, host_stdio_queue(fd));
        if (events)
            return events;
        if (pt)
            host_stdio_watch(fd, POLL_IN);
        events |= host_ready(fd) & (POLL_IN | POLL_RDNORM | POLL_HUP | POLL_ERR);
    }
    if (f->mode & FILE_WRITE) {
        int fd = write_stream(f);
        if (!(f->mode & FILE_READ) || fd != read_stream(f))
            poll_wait(pt, host_stdio_queue(fd));
        if (events & POLL_HUP)
            return events;
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
    long r = console_termios(fd, &t.base);
    if (r < 0)
        return r;
    speed_decode(&t);
    return put_user(UADDR(arg), t);
}

/* The settings proper are the first part of both structs. */
static long set_settings(struct console *c, int fd, unsigned host_cmd, uint64_t arg)
{
    struct linux_termios t;
    long r = tty_check(&c->tty, SIGTTOU);
    if (r < 0)
        return r;
    if (get_user(&t, UADDR(arg)) < 0)
        return -EFAULT;
    r = tell_host(fd, host_cmd, CSPAN_OF(t), 0);
    if (r == 0)
        atomic_store(&c->lflag, t.lflag);
    return r;
}

static long flush(struct console *c, int fd, uint64_t queue)
{
    if (queue > TCIOFLUSH)
        return -EINVAL;
    long r = tty_check(&c->tty, SIGTTOU);
    return r < 0 ? r : tell_host(fd, TCFLSH, (struct cspan){0}, queue);
}

static long terminal_ioctl(struct console *c, int fd, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TCGETS:
        return ask_host(fd, cmd, arg, sizeof(struct linux_termios));
    case TCGETS2:
        return get_settings2(fd, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_settings(c, fd, cmd, arg);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return set_settings(c, fd, cmd - TCSETS2 + TCSETS, arg);
    case TIOCGWINSZ:
        return ask_host(fd, cmd, arg, sizeof(struct linux_winsize));
    case TIOCSWINSZ:
        return set_window(fd, arg);
    case TCFLSH:
        return flush(c, fd, arg);
    case TIOCOUTQ:
    case TIOCGETD:
        return put_user(UADDR(arg), 0);
    case TCSBRK:
    case TCSBRKP:
        return tty_check(&c->tty, SIGTTOU);
    case TCXONC: /* the host's flow control is its user's */
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
    struct console *c = console_of(f);
    if (hung_up(f))
        return -EIO;
    if (cmd == FIONREAD)
        return ask_host(fd, cmd, arg, sizeof(int));
    if (!is_terminal(f, fd))
        return -ENOTTY;
    long r = tty_job_ioctl(&c->tty, f, false, cmd, arg);
    return r == TTY_OTHER ? terminal_ioctl(c, fd, cmd, arg) : r;
}

static void console_release(struct file *f)
{
    tty_put(&console_of(f)->tty);
}

static void console_reopened(struct file *f)
{
    tty_get(&console_of(f)->tty);
}

const struct file_ops console_file_ops = {
    .open = console_file_open,
    .reopened = console_reopened,
    .release = console_release,
    .read = console_read,
    .write = console_write,
    .poll = console_poll,
    .ioctl = console_ioctl,
    .name = "/dev/console",
};
