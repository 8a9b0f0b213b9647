/* The choice of implementation. */
#include "libos/crypto/cpu.h"
#include "abi/sgx.h"
#include "libos/crypto/sha256.h"

#define AVX512_STATE (SGX_XFRM_LEGACY | SGX_XFRM_AVX | SGX_XFRM_AVX512)
#define AVX_STATE    (SGX_XFRM_LEGACY | SGX_XFRM_AVX)

/* CPUID leaf 7, EBX and ECX */
enum {
    EBX_AVX2 = 1u << 5,
    EBX_BMI2 = 1u << 8,
    EBX_AVX512 = 1u << 16 | 1u << 17 | 1u << 30, /* F, DQ, BW */
    EBX_SHA = 1u << 29,
    ECX_VECTOR_AES = 1u << 9 | 1u << 10, /* VAES, VPCLMULQDQ */
};
#define EBX_AVX512_ALL (EBX_AVX512 | 1u << 31) /* and VL */

static enum crypto_cpu chosen = CRYPTO_SSE;

static const struct host_cpuid *leaf7(const struct host_cpuid *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].leaf == 7 && list[i].subleaf == 0)
            return &list[i];
    return NULL;
}

static bool has(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

enum crypto_cpu crypto_cpu_best(uint64_t xfrm, const struct host_cpuid *list, size_t count)
{
    const struct host_cpuid *c = leaf7(list, count);
    if (!c || !has(xfrm, AVX_STATE) || !has(c->ebx, EBX_AVX2 | EBX_BMI2))
        return CRYPTO_SSE;
    if (has(xfrm, AVX512_STATE) && has(c->ebx, EBX_AVX512_ALL) && has(c->ecx, ECX_VECTOR_AES))
        return CRYPTO_AVX512;
    return CRYPTO_AVX2;
}

void crypto_setup(uint64_t xfrm, const struct host_cpuid *list, size_t count)
{
    const struct host_cpuid *c = leaf7(list, count);
    sha256_setup(c && has(c->ebx, EBX_SHA));
    crypto_cpu_set(crypto_cpu_best(xfrm, list, count));
}

void crypto_cpu_set(enum crypto_cpu cpu)
{
    chosen = cpu;
}

enum crypto_cpu crypto_cpu_get(void)
{
    return chosen;
}
