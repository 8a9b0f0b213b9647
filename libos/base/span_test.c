#include "libos/base/span.h"
#include "test/unit/test.h"

TEST(span_sub_never_wraps)
{
    uint8_t b[8] = {0};
    struct span s = {b, sizeof b}, r = {0};
    assert_true(span_sub(s, 8, 0, &r));
    assert_true(span_sub(s, 2, 6, &r));
    assert_ptr_equal(r.p, b + 2);
    assert_int_equal(r.n, 6);
    assert_false(span_sub(s, 9, 0, &r));
    assert_false(span_sub(s, 2, 7, &r));
    assert_false(span_sub(s, 2, SIZE_MAX - 1, &r)); /* 2 + this wraps */
    assert_false(span_sub(s, SIZE_MAX, 2, &r));
    assert_int_equal(r.n, 6); /* untouched on failure */
}

TEST(span_get)
{
    const uint8_t b[4] = {1, 2, 3, 4};
    uint16_t v = 9;
    assert_true(cspan_get((struct cspan){b, 4}, 2, &v, 2));
    assert_int_equal(v, 0x0403);
    assert_false(cspan_get((struct cspan){b, 4}, 3, &v, 2));
    assert_int_equal(v, 0x0403);
}

TEST(reader_is_sticky)
{
    const uint8_t b[7] = {1, 0, 0, 0, 0xff, 0xff, 0xff};
    struct rd r = {.s = {b, sizeof b}};
    assert_int_equal(rd_u32(&r), 1);
    assert_false(r.bad);
    assert_int_equal(rd_u32(&r), 0); /* three bytes are left */
    assert_true(r.bad);
    assert_null(rd_bytes(&r, 1).p); /* and stays bad although a byte is there */
    uint8_t out[2] = {7, 7};
    rd_copy(&r, out, 2);
    assert_int_equal(out[0] | out[1], 0);
}

TEST(reader_reads_all)
{
    uint8_t b[16];
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t) i;
    struct rd r = {.s = {b, sizeof b}};
    assert_true(rd_u64(&r) == 0x0706050403020100ull);
    assert_int_equal(rd_bytes(&r, 8).n, 8);
    assert_int_equal(rd_bytes(&r, 0).n, 0);
    assert_false(r.bad);
}
