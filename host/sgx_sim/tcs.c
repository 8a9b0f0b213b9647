/* The TCS and SSA state machine: EENTER, ERESUME and the asynchronous exit.
 *
 * A TCS is inactive (STATE 0) or belongs to exactly one thread (STATE 1, claimed with one
 * atomic exchange). CSSA counts the frames in use: AEX fills frame CSSA and increments it,
 * ERESUME takes frame CSSA-1 back. TCS and SSA are read and written through the alias, so what
 * the enclave does to their protection meanwhile cannot hurt the simulator; what it writes into
 * an SSA frame is checked on a private copy.
 */
#include <string.h>

#include "host/sgx_sim/sim.h"

#define CANONICAL_END (1ul << 47)
#define RFLAGS_TF     (1ul << 8)
#define RFLAGS_FIXED  0x202ul /* IF and the bit that is always 1 */
/* CF PF AF ZF SF DF OF NT RF AC ID */
#define RFLAGS_RESTORED 0x254cd5ul
#define XSAVE_HEADER    512u
#define XSAVE_MXCSR     24u
#define MXCSR_KNOWN     0xffffu

static uint64_t frame_bytes(const struct sgx_enclave *enclave)
{
    return (uint64_t) enclave->secs.ssa_frame_size * SGX_PAGE_SIZE;
}

static uint64_t frame_address(const struct sgx_enclave *enclave, const struct sgx_tcs *tcs,
                              uint32_t n)
{
    return enclave->base + tcs->ossa + n * frame_bytes(enclave);
}

static struct sgx_ssa_gpr *frame_gpr(const struct sgx_enclave *enclave, uint64_t frame)
{
    return (struct sgx_ssa_gpr *) alias_of(enclave,
                                           frame + SGX_SSA_GPR_OFFSET(frame_bytes(enclave)));
}

static bool tcs_fields_ok(const struct sgx_enclave *enclave, const struct sgx_tcs *tcs)
{
    return tcs->ossa % SGX_PAGE_SIZE == 0 && tcs->ofs_base % SGX_PAGE_SIZE == 0 &&
           tcs->ogs_base % SGX_PAGE_SIZE == 0 && (tcs->flags & ~(uint64_t) SGX_TCS_DBGOPTIN) == 0 &&
           tcs->oentry < CANONICAL_END - enclave->base &&
           tcs->ofs_base < CANONICAL_END - enclave->base &&
           tcs->ogs_base < CANONICAL_END - enclave->base;
}

static struct sim_result check_frame(const struct sgx_enclave *enclave, uint64_t frame)
{
    for (uint64_t at = 0; at < frame_bytes(enclave); at += SGX_PAGE_SIZE) {
        if (!enclave_contains(enclave, frame + at) ||
            !epcm_allows(enclave, frame + at, SGX_SECINFO_R | SGX_SECINFO_W))
            return RESULT_PF(frame + at, true);
    }
    return RESULT_OK;
}

/* The checks EENTER and ERESUME share; frames_taken is 1 for ERESUME (frame CSSA-1), else 0. */
static struct sim_result check_tcs(const struct sgx_enclave *enclave, uint64_t address,
                                   uint32_t frames_taken)
{
    if (address % SGX_PAGE_SIZE != 0 || !enclave_contains(enclave, address))
        return RESULT_GP;
    unsigned entry =
        __atomic_load_n(&enclave->epcm[page_index(enclave, address)], __ATOMIC_ACQUIRE);
    if (!(entry & EPCM_VALID) || epcm_type(entry) != SGX_PT_TCS ||
        (entry & (EPCM_PENDING | EPCM_MODIFIED)))
        return RESULT_PF(address, false);
    const struct sgx_tcs *tcs = (const struct sgx_tcs *) alias_of(enclave, address);
    if (enclave->state != SIM_INITIALIZED || !tcs_fields_ok(enclave, tcs))
        return RESULT_GP;
    if (frames_taken ? tcs->cssa == 0 : tcs->cssa >= tcs->nssa)
        return RESULT_GP;
    return check_frame(enclave, frame_address(enclave, tcs, tcs->cssa - frames_taken));
}

static bool claim(struct sgx_tcs *tcs)
{
    return __atomic_exchange_n(&tcs->state, 1, __ATOMIC_ACQUIRE) == 0;
}

static void release(struct sgx_tcs *tcs)
{
    __atomic_store_n(&tcs->state, 0, __ATOMIC_RELEASE);
}

struct sim_result tcs_eenter(struct sim_thread *thread, uint64_t address)
{
    const struct sgx_enclave *enclave = thread->enclave;
    struct sim_result result = check_tcs(enclave, address, 0);
    if (result.vector)
        return result;
    struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(enclave, address);
    if (!claim(tcs))
        return RESULT_GP;
    thread->tcs = tcs;
    thread->gpr = frame_gpr(enclave, frame_address(enclave, tcs, tcs->cssa));
    thread->entry_rip = enclave->base + tcs->oentry;
    thread->regs.rax = tcs->cssa;
    thread->regs.rbx = address;
    thread->regs.fs = enclave->base + tcs->ofs_base;
    thread->regs.gs = enclave->base + tcs->ogs_base;
    tcs->aep = (uint64_t) sim_aex_landing;
    return RESULT_OK;
}

/* Copies the frame's vector state and checks what XRSTOR would fault on. */
static bool load_xsave(struct sim_thread *thread, uint64_t frame)
{
    const struct sgx_enclave *enclave = thread->enclave;
    uint64_t header[3];
    uint32_t mxcsr;
    memcpy(thread->resume_xsave, alias_of(enclave, frame), enclave->xsave_size);
    memcpy(header, (uint8_t *) thread->resume_xsave + XSAVE_HEADER, sizeof header);
    memcpy(&mxcsr, (uint8_t *) thread->resume_xsave + XSAVE_MXCSR, sizeof mxcsr);
    thread->resume_xfrm = enclave->secs.attributes.xfrm;
    return (header[0] & ~thread->resume_xfrm) == 0 && header[1] == 0 && header[2] == 0 &&
           (mxcsr & ~MXCSR_KNOWN) == 0;
}

struct sim_result tcs_eresume(struct sim_thread *thread, uint64_t address)
{
    const struct sgx_enclave *enclave = thread->enclave;
    struct sim_result result = check_tcs(enclave, address, 1);
    if (result.vector)
        return result;
    struct sgx_tcs *tcs = (struct sgx_tcs *) alias_of(enclave, address);
    if (!claim(tcs))
        return RESULT_GP;
    uint64_t frame = frame_address(enclave, tcs, tcs->cssa - 1);
    struct sgx_ssa_gpr saved = *frame_gpr(enclave, frame);
    if (!load_xsave(thread, frame) || saved.rip >= CANONICAL_END ||
        saved.fs_base >= CANONICAL_END || saved.gs_base >= CANONICAL_END) {
        release(tcs);
        return RESULT_GP;
    }
    memcpy(&thread->regs, &saved, offsetof(struct sim_regs, fs)); /* RAX to RIP, the same order */
    thread->regs.rflags = (saved.rflags & RFLAGS_RESTORED) | RFLAGS_FIXED;
    thread->regs.fs = saved.fs_base;
    thread->regs.gs = saved.gs_base;
    thread->tcs = tcs;
    thread->gpr = frame_gpr(enclave, frame);
    tcs->cssa--;
    return RESULT_OK;
}

static void save_xsave(const struct sgx_enclave *enclave, uint64_t frame, const void *xsave)
{
    uint8_t *area = alias_of(enclave, frame);
    uint64_t features;
    memcpy(area, xsave, enclave->xsave_size);
    memcpy(&features, area + XSAVE_HEADER, sizeof features);
    features &= enclave->secs.attributes.xfrm;
    memcpy(area + XSAVE_HEADER, &features, sizeof features);
    memset(area + XSAVE_HEADER + 8, 0, 64 - 8);
    memset(area + 464, 0, 48); /* Linux keeps notes here in signal frames */
}

void tcs_aex(struct sim_thread *thread, const struct sim_regs *regs, const void *xsave,
             uint32_t exit_info, const struct sgx_exinfo *exinfo)
{
    const struct sgx_enclave *enclave = thread->enclave;
    struct sgx_tcs *tcs = thread->tcs;
    uint64_t frame = frame_address(enclave, tcs, tcs->cssa);
    struct sgx_ssa_gpr *gpr = frame_gpr(enclave, frame);
    save_xsave(enclave, frame, xsave);
    memcpy(gpr, regs, offsetof(struct sim_regs, fs)); /* RAX to RIP, the same order */
    gpr->rflags &= ~RFLAGS_TF;
    gpr->fs_base = regs->fs;
    gpr->gs_base = regs->gs;
    gpr->exit_info = exit_info;
    if ((enclave->secs.misc_select & SGX_MISC_EXINFO) && (exit_info & SGX_EXITINFO_VALID))
        memcpy(alias_of(enclave, frame + SGX_SSA_EXINFO_OFFSET(frame_bytes(enclave))), exinfo,
               sizeof *exinfo);
    tcs->cssa++;
    release(tcs);
}

uint32_t tcs_cssa(const struct sim_thread *thread)
{
    return thread->tcs->cssa;
}

struct sim_result tcs_edeccssa(struct sim_thread *thread)
{
    const struct sgx_enclave *enclave = thread->enclave;
    struct sgx_tcs *tcs = thread->tcs;
    if (tcs->cssa == 0)
        return RESULT_GP;
    uint64_t frame = frame_address(enclave, tcs, tcs->cssa - 1);
    struct sim_result result = check_frame(enclave, frame);
    if (result.vector)
        return result;
    tcs->cssa--;
    thread->gpr = frame_gpr(enclave, frame);
    return RESULT_OK;
}
