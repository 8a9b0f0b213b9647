/* SIGSTRUCT: the signed statement about an enclave (who made it, what it measures to). */
#ifndef TOOLS_LIB_SIGSTRUCT_H
#define TOOLS_LIB_SIGSTRUCT_H

#include <openssl/evp.h>
#include "abi/sgx.h"

/* All zero but the fixed headers; the caller fills in the rest of the signed part. */
void sigstruct_init(struct sgx_sigstruct *sigstruct);

/* Fills in modulus, exponent, signature, q1, q2. Deterministic: same input, same bytes.
 * -EINVAL: the key is not RSA-3072 with public exponent 3. */
int sigstruct_sign(struct sgx_sigstruct *sigstruct, EVP_PKEY *key);

/* What EINIT checks without knowing the enclave, in EINIT's order: SGX_SUCCESS,
 * SGX_INVALID_SIG_STRUCT or SGX_INVALID_SIGNATURE. */
int sigstruct_check(const struct sgx_sigstruct *sigstruct);

/* SHA-256 of the part that is signed. */
void sigstruct_body_hash(const struct sgx_sigstruct *sigstruct, uint8_t ret_hash[32]);

/* SHA-256 of the modulus. */
void sigstruct_mrsigner(const struct sgx_sigstruct *sigstruct, uint8_t ret_mrsigner[32]);

/* BCD yyyymmdd (UTC) of a time in seconds since 1970, for the DATE field. */
uint32_t sigstruct_date(uint64_t unix_seconds);
#endif
