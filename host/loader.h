/* Loads an enclave image into an SGX machine. */
#ifndef HOST_LOADER_H
#define HOST_LOADER_H

#include "host/sgx.h"

/* open, create, add_pages*, init from the two files. On success the caller closes the enclave with
 * ops->close(). Refuses malformed streams (-EBADMSG) and mismatched signatures (-EPERM); says on
 * stderr what is wrong and what to do. */
int enclave_load(const struct sgx_ops *ops, const char *sgxs_path, const char *sig_path,
                 struct sgx_enclave **ret_enclave);
#endif
