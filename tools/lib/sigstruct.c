/* The SIGSTRUCT's form and signature, as EINIT checks them.
 *
 * The signature is RSASSA-PKCS1-v1_5 over SHA-256 with e = 3. q1 and q2 spare the processor the
 * division: it checks S^2 - q1*N and S*(that) - q2*N for being reduced and compares the second with
 * the padded hash. The check here does exactly that and nothing else, so that whatever EINIT would
 * refuse is refused. All numbers are public, and four products are all it takes: so they are computed
 * here, for OpenSSL's library would take longer to start than to multiply.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tools/lib/sigstruct.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "tools/lib/bytes.h"

#define LIMBS (SGX_RSA_BYTES / 8)

static const uint8_t fixed_header[16] = SGX_SIG_HEADER;
static const uint8_t fixed_header2[16] = SGX_SIG_HEADER2;

/* Little-endian numbers of the size of the modulus, and products. */
struct number {
    uint64_t limb[LIMBS];
};
struct product {
    uint64_t limb[2 * LIMBS];
};

void sigstruct_init(struct sgx_sigstruct *sigstruct)
{
    memset(sigstruct, 0, sizeof *sigstruct);
    memcpy(sigstruct->header, fixed_header, sizeof fixed_header);
    memcpy(sigstruct->header2, fixed_header2, sizeof fixed_header2);
}

void sigstruct_body_hash(const struct sgx_sigstruct *sigstruct, uint8_t ret_hash[32])
{
    const uint8_t *bytes = (const uint8_t *) sigstruct;
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, bytes, SGX_SIG_HEAD_END);
    SHA256_Update(&hash, bytes + SGX_SIG_BODY_START, SGX_SIG_BODY_END - SGX_SIG_BODY_START);
    SHA256_Final(ret_hash, &hash);
}

static bool form_ok(const struct sgx_sigstruct *s)
{
    return memcmp(s->header, fixed_header, sizeof fixed_header) == 0 &&
           memcmp(s->header2, fixed_header2, sizeof fixed_header2) == 0 &&
           (s->vendor == 0 || s->vendor == SGX_VENDOR_INTEL) && s->exponent == SGX_SIG_EXPONENT &&
           bytes_zero(s->reserved1, sizeof s->reserved1) &&
           bytes_zero(s->reserved2, sizeof s->reserved2) &&
           bytes_zero(s->reserved3, sizeof s->reserved3) &&
           bytes_zero(s->reserved4, sizeof s->reserved4);
}

/* The padded hash, most significant byte first. */
static void expected_message(const uint8_t hash[32], uint8_t ret_message[SGX_RSA_BYTES])
{
    static const uint8_t digest_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                            0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                            0x01, 0x05, 0x00, 0x04, 0x20};
    memset(ret_message, 0xff, SGX_RSA_BYTES);
    ret_message[0] = 0;
    ret_message[1] = 1;
    uint8_t *tail = ret_message + SGX_RSA_BYTES - sizeof digest_info - 32;
    tail[-1] = 0;
    memcpy(tail, digest_info, sizeof digest_info);
    memcpy(tail + sizeof digest_info, hash, 32);
}

static struct number number_of(const uint8_t bytes[SGX_RSA_BYTES])
{
    struct number x;
    memcpy(&x, bytes, sizeof x);
    return x;
}

static struct product multiply(const struct number *a, const struct number *b)
{
    struct product p = {0};
    for (size_t i = 0; i < LIMBS; i++) {
        unsigned __int128 carry = 0;
        for (size_t j = 0; j < LIMBS; j++) {
            carry += (unsigned __int128) a->limb[i] * b->limb[j] + p.limb[i + j];
            p.limb[i + j] = (uint64_t) carry;
            carry >>= 64;
        }
        p.limb[i + LIMBS] = (uint64_t) carry;
    }
    return p;
}

static bool less(const struct number *a, const struct number *b)
{
    for (size_t i = LIMBS; i-- > 0;)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i];
    return false;
}

/* *ret = a*b - q*n; false unless 0 <= *ret < n. */
static bool reduced_product(const struct number *a, const struct number *b, const struct number *q,
                            const struct number *n, struct number *ret)
{
    struct product p = multiply(a, b), take = multiply(q, n);
    uint64_t borrow = 0, high = 0;
    for (size_t i = 0; i < 2 * LIMBS; i++) {
        unsigned __int128 d = (unsigned __int128) p.limb[i] - take.limb[i] - borrow;
        p.limb[i] = (uint64_t) d;
        borrow = (uint64_t) (d >> 64) & 1;
        high |= i >= LIMBS ? p.limb[i] : 0;
    }
    memcpy(ret, &p, sizeof *ret);
    return !borrow && !high && less(ret, n);
}

static bool signature_ok(const struct sgx_sigstruct *sigstruct)
{
    uint8_t hash[32], want[SGX_RSA_BYTES], got[SGX_RSA_BYTES];
    const struct number n = number_of(sigstruct->modulus), s = number_of(sigstruct->signature);
    const struct number q1 = number_of(sigstruct->q1), q2 = number_of(sigstruct->q2);
    struct number square, cube;
    if (!reduced_product(&s, &s, &q1, &n, &square) || !reduced_product(&s, &square, &q2, &n, &cube))
        return false;
    for (size_t i = 0; i < SGX_RSA_BYTES; i++)
        got[i] = ((const uint8_t *) &cube)[SGX_RSA_BYTES - 1 - i];
    sigstruct_body_hash(sigstruct, hash);
    expected_message(hash, want);
    return memcmp(want, got, sizeof got) == 0;
}

int sigstruct_check(const struct sgx_sigstruct *sigstruct)
{
    if (!form_ok(sigstruct))
        return SGX_INVALID_SIG_STRUCT;
    return signature_ok(sigstruct) ? SGX_SUCCESS : SGX_INVALID_SIGNATURE;
}

void sigstruct_mrsigner(const struct sgx_sigstruct *sigstruct, uint8_t ret_mrsigner[32])
{
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, sigstruct->modulus, SGX_RSA_BYTES);
    SHA256_Final(ret_mrsigner, &hash);
}

uint32_t sigstruct_date(uint64_t unix_seconds)
{
    time_t when = (time_t) unix_seconds;
    struct tm utc;
    if (!gmtime_r(&when, &utc))
        return 0;
    unsigned number = (unsigned) (utc.tm_year + 1900) * 10000 + (unsigned) (utc.tm_mon + 1) * 100 +
                      (unsigned) utc.tm_mday;
    uint32_t bcd = 0;
    for (unsigned shift = 0; shift < 32; shift += 4, number /= 10)
        bcd |= (number % 10) << shift;
    return bcd;
}
