/* SHA-256 by Intel IPsec-MB's functions for one CPU family each, called directly: its manager would
 * execute CPUID. One bracket of vector state (arch/fpu.h) per call, so hash much at a time. */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H
#include "libos/base/span.h"

#define SHA256_SIZE  32
#define SHA256_BLOCK 64

struct sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t part[SHA256_BLOCK];
};

/* At boot: whether the CPU has the SHA instructions. Wrongly true ends in #UD, never in a wrong
 * digest. Until then the SSE variant is used. */
void sha256_setup(bool has_sha_ni);

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, struct cspan data);
void sha256_final(struct sha256 *s, uint8_t ret_digest[SHA256_SIZE]);
/* Digest of a, then b: the salted hash of dm-verity. */
void sha256_two(struct cspan a, struct cspan b, uint8_t ret_digest[SHA256_SIZE]);

void hmac_sha256(struct cspan key, struct cspan data, uint8_t ret_mac[SHA256_SIZE]);
#endif
