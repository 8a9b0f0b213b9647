/* EGETKEY(SEAL) with the masks that every slot of ours uses. */
#include "libos/crypto/seal.h"
#include "libos/arch/enclu.h"
#include "libos/arch/random.h"
#include "libos/base/errno.h"

void seal_id_new(uint16_t policy, struct seal_id *ret)
{
    static const struct sgx_targetinfo target aligned_to(512);
    static const uint8_t data[64] aligned_to(128);
    struct sgx_report report aligned_to(512);
    enclu_report(&target, data, &report);
    *ret = (struct seal_id){.policy = policy, .isv_svn = report.isv_svn};
    memcpy(ret->cpu_svn, report.cpu_svn, sizeof ret->cpu_svn);
    random_bytes(SPAN_OF(ret->key_id));
}

int seal_key_get(const struct seal_id *id, uint8_t ret_key[SEAL_KEY_SIZE])
{
    if (id->policy != SGX_KEYPOLICY_MRSIGNER && id->policy != SGX_KEYPOLICY_MRENCLAVE)
        return -EKEYREJECTED; /* the request comes from the host's disk, and others could fault */
    struct sgx_keyrequest request = {
        .key_name = SGX_KEY_SEAL,
        .key_policy = id->policy,
        .isv_svn = id->isv_svn,
        .attribute_mask = {.flags = SGX_ATTR_INIT | SGX_ATTR_DEBUG},
    };
    memcpy(request.cpu_svn, id->cpu_svn, sizeof request.cpu_svn);
    memcpy(request.key_id, id->key_id, sizeof request.key_id);
    return enclu_get_key(&request, ret_key) == SGX_SUCCESS ? 0 : -EKEYREJECTED;
}
