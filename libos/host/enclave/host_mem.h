/* Single loads and stores of host memory whose address was checked once (the vCPU's own block). */
#ifndef HOST_ENCLAVE_HOST_MEM_H
#define HOST_ENCLAVE_HOST_MEM_H
#include "libos/base/types.h"

static inline void host_store32(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
static inline void host_store64(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
static inline uint64_t host_load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
#endif
