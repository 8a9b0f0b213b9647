/* Keys that only this enclave, or another of the same signer and product, can derive on this machine. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H
#include "abi/sgx.h"
#include "libos/base/types.h"

#define SEAL_KEY_SIZE 16

/* What must be kept, in the clear, to get the same key again. */
struct seal_id {
    uint16_t policy; /* SGX_KEYPOLICY_* */
    uint16_t isv_svn;
    uint8_t cpu_svn[16];
    uint8_t key_id[32];
};

/* A new id of this enclave's present security versions: older versions cannot derive its key. */
void seal_id_new(uint16_t policy, struct seal_id *ret);
/* Keys are bound to the signer (policy MRSIGNER, with the product number) or to this very enclave
 * (MRENCLAVE), and to whether it can be debugged; not to XFRM. -EKEYREJECTED: the id asks for versions
 * newer than these, or for a policy this enclave does not know. */
must_check int seal_key_get(const struct seal_id *id, uint8_t ret_key[SEAL_KEY_SIZE]);
#endif
