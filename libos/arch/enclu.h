/* ENCLU leaves as functions; all go through the one stub page. */
#ifndef ARCH_ENCLU_H
#define ARCH_ENCLU_H
#include "abi/sgx.h"
#include "libos/base/types.h"

/* EACCEPT / EMODPE on count consecutive pages from addr. secinfo_flags as in SECINFO.FLAGS. Returns 0
 * or the SGX error code (enum sgx_error); EMODPE has none. */
must_check int enclu_accept_pages(uintptr_t addr, size_t count, uint64_t secinfo_flags);
/* EACCEPTCOPY: absent pages become copies of the count pages at source, with these permissions. */
must_check int enclu_accept_copies(uintptr_t addr, const void *source, size_t count,
                                   uint64_t secinfo_flags);
void enclu_extend_pages(uintptr_t addr, size_t count, uint64_t secinfo_flags);
void enclu_report(const struct sgx_targetinfo *target, const void *data, struct sgx_report *ret);
/* EGETKEY: 0, or the SGX error code; a malformed request faults. */
must_check int enclu_get_key(const struct sgx_keyrequest *request, uint8_t ret_key[16]);
#endif
