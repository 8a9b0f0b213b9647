/* Which locks are held by whom, for debug builds (base/lockorder.h): spin locks by the vCPU, since kernel code
 * that holds one never gives it away; mutexes by the thread. */
#include "abi/layout.h"
#include "libos/base/lockorder.h"
#include "libos/task/sched.h"
#include "libos/task/thread.h"

#ifdef DEBUG
static struct lock_stack spins[VCPU_MAX];

static struct lock_stack *stack_of(enum held_kind kind)
{
    return kind == HELD_SPINS ? &spins[sched_current_cpu()] : &current()->mutexes;
}

void lock_stacks_init(void)
{
    lock_order_stack = stack_of;
}
#endif
