/* Enclave pages: committing them and changing their permissions. The only user of EACCEPT/EMODPE and
 * of the page host calls. Ranges are page aligned. */
#ifndef MM_EPC_H
#define MM_EPC_H
#include "libos/base/types.h"

/* Absent pages become REG, RW, zeroed. -ENOMEM: the host gives none. */
must_check int epc_commit(uintptr_t addr, size_t pages);
/* Permissions of committed pages: PROT_* bits; extends inside, restricts through the host and checks
 * the result by EACCEPT, so a host that ignores the request is found out (panic). old must be what
 * the pages have now, all the same. */
void epc_protect(uintptr_t addr, size_t pages, int old_prot, int new_prot);
#endif
