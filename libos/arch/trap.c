/* Stage 1 of exceptions and ticks: runs at CSSA > 0 on the small trap stack, between AEX and ERESUME.
 *
 * It decides from the SSA frame alone (the host's word is only a hint) and rewires the interrupted
 * context, so that ERESUME goes on in ordinary kernel context:
 *   user code        -> its registers become the thread's user_frame, stage 2 = user_trap_entry
 *   uaccess code     -> its fix-up; the fault is resolved in ordinary context
 *   other kernel code -> a tick only sets a flag; a fault is the end: kernel_fault_entry
 * Every exception counts as a tick, too: while the host handles one, a real tick is lost, and a thread
 * that does little else would never give way. A fault in stage 1 itself arrives with CSSA 2 and kills
 * the enclave. Kernel code never runs with RSP on a user stack except in the last instructions of a
 * return, which no tick rewires.
 */
#include "abi/enter.h"
#include "abi/sgx.h"
#include "libos/arch/vcpu.h"
#include "libos/arch/trap.h"
#include "libos/base/panic.h"
#include "libos/base/log.h"
#include "libos/base/symbols.h"

bool (*trap_rip_is_stub)(uint64_t rip);

#define RFLAGS_KERNEL 0x2u
#define RFLAGS_TF     (1ull << 8)
#define RFLAGS_AC     (1ull << 18)

extern const char user_cmpxchg[], user_word_fixup[];
extern const char text_start[], text_end[]; /* libos.ld */
uint64_t trap_stage1(unsigned cssa, uint64_t reason, uintptr_t tcs);

static struct sgx_ssa_gpr *ssa_gpr(uintptr_t slot, unsigned frame)
{
    uintptr_t end = slot + VCPU_SSA + (frame + 1) * VCPU_SSAFRAMESIZE * PAGE_SIZE;
    return (struct sgx_ssa_gpr *) (end - sizeof(struct sgx_ssa_gpr));
}

static void frame_from_gpr(struct user_frame *f, const struct sgx_ssa_gpr *g)
{
    *f = (struct user_frame){
        .r15 = g->r15,
        .r14 = g->r14,
        .r13 = g->r13,
        .r12 = g->r12,
        .rbp = g->rbp,
        .rbx = g->rbx,
        .r11 = g->r11,
        .r10 = g->r10,
        .r9 = g->r9,
        .r8 = g->r8,
        .rax = g->rax,
        .rcx = g->rcx,
        .rdx = g->rdx,
        .rsi = g->rsi,
        .rdi = g->rdi,
        .orig_rax = UINT64_MAX,
        .rip = g->rip,
        .rflags = g->rflags,
        .rsp = g->rsp,
        .full = 1,
    };
}

static bool in_kernel_range(uint64_t addr)
{
    return addr >= KERNEL_BASE && addr < KERNEL_END;
}

/* A program that jumps to a wild address is to blame itself wherever that leads: outside the enclave,
 * or to kernel pages that hold no code. The kernel in its own code has a stack of its own. */
static bool in_user(const struct sgx_ssa_gpr *g)
{
    if (!in_kernel_range(g->rip))
        return true;
    bool is_text = g->rip >= (uintptr_t) text_start && g->rip < (uintptr_t) text_end;
    return !is_text && !in_kernel_range(g->rsp);
}

static void rewire(struct sgx_ssa_gpr *g, void (*to)(void), uintptr_t stack)
{
    g->rip = (uintptr_t) to;
    g->rsp = stack;
    g->rflags = RFLAGS_KERNEL;
    g->exit_info = 0;
}

static void enter_stage2(struct vcpu *v, struct sgx_ssa_gpr *g, struct fault_info info)
{
    uintptr_t frame = v->kstack_top - sizeof(struct user_frame);
    frame_from_gpr((struct user_frame *) frame, g);
    v->user_fault = info;
    rewire(g, user_trap_entry, frame);
}

static bool fix_up(struct vcpu *v, struct sgx_ssa_gpr *g, struct fault_info info)
{
    uintptr_t rip = g->rip;
    if (rip < (uintptr_t) user_copy_start || rip >= (uintptr_t) user_copy_end)
        return false;
    v->fault = info;
    g->rip =
        rip < (uintptr_t) user_cmpxchg ? (uintptr_t) user_copy_fixup : (uintptr_t) user_word_fixup;
    g->exit_info = 0;
    return true;
}

static void kernel_dies(struct vcpu *v, struct sgx_ssa_gpr *g, struct fault_info info)
{
    frame_from_gpr(&v->dead_frame, g);
    v->fault = info;
    uintptr_t top = v->slot + VCPU_TRAP_STACK + 2 * PAGE_SIZE;
    rewire(g, kernel_fault_entry, top - 512);
}

static void tick(struct vcpu *v, struct sgx_ssa_gpr *g)
{
    if (!in_user(g) || (trap_rip_is_stub && trap_rip_is_stub(g->rip)))
        v->tick_pending = v->kernel_tick = 1;
    else
        enter_stage2(v, g, (struct fault_info){.vector = TRAP_TICK});
}

/* A program may set AC or TF and make a system call: clearing them at every entry would cost more. */
static bool end_user_flag(struct sgx_ssa_gpr *g, uint64_t vector)
{
    uint64_t flag = vector == TRAP_AC ? RFLAGS_AC : vector == TRAP_DB ? RFLAGS_TF : 0;
    if (!(g->rflags & flag))
        return false;
    g->rflags &= ~flag;
    g->exit_info = 0;
    return true;
}

static void exception(struct vcpu *v, struct sgx_ssa_gpr *g)
{
    const struct sgx_exinfo *ex =
        (const struct sgx_exinfo *) ((uintptr_t) g - sizeof(struct sgx_exinfo));
    struct fault_info info = {SGX_EXITINFO_VECTOR(g->exit_info), ex->errcd, ex->maddr};
    v->tick_pending = 1;
    if (in_user(g))
        enter_stage2(v, g, info);
    else if (!end_user_flag(g, info.vector) && !fix_up(v, g, info))
        kernel_dies(v, g, info);
}

uint64_t trap_stage1(unsigned cssa, uint64_t reason, uintptr_t tcs)
{
    struct vcpu *v = (struct vcpu *) (tcs + VCPU_GS);
    if (cssa != 1)
        return EXIT_DEAD;
    struct sgx_ssa_gpr *g = ssa_gpr(tcs, cssa - 1);
    if (v->self != v) /* before vcpu_init: a tick may come, a fault is the end */
        return g->exit_info & SGX_EXITINFO_VALID ? EXIT_DEAD : EXIT_RESUME;
    /* Not ours to touch: between EENTER and the first kernel instruction, or on the way out. */
    if (v->host_sp != 0 || g->gs_base != (uintptr_t) v)
        return EXIT_RESUME;
    if (g->exit_info & SGX_EXITINFO_VALID)
        exception(v, g);
    else if (reason == ENTER_TICK)
        tick(v, g);
    return EXIT_RESUME;
}

static void print_frame(uint64_t addr)
{
    size_t offset;
    const char *name = symbol_find(addr, &offset);
    log_emit(LOG_ERROR, "  at 0x%lx %s+0x%lx", addr, name ? name : "?", name ? offset : 0);
}

static void print_backtrace(uint64_t rip, uint64_t rbp)
{
    print_frame(rip);
    for (int depth = 0; depth < 24; depth++) {
        if (rbp < KERNEL_VCPUS || rbp > KERNEL_END - 16 || (rbp & 7))
            break;
        const uint64_t *fp = (const uint64_t *) rbp;
        if (!fp[1])
            break;
        print_frame(fp[1]);
        if (fp[0] <= rbp)
            break;
        rbp = fp[0];
    }
}

void arch_backtrace(void)
{
    uint64_t rbp = (uint64_t) __builtin_frame_address(0);
    print_backtrace((uint64_t) __builtin_return_address(0), rbp);
}

/* What context_switch (entry.S) saved lies at sp: six registers, RBP the last, and its return address. */
size_t arch_stack_walk(uintptr_t sp, uintptr_t low, uintptr_t high, uintptr_t *ret, size_t max)
{
    if (sp < low || sp > high - 7 * sizeof(uint64_t))
        return 0;
    const uint64_t *saved = (const uint64_t *) sp;
    uint64_t rbp = saved[5];
    size_t n = 0;
    ret[n++] = saved[6];
    while (n < max && rbp >= low && rbp <= high - 16 && (rbp & 7) == 0) {
        const uint64_t *fp = (const uint64_t *) rbp;
        if (!fp[1])
            break;
        ret[n++] = fp[1];
        if (fp[0] <= rbp)
            break;
        rbp = fp[0];
    }
    return n;
}

noreturn_fn void kernel_fault(void);
noreturn_fn void kernel_fault(void)
{
    struct vcpu *v = this_vcpu();
    const struct user_frame *f = &v->dead_frame;
    log_emit(LOG_ERROR, "kernel fault: vector %lu error 0x%lx address 0x%lx rip 0x%lx rsp 0x%lx",
             v->fault.vector, v->fault.error_code, v->fault.addr, f->rip, f->rsp);
    log_emit(LOG_ERROR, "rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx r8 %lx r12 %lx",
             f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi, f->rbp, f->r8, f->r12);
    print_backtrace(f->rip, f->rbp);
    panic("the kernel took a fault%s",
          v->fault.vector == 6 ? " (a check of the compiler failed: out of bounds, null, kcfi ...)"
                               : "");
}
