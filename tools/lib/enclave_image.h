/* Builds the enclave: kernel ELF + configuration + vCPU slots -> enclave.sgxs and enclave.sig. */
#ifndef TOOLS_LIB_ENCLAVE_IMAGE_H
#define TOOLS_LIB_ENCLAVE_IMAGE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enclave_image {
    const char *kernel_path; /* static, non-PIE ELF linked at KERNEL_BASE */
    const void *config;      /* placed read-only at KERNEL_CONFIG; at most KERNEL_CONFIG_MAX */
    size_t config_size;
    unsigned vcpu_count; /* 1..VCPU_MAX */
    bool debuggable;     /* may run with ATTRIBUTES.DEBUG; not measured, but signed */
    uint16_t isv_prod_id, isv_svn;
    uint32_t date; /* BCD yyyymmdd, see sigstruct_date() */
};

/* Writes the measured stream; the same input gives the same bytes everywhere. The file appears
 * whole or not at all. -ENOEXEC: the kernel cannot be placed. Says on stderr what is wrong. */
int enclave_image_build(const struct enclave_image *image, const char *sgxs_path,
                        uint8_t ret_mrenclave[32]);

/* Writes the SIGSTRUCT for that measurement. -EINVAL: not an SGX signing key. */
int enclave_image_sign(const struct enclave_image *image, const uint8_t mrenclave[32],
                       EVP_PKEY *key, const char *sig_path);
#endif
