/* What the kernel asks of the processor, in an ordinary process: nothing needs saving here, because
 * coroutines switch with the C ABI. */
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "libos/arch/fpu.h"
#include "libos/arch/random.h"
#include "libos/arch/trap.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/host/posix/unit.h"

#define WEAK __attribute__((weak))

WEAK void fpu_begin(void)
{
}
WEAK void fpu_end(void)
{
}
WEAK void fpu_init(uint64_t xfrm)
{
}
WEAK void fpu_area_init(void *area)
{
    memset(area, 0, XSTATE_AREA_SIZE);
}
WEAK void fpu_save(void *area)
{
}
WEAK void fpu_restore(const void *area)
{
}
WEAK void fpu_scrub(void)
{
}
WEAK void fpu_switch_out(struct thread *t)
{
}
WEAK void fpu_switch_in(struct thread *t)
{
}
WEAK void fpu_forget(struct thread *t)
{
}
WEAK void arch_backtrace(void)
{
}

WEAK size_t xstate_size(void)
{
    return 576;
}
WEAK uint64_t xstate_mask(void)
{
    return 3;
}
WEAK struct xstate_part xstate_part(unsigned component)
{
    static const struct xstate_part parts[8] = {
        [2] = {576, 256}, [5] = {1088, 64}, [6] = {1152, 512}, [7] = {1664, 1024}};
    return component < ARRAY_SIZE(parts) ? parts[component] : (struct xstate_part){0};
}
WEAK void xstate_save(void *area)
{
    memset(area, 0, xstate_size());
}
WEAK int xstate_restore(const void *area)
{
    return 0;
}
WEAK void xstate_reset(void)
{
}

WEAK void user_fs_base_set(uint64_t base)
{
    current()->fs_base = base;
}
WEAK uint64_t user_fs_base(void)
{
    return current()->fs_base;
}

WEAK uint64_t rdtsc_ordered(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

WEAK void random_bytes(struct span dst)
{
    if (getrandom(dst.p, dst.n, 0) != (ssize_t) dst.n)
        panic("getrandom");
}

WEAK bool (*trap_rip_is_stub)(uint64_t rip);
