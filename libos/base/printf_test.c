/* The kernel's formatter against libc's, over random formats of the kind it supports. */
#include <stdio.h>
#include <stdlib.h>
#include "libos/base/printf.h"
#include "libos/base/string.h"
#include "test/unit/test.h"

#pragma clang diagnostic ignored "-Wformat"
#pragma clang diagnostic ignored "-Wformat-nonliteral"

static void random_spec(char *out, size_t size, char *ret_conversion, int *ret_longs)
{
    static const char *const flags[] = {"", "-", "0", "+", "-+", "0+", ""};
    static const char *const lengths[] = {"", "l", "ll", "z"};
    static const char conversions[] = "dixXuosc%";
    char width[16] = "", precision[16] = "";
    char c = conversions[(size_t) random() % (sizeof conversions - 1)];
    bool number = strchr("dixXuo", c);
    const char *flag = flags[random() % 7];
    if (!number || (strchr("xXuo", c) && strchr(flag, '+')))
        flag = random() % 2 && c == 's' ? "-" : "";
    if (random() % 2 && c != '%' && c != 'c')
        snprintf(width, sizeof width, "%d", (int) (random() % 30 + 1));
    if (random() % 3 == 0 && (number || c == 's'))
        snprintf(precision, sizeof precision, ".%d", (int) (random() % 22));
    int l = number ? (int) (random() % 4) : 0;
    snprintf(out, size, "<%%%s%s%s%s%c>", flag, width, precision, lengths[l], c);
    *ret_conversion = c;
    *ret_longs = l;
}

static const int64_t interesting[] = {0,         1,         -1,        9,         10,
                                      INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 255};

TEST(printf_against_libc)
{
    static const char *const strings[] = {"", "a", "hello, world", "%d"};
    srandom(3);
    for (int round = 0; round < 100000; round++) {
        char fmt[64], own[128], libc[128], c;
        int longs;
        random_spec(fmt, sizeof fmt, &c, &longs);
        size_t room = (size_t) random() % sizeof own;
        int64_t v =
            random() % 2 ? interesting[random() % 10] : (int64_t) random() << (random() % 33);
        size_t n, want;
        memset(own, 0x55, sizeof own);
        memset(libc, 0x55, sizeof libc);
        if (c == 's') {
            const char *s = strings[random() % 4];
            n = fmt_str(own, room, fmt, s);
            want = (size_t) snprintf(libc, room, fmt, s);
        } else if (longs) {
            n = fmt_str(own, room, fmt, v);
            want = (size_t) snprintf(libc, room, fmt, v);
        } else {
            int i = c == 'c' ? 'x' : (int) v;
            n = fmt_str(own, room, fmt, i);
            want = (size_t) snprintf(libc, room, fmt, i);
        }
        if (n != want || memcmp(own, libc, sizeof own) != 0)
            fail_msg("format \"%s\" value %lld: \"%s\" instead of \"%s\"", fmt, (long long) v,
                     room ? own : "", room ? libc : "");
    }
}

TEST(printf_pointer_and_null)
{
    char b[64];
    fmt_str(b, sizeof b, "%p %s", (void *) 0x12ab, (char *) NULL);
    assert_string_equal(b, "0x12ab (null)");
    fmt_str(b, sizeof b, "%*d|%.*s", 4, 7, 2, "abc");
    assert_string_equal(b, "   7|ab");
    assert_int_equal(fmt_str(b, sizeof b, "%hd %hhu %jd %td", 1, 2u, (intmax_t) 3, (ptrdiff_t) 4),
                     7);
}

TEST(text_has_a_ceiling)
{
    char b[8];
    struct text t = {.p = b, .max = sizeof b};
    text_add(&t, "%s", "abc");
    assert_int_equal(t.n, 3);
    assert_false(t.full);
    text_add(&t, "%s", "defgh");
    assert_true(t.full);
    assert_int_equal(t.n, 7);
    assert_string_equal(b, "abcdefg");
    text_add(&t, "%d", 12345);
    assert_int_equal(t.n, 7);
}
