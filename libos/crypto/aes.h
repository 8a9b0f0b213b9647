/* AES in counter mode (image encryption) and AES-CMAC (reports), by IPsec-MB. */
#ifndef CRYPTO_AES_H
#define CRYPTO_AES_H
#include "libos/base/span.h"

#define AES_BLOCK 16

struct aes256_key {
    uint8_t round_keys[240] aligned_to(16);
};
void aes256_key_init(struct aes256_key *k, const uint8_t key[32]);
void aes256_key_wipe(struct aes256_key *k);
/* Enciphers or deciphers in to out (which may be the same). Of the counter's 16 bytes the last four
 * count, big-endian, and wrap by themselves: at most 2^32 blocks from one that starts at zero. */
void aes256_ctr(const struct aes256_key *k, const uint8_t counter[AES_BLOCK], struct cspan in,
                uint8_t *out);

/* RFC 4493 */
void aes128_cmac(const uint8_t key[16], struct cspan data, uint8_t ret_mac[AES_BLOCK]);
#endif
