#include "libos/base/ckmath.h"
#include "libos/base/types.h"
#include "test/unit/test.h"

TEST(ckmath_bounds)
{
    size_t n = 5;
    assert_false(ck_add(&n, (size_t) 1, (size_t) 2));
    assert_int_equal(n, 3);
    assert_true(ck_add(&n, SIZE_MAX, (size_t) 1));
    assert_true(ck_sub(&n, (size_t) 0, (size_t) 1));
    assert_true(ck_mul(&n, SIZE_MAX / 2, (size_t) 3));
    assert_false(ck_mul(&n, SIZE_MAX / 2, (size_t) 2));
}

TEST(ckmath_narrowing)
{
    int i;
    assert_true(ck_add(&i, (uint64_t) INT32_MAX, 1u));
    assert_false(ck_add(&i, (uint64_t) INT32_MAX, 0u));
    uint8_t b;
    assert_true(ck_add(&b, 255, 1));
    assert_true(ck_sub(&b, 0, 1));
}

TEST(types_rounding)
{
    assert_int_equal(ROUND_UP(1ul, 4096), 4096);
    assert_int_equal(ROUND_UP(4096ul, 4096), 4096);
    assert_int_equal(ROUND_DOWN(8191ul, 4096), 4096);
    assert_true(IS_ALIGNED(0ul, 8));
    assert_int_equal(MIN(3, -1), -1);
    assert_int_equal(MAX(3, -1), 3);
}
