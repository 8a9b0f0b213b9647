/* What the sources under test ask of the rest of the kernel; nothing here is looked at. */
#include <string.h>
#include "libos/arch/fpu.h"
#include "libos/base/errno.h"
#include "libos/base/string.h"
#include "libos/mm/heap.h"
#include "libos/mm/kstack.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "test/vcpus/vcpus.h"

static size_t used; /* of the test's memory; heap, stacks and words of the program */

void test_memory_reset(void);
void test_memory_reset(void)
{
    used = 0;
}

void *test_alloc(size_t size)
{
    void *p = (void *) (TEST_MEMORY + used);
    used += ROUND_UP(size, 64ul);
    if (used > TEST_MEMORY_SIZE)
        fail("out of memory");
    return memset(p, 0, size);
}

void *kzalloc(size_t size)
{
    return test_alloc(size);
}

void kfree(void *p)
{
}

uintptr_t kstack_alloc(void)
{
    used = ROUND_UP(used, 4096ul);
    used += KSTACK_SIZE; /* not cleared: 32 KiB for each thread of each execution */
    return TEST_MEMORY + used - KSTACK_SIZE;
}

void kstack_free(uintptr_t stack)
{
}

struct thread *start(void (*fn)(void *arg), void *arg, struct process *proc, uint64_t mask)
{
    static int tids;
    struct thread *t = thread_new(proc, ++tids);
    t->kthread_fn = fn;
    t->kthread_arg = arg;
    t->cpu_mask = mask;
    thread_start(t);
    return t;
}

void fpu_area_init(void *area)
{
}

void fpu_switch_out(struct thread *t)
{
}

void fpu_switch_in(struct thread *t)
{
}

void fpu_forget(struct thread *t)
{
}

uint64_t fs_base_read(void)
{
    return 0;
}

void fs_base_write(uint64_t v)
{
}

int user_cmpxchg_u32(uaddr_t ua, uint32_t expected, uint32_t desired, uint32_t *ret_found)
{
    step();
    *ret_found = expected;
    (void) __atomic_compare_exchange_n((uint32_t *) (TEST_MEMORY + (ua.v - SHARED_BASE)), ret_found,
                                       desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return 0;
}

int user_load_u32(uaddr_t ua, uint32_t *ret)
{
    step();
    *ret = *(uint32_t *) (TEST_MEMORY + (ua.v - SHARED_BASE));
    return 0;
}
