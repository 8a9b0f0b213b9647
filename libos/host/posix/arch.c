/* What the kernel asks of the processor, in an ordinary process: nothing needs saving here, because
 * coroutines switch with the C ABI. */
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "libos/arch/enclu.h"
#include "libos/arch/fpu.h"
#include "libos/arch/random.h"
#include "libos/arch/trap.h"
#include "libos/arch/vcpu.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/crypto/sha256.h"
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

/* One vCPU; nothing waits for another. */
WEAK struct vcpu *this_vcpu(void)
{
    static struct vcpu only = {.self = &only};
    return &only;
}
WEAK void cpu_relax(void)
{
}
WEAK uint64_t fs_base_read(void)
{
    return current()->fs_base;
}
WEAK void fs_base_write(uint64_t v)
{
    current()->fs_base = v;
}

WEAK uint64_t tsc_read(void)
{
    return rdtsc_ordered();
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

/* An enclave of the signer 1, on a machine whose secret is "unit": keys differ with every field of the
 * request, and an SVN above its own is refused as the processor does. */
enum { UNIT_SVN = 2 };

WEAK void enclu_report(const struct sgx_targetinfo *target, const void *data,
                       struct sgx_report *ret)
{
    *ret = (struct sgx_report){.isv_svn = UNIT_SVN, .cpu_svn = {UNIT_SVN}, .mr_signer = {1}};
}

WEAK int enclu_get_key(const struct sgx_keyrequest *request, uint8_t ret_key[16])
{
    if (request->cpu_svn[0] > UNIT_SVN)
        return SGX_INVALID_CPUSVN;
    if (request->isv_svn > UNIT_SVN)
        return SGX_INVALID_ISVSVN;
    uint8_t mac[SHA256_SIZE];
    hmac_sha256((struct cspan){(const uint8_t *) "unit", 4},
                (struct cspan){(const uint8_t *) request, sizeof *request}, mac);
    memcpy(ret_key, mac, 16);
    return 0;
}
