/* Control requests of a hostile host: what is accepted, and that nothing else is. */
#include "libos/boot/control_decode.h"
#include "abi/hostcall.h"
#include "libos/base/errno.h"
#include "test/unit/test.h"

#define ROOM 256

/* A request and its strings, in a buffer that ends where they do. */
static int decode(const struct control_request *r, const char *strings, size_t size,
                  struct control_request *ret, const char **ret_strings)
{
    uint8_t bytes[sizeof *r + ROOM];
    assert_true(size <= ROOM);
    memcpy(bytes, r, sizeof *r);
    if (size)
        memcpy(bytes + sizeof *r, strings, size);
    return control_decode((struct cspan){bytes, sizeof *r + size}, ret, ret_strings);
}

static int try(const struct control_request *r, const char *strings, size_t size)
{
    struct control_request out;
    const char *s;
    return decode(r, strings, size, &out, &s);
}

static const char two_and_one[] = "/bin/a\0x\0V=1";

static struct control_request good_exec(void)
{
    return (struct control_request){.magic = CONTROL_MAGIC,
                                    .op = CONTROL_EXEC,
                                    .id = 7,
                                    .session = 1,
                                    .argc = 2,
                                    .envc = 1,
                                    .strings_size = sizeof two_and_one};
}

TEST(control_decode_exec)
{
    struct control_request r = good_exec(), out;
    const char *strings;
    uint8_t bytes[sizeof r + sizeof two_and_one];
    memcpy(bytes, &r, sizeof r);
    memcpy(bytes + sizeof r, two_and_one, sizeof two_and_one);
    assert_int_equal(control_decode((struct cspan){bytes, sizeof bytes}, &out, &strings), 0);
    assert_int_equal(out.id, 7);
    assert_ptr_equal(strings, bytes + sizeof r);
}

TEST(control_decode_truncated)
{
    struct control_request r = good_exec(), out;
    const char *strings;
    uint8_t bytes[sizeof r + sizeof two_and_one];
    memcpy(bytes, &r, sizeof r);
    memcpy(bytes + sizeof r, two_and_one, sizeof two_and_one);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(control_decode((struct cspan){bytes, n}, &out, &strings), -EINVAL);
}

TEST(control_decode_strings)
{
    struct control_request r = good_exec();
    size_t size = sizeof two_and_one;
    assert_int_equal(try(&r, two_and_one, size), 0);
    r.argc = 3; /* more than there are */
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r.argc = 1; /* fewer */
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r.argc = UINT32_MAX; /* argc + envc wraps to what there is */
    r.envc = 4;
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r = good_exec();
    r.argc = 0;
    r.envc = 3;
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r = good_exec();
    r.strings_size = (uint32_t) size - 1; /* the last one has no end */
    assert_int_equal(try(&r, two_and_one, size - 1), -EINVAL);
    r.strings_size = (uint32_t) size + 1; /* more than was sent */
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r = good_exec(); /* bytes left over */
    r.strings_size = 9;
    r.envc = 0;
    assert_int_equal(try(&r, two_and_one, 9), 0);
    assert_int_equal(try(&r, two_and_one, size), -EINVAL);
    r.strings_size = 0;
    assert_int_equal(try(&r, NULL, 0), -EINVAL);
}

TEST(control_decode_sessions)
{
    struct control_request r = good_exec();
    static const uint32_t bad[] = {0, HOST_SESSIONS, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.session = bad[i];
        assert_int_equal(try(&r, two_and_one, sizeof two_and_one), -EINVAL);
    }
    struct control_request s = {
        .magic = CONTROL_MAGIC, .op = CONTROL_STATUS, .id = 1, .session = 1};
    assert_int_equal(try(&s, NULL, 0), -EINVAL);
}

static const struct {
    uint32_t op, session;
    int64_t a, b;
    bool good;
} cases[] = {
    {CONTROL_SIGNAL, 1, 15, 0, true},
    {CONTROL_SIGNAL, 1, 31, 0, true},
    {CONTROL_SIGNAL, 1, 0, 0, false},
    {CONTROL_SIGNAL, 1, 32, 0, false},
    {CONTROL_SIGNAL, 1, -1, 0, false},
    {CONTROL_SIGNAL, 1, 15, 1, false},
    {CONTROL_SIGNAL, 1, INT64_MIN, 0, false},
    {CONTROL_HANGUP, HOST_SESSIONS - 1, 0, 0, true},
    {CONTROL_HANGUP, 1, 1, 0, false},
    {CONTROL_STOP, 0, 0, 0, true},
    {CONTROL_STOP, 0, CONTROL_STOP_MAX, 0, true},
    {CONTROL_STOP, 0, CONTROL_STOP_MAX + 1, 0, false},
    {CONTROL_STOP, 0, INT64_MAX, 0, false},
    {CONTROL_STOP, 0, -1, 0, false},
    {CONTROL_STATUS, 0, 0, 0, true},
    {CONTROL_STATUS, 0, 1, 0, false},
    {CONTROL_LIST, 0, 0, 0, true},
    {CONTROL_LIST, 0, CONTROL_LIST_STACKS, 0, true},
    {CONTROL_LIST, 0, 2, 0, false},
    {CONTROL_LIST, 0, -1, 0, false},
    {CONTROL_KILL, 0, 1, 0, true},
    {CONTROL_KILL, 0, 32767, 64, true},
    {CONTROL_KILL, 0, 0, 9, false},
    {CONTROL_KILL, 0, -1, 9, false},
    {CONTROL_KILL, 0, 32768, 9, false},
    {CONTROL_KILL, 0, 5, 65, false},
    {CONTROL_KILL, 0, 5, -9, false},
    {0, 0, 0, 0, false},
    {8, 0, 0, 0, false},
    {UINT32_MAX, 0, 0, 0, false},
};

TEST(control_decode_arguments)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct control_request r = {.magic = CONTROL_MAGIC,
                                    .op = cases[i].op,
                                    .id = 1,
                                    .session = cases[i].session,
                                    .a = cases[i].a,
                                    .b = cases[i].b};
        if (try(&r, NULL, 0) != (cases[i].good ? 0 : -EINVAL))
            fail_msg("case %zu", i);
        struct control_request bad = r;
        bad.id = 0;
        assert_int_equal(try(&bad, NULL, 0), -EINVAL);
        bad = r;
        bad.magic ^= 1;
        assert_int_equal(try(&bad, NULL, 0), -EINVAL);
        bad = r;
        bad.argc = 1;
        assert_int_equal(try(&bad, NULL, 0), -EINVAL);
        bad = r; /* strings where none belong */
        bad.strings_size = 2;
        assert_int_equal(try(&bad, "x", 2), -EINVAL);
    }
}
