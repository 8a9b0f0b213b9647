/* Kernel stacks in slots from KERNEL_STACKS on: the lower half of a slot is never committed. Stacks that
 * were freed stay committed and are taken first; they are never given back. What the last thread left on a
 * stack stays there: locals are initialised by the compiler, so nobody reads it. */
#include "abi/layout.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/epc.h"
#include "libos/mm/kstack.h"
#include "libos/task/thread.h"

#define SLOT_SIZE  (2 * KSTACK_SIZE)
#define SLOT_COUNT ((KERNEL_END - KERNEL_STACKS) / SLOT_SIZE)

static struct {
    struct spinlock lock;
    uint32_t used; /* slots that were ever committed */
    uint32_t free_count;
    uint16_t free[SLOT_COUNT];
    uint64_t taken[SLOT_COUNT / 64];
} stacks;
_Static_assert(SLOT_COUNT <= 65536, "slot numbers");

static uintptr_t stack_of(uint32_t slot)
{
    return KERNEL_STACKS + slot * SLOT_SIZE + KSTACK_SIZE;
}

uintptr_t kstack_alloc(void)
{
    SPIN_GUARD(&stacks.lock);
    uint32_t slot = stacks.used;
    if (stacks.free_count > 0) {
        slot = stacks.free[--stacks.free_count];
    } else {
        if (slot == SLOT_COUNT || epc_commit(stack_of(slot), KSTACK_SIZE / PAGE_SIZE) < 0)
            return 0;
        stacks.used++;
    }
    stacks.taken[slot / 64] |= 1ull << (slot % 64);
    return stack_of(slot);
}

void kstack_free(uintptr_t stack)
{
    check(stack >= stack_of(0) && stack < KERNEL_END && (stack - stack_of(0)) % SLOT_SIZE == 0);
    uint32_t slot = (uint32_t) ((stack - stack_of(0)) / SLOT_SIZE);
    SPIN_GUARD(&stacks.lock);
    check(slot < stacks.used && stacks.taken[slot / 64] >> (slot % 64) & 1);
    stacks.taken[slot / 64] &= ~(1ull << (slot % 64));
    stacks.free[stacks.free_count++] = (uint16_t) slot;
}
