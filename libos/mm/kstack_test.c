#include "abi/layout.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/kstack.h"
#include "test/unit/test.h"

TEST(kstack_reuse_and_apart)
{
    uintptr_t a = kstack_alloc(), b = kstack_alloc();
    assert_true(a >= KERNEL_STACKS + KSTACK_SIZE && b >= a + 2 * KSTACK_SIZE);
    kstack_free(a);
    uintptr_t c = kstack_alloc();
    assert_int_equal(c, a);
    kstack_free(b);
    kstack_free(c);
}

TEST(kstack_below_is_a_hole)
{
    uintptr_t a = kstack_alloc();
    assert_true(unit_guest_holds(a, KSTACK_SIZE));
    assert_false(unit_guest_holds(a - 8, 8));
    assert_false(unit_guest_holds(a - KSTACK_SIZE, 8));
    kstack_free(a);
}

TEST(kstack_wrong_frees)
{
    uintptr_t a = kstack_alloc();
    expect_panic(kstack_free(a + 16));
    expect_panic(kstack_free(a - KSTACK_SIZE));
    expect_panic(kstack_free(KERNEL_HEAP));
    kstack_free(a);
}
