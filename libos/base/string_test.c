#include <stdlib.h>
#include "libos/base/string.h"
#include "test/unit/test.h"

/* The kernel's own memcpy and friends under other names, beside libc's. */
#define memcpy     own_memcpy
#define memmove    own_memmove
#define memset     own_memset
#define memcmp     own_memcmp
#define memchr     own_memchr
#define strlen     own_strlen
#define strnlen    own_strnlen
#define strcmp     own_strcmp
#define strncmp    own_strncmp
#define strchr     own_strchr
#define strrchr    own_strrchr
#define str_copy   own_str_copy
#define wipe       own_wipe
#define str_eq     own_str_eq
#define str_starts own_str_starts
#undef BASE_STRING_H
#undef OCCLUM_UNIT
#include "libos/base/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef str_copy
#undef wipe
#undef str_eq
#undef str_starts

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

TEST(string_mem_against_libc)
{
    enum { HALF = 200 }; /* both sides of what goes by words */
    uint8_t a[2 * HALF], b[2 * HALF], x[2 * HALF], y[2 * HALF];
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof a; i++) {
            x[i] = y[i] = (uint8_t) random();
            a[i] = b[i] = (uint8_t) (random() & 1);
        }
        size_t n = (size_t) random() % (round % 2 ? HALF : 40);
        size_t from = (size_t) random() % HALF, to = (size_t) random() % HALF;
        own_memmove(x + to, x + from, n);
        memmove(y + to, y + from, n);
        assert_memory_equal(x, y, sizeof x);
        int c = (int) random();
        own_memset(x + to, c, n);
        memset(y + to, c, n);
        assert_memory_equal(x, y, sizeof x);
        own_memcpy(x, a + from, n);
        memcpy(y, a + from, n);
        assert_memory_equal(x, y, sizeof x);
        assert_int_equal(sign(own_memcmp(a + from, b + to, n)), sign(memcmp(a + from, b + to, n)));
        assert_ptr_equal(own_memchr(a, 1, n), memchr(a, 1, n));
    }
}

TEST(string_str_against_libc)
{
    srandom(2);
    for (int round = 0; round < 20000; round++) {
        char a[24] = {0}, b[24] = {0};
        for (size_t i = 0; i < 12; i++) {
            a[i] = (char) ("\0ab\xff"[random() % 4]);
            b[i] = (char) ("\0ab\xff"[random() % 4]);
        }
        size_t n = (size_t) random() % 16;
        assert_int_equal(own_strlen(a), strlen(a));
        assert_int_equal(own_strnlen(a, n), strnlen(a, n));
        assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(own_strncmp(a, b, n)), sign(strncmp(a, b, n)));
        assert_ptr_equal(own_strchr(a, 'b'), strchr(a, 'b'));
        assert_ptr_equal(own_strchr(a, 0), strchr(a, 0));
        assert_ptr_equal(own_strrchr(a, 'a'), strrchr(a, 'a'));
        assert_ptr_equal(own_strrchr(a, 0), strrchr(a, 0));
    }
}

TEST(string_copy_terminates)
{
    char b[4] = "xyz";
    assert_int_equal(str_copy(b, "abcdef", sizeof b), 6);
    assert_string_equal(b, "abc");
    assert_int_equal(str_copy(b, "", sizeof b), 0);
    assert_string_equal(b, "");
    assert_int_equal(str_copy(b, "q", 0), 1);
    assert_true(str_starts("abc", "ab"));
    assert_true(str_starts("abc", ""));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_eq("", ""));
    assert_false(str_eq("a", "ab"));
}
