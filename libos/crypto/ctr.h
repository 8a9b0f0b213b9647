/* AES-256 in counter mode, for disk blocks: what Linux's dm-crypt calls aes-ctr-plain64. */
#ifndef CRYPTO_CTR_H
#define CRYPTO_CTR_H
#include "libos/crypto/gcm.h"

/* Enciphers or deciphers data (at least 32 bytes) in place, the counter starting at LE64(sector) || 0^64. A
 * key must never meet the same sector with two contents. */
void ctr_sector(const struct gcm_key *k, uint64_t sector, struct span data);
#endif
