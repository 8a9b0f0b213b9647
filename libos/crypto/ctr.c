/* The kernel has AES-GCM already, and IPsec-MB's AES-CTR would be four pages more for every start to measure.
 * GCM enciphers in counter mode, with the nonce in the counter's first 12 bytes and the rest counting from
 * 2; its tag is not used here. The blocks for 0 and 1 come from the library's function for a single block of
 * CFB, which is the cipher of a given counter, added to the data. */
#include "libos/crypto/ctr.h"
#include "libos/arch/fpu.h"
#include "libos/base/panic.h"

#define AES_BLOCK 16u
#define FIRST     2u /* counter of GCM's first block of data */

void aes_cfb_256_one_sse(void *out, const void *in, const void *iv, const void *keys,
                         uint64_t size);

void ctr_sector(const struct gcm_key *k, uint64_t sector, struct span data)
{
    uint8_t counter[AES_BLOCK] = {0}, tag[GCM_TAG_SIZE];
    check(data.n >= FIRST * AES_BLOCK);
    memcpy(counter, &sector, sizeof sector);
    fpu_begin();
    for (uint8_t i = 0; i < FIRST; i++) {
        uint8_t *block = data.p + i * AES_BLOCK;
        counter[AES_BLOCK - 1] = i;
        aes_cfb_256_one_sse(block, block, counter, k->schedule, AES_BLOCK);
    }
    uint8_t *rest = data.p + FIRST * AES_BLOCK;
    gcm_seal(k, counter, (struct cspan){0}, (struct cspan){rest, data.n - FIRST * AES_BLOCK}, rest,
             tag);
    fpu_end();
}
