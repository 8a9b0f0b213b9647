/* Output of the line discipline: processing of newlines and tabs with the cursor's column, echo. Programs
 * may not fill the ring to the end, so that there is room for echo while one of them writes a lot.
 */
#include "libos/fs/tty/ldisc_echo.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"

#define ECHO_ROOM 512u /* of the output ring, for nothing but echo */
#define WRITE_LOW 256u /* poll says writable from here on */
#define TAB       8u

static uint32_t out_used(const struct ldisc *l)
{
    return l->out_head - l->out_tail;
}

void ldisc_send(struct ldisc *l, uint8_t c)
{
    if (out_used(l) < LDISC_OUT)
        l->out[l->out_head++ % LDISC_OUT] = c;
}

static bool control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

static bool continuation(const struct ldisc *l, uint8_t c)
{
    return (l->termios.base.iflag & TTY_IUTF8) && (c & 0xc0) == 0x80;
}

/* ---- output processing ---- */

static void put_newline(struct ldisc *l, uint32_t oflag)
{
    if (oflag & TTY_ONLCR)
        ldisc_send(l, '\r');
    if (oflag & (TTY_ONLCR | TTY_ONLRET))
        l->column = 0;
    l->line_column = l->column;
    ldisc_send(l, '\n');
}

static void put_return(struct ldisc *l, uint32_t oflag)
{
    if ((oflag & TTY_ONOCR) && l->column == 0)
        return;
    bool newline = oflag & TTY_OCRNL;
    if (!newline || (oflag & TTY_ONLRET))
        l->column = l->line_column = 0;
    ldisc_send(l, newline ? '\n' : '\r');
}

static void put_tab(struct ldisc *l, uint32_t oflag)
{
    uint32_t n = TAB - l->column % TAB;
    l->column += n;
    if ((oflag & TTY_XTABS) != TTY_XTABS) {
        ldisc_send(l, '\t');
        return;
    }
    while (n--)
        ldisc_send(l, ' ');
}

static void put_plain(struct ldisc *l, uint32_t oflag, uint8_t c)
{
    if (c == '\b' && l->column > 0)
        l->column--;
    if ((oflag & TTY_OLCUC) && c >= 'a' && c <= 'z')
        c = (uint8_t) (c - 'a' + 'A');
    if (!control(c) && !continuation(l, c))
        l->column++;
    ldisc_send(l, c);
}

static void put(struct ldisc *l, uint8_t c)
{
    uint32_t oflag = l->termios.base.oflag;
    if (!(oflag & TTY_OPOST))
        ldisc_send(l, c);
    else if (c == '\n')
        put_newline(l, oflag);
    else if (c == '\r')
        put_return(l, oflag);
    else if (c == '\t')
        put_tab(l, oflag);
    else
        put_plain(l, oflag, c);
}

/* ---- echo ---- */

void ldisc_echo_raw(struct ldisc *l, uint8_t c)
{
    put(l, c);
}

void ldisc_echo(struct ldisc *l, uint8_t c)
{
    if ((l->termios.base.lflag & TTY_ECHOCTL) && control(c) && c != '\t') {
        put(l, '^');
        put(l, c ^ 0x40);
    } else {
        put(l, c);
    }
}

static uint32_t width(const struct ldisc *l, uint8_t c, uint32_t column)
{
    if (c == '\t')
        return TAB - column % TAB;
    if (control(c))
        return l->termios.base.lflag & TTY_ECHOCTL ? 2 : 0;
    return continuation(l, c) ? 0 : 1;
}

/* A tab's width follows from what stands before it. */
static uint32_t line_end_column(const struct ldisc *l)
{
    uint32_t column = l->line_column;
    for (uint32_t pos = l->line; pos != l->head; pos++)
        column += width(l, l->in[pos % LDISC_IN], column);
    return column;
}

void ldisc_rub_out(struct ldisc *l, uint8_t c)
{
    bool tab = c == '\t';
    uint32_t n = continuation(l, c) ? 1 : width(l, c, tab ? line_end_column(l) : 0);
    while (n--) {
        put(l, '\b');
        if (!tab) {
            put(l, ' ');
            put(l, '\b');
        }
    }
}

/* ---- the program's output ---- */

static uint32_t room_left(const struct ldisc *l)
{
    uint32_t used = out_used(l), limit = LDISC_OUT - ECHO_ROOM;
    return used < limit ? limit - used : 0;
}

static uint32_t expansion(const struct ldisc *l)
{
    uint32_t oflag = l->termios.base.oflag;
    if (!(oflag & TTY_OPOST))
        return 1;
    return (oflag & TTY_XTABS) == TTY_XTABS ? TAB : 2;
}

long ldisc_write(struct ldisc *l, struct uio *uio)
{
    size_t done = 0;
    uint8_t buf[256];
    while (!l->stopped && uio->left) {
        size_t n = MIN(MIN(uio->left, sizeof buf), (size_t) (room_left(l) / expansion(l)));
        if (n == 0)
            break;
        int r = uio_take(uio, buf, n);
        if (r < 0)
            return done ? (long) done : r;
        for (size_t i = 0; i < n; i++)
            put(l, buf[i]);
        done += n;
    }
    return (long) done;
}

bool ldisc_writable(const struct ldisc *l)
{
    return !l->stopped && room_left(l) >= WRITE_LOW;
}

long ldisc_collect(struct ldisc *l, struct uio *uio)
{
    uint32_t n = (uint32_t) MIN(uio->left, (size_t) out_used(l));
    if (n == 0)
        return -EAGAIN;
    uint32_t at = l->out_tail % LDISC_OUT, first = MIN(n, LDISC_OUT - at);
    int r = uio_put(uio, l->out + at, first);
    if (r == 0 && first < n)
        r = uio_put(uio, l->out, n - first);
    if (r < 0)
        return r;
    l->out_tail += n;
    return n;
}

uint32_t ldisc_collectable(const struct ldisc *l)
{
    return out_used(l);
}

void ldisc_flush_output(struct ldisc *l)
{
    l->out_tail = l->out_head;
}
