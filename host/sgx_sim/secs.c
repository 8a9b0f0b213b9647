/* The rules about a whole enclave: what ECREATE accepts as a SECS and what EINIT as a SIGSTRUCT.
 *
 * Order matters in EINIT: the first rule broken decides the error code. The SIGSTRUCT's own rules
 * (form, signature) are tools/lib/sigstruct.c, shared with the signer.
 */
#include <cpuid.h>
#include <string.h>

#include "host/sgx_sim/sim.h"
#include "tools/lib/bytes.h"
#include "tools/lib/sigstruct.h"

#define SUPPORTED_FLAGS                                                                            \
    (SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY |       \
     SGX_ATTR_KSS)
#define SUPPORTED_MISC     SGX_MISC_EXINFO
#define XSAVE_LEGACY_BYTES 576u
#define CANONICAL_END      (1ul << 47)

uint64_t secs_supported_xfrm(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t) high << 32;
}

/* Asked once: CPUID costs microseconds in a virtual machine. XCR0, and so XFRM, implies leaf 0DH. */
static size_t component_end(unsigned i)
{
    static size_t known[63];
    size_t end = __atomic_load_n(&known[i], __ATOMIC_RELAXED);
    if (end)
        return end;
    uint32_t size, offset, c, d;
    __cpuid_count(0xd, i, size, offset, c, d);
    __atomic_store_n(&known[i], (size_t) offset + size, __ATOMIC_RELAXED);
    return (size_t) offset + size;
}

size_t secs_xsave_size(uint64_t xfrm)
{
    size_t size = XSAVE_LEGACY_BYTES;
    for (uint64_t left = xfrm & ~(SGX_XFRM_LEGACY | 1ul << 63); left; left &= left - 1) {
        size_t end = component_end((unsigned) __builtin_ctzll(left));
        size = end > size ? end : size;
    }
    return size;
}

static bool reserved_ok(const struct sgx_secs *secs)
{
    bool kss = secs->attributes.flags & SGX_ATTR_KSS;
    return secs->cet_leg_bitmap_offset == 0 && secs->cet_attributes == 0 &&
           bytes_zero(secs->reserved1, sizeof secs->reserved1) &&
           bytes_zero(secs->reserved2, sizeof secs->reserved2) &&
           bytes_zero(secs->reserved3, sizeof secs->reserved3) &&
           bytes_zero(secs->reserved4, sizeof secs->reserved4) &&
           (kss || (bytes_zero(secs->config_id, sizeof secs->config_id) && secs->config_svn == 0));
}

static bool range_ok(const struct sgx_secs *secs)
{
    uint64_t size = secs->size;
    return size >= 2 * SGX_PAGE_SIZE && (size & (size - 1)) == 0 && size < CANONICAL_END &&
           secs->base % size == 0 && secs->base <= CANONICAL_END - size;
}

static bool frame_ok(const struct sgx_secs *secs)
{
    size_t misc = secs->misc_select & SGX_MISC_EXINFO ? sizeof(struct sgx_exinfo) : 0;
    size_t need = secs_xsave_size(secs->attributes.xfrm) + misc + sizeof(struct sgx_ssa_gpr);
    return secs->ssa_frame_size > 0 && secs->ssa_frame_size < 1u << 16 &&
           (uint64_t) secs->ssa_frame_size * SGX_PAGE_SIZE >= need;
}

struct sim_result secs_ecreate(const struct sgx_secs *secs)
{
    uint64_t xfrm = secs->attributes.xfrm, flags = secs->attributes.flags;
    if ((xfrm & SGX_XFRM_LEGACY) != SGX_XFRM_LEGACY || (xfrm & ~secs_supported_xfrm()) != 0 ||
        (secs->misc_select & ~SUPPORTED_MISC) != 0 || !frame_ok(secs))
        return RESULT_GP;
    if (!range_ok(secs))
        return RESULT_GP;
    if ((flags & ~SUPPORTED_FLAGS) != 0 || !(flags & SGX_ATTR_MODE64BIT) || !reserved_ok(secs))
        return RESULT_GP;
    return RESULT_OK;
}

static bool attributes_match(const struct sgx_secs *secs, const struct sgx_sigstruct *sig)
{
    const struct sgx_attributes want = sig->attributes, mask = sig->attribute_mask;
    return ((secs->attributes.flags ^ want.flags) & mask.flags) == 0 &&
           ((secs->attributes.xfrm ^ want.xfrm) & mask.xfrm) == 0 &&
           ((secs->misc_select ^ sig->misc_select) & sig->misc_mask) == 0 &&
           ((secs->cet_attributes ^ sig->cet_attributes) & sig->cet_attributes_mask) == 0;
}

static int identity_check(const struct sgx_secs *secs, const struct sgx_sigstruct *sig,
                          const uint8_t mrenclave[32], bool signer_may_launch)
{
    bool kss = secs->attributes.flags & SGX_ATTR_KSS;
    if (!kss && !bytes_zero(sig->isv_family_id, sizeof sig->isv_family_id))
        return SGX_INVALID_SIG_STRUCT;
    if (memcmp(mrenclave, sig->enclave_hash, sizeof sig->enclave_hash) != 0)
        return SGX_INVALID_MEASUREMENT;
    if ((secs->attributes.flags & SGX_ATTR_EINITTOKEN_KEY) && !signer_may_launch)
        return SGX_INVALID_ATTRIBUTE;
    if (!attributes_match(secs, sig))
        return SGX_INVALID_ATTRIBUTE;
    return signer_may_launch ? SGX_SUCCESS : SGX_INVALID_EINITTOKEN;
}

struct sim_result secs_einit_locked(struct sgx_enclave *enclave, const struct sgx_sigstruct *sig,
                                    const uint8_t *lepubkeyhash)
{
    uint8_t mrsigner[32], mrenclave[32];
    int r = sigstruct_check(sig);
    if (r != SGX_SUCCESS)
        return RESULT_CODE((uint32_t) r);
    if (enclave->state != SIM_CREATED)
        return RESULT_GP;
    sigstruct_mrsigner(sig, mrsigner);
    sgxs_hash(&enclave->measurement, mrenclave);
    bool may_launch = !lepubkeyhash || memcmp(lepubkeyhash, mrsigner, sizeof mrsigner) == 0;
    r = identity_check(&enclave->secs, sig, mrenclave, may_launch);
    if (r != SGX_SUCCESS)
        return RESULT_CODE((uint32_t) r);
    struct sgx_secs *secs = &enclave->secs;
    memcpy(secs->mr_enclave, mrenclave, sizeof mrenclave);
    memcpy(secs->mr_signer, mrsigner, sizeof mrsigner);
    memcpy(enclave->isv_family_id, sig->isv_family_id, sizeof sig->isv_family_id);
    memcpy(enclave->isv_ext_prod_id, sig->isv_ext_prod_id, sizeof sig->isv_ext_prod_id);
    secs->isv_prod_id = sig->isv_prod_id;
    secs->isv_svn = sig->isv_svn;
    secs->attributes.flags |= SGX_ATTR_INIT;
    enclave->state = SIM_INITIALIZED;
    return RESULT_OK;
}
