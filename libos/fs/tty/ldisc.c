/* Input of the line discipline: control characters, editing, reading. The order of the tests for a byte
 * is what decides when two settings claim it: literal next, flow control, signals, CR and NL, editing,
 * line ends.
 */
#include "libos/fs/tty/ldisc.h"
#include "abi/linux/signal.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/fs/tty/ldisc_echo.h"

void ldisc_init(struct ldisc *l)
{
    l->termios = (struct linux_termios2){
        .base =
            {
                .iflag = TTY_ICRNL | TTY_IXON,
                .oflag = TTY_OPOST | TTY_ONLCR,
                .cflag = TTY_B38400 | TTY_CS8 | TTY_CREAD,
                .lflag = TTY_ISIG | TTY_ICANON | TTY_ECHO | TTY_ECHOE | TTY_ECHOK | TTY_ECHOCTL |
                         TTY_ECHOKE | TTY_IEXTEN,
                .cc =
                    {
                        [TTY_VINTR] = 3,
                        [TTY_VQUIT] = 0x1c,
                        [TTY_VERASE] = 0x7f,
                        [TTY_VKILL] = 0x15,
                        [TTY_VEOF] = 4,
                        [TTY_VMIN] = 1,
                        [TTY_VSTART] = 0x11,
                        [TTY_VSTOP] = 0x13,
                        [TTY_VSUSP] = 0x1a,
                        [TTY_VREPRINT] = 0x12,
                        [TTY_VDISCARD] = 0x0f,
                        [TTY_VWERASE] = 0x17,
                        [TTY_VLNEXT] = 0x16,
                    },
            },
        .ispeed = 38400,
        .ospeed = 38400,
    };
}

static bool canonical(const struct ldisc *l)
{
    return l->termios.base.lflag & TTY_ICANON;
}

static bool local(const struct ldisc *l, uint32_t flag)
{
    return l->termios.base.lflag & flag;
}

/* NUL as a control character means that there is none. */
static bool is_cc(const struct ldisc *l, uint8_t c, int which)
{
    return c != 0 && l->termios.base.cc[which] == c;
}

/* ---- the ring ---- */

static bool ends_at(const struct ldisc *l, uint32_t pos)
{
    uint32_t i = pos % LDISC_IN;
    return l->ends[i / 64] >> (i % 64) & 1;
}

static void mark(struct ldisc *l, uint32_t pos, bool end)
{
    uint32_t i = pos % LDISC_IN;
    l->ends[i / 64] &= ~(1ull << (i % 64));
    l->ends[i / 64] |= (uint64_t) end << (i % 64);
}

static void store(struct ldisc *l, uint8_t c, bool end)
{
    l->in[l->head % LDISC_IN] = c;
    mark(l, l->head, end);
    l->head++;
    if (end)
        l->line = l->head;
}

uint32_t ldisc_room(const struct ldisc *l)
{
    return LDISC_IN - (l->head - l->tail);
}

void ldisc_flush_input(struct ldisc *l)
{
    l->tail = l->line = l->head;
    l->literal = false;
}

void ldisc_set_termios(struct ldisc *l, const struct linux_termios2 *t)
{
    bool was = canonical(l);
    l->termios = *t;
    if (was == canonical(l))
        return;
    memset(l->ends, 0, sizeof l->ends);
    l->literal = false;
    l->line = l->head;
    if (!was && l->head != l->tail)
        mark(l, l->head - 1, true);
}

/* ---- editing ---- */

/* Takes the last character off the edited line, all its bytes. */
static uint8_t take_last(struct ldisc *l)
{
    uint8_t c;
    do {
        c = l->in[--l->head % LDISC_IN];
    } while (l->head != l->line && (l->termios.base.iflag & TTY_IUTF8) && (c & 0xc0) == 0x80);
    return c;
}

static void erase(struct ldisc *l, uint8_t c)
{
    if (l->head == l->line)
        return;
    uint8_t gone = take_last(l);
    if (!local(l, TTY_ECHO))
        return;
    if (local(l, TTY_ECHOE))
        ldisc_rub_out(l, gone);
    else
        ldisc_echo(l, c);
}

static bool word_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 0x80;
}

static void erase_word(struct ldisc *l, uint8_t c)
{
    bool in_word = false;
    while (l->head != l->line) {
        bool w = word_byte(l->in[(l->head - 1) % LDISC_IN]);
        if (in_word && !w)
            break;
        in_word |= w;
        erase(l, c);
    }
}

static void kill_line(struct ldisc *l, uint8_t c)
{
    const uint32_t visual = TTY_ECHO | TTY_ECHOK | TTY_ECHOKE | TTY_ECHOE;
    bool rub_out = (l->termios.base.lflag & visual) == visual;
    while (rub_out && l->head != l->line)
        erase(l, c);
    l->head = l->line;
    if (!local(l, TTY_ECHO) || rub_out)
        return;
    ldisc_echo(l, c);
    if (local(l, TTY_ECHOK))
        ldisc_echo_raw(l, '\n');
}

static void reprint(struct ldisc *l, uint8_t c)
{
    ldisc_echo(l, c);
    ldisc_echo_raw(l, '\n');
    l->line_column = l->column;
    for (uint32_t pos = l->line; pos != l->head; pos++)
        ldisc_echo(l, l->in[pos % LDISC_IN]);
}

static void begin_literal(struct ldisc *l)
{
    l->literal = true;
    if (local(l, TTY_ECHO) && local(l, TTY_ECHOCTL)) {
        ldisc_echo_raw(l, '^');
        ldisc_echo_raw(l, '\b');
    }
}

/* True if the byte was a command. */
static bool edited(struct ldisc *l, uint8_t c)
{
    bool extended = local(l, TTY_IEXTEN);
    if (is_cc(l, c, TTY_VERASE))
        erase(l, c);
    else if (is_cc(l, c, TTY_VKILL))
        kill_line(l, c);
    else if (extended && is_cc(l, c, TTY_VWERASE))
        erase_word(l, c);
    else if (extended && is_cc(l, c, TTY_VLNEXT))
        begin_literal(l);
    else if (extended && local(l, TTY_ECHO) && is_cc(l, c, TTY_VREPRINT))
        reprint(l, c);
    else
        return false;
    return true;
}

/* ---- receiving ---- */

static void echo_data(struct ldisc *l, uint8_t c)
{
    if (l->head == l->line)
        l->line_column = l->column;
    ldisc_echo(l, c);
}

static void receive_data(struct ldisc *l, uint8_t c)
{
    if (canonical(l) && l->head - l->line >= LDISC_LINE - 1)
        return;
    if (local(l, TTY_ECHO)) {
        if (c == '\n')
            ldisc_echo_raw(l, c);
        else
            echo_data(l, c);
    }
    store(l, c, false);
}

/* True if the byte ended a line. */
static bool ended_line(struct ldisc *l, uint8_t c)
{
    if (c == '\n') {
        if (local(l, TTY_ECHO | TTY_ECHONL))
            ldisc_echo_raw(l, '\n');
    } else if (is_cc(l, c, TTY_VEOF)) {
        c = 0;
    } else if (is_cc(l, c, TTY_VEOL) || (local(l, TTY_IEXTEN) && is_cc(l, c, TTY_VEOL2))) {
        if (local(l, TTY_ECHO))
            echo_data(l, c);
    } else {
        return false;
    }
    store(l, c, true);
    return true;
}

static int signal_of(const struct ldisc *l, uint8_t c)
{
    if (!local(l, TTY_ISIG))
        return 0;
    if (is_cc(l, c, TTY_VINTR))
        return SIGINT;
    if (is_cc(l, c, TTY_VQUIT))
        return SIGQUIT;
    return is_cc(l, c, TTY_VSUSP) ? SIGTSTP : 0;
}

/* START and STOP vanish. */
static bool flow_control(struct ldisc *l, uint8_t c)
{
    if (!(l->termios.base.iflag & TTY_IXON))
        return false;
    bool start = is_cc(l, c, TTY_VSTART), stop = is_cc(l, c, TTY_VSTOP);
    if (start || stop)
        l->stopped = !start;
    return start || stop;
}

static int raise_signal(struct ldisc *l, uint8_t c, int sig)
{
    if (!local(l, TTY_NOFLSH))
        ldisc_flush_input(l);
    if (l->termios.base.iflag & TTY_IXON)
        l->stopped = false;
    if (local(l, TTY_ECHO))
        ldisc_echo(l, c);
    return sig;
}

int ldisc_receive(struct ldisc *l, uint8_t c)
{
    uint32_t iflag = l->termios.base.iflag;
    if (iflag & TTY_ISTRIP)
        c &= 0x7f;
    if ((iflag & TTY_IUCLC) && local(l, TTY_IEXTEN) && c >= 'A' && c <= 'Z')
        c = (uint8_t) (c + 'a' - 'A');
    if (l->literal) {
        l->literal = false;
        receive_data(l, c);
        return 0;
    }
    if (flow_control(l, c))
        return 0;
    int sig = signal_of(l, c);
    if (sig)
        return raise_signal(l, c, sig);
    if (l->stopped && (iflag & TTY_IXON) && (iflag & TTY_IXANY))
        l->stopped = false;
    if (c == '\r' && (iflag & TTY_IGNCR))
        return 0;
    if (c == '\r' && (iflag & TTY_ICRNL))
        c = '\n';
    else if (c == '\n' && (iflag & TTY_INLCR))
        c = '\r';
    if (canonical(l) && (edited(l, c) || ended_line(l, c)))
        return 0;
    receive_data(l, c);
    return 0;
}

/* ---- reading ---- */

static int put_range(const struct ldisc *l, struct uio *uio, uint32_t n)
{
    uint32_t at = l->tail % LDISC_IN, first = MIN(n, LDISC_IN - at);
    int r = uio_put(uio, l->in + at, first);
    return r == 0 && first < n ? uio_put(uio, l->in, n - first) : r;
}

static bool eof_at(const struct ldisc *l, uint32_t pos)
{
    return pos != l->line && ends_at(l, pos) && l->in[pos % LDISC_IN] == 0;
}

/* At most one line. A line that exactly fills the buffer takes the end of file behind it along:
 * otherwise the next read would find that, and nothing else, in the middle of a text. */
static long read_line(struct ldisc *l, struct uio *uio)
{
    uint32_t n = 0, most = (uint32_t) MIN(uio->left, (size_t) LDISC_IN);
    bool end = false;
    if (l->tail == l->line)
        return -EAGAIN;
    for (; n < most && l->tail + n != l->line && !end && !eof_at(l, l->tail + n); n++)
        end = ends_at(l, l->tail + n);
    bool eof = !end && eof_at(l, l->tail + n);
    int r = put_range(l, uio, n);
    if (r < 0)
        return r;
    l->tail += n + eof;
    return n;
}

long ldisc_read(struct ldisc *l, struct uio *uio)
{
    if (canonical(l))
        return read_line(l, uio);
    uint32_t n = (uint32_t) MIN(uio->left, (size_t) (l->head - l->tail));
    if (n == 0)
        return -EAGAIN;
    int r = put_range(l, uio, n);
    if (r < 0)
        return r;
    l->tail += n;
    l->line = l->head;
    return n;
}

uint32_t ldisc_available(const struct ldisc *l)
{
    if (!canonical(l))
        return l->head - l->tail;
    uint32_t n = 0;
    for (uint32_t pos = l->tail; pos != l->line; pos++)
        n += !eof_at(l, pos);
    return n;
}

bool ldisc_readable(const struct ldisc *l)
{
    if (canonical(l))
        return l->line != l->tail;
    const uint8_t *cc = l->termios.base.cc;
    uint32_t least = cc[TTY_VTIME] == 0 ? MAX((uint32_t) cc[TTY_VMIN], 1u) : 1;
    return l->head - l->tail >= least;
}
