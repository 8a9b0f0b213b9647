/* ENCLU leaves inside the enclave (all but EENTER, ERESUME, EEXIT), for the patched stub and
 * for the trap handler alike.
 *
 * Operands are checked against the EPCM and then copied through the alias, once. The caller has
 * saved the enclave's vector state, so anything may be called here. After a leaf that changed
 * pages the view follows before the enclave goes on; ENCLU_PAGES does this once per run of
 * pages.
 */
#include <string.h>
#include <sys/mman.h>

#include "abi/enter.h"
#include "host/sgx_sim/sim.h"
#include "tools/lib/bytes.h"

#define TOUCH_PAGES       512u
#define TOUCH_FROM        8u
#define RFLAGS_ARITHMETIC 0x8d5ul /* CF PF AF ZF SF OF */
#define RFLAGS_ZF         0x40ul

typedef struct sim_result (*page_leaf_fn)(struct sgx_enclave *enclave, uint64_t address,
                                          uint64_t flags);

static struct sim_result read_secinfo(const struct sgx_enclave *enclave, uint64_t address,
                                      uint64_t *ret_flags)
{
    struct sgx_secinfo secinfo;
    struct sim_result result =
        epcm_operand(enclave, address, sizeof secinfo, sizeof secinfo, SGX_SECINFO_R);
    if (result.vector)
        return result;
    memcpy(&secinfo, alias_of(enclave, address), sizeof secinfo);
    if (!bytes_zero(secinfo.reserved, sizeof secinfo.reserved))
        return RESULT_GP;
    *ret_flags = secinfo.flags;
    return RESULT_OK;
}

static struct sim_result page_leaf(struct sgx_enclave *enclave, page_leaf_fn leaf_locked,
                                   const struct sim_regs *regs)
{
    uint64_t flags;
    struct sim_result result = read_secinfo(enclave, regs->rbx, &flags);
    if (result.vector)
        return result;
    pthread_mutex_lock(&enclave->lock);
    result = leaf_locked(enclave, regs->rcx, flags);
    if (!result.vector && !result.code)
        (void) epcm_apply_view_locked(enclave, regs->rcx,
                                      1); /* a lagging view is repaired at fault */
    pthread_mutex_unlock(&enclave->lock);
    return result;
}

static struct sim_result eacceptcopy(struct sgx_enclave *enclave, const struct sim_regs *regs)
{
    uint64_t flags;
    struct sim_result result = read_secinfo(enclave, regs->rbx, &flags);
    if (result.vector)
        return result;
    pthread_mutex_lock(&enclave->lock);
    result = epcm_eacceptcopy_locked(enclave, regs->rcx, regs->rdx, flags);
    if (!result.vector && !result.code)
        (void) epcm_apply_view_locked(enclave, regs->rcx,
                                      1); /* a lagging view is repaired at fault */
    pthread_mutex_unlock(&enclave->lock);
    return result;
}

static struct sim_result egetkey(struct sgx_enclave *enclave, const struct sim_regs *regs)
{
    struct sgx_keyrequest request;
    uint8_t key[16];
    struct sim_result result =
        epcm_operand(enclave, regs->rbx, sizeof request, sizeof request, SGX_SECINFO_R);
    if (!result.vector)
        result = epcm_operand(enclave, regs->rcx, sizeof key, sizeof key, SGX_SECINFO_W);
    if (result.vector)
        return result;
    memcpy(&request, alias_of(enclave, regs->rbx), sizeof request);
    result = keys_egetkey(enclave, &request, key);
    if (!result.vector && !result.code)
        memcpy(alias_of(enclave, regs->rcx), key, sizeof key);
    explicit_bzero(key, sizeof key);
    return result;
}

static struct sim_result ereport(struct sgx_enclave *enclave, const struct sim_regs *regs)
{
    struct sgx_targetinfo target;
    uint8_t data[SGX_REPORTDATA_BYTES];
    struct sgx_report report;
    struct sim_result result =
        epcm_operand(enclave, regs->rbx, sizeof target, sizeof target, SGX_SECINFO_R);
    if (!result.vector)
        result = epcm_operand(enclave, regs->rcx, sizeof data, 128, SGX_SECINFO_R);
    if (!result.vector)
        result = epcm_operand(enclave, regs->rdx, sizeof report, 512, SGX_SECINFO_W);
    if (result.vector)
        return result;
    memcpy(&target, alias_of(enclave, regs->rbx), sizeof target);
    memcpy(data, alias_of(enclave, regs->rcx), sizeof data);
    result = keys_ereport(enclave, &target, data, &report);
    if (!result.vector)
        memcpy(alias_of(enclave, regs->rdx), &report, sizeof report);
    return result;
}

static struct sim_result returns_code(struct sim_regs *regs, struct sim_result result)
{
    if (result.vector)
        return result;
    regs->rax = result.code;
    regs->rflags &= ~RFLAGS_ARITHMETIC;
    regs->rflags |= result.code ? RFLAGS_ZF : 0;
    return result;
}

struct sim_result leaf_execute(struct sgx_enclave *enclave, struct sim_thread *thread,
                               struct sim_regs *regs)
{
    switch ((uint32_t) regs->rax) {
    case SGX_EREPORT:
        return ereport(enclave, regs);
    case SGX_EGETKEY:
        return returns_code(regs, egetkey(enclave, regs));
    case SGX_EACCEPT:
        return returns_code(regs, page_leaf(enclave, epcm_eaccept_locked, regs));
    case SGX_EMODPE:
        return page_leaf(enclave, epcm_emodpe_locked, regs);
    case SGX_EACCEPTCOPY:
        return returns_code(regs, eacceptcopy(enclave, regs));
    case SGX_EDECCSSA:
        return tcs_edeccssa(thread);
    default:
        return RESULT_GP;
    }
}

/* One step of ENCLU_PAGES_STUB. */
static struct sim_result step_locked(struct sgx_enclave *enclave, const struct sim_regs *regs,
                                     uint64_t flags)
{
    switch ((uint32_t) regs->rax) {
    case SGX_EACCEPT:
        return epcm_eaccept_locked(enclave, regs->rcx, flags);
    case SGX_EMODPE:
        return epcm_emodpe_locked(enclave, regs->rcx, flags);
    case SGX_EACCEPTCOPY:
        return epcm_eacceptcopy_locked(enclave, regs->rcx, regs->rdx, flags);
    default:
        return RESULT_GP;
    }
}

/* An enclave that takes pages by the hundred again and again is going to use them: touched all at once they cost Linux
 * a third of what they cost one by one. Not the first ones, most programs need few of them; not very large runs, they
 * may stay sparse. */
static void touch_ahead(struct sgx_enclave *enclave, uint64_t first, uint64_t end, uint64_t flags)
{
    uint64_t pages = (end - first) / SGX_PAGE_SIZE;
    if (!(flags & SGX_SECINFO_PENDING) || pages < TOUCH_PAGES || pages > 2 * TOUCH_PAGES)
        return;
    if (__atomic_fetch_add(&enclave->large_runs, 1, __ATOMIC_RELAXED) >= TOUCH_FROM)
        (void) madvise((void *) first, end - first, MADV_POPULATE_WRITE); /* only speed */
}

struct sim_result leaf_execute_pages(struct sgx_enclave *enclave, struct sim_regs *regs)
{
    uint64_t flags, first = regs->rcx;
    struct sim_result result = read_secinfo(enclave, regs->rbx, &flags);
    if (result.vector)
        return result;
    pthread_mutex_lock(&enclave->lock);
    while (regs->rsi > 0 && !result.vector && !result.code) {
        result = step_locked(enclave, regs, flags);
        if (!result.vector && !result.code) {
            regs->rcx += SGX_PAGE_SIZE;
            regs->rdx += SGX_PAGE_SIZE;
            regs->rsi--;
        }
    }
    if (regs->rcx != first) /* a lagging view is repaired at fault */
        (void) epcm_apply_view_locked(enclave, first, (regs->rcx - first) / SGX_PAGE_SIZE);
    pthread_mutex_unlock(&enclave->lock);
    if ((uint32_t) regs->rax == SGX_EACCEPT)
        touch_ahead(enclave, first, regs->rcx, flags);
    return returns_code(regs, result);
}

uint32_t leaf_exit_info(const struct sgx_enclave *enclave, int vector)
{
    bool exinfo = enclave->secs.misc_select & SGX_MISC_EXINFO;
    uint32_t type = SGX_EXITINFO_TYPE_HARDWARE;
    switch (vector) {
    case 0:
    case 1:
    case 5:
    case 6:
    case 16:
    case 17:
    case 19:
        break;
    case VECTOR_BP:
        type = SGX_EXITINFO_TYPE_SOFTWARE;
        break;
    case VECTOR_GP:
    case VECTOR_PF:
        if (exinfo)
            break;
        return 0;
    default:
        return 0;
    }
    return SGX_EXITINFO_VALID | type << 8 | (uint32_t) vector;
}

int sim_leaf_from_stub(struct sim_thread *thread)
{
    struct sgx_enclave *enclave = thread->enclave;
    bool pages = thread->leaf_kind == KIND_PAGES;
    struct sim_result result = pages ? leaf_execute_pages(enclave, &thread->regs)
                                     : leaf_execute(enclave, thread, &thread->regs);
    if (!result.vector)
        return 0;
    struct sgx_exinfo exinfo = {.maddr = result.addr, .errcd = result.errcd};
    thread->regs.rip = enclave->base + (pages ? ENCLU_PAGES_STUB : ENCLU_STUB);
    thread->event = result;
    tcs_aex(thread, &thread->regs, thread->leaf_xsave, leaf_exit_info(enclave, result.vector),
            &exinfo);
    return 1;
}
