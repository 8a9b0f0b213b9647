/* Requests to pseudo-terminals. Both sides have one line discipline and one window size, so most of
 * them mean the same on either file. */
#include "abi/linux/signal.h"
#include "libos/base/printf.h"
#include "libos/fs/tty/pty.h"
#include "libos/fs/tty/speed.h"
#include "libos/mm/uaccess.h"

/* ---- settings ---- */
enum form { FORM_TERMIO, FORM_TERMIOS, FORM_TERMIOS2 };

static struct cspan bytes_of(const struct linux_termios2 *t, enum form form)
{
    return (struct cspan){(const uint8_t *) t, form == FORM_TERMIOS2 ? sizeof *t : sizeof t->base};
}

static long get_termios(struct pty *p, enum form form, uint64_t arg)
{
    mutex_lock(&p->mutex);
    struct linux_termios2 t = p->line.termios;
    mutex_unlock(&p->mutex);
    if (form != FORM_TERMIO)
        return copy_to_user(UADDR(arg), bytes_of(&t, form));
    struct linux_termio old = {
        .iflag = (uint16_t) t.base.iflag,
        .oflag = (uint16_t) t.base.oflag,
        .cflag = (uint16_t) t.base.cflag,
        .lflag = (uint16_t) t.base.lflag,
        .line = t.base.line,
    };
    memcpy(old.cc, t.base.cc, sizeof old.cc);
    return put_user(UADDR(arg), old);
}

static void set_low(uint32_t *flags, uint16_t low)
{
    *flags = (*flags & 0xffff0000u) | low;
}

/* What the form has no room for stays as it is in *t. */
static int settings_from_user(struct linux_termios2 *t, enum form form, uint64_t arg)
{
    struct linux_termio old;
    if (form != FORM_TERMIO)
        return copy_from_user((struct span){(uint8_t *) t, bytes_of(t, form).n}, UADDR(arg));
    if (get_user(&old, UADDR(arg)) < 0)
        return -EFAULT;
    set_low(&t->base.iflag, old.iflag);
    set_low(&t->base.oflag, old.oflag);
    set_low(&t->base.cflag, old.cflag);
    set_low(&t->base.lflag, old.lflag);
    t->base.line = old.line;
    memcpy(t->base.cc, old.cc, sizeof old.cc);
    return 0;
}

static void keep_bits(uint32_t *flags, uint32_t had, uint32_t frozen)
{
    *flags = (*flags & ~frozen) | (had & frozen);
}

static void keep_frozen(struct linux_termios *t, const struct linux_termios *had,
                        const struct linux_termios *frozen)
{
    keep_bits(&t->iflag, had->iflag, frozen->iflag);
    keep_bits(&t->oflag, had->oflag, frozen->oflag);
    keep_bits(&t->cflag, had->cflag, frozen->cflag);
    keep_bits(&t->lflag, had->lflag, frozen->lflag);
    if (frozen->line)
        t->line = had->line;
    for (size_t i = 0; i < ARRAY_SIZE(t->cc); i++)
        if (frozen->cc[i])
            t->cc[i] = had->cc[i];
}

static long set_termios(struct pty *p, enum form form, bool flush, uint64_t arg)
{
    int r = tty_check(&p->tty, SIGTTOU);
    if (r < 0)
        return r;
    mutex_lock(&p->mutex);
    struct linux_termios2 t = p->line.termios;
    r = settings_from_user(&t, form, arg);
    if (r == 0) {
        speed_decode(&t);
        t.base.cflag &= ~(uint32_t) (TTY_CSIZE | TTY_PARENB); /* as Linux: there is no wire */
        t.base.cflag |= TTY_CS8 | TTY_CREAD;
        keep_frozen(&t.base, &p->line.termios.base, &p->frozen);
        if (flush) {
            ldisc_flush_input(&p->line);
            packet_note(p, PACKET_FLUSHREAD);
        }
        const struct linux_termios old = p->line.termios.base;
        ldisc_set_termios(&p->line, &t);
        packet_note_termios(p, &old);
    }
    mutex_unlock(&p->mutex);
    if (r < 0)
        return r;
    waitq_wake(&p->slave_queue, ~0u);
    waitq_wake(&p->master_queue, ~0u);
    return 0;
}

static long freeze(struct pty *p, bool change, uint64_t arg)
{
    struct linux_termios frozen;
    if (change && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (change && get_user(&frozen, UADDR(arg)) < 0)
        return -EFAULT;
    mutex_lock(&p->mutex);
    if (change)
        p->frozen = frozen;
    else
        frozen = p->frozen;
    mutex_unlock(&p->mutex);
    return change ? 0 : put_user(UADDR(arg), frozen);
}

/* TTY_OTHER: none of these. */
static long termios_ioctl(struct pty *p, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TCGETA:
        return get_termios(p, FORM_TERMIO, arg);
    case TCGETS:
        return get_termios(p, FORM_TERMIOS, arg);
    case TCGETS2:
        return get_termios(p, FORM_TERMIOS2, arg);
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
        return set_termios(p, FORM_TERMIO, cmd == TCSETAF, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_termios(p, FORM_TERMIOS, cmd == TCSETSF, arg);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return set_termios(p, FORM_TERMIOS2, cmd == TCSETSF2, arg);
    case TIOCGLCKTRMIOS:
    case TIOCSLCKTRMIOS:
        return freeze(p, cmd == TIOCSLCKTRMIOS, arg);
    default:
        return TTY_OTHER;
    }
}

static long get_size(struct pty *p, uint64_t arg)
{
    mutex_lock(&p->mutex);
    struct linux_winsize w = p->size;
    mutex_unlock(&p->mutex);
    return put_user(UADDR(arg), w);
}

static long set_size(struct pty *p, uint64_t arg)
{
    struct linux_winsize w;
    if (get_user(&w, UADDR(arg)) < 0)
        return -EFAULT;
    mutex_lock(&p->mutex);
    bool changed = memcmp(&p->size, &w, sizeof w) != 0;
    p->size = w;
    mutex_unlock(&p->mutex);
    if (changed)
        tty_signal(&p->tty, SIGWINCH);
    return 0;
}

/* ---- flow ---- */

static long flush(struct pty *p, bool master, uint64_t queue)
{
    if (queue > TCIOFLUSH)
        return -EINVAL;
    int r = master ? 0 : tty_check(&p->tty, SIGTTOU);
    if (r < 0)
        return r;
    bool read_side = queue != TCOFLUSH, write_side = queue != TCIFLUSH;
    mutex_lock(&p->mutex);
    if (master ? write_side : read_side)
        ldisc_flush_input(&p->line);
    if (master ? read_side : write_side)
        ldisc_flush_output(&p->line);
    if (!master)
        packet_note(p, (uint8_t) ((read_side ? PACKET_FLUSHREAD : 0) |
                                  (write_side ? PACKET_FLUSHWRITE : 0)));
    mutex_unlock(&p->mutex);
    waitq_wake(&p->slave_queue, ~0u);
    waitq_wake(&p->master_queue, ~0u);
    return 0;
}

static long flow(struct pty *p, uint64_t action)
{
    if (action > TCION)
        return -EINVAL;
    int r = tty_check(&p->tty, SIGTTOU);
    if (r < 0)
        return r;
    mutex_lock(&p->mutex);
    const uint8_t *cc = p->line.termios.base.cc;
    bool stopped = p->line.stopped;
    uint8_t c = action == TCIOFF ? cc[TTY_VSTOP] : action == TCION ? cc[TTY_VSTART] : 0;
    if (c)
        ldisc_send(&p->line, c);
    else if (action == TCOOFF || action == TCOON)
        p->line.stopped = action == TCOOFF;
    packet_note_flow(p, stopped);
    mutex_unlock(&p->mutex);
    waitq_wake(&p->slave_queue, ~0u);
    waitq_wake(&p->master_queue, ~0u);
    return 0;
}

static long readable_count(struct pty *p, bool master, uint64_t arg)
{
    mutex_lock(&p->mutex);
    int n = (int) (master ? ldisc_collectable(&p->line) : ldisc_available(&p->line));
    mutex_unlock(&p->mutex);
    return put_user(UADDR(arg), n);
}

static long common_ioctl(struct pty *p, bool master, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TIOCGWINSZ:
        return get_size(p, arg);
    case TIOCSWINSZ:
        return set_size(p, arg);
    case TCFLSH:
        return flush(p, master, arg);
    case TCXONC:
        return master ? 0 : flow(p, arg);
    case FIONREAD:
        return readable_count(p, master, arg);
    case TIOCOUTQ: /* what is written is at the other side at once, ... */
    case TIOCGETD:
        return put_user(UADDR(arg), 0);
    case TCSBRK: /* ... so nothing has to drain */
    case TCSBRKP:
        return master ? 0 : tty_check(&p->tty, SIGTTOU);
    case TIOCEXCL:
    case TIOCNXCL:
        atomic_store(&p->exclusive, cmd == TIOCEXCL);
        return 0;
    case TIOCGEXCL:
        return put_user(UADDR(arg), (int) p->exclusive);
    case TIOCSTI:
        return -EIO; /* as Linux configured for safety */
    default:
        return -ENOTTY;
    }
}

/* ---- the master's own ---- */

static long open_peer(struct pty *p, uint64_t o_flags)
{
    char path[32];
    struct file *f;
    fmt_str(path, sizeof path, "/dev/pts/%d", p->number);
    int r = vfs_open(path, (int) o_flags & (O_ACCMODE | O_NONBLOCK | O_NOCTTY), 0, &f);
    if (r < 0)
        return r;
    r = fd_install(f, (unsigned) o_flags & O_CLOEXEC);
    if (r < 0)
        file_put(f);
    return r;
}

static long set_flag_from_user(bool *flag, uint64_t arg)
{
    int on;
    if (get_user(&on, UADDR(arg)) < 0)
        return -EFAULT;
    atomic_store(flag, on != 0);
    return 0;
}

static long packet_mode(struct pty *p, uint64_t arg)
{
    int on;
    if (get_user(&on, UADDR(arg)) < 0)
        return -EFAULT;
    MUTEX_GUARD(&p->mutex);
    packet_turn(p, on != 0);
    return 0;
}

static long signal_slave(struct pty *p, uint64_t sig)
{
    if (sig < 1 || sig > SIG_COUNT)
        return -EINVAL;
    tty_signal(&p->tty, (int) sig);
    return 0;
}

static long master_ioctl(struct pty *p, unsigned cmd, uint64_t arg)
{
    switch (cmd) {
    case TIOCGPTN:
        return put_user(UADDR(arg), p->number);
    case TIOCSPTLCK:
        return set_flag_from_user(&p->locked, arg);
    case TIOCGPTLCK:
        return put_user(UADDR(arg), (int) p->locked);
    case TIOCGPTPEER:
        return open_peer(p, arg);
    case TIOCPKT:
        return packet_mode(p, arg);
    case TIOCGPKT:
        return put_user(UADDR(arg), (int) p->packet.on);
    case TIOCSIG:
        return signal_slave(p, arg);
    default:
        return TTY_OTHER;
    }
}

long pty_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    struct pty *p = f->priv;
    bool master = pty_file_is_master(f);
    if (atomic_load(&p->master_gone))
        return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
    long r = master ? master_ioctl(p, cmd, arg) : TTY_OTHER;
    if (r == TTY_OTHER)
        r = termios_ioctl(p, cmd, arg);
    if (r == TTY_OTHER)
        r = tty_job_ioctl(&p->tty, f, master, cmd, arg);
    return r == TTY_OTHER ? common_ioctl(p, master, cmd, arg) : r;
}
