#include "libos/base/ref.h"
#include "libos/host/posix/unit.h"
#include "test/unit/test.h"

TEST(ref_counts)
{
    struct ref r = REF_INIT;
    ref_get(&r);
    assert_false(ref_put_last(&r));
    assert_true(ref_get_unless_zero(&r));
    assert_false(ref_put_last(&r));
    assert_true(ref_put_last(&r));
    assert_false(ref_get_unless_zero(&r));
}

TEST(ref_traps_resurrection)
{
    struct ref r = {0};
    expect_panic(ref_get(&r));
}

TEST(ref_traps_put_of_nothing)
{
    struct ref r = {0};
    expect_panic((void) ref_put_last(&r));
}

TEST(ref_traps_overflow)
{
    struct ref r = {REF_MAX};
    expect_panic(ref_get(&r));
    r.n = 0xffffffff;
    expect_panic((void) ref_put_last(&r));
}
