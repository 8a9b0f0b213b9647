/* Host threads that run vCPUs: their signal stacks, system call trapping, and the enter loop.
 *
 * enter() runs EENTER and then follows the enclave: after an AEX it makes the nested EENTER that
 * tells the enclave why, after a nested EEXIT(EXIT_RESUME) the ERESUME. How deep this is nested is
 * CSSA of the TCS and nothing else. An AEX arrives here as a return of sim_switch_*(), in ordinary
 * thread context: the signal handler that did it has long returned.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "abi/enter.h"
#include "host/sgx_sim/enclave.h"
#include "host/sgx_sim/sim.h"

#define ALTSTACK_BYTES (1ul << ALTSTACK_SHIFT)
#define THREAD_MAX     SLOT_COUNT

/* prctl(PR_SET_SYSCALL_USER_DISPATCH); Debian 12 lacks the inclusive form's constant */
#define SUD           59
#define SUD_OFF       0
#define SUD_EXCLUSIVE 1
#define SUD_INCLUSIVE 2
#define HOST_END      (1ul << 47)

uint64_t sim_altstack_base, sim_altstack_size;
struct sim_thread **sim_altstack_threads;
struct sim_slot *sim_slots;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* the four above */
static struct sim_thread *altstack_threads[THREAD_MAX];
static struct sim_slot slots[SLOT_COUNT] __attribute__((aligned(64)));

static int tables_init_locked(void)
{
    if (sim_altstack_base)
        return 0;
    const size_t size = THREAD_MAX * ALTSTACK_BYTES;
    void *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        return -errno;
    sim_altstack_threads = altstack_threads;
    sim_slots = slots;
    sim_altstack_size = size;
    sim_altstack_base = (uint64_t) stacks;
    return 0;
}

static struct sim_slot *slot_of(uint64_t gs)
{
    return &slots[gs >> SLOT_GS_SHIFT & (SLOT_COUNT - 1)];
}

static int altstack_take_locked(struct sim_thread *thread)
{
    for (unsigned i = 0; i < THREAD_MAX; i++) {
        if (altstack_threads[i])
            continue;
        uint8_t *guard = (uint8_t *) sim_altstack_base + i * ALTSTACK_BYTES;
        stack_t stack = {
            .ss_sp = guard + SGX_PAGE_SIZE,
            .ss_size = ALTSTACK_BYTES - SGX_PAGE_SIZE,
        };
        if (mprotect(guard, SGX_PAGE_SIZE, PROT_NONE) < 0 || sigaltstack(&stack, NULL) < 0)
            return -errno;
        thread->altstack = i;
        altstack_threads[i] = thread;
        return 0;
    }
    return -EAGAIN;
}

/* Only signals the simulator handles may find a thread with the enclave's FS base. */
static void block_other_signals(void)
{
    static const int wanted[] = {SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGILL, SIGSYS};
    sigset_t set;
    (void) sigfillset(&set); /* the calls here fail only for bad signal numbers */
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        (void) sigdelset(&set, wanted[i]);
    if (sim_tick_signo)
        (void) sigdelset(&set, sim_tick_signo);
    (void) pthread_sigmask(SIG_SETMASK, &set, NULL);
}

/* SYSCALL inside ELRANGE must trap. Older kernels lack the inclusive form; with base 0 the host is
 * exactly what lies above. */
static void trap_system_calls(const struct sgx_enclave *enclave)
{
    uint64_t end = enclave->base + enclave->size;
    if (prctl(SUD, SUD_INCLUSIVE, enclave->view_start, end - enclave->view_start, 0) == 0)
        return;
    if (enclave->base == 0 && prctl(SUD, SUD_EXCLUSIVE, end, HOST_END - end, 0) == 0)
        return;
    fprintf(stderr, "SIM: this kernel cannot trap system calls of the enclave: %s\n",
            strerror(errno));
}

static uint64_t read_fs(void)
{
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

static uint64_t read_gs(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static struct sim_thread *thread_new(const struct sgx_thread *owner)
{
    size_t leaf_size = (secs_xsave_size(secs_supported_xfrm()) + 63) & ~63ul;
    struct sim_thread *thread = calloc(1, sizeof *thread);
    uint8_t *areas = aligned_alloc(64, 2 * leaf_size);
    if (!thread || !areas) {
        free(areas);
        free(thread);
        return NULL;
    }
    memset(areas, 0, 2 * leaf_size);
    thread->leaf_xsave = areas;
    thread->resume_xsave = areas + leaf_size;
    thread->enclave = owner->enclave;
    thread->tcs_address = owner->tcs;
    thread->host_fs = read_fs();
    thread->host_gs = read_gs();
    return thread;
}

static int thread_init(struct sgx_thread *owner)
{
    if (owner->enclave->state != SIM_INITIALIZED)
        return -EINVAL;
    struct sim_thread *thread = thread_new(owner);
    if (!thread)
        return -ENOMEM;
    pthread_mutex_lock(&table_lock);
    int r = tables_init_locked();
    if (r == 0)
        r = sim_signal_install(); /* each time: test frameworks install their own */
    if (r == 0)
        r = altstack_take_locked(thread);
    pthread_mutex_unlock(&table_lock);
    if (r < 0) {
        free(thread->leaf_xsave);
        free(thread);
        return r;
    }
    block_other_signals();
    trap_system_calls(owner->enclave);
    owner->priv = thread;
    return 0;
}

static void thread_fini(struct sgx_thread *owner)
{
    struct sim_thread *thread = owner->priv;
    if (!thread)
        return;
    (void) prctl(SUD, SUD_OFF, 0, 0, 0); /* fails only where there is none */
    (void) sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL); /* not running on it */
    pthread_mutex_lock(&table_lock);
    altstack_threads[thread->altstack] = NULL;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        if (slots[i].thread == thread)
            slots[i] = (struct sim_slot){0};
    pthread_mutex_unlock(&table_lock);
    free(thread->leaf_xsave);
    free(thread);
    owner->priv = NULL;
}

static struct sim_result run_enter(struct sim_thread *thread, uint64_t rdi, uint64_t rsi,
                                   int *ret_run)
{
    struct sim_result result = tcs_eenter(thread, thread->tcs_address);
    if (result.vector)
        return result;
    struct sim_slot *slot = slot_of(thread->regs.gs);
    if (slot->thread != thread) {
        slot->gs = thread->regs.gs;
        slot->thread = thread;
    }
    thread->regs.rdi = rdi;
    thread->regs.rsi = rsi;
    thread->inside = true;
    *ret_run = sim_switch_enter(thread);
    thread->inside = false;
    return result;
}

static struct sim_result run_resume(struct sim_thread *thread, int *ret_run)
{
    struct sim_result result = tcs_eresume(thread, thread->tcs_address);
    if (result.vector)
        return result;
    thread->inside = true;
    *ret_run = sim_switch_resume(thread);
    thread->inside = false;
    return result;
}

static struct sim_result run_nested(struct sim_thread *thread, int *ret_run)
{
    struct sim_result cause = thread->event;
    bool tick = cause.vector == SIM_TICK;
    struct sim_result result = run_enter(thread, tick ? ENTER_TICK : ENTER_EXCEPTION,
                                         tick ? 0 : (uint64_t) cause.vector, ret_run);
    return result.vector ? cause : result; /* the cause says more than EENTER's #GP */
}

/* On hardware the vDSO goes on with RSP and RBP as the enclave leaves them; here nobody needs
 * them, so this is only said, once, and only in strict mode. */
static void check_stack_restored(const struct sim_thread *thread)
{
    static bool said;
    if (!thread->enclave->strict || said ||
        (thread->regs.rsp == thread->gpr->ursp && thread->regs.rbp == thread->gpr->urbp))
        return;
    said = true;
    fprintf(stderr,
            "SIM: EEXIT with RSP 0x%lx, RBP 0x%lx; at EENTER they were 0x%lx, 0x%lx. On "
            "hardware this would crash the host.\n",
            thread->regs.rsp, thread->regs.rbp, thread->gpr->ursp, thread->gpr->urbp);
}

static bool exit_well_formed(const struct sim_thread *thread, int run)
{
    check_stack_restored(thread);
    if (run != RUN_BAD_EXIT)
        return true;
    fprintf(stderr, "SIM: EEXIT to 0x%lx, not to the address RCX held at EENTER\n",
            thread->regs.rbx);
    return false;
}

static void thread_enter(struct sgx_thread *owner, uint64_t rdi, uint64_t rsi,
                         struct sgx_exit *ret_exit)
{
    struct sim_thread *thread = owner->priv;
    int run = RUN_EEXIT;
    struct sim_result fault = run_enter(thread, rdi, rsi, &run);
    while (!fault.vector) {
        if (run == RUN_AEX) {
            fault = run_nested(thread, &run);
        } else if (!exit_well_formed(thread, run)) {
            fault = RESULT_GP;
        } else if (tcs_cssa(thread) > 0 && thread->regs.rdi == EXIT_RESUME) {
            fault = run_resume(thread, &run);
        } else {
            *ret_exit = (struct sgx_exit){.rdi = thread->regs.rdi, .rsi = thread->regs.rsi};
            return;
        }
    }
    *ret_exit = (struct sgx_exit){
        .status = -EFAULT, .vector = (uint16_t) fault.vector, .fault_addr = fault.addr};
}

static int tick_signal(int signo)
{
    sim_tick_signo = signo;
    return sim_signal_install_one(signo);
}

const struct sgx_ops sgx_sim_ops = {
    .name = "SIM",
    .open = enclave_open,
    .close = enclave_close,
    .create = enclave_create,
    .add_pages = enclave_add_pages,
    .init = enclave_init,
    .restrict_perms = enclave_restrict_perms,
    .modify_types = enclave_modify_types,
    .remove_pages = enclave_remove_pages,
    .tick_signal = tick_signal,
    .thread_init = thread_init,
    .thread_fini = thread_fini,
    .enter = thread_enter,
};
