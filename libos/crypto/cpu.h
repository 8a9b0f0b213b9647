/* Which of IPsec-MB's implementations run. All of them are constant-time and give the same bytes. */
#ifndef CRYPTO_CPU_H
#define CRYPTO_CPU_H
#include "abi/hostcall.h"
#include "libos/base/types.h"

enum crypto_cpu {
    CRYPTO_SSE,    /* AES-NI, PCLMULQDQ: every CPU that has SGX */
    CRYPTO_AVX2,   /* the same in 256-bit registers */
    CRYPTO_AVX512, /* VAES, VPCLMULQDQ in 512-bit registers */
};

/* The best one for an enclave whose XFRM (from EREPORT, trusted) allows these registers, on the CPU that
 * the host's CPUID answers describe. A lie of the host ends in #UD or in a slower implementation; there
 * is no table-based one that it could choose. */
enum crypto_cpu crypto_cpu_best(uint64_t xfrm, const struct host_cpuid *list, size_t count);

/* At boot, before anything is enciphered. Until then: CRYPTO_SSE, no SHA instructions. */
void crypto_setup(uint64_t xfrm, const struct host_cpuid *list, size_t count);
void crypto_cpu_set(enum crypto_cpu cpu);
enum crypto_cpu crypto_cpu_get(void);
#endif
