/* AES-256-GCM by IPsec-MB, 96-bit nonces, 128-bit tags.
 *
 * The caller must never use a nonce twice under one key. Input must be private memory (host memory is
 * copied in before: the decryption reads it twice); output may be the input itself. Many small calls in a
 * row belong between fpu_begin and fpu_end (arch/fpu.h), which then save and restore the user's vector
 * registers once. */
#ifndef CRYPTO_GCM_H
#define CRYPTO_GCM_H
#include "libos/base/span.h"

#define GCM_KEY_SIZE   32
#define GCM_NONCE_SIZE 12
#define GCM_TAG_SIZE   16

struct
    gcm_key { /* round keys and powers of the hash key, laid out by the implementation that made it */
    uint8_t schedule[1024] aligned_to(64);
};

void gcm_key_init(struct gcm_key *k, const uint8_t key[GCM_KEY_SIZE]);
void gcm_key_wipe(struct gcm_key *k);

/* out has room for in.n bytes. */
void gcm_seal(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
              struct cspan in, uint8_t *out, uint8_t ret_tag[GCM_TAG_SIZE]);
/* -EBADMSG: not what was sealed; out is wiped then. */
must_check int gcm_open(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE],
                        struct cspan aad, struct cspan in, uint8_t *out,
                        const uint8_t tag[GCM_TAG_SIZE]);

/* Do they hold the same bytes? The time depends on n alone. */
bool equal_secret(const void *a, const void *b, size_t n);
#endif
