/* Signals on vCPU threads: what interrupts and exceptions are to a real enclave.
 *
 * sim_signal() is called by switch.S with the host's FS and GS, whatever was interrupted. If the
 * instruction pointer is in the enclave it does the AEX and sends the interrupted context to
 * sim_aex_landing, so the rest happens in thread context. ENCLU in unpatched code is executed here.
 * Everything else (the host's own faults) gets the default action. Handlers block all signals, and
 * enclave code holds no lock of the simulator, so enclave->lock may be taken.
 */
#include <errno.h>
#include <string.h>

#include "abi/enter.h"
#include "host/sgx_sim/sim.h"

#define XSTATE_MAGIC1       0x46505853u
#define XSTATE_MAGIC_OFFSET 464u
#define XSTATE_HEADER       512u
#define RFLAGS_TF           0x100l
#define RFLAGS_CLEARED      0x108d5l /* CF PF AF ZF SF OF RF, as AEX clears them */
#define FCW_INIT            0x37fu
#define MXCSR_INIT          0x1f80u

volatile int sim_tick_signo;

static const int register_order[18] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_EFL, REG_RIP,
};

static void regs_from_context(const ucontext_t *context, const struct sim_bases *bases,
                              struct sim_regs *ret_regs)
{
    uint64_t *words = &ret_regs->rax;
    for (size_t i = 0; i < sizeof register_order / sizeof *register_order; i++)
        words[i] = (uint64_t) context->uc_mcontext.gregs[register_order[i]];
    ret_regs->fs = bases->fs;
    ret_regs->gs = bases->gs;
}

static void regs_to_context(const struct sim_regs *regs, ucontext_t *context)
{
    const uint64_t *words = &regs->rax;
    for (size_t i = 0; i < sizeof register_order / sizeof *register_order; i++)
        context->uc_mcontext.gregs[register_order[i]] = (greg_t) words[i];
}

/* The handler will return to host code at landing, which expects the thread in R11. */
static void leave_to(struct sim_thread *thread, ucontext_t *context, struct sim_bases *bases,
                     const uint8_t *landing)
{
    greg_t *gregs = context->uc_mcontext.gregs;
    gregs[REG_RIP] = (greg_t) landing;
    gregs[REG_RSP] = (greg_t) thread->host_rsp;
    gregs[REG_R11] = (greg_t) thread;
    gregs[REG_EFL] &= ~(RFLAGS_CLEARED | RFLAGS_TF);
    bases->fs = thread->host_fs;
    bases->gs = thread->host_gs;
}

/* After an AEX the processor has initial vector state. */
static void forget_vector_state(ucontext_t *context)
{
    uint8_t *area = (uint8_t *) context->uc_mcontext.fpregs;
    uint32_t magic;
    uint64_t none = 0;
    context->uc_mcontext.fpregs->cwd = FCW_INIT;
    context->uc_mcontext.fpregs->mxcsr = MXCSR_INIT;
    memcpy(&magic, area + XSTATE_MAGIC_OFFSET, sizeof magic);
    if (magic == XSTATE_MAGIC1)
        memcpy(area + XSTATE_HEADER, &none, sizeof none);
}

static void do_aex(struct sim_thread *thread, ucontext_t *context, struct sim_bases *bases,
                   const struct sim_regs *regs, struct sim_result event)
{
    struct sgx_exinfo exinfo = {.maddr = event.addr, .errcd = event.errcd};
    uint32_t exit_info = leaf_exit_info(thread->enclave, event.vector);
    thread->event = event;
    tcs_aex(thread, regs, context->uc_mcontext.fpregs, exit_info, &exinfo);
    forget_vector_state(context);
    leave_to(thread, context, bases, sim_aex_landing);
}

static bool is_inside(const struct sim_thread *thread, const ucontext_t *context)
{
    return thread && thread->inside &&
           enclave_contains(thread->enclave, (uint64_t) context->uc_mcontext.gregs[REG_RIP]);
}

/* The enclave's code went to an address outside that nobody can execute: its exception, as on hardware. */
static bool jumped_out(const ucontext_t *context)
{
    const greg_t *gregs = context->uc_mcontext.gregs;
    return gregs[REG_TRAPNO] == VECTOR_PF && (gregs[REG_ERR] & SGX_PFEC_I) &&
           gregs[REG_CR2] == gregs[REG_RIP];
}

/* A tick is only a hint. Nested frames are left for faults. */
static void tick(struct sim_thread *thread, ucontext_t *context, struct sim_bases *bases)
{
    if (!is_inside(thread, context) || tcs_cssa(thread) > 0)
        return;
    struct sim_regs regs;
    regs_from_context(context, bases, &regs);
    do_aex(thread, context, bases, &regs, (struct sim_result){.vector = SIM_TICK});
}

/* ENCLU by trap */

static size_t fetch(const struct sgx_enclave *enclave, uint64_t rip, uint8_t *ret_bytes,
                    size_t size)
{
    size_t n = 0;
    while (n < size && enclave_contains(enclave, rip + n) &&
           epcm_allows(enclave, rip + n, SGX_SECINFO_X)) {
        ret_bytes[n] = *alias_of(enclave, rip + n);
        n++;
    }
    return n;
}

static bool at_enclu(const struct sgx_enclave *enclave, uint64_t rip)
{
    static const uint8_t enclu[3] = {0x0f, 0x01, 0xd7};
    uint8_t bytes[3];
    return fetch(enclave, rip, bytes, sizeof bytes) == sizeof bytes &&
           memcmp(bytes, enclu, sizeof enclu) == 0;
}

static void eexit(struct sim_thread *thread, ucontext_t *context, struct sim_bases *bases,
                  const struct sim_regs *regs)
{
    bool well = regs->rbx == (uint64_t) sim_exit_landing;
    thread->regs = *regs;
    __atomic_store_n(&thread->tcs->state, 0, __ATOMIC_RELEASE);
    leave_to(thread, context, bases, well ? sim_exit_landing : sim_bad_exit_landing);
}

/* trapped_stub: 0, or the stub of the enclave whose patched form could not find the thread. */
static void enclu(struct sim_thread *thread, ucontext_t *context, struct sim_bases *bases,
                  uint64_t trapped_stub)
{
    struct sgx_enclave *enclave = thread->enclave;
    struct sim_regs regs;
    regs_from_context(context, bases, &regs);
    if ((uint32_t) regs.rax == SGX_EEXIT) {
        eexit(thread, context, bases, &regs);
        return;
    }
    struct sim_result result = trapped_stub == ENCLU_PAGES_STUB
                                   ? leaf_execute_pages(enclave, &regs)
                                   : leaf_execute(enclave, thread, &regs);
    if (result.vector) {
        if (trapped_stub)
            regs.rip = enclave->base + trapped_stub;
        do_aex(thread, context, bases, &regs, result);
        return;
    }
    regs.rip += 3;
    regs_to_context(&regs, context);
}

static uint64_t trapped_stub(const ucontext_t *context)
{
    uint64_t rip = (uint64_t) context->uc_mcontext.gregs[REG_RIP];
    if (rip == (uint64_t) sim_trap_one)
        return ENCLU_STUB;
    return rip == (uint64_t) sim_trap_pages ? ENCLU_PAGES_STUB : 0;
}

/* faults */

/* Instructions that fault with #GP in ordinary user mode but are #UD in an enclave. */
static bool undefined_inside(const struct sgx_enclave *enclave, uint64_t rip)
{
    uint8_t bytes[15];
    size_t n = fetch(enclave, rip, bytes, sizeof bytes), at = 0;
    while (at < n && (bytes[at] == 0x66 || bytes[at] == 0xf2 || bytes[at] == 0xf3 ||
                      (bytes[at] & 0xf0) == 0x40))
        at++;
    if (at == n)
        return false;
    uint8_t op = bytes[at];
    return (op >= 0xe4 && op <= 0xe7) || (op >= 0xec && op <= 0xef) || (op >= 0x6c && op <= 0x6f) ||
           op == 0xcd;
}

/* True: the EPCM allows the access and the view now does, too. Absent pages are augmented, as Linux
 * does, and stay inaccessible until accepted. */
static bool page_fault_repaired(struct sgx_enclave *enclave, struct sim_result *fault)
{
    unsigned access = SGX_SECINFO_R;
    if (fault->errcd & SGX_PFEC_W)
        access |= SGX_SECINFO_W;
    if (fault->errcd & SGX_PFEC_I)
        access = SGX_SECINFO_X;
    uint64_t page = fault->addr & ~(SGX_PAGE_SIZE - 1);
    if (!enclave_contains(enclave, page) || page < enclave->view_start)
        return false;
    pthread_mutex_lock(&enclave->lock);
    bool allowed =
        epcm_allows(enclave, page, access) && epcm_apply_view_locked(enclave, page, 1) == 0;
    if (!allowed)
        (void) epcm_eaug_locked(enclave, page); /* refused if there is a page already */
    pthread_mutex_unlock(&enclave->lock);
    fault->errcd |= SGX_PFEC_SGX | SGX_PFEC_P;
    return allowed;
}

/* The way back from a leaf returns over the enclave's stack, whose view that leaf may have closed to make
 * room for mappings (close_block). No lock is held there. */
static bool returning_from_leaf(const ucontext_t *context)
{
    uint64_t rip = (uint64_t) context->uc_mcontext.gregs[REG_RIP];
    return rip >= (uint64_t) sim_enclu_entry && rip < (uint64_t) sim_signal_entry;
}

static bool border_repaired(struct sim_thread *thread, const ucontext_t *context)
{
    const greg_t *gregs = context->uc_mcontext.gregs;
    struct sim_result fault = {.addr = (uint64_t) gregs[REG_CR2],
                               .errcd = (uint32_t) gregs[REG_ERR]};
    return gregs[REG_TRAPNO] == VECTOR_PF && returning_from_leaf(context) &&
           page_fault_repaired(thread->enclave, &fault);
}

/* Returns false when there is nothing to tell the enclave. */
static bool classify(struct sim_thread *thread, int signo, ucontext_t *context,
                     struct sim_regs *regs, struct sim_result *ret_event)
{
    greg_t *gregs = context->uc_mcontext.gregs;
    struct sim_result event = {.vector = (int) gregs[REG_TRAPNO]};
    if (signo == SIGSYS) {
        event.vector = VECTOR_UD;
        regs->rip -= 2; /* SYSCALL and INT 80h; HW reports the instruction itself */
    } else if (event.vector == VECTOR_DB) {
        gregs[REG_EFL] &= ~RFLAGS_TF; /* not opted in to debugging: no single steps inside */
        return false;
    } else if (event.vector == VECTOR_PF) {
        event.addr = (uint64_t) gregs[REG_CR2];
        event.errcd = (uint32_t) gregs[REG_ERR];
        if (page_fault_repaired(thread->enclave, &event) && signo == SIGSEGV)
            return false;
    } else if (event.vector == VECTOR_GP) {
        if (undefined_inside(thread->enclave, regs->rip))
            event.vector = VECTOR_UD;
        else
            event.errcd = (uint32_t) gregs[REG_ERR];
    }
    *ret_event = event;
    return true;
}

static bool handle_exception(int signo, ucontext_t *context, struct sim_thread *thread,
                             struct sim_bases *bases)
{
    int vector = (int) context->uc_mcontext.gregs[REG_TRAPNO];
    uint64_t stub = trapped_stub(context);
    if (!thread || !thread->inside)
        return false;
    if (stub) {
        enclu(thread, context, bases, stub);
        return true;
    }
    if (!is_inside(thread, context) && !jumped_out(context))
        return border_repaired(thread, context);
    struct sim_regs regs;
    struct sim_result event;
    regs_from_context(context, bases, &regs);
    /* #UD without SGX; on a processor with SGX, #GP because it is not in enclave mode */
    if (signo != SIGSYS && (vector == VECTOR_UD || vector == VECTOR_GP) &&
        at_enclu(thread->enclave, regs.rip))
        enclu(thread, context, bases, 0);
    else if (classify(thread, signo, context, &regs, &event))
        do_aex(thread, context, bases, &regs, event);
    return true;
}

void sim_signal(int signo, siginfo_t *info, ucontext_t *context, struct sim_thread *thread,
                struct sim_bases *bases)
{
    if (signo == sim_tick_signo) {
        tick(thread, context, bases);
        return;
    }
    if (info->si_code > 0 && handle_exception(signo, context, thread, bases))
        return;
    /* Not the enclave's. A fault happens again after return and then has its default action. */
    (void) signal(signo, SIG_DFL);
    if (info->si_code <= 0 || signo == SIGSYS || signo == SIGTRAP)
        (void) raise(signo);
}

int sim_signal_install_one(int signo)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    action.sa_sigaction = sim_signal_entry;
    (void) sigfillset(&action.sa_mask); /* cannot fail */
    return sigaction(signo, &action, NULL) < 0 ? -errno : 0;
}

int sim_signal_install(void)
{
    static const int wanted[] = {SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGILL, SIGSYS};
    int r = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && r == 0; i++)
        r = sim_signal_install_one(wanted[i]);
    return r;
}
