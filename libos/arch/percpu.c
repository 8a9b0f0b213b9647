/* The vCPU blocks and the first steps of a vCPU in the enclave. */
#include "libos/arch/fpu.h"
#include "libos/arch/trap.h"
#include "libos/arch/vcpu.h"
#include "libos/base/panic.h"

static uint32_t vcpus_started; /* bit per vCPU */

struct vcpu *vcpu_by_index(unsigned index)
{
    if (index >= VCPU_MAX || !(__atomic_load_n(&vcpus_started, __ATOMIC_ACQUIRE) & (1u << index)))
        return NULL;
    return (struct vcpu *) (KERNEL_VCPUS + index * VCPU_SLOT_SIZE + VCPU_GS);
}

static uint64_t rdrand(void)
{
    uint64_t v;
    uint8_t ok;
    int tries = 0;
    do
        __asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok));
    while (!ok && ++tries < 1000);
    check(ok);
    return v;
}

/* One canary for all vCPUs: a kernel stack wakes up on another vCPU than it slept on. */
static uint64_t shared_canary(void)
{
    static uint64_t canary;
    uint64_t none = 0, fresh = rdrand() | 1;
    bool first = __atomic_compare_exchange_n(&canary, &none, fresh, false, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE);
    return first ? fresh : none;
}

/* GS points at the block already (TCS.OGSBASE); it is zero. */
__attribute__((no_stack_protector)) struct vcpu *vcpu_init(uintptr_t tcs, struct host_vcpu *host);
__attribute__((no_stack_protector)) struct vcpu *vcpu_init(uintptr_t tcs, struct host_vcpu *host)
{
    struct vcpu *v = (struct vcpu *) (tcs + VCPU_GS);
    v->self = v;
    v->canary = shared_canary();
    v->slot = tcs;
    v->index = (uint32_t) ((tcs - KERNEL_VCPUS) / VCPU_SLOT_SIZE);
    v->syscall_entry = syscall_entry;
    v->cpuid_entry = cpuid_entry;
    v->host = host;
    v->kstack_top = tcs + VCPU_IDLE_STACK + VCPU_IDLE_PAGES * PAGE_SIZE - 1024;
    __atomic_fetch_or(&vcpus_started, 1u << v->index, __ATOMIC_RELEASE);
    return v;
}

uint64_t rdtsc_ordered(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t) hi << 32) | lo;
}
