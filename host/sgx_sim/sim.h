/* Inside the SGX simulator: the structures its files share. Only host/sgx_sim/ includes this.
 *
 * Memory: one memfd holds the enclave's pages. It is mapped twice: the view, in ELRANGE, with the
 * protection the EPCM allows, and the alias, read-write, for the simulator alone. Code here reaches
 * enclave memory only through the alias and only after an EPCM check, so a bad operand of the
 * enclave can never make the simulator fault.
 *
 * EPCM: one 16-bit word per page of ELRANGE, changed under enclave->lock. The word also remembers
 * what protection the view has, so that unchanged pages cost no mprotect.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "host/sgx.h"
#include "host/sgx_sim/offsets.h"
#include "tools/lib/sgxs.h"

/* EPCM */
#define EPCM_RWX        0x0007u /* same bits as SECINFO */
#define EPCM_PENDING    0x0008u
#define EPCM_MODIFIED   0x0010u
#define EPCM_PR         0x0020u
#define EPCM_VALID      0x0080u
#define EPCM_PT_SHIFT   8
#define EPCM_PT         0x0700u
#define EPCM_VIEW_SHIFT 11
#define EPCM_VIEW       0x3800u /* R, W, X as mprotected in the view */
#define EPCM_STATE      0x07ffu /* what SGX knows */
#define EPCM_LOSS       0x4000u /* how often the view lost access, up to 2 */
#define EPCM_LOSSES     0xc000u

static inline unsigned epcm_type(unsigned entry)
{
    return (entry & EPCM_PT) >> EPCM_PT_SHIFT;
}

enum sim_state { SIM_OPENED, SIM_CREATED, SIM_INITIALIZED };

struct sgx_enclave {
    pthread_mutex_t lock; /* epcm, view, measurement, state */
    enum sim_state state;
    bool strict; /* no patching: every ENCLU traps */
    int memfd;
    uint64_t base, size, view_start; /* view is [view_start, base + size) */
    uint8_t *alias;
    uint16_t *epcm;
    unsigned large_runs;   /* of pages accepted at once, see touch_ahead() */
    unsigned own_mappings; /* runs of pages that were set apart, see apply_run() */
    uint64_t next_closed;  /* block of pages, see close_block() */
    struct sgx_secs secs;
    uint8_t isv_family_id[16], isv_ext_prod_id[16];
    struct sgxs_writer measurement;
    size_t xsave_size; /* of a standard-format XSAVE area for XFRM */
};

static inline bool enclave_contains(const struct sgx_enclave *enclave, uint64_t address)
{
    return address - enclave->base < enclave->size;
}

static inline size_t page_index(const struct sgx_enclave *enclave, uint64_t address)
{
    return (address - enclave->base) / SGX_PAGE_SIZE;
}

static inline uint8_t *alias_of(const struct sgx_enclave *enclave, uint64_t address)
{
    return enclave->alias + (address - enclave->base);
}

/* how a leaf ends */
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_UD 6
#define VECTOR_BP 3
#define VECTOR_MF 16
#define VECTOR_DB 1
#define SIM_TICK  256 /* not a vector */

struct sim_result {
    int vector;     /* 0: no fault, see code; VECTOR_GP or VECTOR_PF otherwise. In events: any */
    uint32_t code;  /* enum sgx_error */
    uint64_t addr;  /* of a #PF */
    uint32_t errcd; /* of a #PF */
};

#define RESULT_OK      ((struct sim_result){0})
#define RESULT_CODE(c) ((struct sim_result){.code = (c)})
#define RESULT_GP      ((struct sim_result){.vector = VECTOR_GP})
#define RESULT_PF(at, w)                                                                           \
    ((struct sim_result){.vector = VECTOR_PF,                                                      \
                         .addr = (at),                                                             \
                         .errcd =                                                                  \
                             SGX_PFEC_SGX | SGX_PFEC_P | SGX_PFEC_U | ((w) ? SGX_PFEC_W : 0)})

/* Page-state leaves, see epcm.c. All take page-aligned enclave addresses and enclave->lock
 * held; they change the EPCM word and leave the view to epcm_apply_view(). */
/* The content must already be in the (so far absent) page and is given as source too. */
struct sim_result epcm_eadd_locked(struct sgx_enclave *enclave, uint64_t address,
                                   const void *source, const struct sgx_secinfo *secinfo);
struct sim_result epcm_eextend_locked(struct sgx_enclave *enclave, uint64_t chunk_address);
struct sim_result epcm_eaug_locked(struct sgx_enclave *enclave, uint64_t address);
struct sim_result epcm_emodpr_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t perms);
struct sim_result epcm_emodt_locked(struct sgx_enclave *enclave, uint64_t address, unsigned type);
struct sim_result epcm_eremove_locked(struct sgx_enclave *enclave, uint64_t address);
struct sim_result epcm_eaccept_locked(struct sgx_enclave *enclave, uint64_t address,
                                      uint64_t flags);
struct sim_result epcm_emodpe_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t flags);
struct sim_result epcm_eacceptcopy_locked(struct sgx_enclave *enclave, uint64_t address,
                                          uint64_t source, uint64_t flags);

/* Makes the view's protection what the EPCM says, with one mprotect per run of equal pages. */
int epcm_apply_view_locked(struct sgx_enclave *enclave, uint64_t address, uint64_t page_count);

/* May enclave code access this page so (R/W/X bits)? Takes no lock: one word is read. */
bool epcm_allows(const struct sgx_enclave *enclave, uint64_t address, unsigned access);

/* Operand check for size bytes within one page: #GP outside ELRANGE or misaligned, #PF
 * otherwise. */
struct sim_result epcm_operand(const struct sgx_enclave *enclave, uint64_t address, size_t size,
                               uint64_t alignment, unsigned access);

/* SECS and EINIT, see secs.c */
/* #GP or 0. */
struct sim_result secs_ecreate(const struct sgx_secs *secs);
struct sim_result secs_einit_locked(struct sgx_enclave *enclave,
                                    const struct sgx_sigstruct *sigstruct,
                                    const uint8_t *lepubkeyhash);
/* Bytes of a standard-format XSAVE area for these features, from CPUID leaf 0DH. */
size_t secs_xsave_size(uint64_t xfrm);
uint64_t secs_supported_xfrm(void);

/* keys, see keys.c */
struct sim_result keys_egetkey(const struct sgx_enclave *enclave,
                               const struct sgx_keyrequest *request, uint8_t ret_key[16]);
struct sim_result keys_ereport(const struct sgx_enclave *enclave,
                               const struct sgx_targetinfo *target,
                               const uint8_t data[SGX_REPORTDATA_BYTES],
                               struct sgx_report *ret_report);

/* threads */
struct sim_regs {
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags, rip;
    uint64_t fs, gs;
};

/* One host thread that enters TCSs. Only that thread (and signal handlers on it) touch it. */
struct sim_thread {
    struct sim_regs regs; /* of the enclave: on entry, in a leaf, at exit */
    uint64_t host_rsp, host_fs, host_gs;
    uint64_t entry_rip;
    struct sgx_ssa_gpr *gpr; /* alias of SSA[CSSA] while inside */
    struct sgx_tcs *tcs;     /* alias of the TCS while inside */
    void *leaf_xsave;        /* vector state of the enclave while a leaf runs */
    void *resume_xsave;      /* checked copy for ERESUME */
    uint64_t resume_xfrm;
    uint64_t leaf_kind;
    /* not known to assembly */
    struct sgx_enclave *enclave;
    uint64_t tcs_address;
    volatile bool inside;    /* between EENTER/ERESUME and EEXIT/AEX */
    struct sim_result event; /* why the last AEX happened; vector SIM_TICK: a tick */
    unsigned altstack;       /* index */
};

struct sim_slot { /* finds the thread from the enclave's GS base */
    uint64_t gs;
    struct sim_thread *thread;
    uint64_t rcx; /* scratch of switch.S */
    uint64_t unused[5];
};

/* EENTER and ERESUME up to the point of no return: all checks, TCS claimed, thread->regs,
 * entry_rip, gpr and tcs filled in. See tcs.c. */
struct sim_result tcs_eenter(struct sim_thread *thread, uint64_t address);
struct sim_result tcs_eresume(struct sim_thread *thread, uint64_t address);
/* Asynchronous exit: saves regs, the XSAVE image and the cause into SSA[CSSA]. exit_info and exinfo
 * are written as given (exit_info 0: nothing to tell). */
void tcs_aex(struct sim_thread *thread, const struct sim_regs *regs, const void *xsave,
             uint32_t exit_info, const struct sgx_exinfo *exinfo);
struct sim_result tcs_edeccssa(struct sim_thread *thread);
/* CSSA of the TCS the thread is in. */
uint32_t tcs_cssa(const struct sim_thread *thread);

/* One ENCLU leaf other than EENTER, ERESUME, EEXIT, on regs as at the instruction. On success RAX,
 * RFLAGS are updated; RIP is not. */
struct sim_result leaf_execute(struct sgx_enclave *enclave, struct sim_thread *thread,
                               struct sim_regs *regs);
/* ENCLU_PAGES_STUB; on a fault regs are such that running the stub again goes on there. */
struct sim_result leaf_execute_pages(struct sgx_enclave *enclave, struct sim_regs *regs);

/* EXITINFO and EXINFO for a fault with this vector, under the enclave's MISCSELECT. */
uint32_t leaf_exit_info(const struct sgx_enclave *enclave, int vector);

/* switch.S */
int sim_switch_enter(struct sim_thread *thread);
int sim_switch_resume(struct sim_thread *thread);
void sim_signal_entry(int signo, siginfo_t *info, void *ucontext);
extern const uint8_t sim_enclu_entry[], sim_pages_entry[];
extern const uint8_t sim_exit_landing[], sim_aex_landing[], sim_bad_exit_landing[];
extern const uint8_t sim_trap_one[], sim_trap_pages[];
extern struct sim_slot *sim_slots;

/* called from switch.S */
struct sim_bases {
    uint64_t fs, gs;
};
int sim_leaf_from_stub(struct sim_thread *thread);
void sim_signal(int signo, siginfo_t *info, ucontext_t *context, struct sim_thread *thread,
                struct sim_bases *bases);
extern uint64_t sim_altstack_base, sim_altstack_size;
extern struct sim_thread **sim_altstack_threads;

/* Installs the handlers for synchronous signals, for the whole process. */
int sim_signal_install(void);
int sim_signal_install_one(int signo);
extern volatile int sim_tick_signo;

/* layout known to switch.S */
#define SIM_AT(type, member, at) _Static_assert(offsetof(struct type, member) == (at), "switch.S")
SIM_AT(sim_regs, rsp, R_RSP);
SIM_AT(sim_regs, r8, R_R8);
SIM_AT(sim_regs, r15, R_R15);
SIM_AT(sim_regs, rflags, R_RFLAGS);
SIM_AT(sim_regs, rip, R_RIP);
SIM_AT(sim_regs, fs, R_FS);
SIM_AT(sim_regs, gs, R_GS);
SIM_AT(sim_thread, host_rsp, T_HOST_RSP);
SIM_AT(sim_thread, host_fs, T_HOST_FS);
SIM_AT(sim_thread, host_gs, T_HOST_GS);
SIM_AT(sim_thread, entry_rip, T_ENTRY_RIP);
SIM_AT(sim_thread, gpr, T_GPR);
SIM_AT(sim_thread, tcs, T_TCS);
SIM_AT(sim_thread, leaf_xsave, T_LEAF_XSAVE);
SIM_AT(sim_thread, resume_xsave, T_RESUME_XSAVE);
SIM_AT(sim_thread, resume_xfrm, T_RESUME_XFRM);
SIM_AT(sim_thread, leaf_kind, T_LEAF_KIND);
SIM_AT(sgx_ssa_gpr, ursp, GPR_URSP);
SIM_AT(sgx_ssa_gpr, urbp, GPR_URBP);
SIM_AT(sgx_tcs, state, TCS_STATE);
SIM_AT(sim_slot, thread, SLOT_THREAD);
SIM_AT(sim_slot, rcx, SLOT_RCX);
_Static_assert(sizeof(struct sim_slot) == 1u << SLOT_SHIFT, "switch.S");
#endif
