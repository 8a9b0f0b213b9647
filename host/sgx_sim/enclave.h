/* The driver-like half of sgx_sim_ops; what each does is said in host/sgx.h. */
#ifndef SIM_ENCLAVE_H
#define SIM_ENCLAVE_H

#include "host/sgx.h"

int enclave_open(struct sgx_enclave **ret_enclave);
void enclave_close(struct sgx_enclave *enclave);
int enclave_create(struct sgx_enclave *enclave, const struct sgx_secs *secs);
int enclave_add_pages(struct sgx_enclave *enclave, const void *src, uint64_t offset,
                      uint64_t length, const struct sgx_secinfo *secinfo, bool measure);
int enclave_init(struct sgx_enclave *enclave, const struct sgx_sigstruct *sigstruct);
int enclave_restrict_perms(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                           uint64_t secinfo_perms, uint64_t *ret_count);
int enclave_modify_types(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                         unsigned type, uint64_t *ret_count);
int enclave_remove_pages(struct sgx_enclave *enclave, uint64_t offset, uint64_t length,
                         uint64_t *ret_count);
#endif
