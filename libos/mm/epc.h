/* Enclave pages: committing them and changing their permissions. The only user of EACCEPT, EMODPE,
 * EACCEPTCOPY and of the page host calls. Ranges are page aligned. */
#ifndef MM_EPC_H
#define MM_EPC_H
#include "libos/base/types.h"

/* Absent pages become REG, RW, zeroed. -ENOMEM: the host gives none. */
must_check int epc_commit(uintptr_t addr, size_t pages);
/* Absent pages become copies of pages of the kernel, with their final permissions from the first moment
 * on: nobody but the kernel can have written to them. source is page aligned. */
must_check int epc_commit_copies(uintptr_t addr, const void *source, size_t pages, int prot);
/* Permissions of committed pages: PROT_* bits; extends inside, restricts through the host and checks
 * the result by EACCEPT, so a host that ignores the request is found out (panic). old must be what
 * the pages have now, all the same. */
void epc_protect(uintptr_t addr, size_t pages, int old_prot, int new_prot);
#endif
