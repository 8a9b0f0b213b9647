/* Key check and block cipher of the own-key image. */
#include "libos/fs/rootimg/cipher.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/crypto/ctr.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/sha256.h"
#include "libos/mm/heap.h"

#define BLOCK   4096u
#define SECTORS (BLOCK / 512u)

struct image_cipher {
    struct gcm_key key;
};

static struct cspan text(const char *s)
{
    return (struct cspan){(const uint8_t *) s, strlen(s)};
}

static bool is_right(const struct config_image *image, struct cspan key)
{
    uint8_t check[SHA256_SIZE];
    hmac_sha256(key, text(IMAGE_KEY_CHECK), check);
    bool right = equal_secret(check, image->key_check, sizeof check);
    wipe(check, sizeof check);
    return right;
}

int image_key_derive(const struct config_image *image, struct cspan user_key, uint8_t ret[32])
{
    if (user_key.n < IMAGE_KEY_MIN)
        return -EKEYREJECTED;
    hkdf_sha256(user_key, CSPAN_OF(image->key_salt), text(IMAGE_KEY_INFO), (struct span){ret, 32});
    return is_right(image, (struct cspan){ret, 32}) ? 0 : -EKEYREJECTED;
}

int image_cipher_new(const struct config_image *image, struct cspan user_key,
                     struct image_cipher **ret)
{
    uint8_t key[GCM_KEY_SIZE];
    int r = image_key_derive(image, user_key, key);
    if (r < 0)
        log_error("root image: %s (EKEYREJECTED); try: --image-key FILE, as at `occlum build`",
                  user_key.n ? "it was enciphered with another key"
                             : "it is enciphered and no key was given");
    else if (!(*ret = new_zero(struct image_cipher)))
        r = -ENOMEM;
    else
        gcm_key_init(&(*ret)->key, key);
    wipe(key, sizeof key);
    return r;
}

void image_cipher_free(struct image_cipher *c)
{
    if (c)
        gcm_key_wipe(&c->key);
    kfree(c);
}

void image_cipher_block(const struct image_cipher *c, uint64_t index, uint8_t *data)
{
    ctr_sector(&c->key, index * SECTORS, (struct span){data, BLOCK});
}
