#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/host/fake/fake.h"
#include "libos/host/validate.h"
#include "test/unit/test.h"

TEST(host_answer_longer_than_asked_is_a_lie)
{
    uint8_t b[4] = {0};
    fake_host_answer(HOSTCALL_stdio_read, 5, 1);
    assert_int_equal(hostcall_io(HOSTCALL_stdio_read, (struct cspan){0}, SPAN_OF(b), 0, 0, 0, 0),
                     -EIO);
    fake_host_answer(HOSTCALL_stdio_write, 5, 1);
    assert_int_equal(hostcall_io(HOSTCALL_stdio_write, CSPAN_OF(b), (struct span){0}, 1, 0, 0, 0),
                     -EIO);
}

TEST(host_errno_outside_the_row_is_eio)
{
    size_t copy;
    assert_int_equal(hostcall_judge(HOSTCALL_stdio_read, -EAGAIN, 0, 4, &copy), -EAGAIN);
    assert_int_equal(hostcall_judge(HOSTCALL_stdio_read, -512, 0, 4, &copy), -EIO);
    assert_int_equal(hostcall_judge(HOSTCALL_stdio_read, INT64_MIN, 0, 4, &copy), -EIO);
    assert_int_equal(hostcall_judge(HOSTCALL_log, -EAGAIN, 4, 0, &copy), -EIO);
    assert_int_equal(hostcall_judge(HOSTCALL_clock_read, 1, 0, 32, &copy), -EIO);
    assert_int_equal(copy, 0);
}

TEST(host_range_lies_outside)
{
    assert_true(host_range_ok(ELRANGE_END, 1));
    assert_false(host_range_ok(ELRANGE_END - 1, 2));
    assert_false(host_range_ok(0, 1));
    assert_false(host_range_ok(UINT64_MAX, 2));
    assert_false(host_range_ok(1ull << 46, 1ull << 46));
}
