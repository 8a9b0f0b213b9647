/* Signing and checking SIGSTRUCTs, with OpenSSL's big numbers.
 *
 * The signature is RSASSA-PKCS1-v1_5 over SHA-256 with e = 3. q1 and q2 spare the processor the
 * division: it checks S^2 - q1*N and S*(that) - q2*N for being reduced and compares the second with
 * the padded hash. The check here does exactly that and nothing else, so that whatever EINIT would
 * refuse is refused.
 */
#include "tools/lib/sigstruct.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "tools/lib/bytes.h"

static const uint8_t fixed_header[16] = SGX_SIG_HEADER;
static const uint8_t fixed_header2[16] = SGX_SIG_HEADER2;

/* Numbers of one signature; all from one BN_CTX frame. */
struct numbers {
    BN_CTX *context;
    BIGNUM *n, *s, *q1, *q2, *t, *m;
};

static int numbers_init(struct numbers *x)
{
    x->context = BN_CTX_new();
    if (!x->context)
        return -ENOMEM;
    BN_CTX_start(x->context);
    x->n = BN_CTX_get(x->context);
    x->s = BN_CTX_get(x->context);
    x->q1 = BN_CTX_get(x->context);
    x->q2 = BN_CTX_get(x->context);
    x->t = BN_CTX_get(x->context);
    x->m = BN_CTX_get(x->context);
    return x->m ? 0 : -ENOMEM;
}

static void numbers_fini(struct numbers *x)
{
    if (x->context)
        BN_CTX_end(x->context);
    BN_CTX_free(x->context);
}

static int body_hash(const struct sgx_sigstruct *sigstruct, uint8_t ret_hash[32])
{
    const uint8_t *bytes = (const uint8_t *) sigstruct;
    uint8_t body[SGX_SIG_HEAD_END + SGX_SIG_BODY_END - SGX_SIG_BODY_START];
    memcpy(body, bytes, SGX_SIG_HEAD_END);
    memcpy(body + SGX_SIG_HEAD_END, bytes + SGX_SIG_BODY_START,
           SGX_SIG_BODY_END - SGX_SIG_BODY_START);
    return EVP_Digest(body, sizeof body, ret_hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

void sigstruct_init(struct sgx_sigstruct *sigstruct)
{
    memset(sigstruct, 0, sizeof *sigstruct);
    memcpy(sigstruct->header, fixed_header, sizeof fixed_header);
    memcpy(sigstruct->header2, fixed_header2, sizeof fixed_header2);
}

static int modulus_from_key(EVP_PKEY *key, uint8_t ret_modulus[SGX_RSA_BYTES])
{
    BIGNUM *n = NULL, *e = NULL;
    int ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
             EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
             BN_num_bits(n) == SGX_RSA_BYTES * 8 && BN_is_word(e, SGX_SIG_EXPONENT) &&
             BN_bn2lebinpad(n, ret_modulus, SGX_RSA_BYTES) == SGX_RSA_BYTES;
    BN_free(n);
    BN_free(e);
    return ok ? 0 : -EINVAL;
}

static int rsa_sign(EVP_PKEY *key, const uint8_t hash[32], uint8_t ret_signature[SGX_RSA_BYTES])
{
    uint8_t big_endian[SGX_RSA_BYTES];
    size_t size = sizeof big_endian;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    int ok = context && EVP_PKEY_sign_init(context) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
             EVP_PKEY_sign(context, big_endian, &size, hash, 32) == 1 && size == SGX_RSA_BYTES;
    EVP_PKEY_CTX_free(context);
    if (!ok)
        return -EINVAL;
    for (size_t i = 0; i < SGX_RSA_BYTES; i++)
        ret_signature[i] = big_endian[SGX_RSA_BYTES - 1 - i];
    return 0;
}

/* q1 = S^2 / N; q2 = S * (S^2 mod N) / N */
static bool quotients(struct numbers *x, struct sgx_sigstruct *sigstruct)
{
    return BN_lebin2bn(sigstruct->modulus, SGX_RSA_BYTES, x->n) &&
           BN_lebin2bn(sigstruct->signature, SGX_RSA_BYTES, x->s) &&
           BN_sqr(x->t, x->s, x->context) && BN_div(x->q1, x->t, x->t, x->n, x->context) &&
           BN_mul(x->m, x->s, x->t, x->context) && BN_div(x->q2, NULL, x->m, x->n, x->context) &&
           BN_bn2lebinpad(x->q1, sigstruct->q1, SGX_RSA_BYTES) == SGX_RSA_BYTES &&
           BN_bn2lebinpad(x->q2, sigstruct->q2, SGX_RSA_BYTES) == SGX_RSA_BYTES;
}

int sigstruct_sign(struct sgx_sigstruct *sigstruct, EVP_PKEY *key)
{
    uint8_t hash[32];
    int r = modulus_from_key(key, sigstruct->modulus);
    if (r < 0)
        return r;
    sigstruct->exponent = SGX_SIG_EXPONENT;
    r = body_hash(sigstruct, hash);
    if (r < 0)
        return r;
    r = rsa_sign(key, hash, sigstruct->signature);
    if (r < 0)
        return r;
    struct numbers x = {0};
    r = numbers_init(&x);
    if (r == 0 && !quotients(&x, sigstruct))
        r = -ENOMEM;
    numbers_fini(&x);
    return r;
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

/* ret = a - q*n; false unless 0 <= ret < n (or memory is short). */
static bool reduce(struct numbers *x, BIGNUM *ret, const BIGNUM *q)
{
    BIGNUM *product = BN_CTX_get(x->context);
    return product && BN_mul(product, q, x->n, x->context) && BN_sub(ret, ret, product) &&
           !BN_is_negative(ret) && BN_cmp(ret, x->n) < 0;
}

static bool signature_ok(struct numbers *x, const struct sgx_sigstruct *s, const uint8_t hash[32])
{
    uint8_t want[SGX_RSA_BYTES], got[SGX_RSA_BYTES];
    if (!BN_lebin2bn(s->modulus, SGX_RSA_BYTES, x->n) ||
        !BN_lebin2bn(s->signature, SGX_RSA_BYTES, x->s) ||
        !BN_lebin2bn(s->q1, SGX_RSA_BYTES, x->q1) || !BN_lebin2bn(s->q2, SGX_RSA_BYTES, x->q2))
        return false;
    if (!BN_sqr(x->t, x->s, x->context) || !reduce(x, x->t, x->q1))
        return false;
    if (!BN_mul(x->m, x->s, x->t, x->context) || !reduce(x, x->m, x->q2))
        return false;
    expected_message(hash, want);
    return BN_bn2binpad(x->m, got, SGX_RSA_BYTES) == SGX_RSA_BYTES &&
           memcmp(want, got, sizeof got) == 0;
}

int sigstruct_check(const struct sgx_sigstruct *sigstruct)
{
    uint8_t hash[32];
    if (!form_ok(sigstruct))
        return SGX_INVALID_SIG_STRUCT;
    int r = body_hash(sigstruct, hash);
    if (r < 0)
        return r;
    struct numbers x = {0};
    r = numbers_init(&x);
    if (r == 0)
        r = signature_ok(&x, sigstruct, hash) ? SGX_SUCCESS : SGX_INVALID_SIGNATURE;
    numbers_fini(&x);
    return r;
}

int sigstruct_mrsigner(const struct sgx_sigstruct *sigstruct, uint8_t ret_mrsigner[32])
{
    int ok = EVP_Digest(sigstruct->modulus, SGX_RSA_BYTES, ret_mrsigner, NULL, EVP_sha256(), NULL);
    return ok == 1 ? 0 : -ENOMEM;
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
