/* Signal frames: what the handler sees of the interrupted context, exactly as Linux lays it out, and
 * the way back.
 *
 * From high to low addresses: 128 bytes red zone (or the top of the alternate stack), the XSAVE image
 * with Linux' magic words, 64-aligned; then struct rt_sigframe, 8 below a 16-byte boundary, so that
 * the handler starts with the stack as after a call.
 *
 * RIP: inside a patch stub the program must see the address in its own code. The frame's reserved
 * words therefore hold the true RIP beside the one shown, and whether the interrupted system call
 * is to run again; rt_sigreturn uses them only while the shown RIP is unchanged. A program that
 * forges them gains nothing: it could jump there itself.
 *
 * The return address: a C library's restorer is "mov $15, %rax; syscall", which unwinders know by its
 * bytes, so it cannot be patched and would trap. Handlers of programs with a shared C library return
 * into the vDSO instead, which such programs' unwinders know by its tables. Other programs may not see
 * the vDSO and keep what they gave.
 */
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/signal_priv.h"

#define RESTART_MAGIC 0x6f63636c756d5247ull
#define USER_CS       0x33
#define USER_SS       0x2b
/* CF PF AF ZF SF DF OF: what a program may choose. TF and AC would trap inside the kernel. */
#define RFLAGS_USER  0x00000cd5ull
#define RFLAGS_FIXED 0x00000202ull
#define RFLAGS_DF    0x00000400ull

enum { SAVED_MAGIC, SAVED_SHOWN_RIP, SAVED_TRUE_RIP, SAVED_RESTART };

uintptr_t (*signal_rip_hook)(uintptr_t rip);
uintptr_t signal_restorer;

/* ---- alternate stack -------------------------------------------------------------------------- */
static bool on_altstack(const struct linux_sigaltstack *a, uintptr_t sp)
{
    return !(a->flags & (int32_t) SS_AUTODISARM_FLAG) && sp > a->sp && sp - a->sp <= a->size;
}

static int altstack_state(const struct linux_sigaltstack *a, uintptr_t sp)
{
    if (a->size == 0)
        return SS_DISABLE;
    return on_altstack(a, sp) ? SS_ONSTACK : 0;
}

int signal_altstack(const struct linux_sigaltstack *new, uintptr_t sp,
                    struct linux_sigaltstack *ret_old)
{
    struct linux_sigaltstack *a = &current()->sig->altstack;
    *ret_old = (struct linux_sigaltstack){.sp = a->sp, .size = a->size};
    ret_old->flags = altstack_state(a, sp) | (a->flags & (int32_t) SS_AUTODISARM_FLAG);
    if (!new)
        return 0;
    if (on_altstack(a, sp))
        return -EPERM;
    int mode = new->flags & ~(int32_t) SS_AUTODISARM_FLAG;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode != SS_DISABLE && new->size < MINSIGSTKSZ)
        return -ENOMEM;
    *a = (struct linux_sigaltstack){.sp = new->sp, .size = new->size, .flags = new->flags};
    if (mode == SS_DISABLE)
        a->sp = a->size = 0;
    return 0;
}

/* ---- out -------------------------------------------------------------------------------------- */
struct places {
    uintptr_t frame, fpstate;
};

static int find_places(const struct user_frame *f, const struct linux_sigaction *action,
                       struct places *ret)
{
    const struct linux_sigaltstack *a = &current()->sig->altstack;
    uintptr_t sp = f->rsp - 128, floor = USER_MIN;
    bool on_alt = a->size > 0 && on_altstack(a, f->rsp);
    if ((action->flags & SA_ONSTACK) && a->size > 0 && !on_alt) {
        sp = a->sp + a->size;
        on_alt = true;
    }
    if (on_alt)
        floor = MAX(floor, a->sp);
    size_t room = xstate_size() + FP_XSTATE_MAGIC_2_SIZE + sizeof(struct linux_rt_sigframe) + 128;
    if (sp >= KERNEL_BASE || sp < floor || sp - floor < room)
        return -EFAULT;
    ret->fpstate = ROUND_DOWN(sp - xstate_size() - FP_XSTATE_MAGIC_2_SIZE, 64ul);
    ret->frame = ROUND_DOWN(ret->fpstate - sizeof(struct linux_rt_sigframe), 16ul) - 8;
    return 0;
}

static void *xstate_buffer(struct signal_state *s)
{
    if (!s->xstate)
        s->xstate = kzalloc(xstate_size() + FP_XSTATE_MAGIC_2_SIZE);
    return s->xstate;
}

void *signal_xstate_keep(void)
{
    void *image = xstate_buffer(current()->sig);
    if (image)
        xstate_save(image);
    return image;
}

static int push_xstate(uintptr_t where)
{
    uint8_t *image = signal_xstate_keep();
    if (!image)
        return -ENOMEM;
    size_t size = xstate_size();
    struct linux_fpx_sw_bytes sw = {
        .magic1 = FP_XSTATE_MAGIC_1,
        .extended_size = (uint32_t) size + FP_XSTATE_MAGIC_2_SIZE,
        .xfeatures = xstate_mask(),
        .xstate_size = (uint32_t) size,
    };
    memcpy(image + FP_SW_RESERVED_OFFSET, &sw, sizeof sw);
    uint32_t magic2 = FP_XSTATE_MAGIC_2;
    memcpy(image + size, &magic2, sizeof magic2);
    return copy_to_user(UADDR(where), (struct cspan){image, size + sizeof magic2});
}

static void fill_sigcontext(struct linux_sigcontext *c, const struct user_frame *f, bool restart)
{
    const struct signal_state *s = current()->sig;
    uint64_t shown = signal_rip_hook ? signal_rip_hook(f->rip) : f->rip;
    if (restart)
        shown -= 2; /* the system call instruction, as on Linux */
    *c = (struct linux_sigcontext){
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->full ? f->r11 : f->rflags,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
        .rdi = f->rdi,
        .rsi = f->rsi,
        .rbp = f->rbp,
        .rbx = f->rbx,
        .rdx = f->rdx,
        .rax = restart ? f->orig_rax : f->rax,
        .rcx = f->full ? f->rcx : shown,
        .rsp = f->rsp,
        .rip = shown,
        .rflags = f->rflags,
        .cs = USER_CS,
        .ss = USER_SS,
        .err = s->error_code,
        .trapno = s->trapno,
        .cr2 = s->fault_addr,
    };
    c->reserved[SAVED_MAGIC] = RESTART_MAGIC;
    c->reserved[SAVED_SHOWN_RIP] = shown;
    c->reserved[SAVED_TRUE_RIP] = f->rip;
    c->reserved[SAVED_RESTART] = restart;
}

static void enter_handler(struct user_frame *f, const struct linux_sigaction *action, int sig,
                          uintptr_t at)
{
    f->rip = action->handler;
    f->rsp = at;
    f->rax = 0;
    f->rdi = (uint64_t) sig;
    f->rsi = at + offsetof(struct linux_rt_sigframe, info);
    f->rdx = at + offsetof(struct linux_rt_sigframe, uc);
    f->rflags = (f->rflags & RFLAGS_USER & ~RFLAGS_DF) | RFLAGS_FIXED;
    f->orig_rax = UINT64_MAX;
    f->full = 1;
}

/* Programs with an ELF interpreter have their C library above it. */
static uintptr_t return_address(uintptr_t restorer)
{
    static const uint8_t known[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
    uint8_t code[sizeof known];
    struct mm_layout lay;
    mm_layout(current_mm(), &lay);
    if (signal_restorer == 0 || restorer < lay.interp || restorer >= lay.stack_top ||
        get_user(&code, UADDR(restorer)) < 0 || memcmp(code, known, sizeof known) != 0)
        return restorer;
    return signal_restorer;
}

int sigframe_push(struct user_frame *f, const struct linux_sigaction *action,
                  const struct linux_siginfo *info, uint64_t mask, bool restart)
{
    struct signal_state *s = current()->sig;
    struct places at;
    if (!(action->flags & SA_RESTORER_FLAG) || action->handler >= KERNEL_BASE)
        return -EFAULT;
    int r = find_places(f, action, &at);
    if (r == 0)
        r = push_xstate(at.fpstate);
    if (r < 0)
        return r;
    struct linux_rt_sigframe out = {.pretcode = return_address(action->restorer)};
    out.uc.flags = UC_FP_XSTATE_FLAG | UC_SIGCONTEXT_SS_FLAG | UC_STRICT_RESTORE_SS_FLAG;
    out.uc.stack = s->altstack;
    out.uc.stack.flags =
        altstack_state(&s->altstack, f->rsp) | (s->altstack.flags & (int32_t) SS_AUTODISARM_FLAG);
    fill_sigcontext(&out.uc.mcontext, f, restart);
    out.uc.mcontext.fpstate = at.fpstate;
    out.uc.mcontext.oldmask = mask;
    out.uc.sigmask = mask;
    memcpy(out.info, info, sizeof *info);
    r = copy_to_user(UADDR(at.frame), CSPAN_OF(out));
    if (r < 0)
        return r;
    if (s->altstack.flags & (int32_t) SS_AUTODISARM_FLAG)
        s->altstack = (struct linux_sigaltstack){.flags = SS_DISABLE};
    enter_handler(f, action, info->signo, at.frame);
    return 0;
}

/* ---- back ------------------------------------------------------------------------------------- */
static bool sw_bytes_good(const uint8_t *image, size_t size)
{
    struct linux_fpx_sw_bytes sw;
    memcpy(&sw, image + FP_SW_RESERVED_OFFSET, sizeof sw);
    return sw.magic1 == FP_XSTATE_MAGIC_1 && sw.xstate_size == size &&
           sw.extended_size == size + FP_XSTATE_MAGIC_2_SIZE;
}

#define FXSAVE_SIZE   512
#define XSTATE_X87SSE 3ull

/* Without Linux' magic words only the legacy part is taken, as Linux does. */
static int pop_xstate(uintptr_t where)
{
    if (where == 0) {
        xstate_reset();
        return 0;
    }
    size_t size = xstate_size();
    uint8_t *image = xstate_buffer(current()->sig);
    if (!image || where % 64 != 0)
        return -EFAULT;
    int r = copy_from_user((struct span){image, FXSAVE_SIZE}, UADDR(where));
    if (r < 0)
        return r;
    if (sw_bytes_good(image, size)) {
        struct span rest = {image + FXSAVE_SIZE, size - FXSAVE_SIZE};
        r = copy_from_user(rest, UADDR(where + FXSAVE_SIZE));
        if (r < 0)
            return r;
    } else {
        memset(image + FXSAVE_SIZE, 0, size - FXSAVE_SIZE);
        uint64_t features = XSTATE_X87SSE;
        memcpy(image + FXSAVE_SIZE, &features, sizeof features);
    }
    memset(image + FP_SW_RESERVED_OFFSET, 0, sizeof(struct linux_fpx_sw_bytes));
    return xstate_restore(image);
}

static bool shown_rip_kept(const struct linux_sigcontext *c)
{
    return c->reserved[SAVED_MAGIC] == RESTART_MAGIC && c->reserved[SAVED_SHOWN_RIP] == c->rip;
}

static void load_registers(struct user_frame *f, const struct linux_sigcontext *c)
{
    *f = (struct user_frame){
        .r8 = c->r8,
        .r9 = c->r9,
        .r10 = c->r10,
        .r11 = c->r11,
        .r12 = c->r12,
        .r13 = c->r13,
        .r14 = c->r14,
        .r15 = c->r15,
        .rdi = c->rdi,
        .rsi = c->rsi,
        .rbp = c->rbp,
        .rbx = c->rbx,
        .rdx = c->rdx,
        .rax = c->rax,
        .rcx = c->rcx,
        .rsp = c->rsp,
        .rip = shown_rip_kept(c) ? c->reserved[SAVED_TRUE_RIP] : c->rip,
        .rflags = (c->rflags & RFLAGS_USER) | RFLAGS_FIXED,
        .full = 1,
        .orig_rax = UINT64_MAX,
    };
}

long signal_frame_return(void)
{
    struct user_frame *f = thread_frame(current());
    struct linux_ucontext uc;
    uintptr_t at = f->rsp - offsetof(struct linux_rt_sigframe, uc);
    struct linux_sigaltstack old;
    if (get_user(&uc, UADDR(at + offsetof(struct linux_rt_sigframe, uc))) < 0 ||
        pop_xstate(uc.mcontext.fpstate) < 0)
        goto bad;
    load_registers(f, &uc.mcontext);
    sigmask_set(uc.sigmask);
    (void) signal_altstack(&uc.stack, f->rsp, &old); /* as Linux: only a fault would matter */
    if (f->rip >= KERNEL_BASE)
        goto bad;
    if (shown_rip_kept(&uc.mcontext) && uc.mcontext.reserved[SAVED_RESTART]) {
        f->orig_rax = f->rax;
        atomic_or(&current()->work, THREAD_WORK_SIGNAL);
        return -ERESTARTNOINTR;
    }
    return (long) f->rax;
bad:
    signal_fault(SIGSEGV, SI_KERNEL, UADDR(0), 0, 0);
    return 0;
}
