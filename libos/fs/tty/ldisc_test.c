#include "libos/fs/tty/ldisc.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "test/unit/test.h"

static struct ldisc l;

static void start(void)
{
    memset(&l, 0, sizeof l);
    ldisc_init(&l);
}

static void type(const char *s)
{
    for (; *s; s++)
        assert_int_equal(ldisc_receive(&l, (uint8_t) *s), 0);
}

static long take(char *buf, size_t size)
{
    struct uio u = uio_kernel((struct span){(uint8_t *) buf, size});
    return ldisc_read(&l, &u);
}

static void assert_shown(const char *want)
{
    char b[256] = "";
    struct uio u = uio_kernel((struct span){(uint8_t *) b, sizeof b - 1});
    long n = ldisc_collect(&l, &u);
    assert_int_equal(n, strlen(want));
    assert_string_equal(b, want);
}

TEST(ldisc_edits_a_line)
{
    char b[32] = "";
    start();
    type("ab\x7f"
         "c");
    assert_int_equal(take(b, sizeof b), -EAGAIN);
    type("\n");
    assert_int_equal(take(b, sizeof b), 3);
    assert_string_equal(b, "ac\n");
    assert_shown("ab\b \bc\r\n");
}

TEST(ldisc_end_of_file_follows_a_full_buffer)
{
    char b[8];
    start();
    type("abcd\x04\x04");
    assert_int_equal(ldisc_available(&l), 4);
    assert_int_equal(take(b, 4), 4);
    assert_int_equal(take(b, 4), 0);
    assert_int_equal(take(b, 4), -EAGAIN);
}

TEST(ldisc_multibyte_erase)
{
    char b[8] = "";
    start();
    l.termios.base.iflag |= TTY_IUTF8;
    type("\xc3\xa9\x7f"
         "x\n");
    assert_int_equal(take(b, sizeof b), 2);
    assert_shown("\xc3\xa9\b \bx\r\n");
}

TEST(ldisc_line_has_a_limit)
{
    static char b[LDISC_IN];
    start();
    for (int i = 0; i < 3 * (int) LDISC_LINE; i++)
        assert_int_equal(ldisc_receive(&l, 'x'), 0);
    assert_true(ldisc_room(&l) > 0);
    type("\n");
    assert_int_equal(take(b, sizeof b), LDISC_LINE);
    assert_int_equal(b[LDISC_LINE - 1], '\n');
}

TEST(ldisc_signals_and_stops)
{
    start();
    type("lost");
    assert_int_equal(ldisc_receive(&l, 3), 2);
    assert_int_equal(ldisc_available(&l), 0);
    assert_int_equal(l.head, l.tail);
    type("\x13");
    assert_false(ldisc_writable(&l));
    type("\x11");
    assert_true(ldisc_writable(&l));
}

/* Whatever comes in whatever mode: positions stay in order and nothing is written past a ring. */
TEST(ldisc_survives_anything)
{
    static uint8_t b[700];
    uint32_t seed = 1;
    start();
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t r = seed >> 8;
        struct uio u = uio_kernel((struct span){b, r % sizeof b + 1});
        struct linux_termios2 t = l.termios;
        if (r % 997 == 0) {
            t.base.lflag ^= 1u << (r / 997 % 16);
            t.base.iflag ^= 1u << (r / 997 % 15);
            t.base.oflag ^= 1u << (r / 997 % 13);
            ldisc_set_termios(&l, &t);
        } else if (r % 101 == 0) {
            (void) ldisc_read(&l, &u);
        } else if (r % 103 == 0) {
            (void) ldisc_write(&l, &u);
        } else if (r % 53 == 0) {
            (void) ldisc_collect(&l, &u);
        } else if (ldisc_room(&l)) {
            (void) ldisc_receive(&l, (uint8_t) (r >> 3 & (r & 1 ? 0x1f : 0xff)));
        }
        assert_true(l.head - l.tail <= LDISC_IN && l.line - l.tail <= l.head - l.tail);
        assert_true(ldisc_collectable(&l) <= LDISC_OUT);
    }
}
