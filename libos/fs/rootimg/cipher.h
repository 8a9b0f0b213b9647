/* The own-key root image: its blocks are AES-256-CTR under a key that belongs to this very image.
 *
 *   salt       = HMAC-SHA256(user's key, SHA-256(plain blocks)): in the measured descriptor
 *   image key  = HKDF-SHA256(user's key, salt, IMAGE_KEY_INFO), 32 bytes
 *   check      = HMAC-SHA256(image key, "kcv"): in the descriptor, tells a wrong key at once
 *   counter    = LE64(number of the block's first 512-byte sector) || 0^64, as dm-crypt's plain64
 *
 * The key depends on the contents, so no two images share a keystream and equal images are equal bytes. The
 * builder (tools/occlum/image_cipher.c) does the same with OpenSSL. */
#ifndef FS_ROOTIMG_CIPHER_H
#define FS_ROOTIMG_CIPHER_H
#include "abi/config.h"
#include "libos/base/span.h"

/* Is it the key that the measured descriptor names? -EKEYREJECTED; else the key derived from it, to be wiped. A
 * descriptor with a check and no cipher (occlum build --volume-key) names a key for volumes alone. */
must_check int image_key_derive(const struct config_image *image, struct cspan user_key,
                                uint8_t ret[32]);

struct image_cipher;
/* -EKEYREJECTED, and a sentence in the log: no key, or one that this image was not enciphered with. */
must_check int image_cipher_new(const struct config_image *image, struct cspan user_key,
                                struct image_cipher **ret);
void image_cipher_free(struct image_cipher *c); /* NULL is fine */
/* Deciphers block `index` in place: 4096 bytes, authentic ones. */
void image_cipher_block(const struct image_cipher *c, uint64_t index, uint8_t *data);
#endif
