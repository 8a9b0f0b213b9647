/* The builder's side of the own-key image, with OpenSSL. The file is read twice: the key depends on the
 * digest of all of it. */
#include "tools/occlum/image_cipher.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"

#define BLOCK   4096u
#define SECTORS (BLOCK / 512u)
#define RUN     256u /* blocks per read and write */
#define KEY     32u

static int hmac(const void *key, size_t key_size, const void *data, size_t size, uint8_t ret[32])
{
    return HMAC(EVP_sha256(), key, (int) key_size, data, size, ret, NULL) ? 0 : -ENOMEM;
}

static int hkdf(const struct keyfile *key, const uint8_t salt[32], uint8_t ret[KEY])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256", info[] = IMAGE_KEY_INFO;
    struct keyfile copy = *key; /* parameters are not const */
    uint8_t salt_copy[32];
    memcpy(salt_copy, salt, sizeof salt_copy);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, copy.key, copy.size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy, sizeof salt_copy),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
        OSSL_PARAM_construct_end(),
    };
    bool good = c && EVP_KDF_derive(c, ret, KEY, params) == 1;
    keyfile_wipe(&copy);
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
    return good ? 0 : -ENOMEM;
}

static int check_of(const uint8_t key[KEY], uint8_t ret[32])
{
    return hmac(key, KEY, IMAGE_KEY_CHECK, strlen(IMAGE_KEY_CHECK), ret);
}

bool image_names_key(const struct config_image *image)
{
    static const uint8_t none[sizeof image->key_check];
    return memcmp(image->key_check, none, sizeof none) != 0;
}

int image_name_key(const struct keyfile *key, struct config_image *image)
{
    uint8_t k[KEY];
    int r = hkdf(key, image->key_salt, k);
    if (r == 0)
        r = check_of(k, image->key_check);
    explicit_bzero(k, sizeof k);
    return r;
}

bool image_key_fits(const struct config_image *image, const struct keyfile *key)
{
    uint8_t k[KEY], check[32];
    bool fits = image_names_key(image) && hkdf(key, image->key_salt, k) == 0 &&
                check_of(k, check) == 0 &&
                CRYPTO_memcmp(check, image->key_check, sizeof check) == 0;
    explicit_bzero(k, sizeof k);
    return fits;
}

static int encipher_block(EVP_CIPHER_CTX *c, uint64_t index, uint8_t *data)
{
    uint8_t counter[16] = {0};
    uint64_t sector = index * SECTORS; /* little-endian, as this machine */
    memcpy(counter, &sector, sizeof sector);
    int n;
    return EVP_EncryptInit_ex(c, NULL, NULL, NULL, counter) == 1 &&
                   EVP_EncryptUpdate(c, data, &n, data, (int) BLOCK) == 1 && n == (int) BLOCK
               ? 0
               : -EIO;
}

static int encipher_run(EVP_CIPHER_CTX *c, int fd, uint64_t first, uint8_t *buffer, size_t size)
{
    off_t at = (off_t) (first * BLOCK);
    if (pread(fd, buffer, size, at) != (ssize_t) size)
        return -EIO;
    for (size_t i = 0; i < size / BLOCK; i++) {
        int r = encipher_block(c, first + i, buffer + i * BLOCK);
        if (r < 0)
            return r;
    }
    return pwrite(fd, buffer, size, at) == (ssize_t) size ? 0 : -EIO;
}

static int encipher_all(const uint8_t key[KEY], int fd, uint64_t blocks)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t *buffer = mem_zalloc((size_t) RUN * BLOCK);
    int r = c && EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, NULL) == 1 ? 0 : -ENOMEM;
    for (uint64_t first = 0; r == 0 && first < blocks; first += RUN) {
        uint64_t count = blocks - first < RUN ? blocks - first : RUN;
        r = encipher_run(c, fd, first, buffer, (size_t) count * BLOCK);
        if (first % ((uint64_t) RUN * 64) == 0)
            msg_progress("enciphering the root image: %llu of %llu MB",
                         (unsigned long long) (first * BLOCK >> 20),
                         (unsigned long long) (blocks * BLOCK >> 20));
    }
    free(buffer);
    EVP_CIPHER_CTX_free(c);
    return r;
}

int image_encipher(const char *path, const struct keyfile *key, struct config_image *image)
{
    uint8_t digest[SHA256_SIZE], k[KEY];
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : fs_sha256_file(path, digest);
    if (r == 0)
        r = hmac(key->key, key->size, digest, sizeof digest, image->key_salt);
    if (r == 0)
        r = hkdf(key, image->key_salt, k);
    if (r == 0)
        r = image_name_key(key, image);
    if (r == 0)
        r = encipher_all(k, fd, (uint64_t) st.st_size / BLOCK);
    explicit_bzero(k, sizeof k);
    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    image->cipher = CONFIG_CIPHER_AES256_CTR;
    msg_progress_end();
    if (r < 0)
        msg_error("the root image could not be enciphered: %s", strerror(-r));
    return r;
}
