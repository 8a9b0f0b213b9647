/* AES-256-CTR and AES-128-CMAC: the library's block functions and the standard compositions. */
#include "libos/crypto/aes.h"
#include "libos/arch/fpu.h"
#include "libos/crypto/cpu.h"

void aes_keyexp_256_enc_sse(const void *key, void *ret_keys);
void aes_keyexp_128_enc_sse(const void *key, void *ret_keys);
void aes_cntr_256_sse(const void *in, const void *counter, const void *keys, void *out,
                      uint64_t size, uint64_t counter_size);
void aes_cntr_256_avx(const void *in, const void *counter, const void *keys, void *out,
                      uint64_t size, uint64_t counter_size);
void aes_ecb_enc_128_by8_sse(const void *in, const void *keys, void *out, uint64_t size);

void aes256_key_init(struct aes256_key *k, const uint8_t key[32])
{
    fpu_begin();
    aes_keyexp_256_enc_sse(key, k->round_keys);
    fpu_end();
}

void aes256_key_wipe(struct aes256_key *k)
{
    wipe(k, sizeof *k);
}

void aes256_ctr(const struct aes256_key *k, const uint8_t counter[AES_BLOCK], struct cspan in,
                uint8_t *out)
{
    if (in.n == 0)
        return;
    fpu_begin();
    if (crypto_cpu_get() == CRYPTO_SSE)
        aes_cntr_256_sse(in.p, counter, k->round_keys, out, in.n, AES_BLOCK);
    else
        aes_cntr_256_avx(in.p, counter, k->round_keys, out, in.n, AES_BLOCK);
    fpu_end();
}

/* Multiplies by x in GF(2^128), without a branch on secrets. */
static void double_block(uint8_t b[AES_BLOCK])
{
    uint8_t reduce = (uint8_t) (0x87 & -(b[0] >> 7));
    for (size_t i = 0; i + 1 < AES_BLOCK; i++)
        b[i] = (uint8_t) (b[i] << 1 | b[i + 1] >> 7);
    b[AES_BLOCK - 1] = (uint8_t) (b[AES_BLOCK - 1] << 1) ^ reduce;
}

/* Inside fpu_begin/end. */
static void add_block(const void *keys, uint8_t mac[AES_BLOCK], const uint8_t *block)
{
    for (size_t i = 0; i < AES_BLOCK; i++)
        mac[i] ^= block[i];
    aes_ecb_enc_128_by8_sse(mac, keys, mac, AES_BLOCK);
}

void aes128_cmac(const uint8_t key[16], struct cspan data, uint8_t ret_mac[AES_BLOCK])
{
    uint8_t keys[176] aligned_to(16), sub[AES_BLOCK] = {0}, last[AES_BLOCK] = {0};
    uint8_t mac[AES_BLOCK] = {0};
    size_t whole = data.n ? (data.n - 1) / AES_BLOCK : 0, rest = data.n - whole * AES_BLOCK;
    fpu_begin();
    aes_keyexp_128_enc_sse(key, keys);
    aes_ecb_enc_128_by8_sse(sub, keys, sub, AES_BLOCK);
    double_block(sub);
    if (rest < AES_BLOCK) {
        double_block(sub);
        last[rest] = 0x80;
    }
    if (rest)
        memcpy(last, data.p + whole * AES_BLOCK, rest);
    for (size_t i = 0; i < AES_BLOCK; i++)
        last[i] ^= sub[i];
    for (size_t i = 0; i < whole; i++)
        add_block(keys, mac, data.p + i * AES_BLOCK);
    add_block(keys, mac, last);
    fpu_end();
    memcpy(ret_mac, mac, sizeof mac);
    wipe(keys, sizeof keys);
    wipe(sub, sizeof sub);
    wipe(last, sizeof last);
}
