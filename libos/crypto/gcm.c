/* AES-256-GCM around IPsec-MB's whole-message functions, called directly (kcfi knows no type of theirs). */
#include "libos/crypto/gcm.h"
#include "libos/arch/fpu.h"
#include "libos/base/errno.h"
#include "libos/crypto/cpu.h"

struct gcm_context { /* the library's struct gcm_context_data */
    uint8_t bytes[112] aligned_to(16);
};

#define ROUND_KEYS_SIZE 240 /* they are the first part of the schedule */

void aes_keyexp_256_enc_sse(const void *key, void *ret_keys);

#define GCM_FUNCTIONS(suffix)                                                                      \
    void aes_gcm_precomp_256_##suffix(void *key);                                                  \
    void aes_gcm_enc_256_##suffix(const void *key, void *context, uint8_t *out, const uint8_t *in, \
                                  uint64_t size, const uint8_t *nonce, const uint8_t *aad,         \
                                  uint64_t aad_size, uint8_t *tag, uint64_t tag_size);             \
    void aes_gcm_dec_256_##suffix(const void *key, void *context, uint8_t *out, const uint8_t *in, \
                                  uint64_t size, const uint8_t *nonce, const uint8_t *aad,         \
                                  uint64_t aad_size, uint8_t *tag, uint64_t tag_size)
GCM_FUNCTIONS(sse);
GCM_FUNCTIONS(avx_gen4);
GCM_FUNCTIONS(vaes_avx512);

void gcm_key_init(struct gcm_key *k, const uint8_t key[GCM_KEY_SIZE])
{
    fpu_begin();
    aes_keyexp_256_enc_sse(key, k->schedule);
    switch (crypto_cpu_get()) {
    case CRYPTO_SSE:
        aes_gcm_precomp_256_sse(k->schedule);
        break;
    case CRYPTO_AVX2:
        aes_gcm_precomp_256_avx_gen4(k->schedule);
        break;
    case CRYPTO_AVX512:
        aes_gcm_precomp_256_vaes_avx512(k->schedule);
        break;
    }
    fpu_end();
}

void gcm_key_wipe(struct gcm_key *k)
{
    wipe(k, sizeof *k);
}

/* The library's functions want a pointer even where there is nothing. */
static const uint8_t nothing[16];

static const uint8_t *some(struct cspan s)
{
    return s.n ? s.p : nothing;
}

void gcm_seal(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
              struct cspan in, uint8_t *out, uint8_t ret_tag[GCM_TAG_SIZE])
{
    struct gcm_context c;
    const uint8_t *a = some(aad), *p = some(in);
    fpu_begin();
    switch (crypto_cpu_get()) {
    case CRYPTO_SSE:
        aes_gcm_enc_256_sse(k, &c, out, p, in.n, nonce, a, aad.n, ret_tag, GCM_TAG_SIZE);
        break;
    case CRYPTO_AVX2:
        aes_gcm_enc_256_avx_gen4(k, &c, out, p, in.n, nonce, a, aad.n, ret_tag, GCM_TAG_SIZE);
        break;
    case CRYPTO_AVX512:
        aes_gcm_enc_256_vaes_avx512(k, &c, out, p, in.n, nonce, a, aad.n, ret_tag, GCM_TAG_SIZE);
        break;
    }
    fpu_end();
    wipe(&c, sizeof c);
}

int gcm_open(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
             struct cspan in, uint8_t *out, const uint8_t tag[GCM_TAG_SIZE])
{
    struct gcm_context c;
    uint8_t got[GCM_TAG_SIZE];
    const uint8_t *a = some(aad), *p = some(in);
    fpu_begin();
    switch (crypto_cpu_get()) {
    case CRYPTO_SSE:
        aes_gcm_dec_256_sse(k, &c, out, p, in.n, nonce, a, aad.n, got, GCM_TAG_SIZE);
        break;
    case CRYPTO_AVX2:
        aes_gcm_dec_256_avx_gen4(k, &c, out, p, in.n, nonce, a, aad.n, got, GCM_TAG_SIZE);
        break;
    case CRYPTO_AVX512:
        aes_gcm_dec_256_vaes_avx512(k, &c, out, p, in.n, nonce, a, aad.n, got, GCM_TAG_SIZE);
        break;
    }
    fpu_end();
    wipe(&c, sizeof c);
    bool good = equal_secret(got, tag, sizeof got);
    wipe(got, sizeof got);
    if (!good && in.n)
        wipe(out, in.n);
    return good ? 0 : -EBADMSG;
}

bool equal_secret(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}
