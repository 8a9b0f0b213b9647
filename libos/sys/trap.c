/* Stage 2 of exceptions and ticks of user code: ordinary kernel context on the thread's own stack,
 * frame complete. Page faults are resolved or become signals; instructions that are illegal in an
 * enclave but legal on Linux (syscall, cpuid) are emulated. */
#include "libos/arch/fpu.h"
#include "libos/arch/trap.h"
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/errno.h"
#include "libos/exec/cpuid.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/dispatch.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"

enum {
    SIG_ILL = 4,
    SIG_TRAP = 5,
    SIG_BUS = 7,
    SIG_FPE = 8,
    SIG_KILL = 9,
    SIG_SEGV = 11,
    CODE_KERNEL = 0x80,
    ILL_ILLOPN = 2,
    FPE_INTDIV = 1,
    FPE_FLTDIV = 3,
    FPE_FLTOVF = 4,
    FPE_FLTUND = 5,
    FPE_FLTRES = 6,
    FPE_FLTINV = 7,
    BUS_ADRALN = 1,
    BUS_ADRERR = 2,
};
#define PF_WRITE 2u
#define PF_FETCH 16u

static void page_fault(const struct fault_info *info)
{
    int access = info->error_code & PF_FETCH   ? PROT_X
                 : info->error_code & PF_WRITE ? PROT_W
                                               : PROT_R;
    int code = 0;
    uint64_t *faults = &current()->minflt;
    atomic_post(faults, *faults + 1);
    int r = mm_fault(current_mm(), info->addr, access, &code);
    if (r == 0)
        return;
    if (r == -ENXIO)
        signal_fault(SIG_BUS, BUS_ADRERR, UADDR(info->addr), TRAP_PF, info->error_code);
    else if (r == -ENOMEM)
        signal_fault(SIG_KILL, CODE_KERNEL, UADDR(info->addr), TRAP_PF, info->error_code);
    else
        signal_fault(SIG_SEGV, code, UADDR(info->addr), TRAP_PF, info->error_code);
}

static void emulate_cpuid(struct user_frame *f)
{
    struct cpuid_regs out;
    atomic_add(&syscall_counters.cpuid_trapped, 1);
    cpuid_lookup((uint32_t) f->rax, (uint32_t) f->rcx, &out);
    f->rax = out.eax;
    f->rbx = out.ebx;
    f->rcx = out.ecx;
    f->rdx = out.edx;
    f->rip += 2;
}

static bool emulate_syscall(struct user_frame *f)
{
    atomic_add(&syscall_counters.trapped, 1);
    f->rip += 2;
    f->rcx = f->rip;
    f->r11 = f->rflags;
    f->orig_rax = f->rax;
    syscall_run(f);
    return true;
}

/* Illegal in an enclave, where Linux lets a program run into a general protection fault: port I/O, INT n,
 * RDPMC (Intel SDM vol. 3D, "Illegal Instructions"). */
static bool is_privileged(const uint8_t op[4])
{
    size_t i = 0;
    while (i < 2 && (op[i] == 0x66 || op[i] == 0xf2 || op[i] == 0xf3 || (op[i] & 0xf0) == 0x40))
        i++;
    uint8_t b = op[i];
    return (b >= 0x6c && b <= 0x6f) || (b >= 0xe4 && b <= 0xe7) || (b >= 0xec && b <= 0xef) ||
           b == 0xcd || (b == 0x0f && op[i + 1] == 0x33);
}

/* True if it was a system call. */
static bool undefined_opcode(struct user_frame *f)
{
    uint8_t op[4] = {0};
    if (copy_from_user((struct span){op, 2}, UADDR(f->rip)) == 0 && op[0] == 0x0f) {
        if (op[1] == 0x05)
            return emulate_syscall(f);
        if (op[1] == 0xa2) {
            emulate_cpuid(f);
            return false;
        }
    }
    (void) copy_from_user((struct span){op + 2, 2}, UADDR(f->rip + 2)); /* a page may end there */
    if (is_privileged(op)) {
        signal_fault(SIG_SEGV, CODE_KERNEL, UADDR(0), TRAP_GP, 0);
        return false;
    }
    signal_fault(SIG_ILL, ILL_ILLOPN, UADDR(f->rip), TRAP_UD, 0);
    return false;
}

/* si_code of a floating-point exception; the order is Linux'. */
static int float_code(uint32_t flags)
{
    if (flags & 1)
        return FPE_FLTINV;
    if (flags & 4)
        return FPE_FLTDIV;
    if (flags & 8)
        return FPE_FLTOVF;
    if (flags & 0x12)
        return FPE_FLTUND;
    return flags & 0x20 ? FPE_FLTRES : FPE_FLTINV;
}

static bool exception(struct user_frame *f, const struct fault_info *info)
{
    switch (info->vector) {
    case TRAP_PF:
        page_fault(info);
        return false;
    case TRAP_UD:
        return undefined_opcode(f);
    case TRAP_DE:
        signal_fault(SIG_FPE, FPE_INTDIV, UADDR(f->rip), TRAP_DE, 0);
        return false;
    case TRAP_MF:
        signal_fault(SIG_FPE, float_code(fpu_x87_exceptions()), UADDR(f->rip), TRAP_MF, 0);
        return false;
    case TRAP_XM:
        signal_fault(SIG_FPE, float_code(fpu_sse_exceptions()), UADDR(f->rip), TRAP_XM, 0);
        return false;
    case TRAP_DB:
    case TRAP_BP:
        signal_fault(SIG_TRAP, CODE_KERNEL, UADDR(0), (int) info->vector, 0);
        return false;
    case TRAP_AC:
        signal_fault(SIG_BUS, BUS_ADRALN, UADDR(0), TRAP_AC, 0);
        return false;
    default:
        signal_fault(SIG_SEGV, CODE_KERNEL, UADDR(0), (int) info->vector, info->error_code);
        return false;
    }
}

void user_trap(struct user_frame *f)
{
    const struct fault_info info = this_vcpu()->user_fault;
    log_trace("trap %lu error 0x%lx address 0x%lx rip 0x%lx rsp 0x%lx", info.vector,
              info.error_code, info.addr, f->rip, f->rsp);
    bool syscall = false;
    if (info.vector == TRAP_TICK) {
        sched_sample(false);
        sched_tick();
    } else {
        syscall = exception(f, &info);
    }
    sched_relax();
    if (atomic_load(&current()->work))
        thread_user_work(f, syscall);
}
