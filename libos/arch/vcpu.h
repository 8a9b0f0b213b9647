/* A vCPU: a host thread with a TCS. GS points at its block whenever enclave code runs; kernel code
 * is never preempted, so the block needs no lock (fields other vCPUs touch say so).
 */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H
#include "abi/hostcall.h"
#include "abi/layout.h"
#include "libos/arch/frame.h"
#include "libos/arch/vcpu_offsets.h"

struct thread;

struct fault_info {
    uint64_t vector, error_code, addr;
};

struct vcpu {
    uintptr_t kstack_top;
    struct vcpu *self;
    void (*syscall_entry)(void);
    void (*cpuid_entry)(void);
    uint64_t scratch_rcx;
    uint64_t canary;
    uint64_t scratch_rsp, scratch_rip;
    struct thread *current;
    uint64_t host_sp, host_return;
    uint32_t index;
    uint32_t tick_pending; /* set by a tick that met kernel code */
    uint64_t outside_rsp, outside_rbp;
    struct host_vcpu *host;       /* untrusted; address checked once */
    uintptr_t slot;               /* KERNEL_VCPUS + index * VCPU_SLOT_SIZE */
    struct fault_info fault;      /* of the last uaccess fix-up */
    struct fault_info user_fault; /* on its way from stage 1 to stage 2 */
    struct user_frame dead_frame; /* kernel fault: registers for the report */
    struct thread *xstate_owner;  /* whose vector state is in the registers */
    uint32_t calls;   /* system calls; a host that sends no ticks cannot stop the clocks */
    bool kernel_tick; /* a tick met kernel code that works for a thread */
    bool x87_live; /* the x87 registers may hold somebody's state since the last save or restore */
};
_Static_assert(offsetof(struct vcpu, canary) == GS_CANARY, "clang -mstack-protector-guard-offset");
_Static_assert(offsetof(struct vcpu, scratch_rcx) == GS_SCRATCH_RCX, "entry.S");
_Static_assert(offsetof(struct vcpu, current) == GS_CURRENT, "entry.S");
_Static_assert(offsetof(struct vcpu, host_return) == GS_HOST_RETURN, "entry.S");
_Static_assert(offsetof(struct vcpu, index) == GS_INDEX, "vdso.c");
_Static_assert(offsetof(struct vcpu, outside_rbp) == GS_OUTSIDE_RBP, "entry.S");
_Static_assert(offsetof(struct user_frame, rax) == FRAME_RAX, "entry.S");
_Static_assert(offsetof(struct user_frame, orig_rax) == FRAME_ORIG_RAX, "entry.S");
_Static_assert(offsetof(struct user_frame, rip) == FRAME_RIP, "entry.S");
_Static_assert(offsetof(struct user_frame, full) == FRAME_FULL, "entry.S");

#ifdef OCCLUM_UNIT /* an ordinary process has its own */
struct vcpu *this_vcpu(void);
uint64_t tsc_read(void);
uint64_t fs_base_read(void);
void fs_base_write(uint64_t v);
#else
static inline struct vcpu *this_vcpu(void)
{
    struct vcpu *v;
    __asm__ volatile("movq %%gs:8, %0" : "=r"(v));
    return v;
}

static inline uint64_t tsc_read(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return ((uint64_t) hi << 32) | lo;
}

static inline uint64_t fs_base_read(void)
{
    uint64_t v;
    __asm__ volatile("rdfsbase %0" : "=r"(v));
    return v;
}

static inline void fs_base_write(uint64_t v)
{
    __asm__ volatile("wrfsbase %0" : : "r"(v));
}
#endif

struct vcpu *vcpu_by_index(unsigned index);
/* Assembly, entry.S. */
void host_leave(uint64_t rdi, uint64_t rsi);           /* EEXIT; returns at the next ENTER_RUN */
noreturn_fn void user_enter(struct user_frame *frame); /* full restore */
void syscall_entry(void);
void cpuid_entry(void);
void user_trap_entry(void);
void kernel_fault_entry(void);
void context_switch(uintptr_t *save_sp, uintptr_t new_sp);
void thread_trampoline(void);
extern const char user_copy_start[], user_copy_end[], user_copy_fixup[];

/* C side, trap.c */
void trap_init_vcpu(struct vcpu *v);
uint64_t rdtsc_ordered(void);
#endif
