/* From the number of an enclave address to a pointer, for the kernel's own use of pages it knows to be
 * there. In the unit tests the guest window lies elsewhere in the process. Never for an address that a
 * program gave: that is what uaccess is for. */
#ifndef MM_ENCLAVE_PTR_H
#define MM_ENCLAVE_PTR_H
#include "libos/base/types.h"

#ifdef OCCLUM_UNIT
#define ENCLAVE_OFFSET 0x200000000000ul /* UNIT_GUEST_BASE */
#else
#define ENCLAVE_OFFSET 0ul
#endif

static inline void *enclave_ptr(uintptr_t addr)
{
    return (void *) (addr + ENCLAVE_OFFSET);
}
#endif
