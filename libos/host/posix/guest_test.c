#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/uaccess.h"
#include "test/unit/test.h"

TEST(unit_guest_copies)
{
    uaddr_t ua = unit_user_string("hello");
    char b[16];
    assert_int_equal(str_from_user(b, sizeof b, ua), 5);
    assert_string_equal(b, "hello");
    assert_int_equal(str_from_user(b, 5, ua), -ENAMETOOLONG);
    assert_int_equal(put_user(ua, (char) 'J'), 0);
    assert_memory_equal(unit_guest(ua), "Jello", 6);
    unit_user_reset();
}

TEST(unit_guest_faults)
{
    uint8_t b[16] = {0};
    uaddr_t ua = unit_user_alloc(8);
    assert_int_equal(copy_from_user((struct span){b, 8}, ua), 0);
    assert_int_equal(copy_from_user((struct span){b, 9}, ua), -EFAULT);
    assert_int_equal(copy_from_user((struct span){b, 8}, UADDR(0)), -EFAULT);
    assert_int_equal(copy_from_user((struct span){b, 8}, UADDR(KERNEL_BASE)), -EFAULT);
    assert_int_equal(copy_from_user((struct span){b, 8}, UADDR(UINTPTR_MAX - 3)), -EFAULT);
    unit_user_readonly(ua);
    assert_int_equal(copy_to_user(ua, (struct cspan){b, 8}), -EFAULT);
    assert_int_equal(copy_from_user((struct span){b, 8}, ua), 0);
    unit_user_reset();
}
