/* Signing SIGSTRUCTs, with OpenSSL. q1 and q2 spare the processor the division, see sigstruct.c. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <stdbool.h>

#include "tools/lib/sigstruct.h"

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
    sigstruct_body_hash(sigstruct, hash);
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
