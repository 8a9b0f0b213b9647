/* Where the simulated processor keeps its fuses:
 * ${XDG_STATE_HOME:-~/.local/state}/occlum/sim-platform, 32 random bytes, mode 0600, made on
 * first use and never overwritten (link() decides races). Secrets are HKDF-SHA256 of it with a
 * label; the report key id also takes the kernel's boot id, so that it changes at each boot.
 * Without a home directory the secret is random and lasts as long as the process.
 *
 * HMAC, HKDF and CMAC are composed here from OpenSSL's SHA-256 and AES, because fetching them from
 * its providers costs a start 0.6 ms.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "host/sgx_sim/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/aes.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"

#define SECRET_BYTES 32
#define PATH_BYTES   4096
#define LABEL_BYTES  128

static struct {
    pthread_once_t once;
    uint8_t secret[SECRET_BYTES];
    char boot_id[64];
} platform = {.once = PTHREAD_ONCE_INIT};

static const char *const label_names[] = {
    [PLATFORM_KEY] = "sgx-sim key derivation",
    [PLATFORM_SEAL_FUSES] = "sgx-sim seal fuses",
    [PLATFORM_OWNER_EPOCH] = "sgx-sim owner epoch",
    [PLATFORM_REPORT_KEYID] = "sgx-sim report key id ",
};

/* Directory with '/' at the end. */
static int state_directory(char *ret_path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/')
        n = snprintf(ret_path, size, "%s/occlum/", state);
    else if (home && home[0] == '/')
        n = snprintf(ret_path, size, "%s/.local/state/occlum/", home);
    return n < 0 || (size_t) n >= size ? -ENOENT : 0;
}

static int read_secret(const char *path, uint8_t ret_secret[SECRET_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, ret_secret, SECRET_BYTES);
    (void) close(fd); /* only read */
    return n == SECRET_BYTES ? 0 : -EIO;
}

static int create_secret(const char *directory, const char *path)
{
    char temporary[PATH_BYTES + 32];
    uint8_t fresh[SECRET_BYTES];
    (void) snprintf(temporary, sizeof temporary, "%s.sim-platform.XXXXXX", directory); /* fits */
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = getrandom(fresh, sizeof fresh, 0) == sizeof fresh &&
                    write(fd, fresh, sizeof fresh) == sizeof fresh && fsync(fd) == 0
                ? 0
                : -EIO;
    (void) close(fd); /* synced */
    if (r == 0 && link(temporary, path) < 0 && errno != EEXIST)
        r = -errno;
    (void) unlink(temporary); /* a leftover is harmless */
    return r;
}

static int load_secret(void)
{
    char directory[PATH_BYTES], path[PATH_BYTES + 32];
    int r = state_directory(directory, sizeof directory);
    if (r < 0)
        return r;
    (void) snprintf(path, sizeof path, "%ssim-platform", directory); /* fits */
    r = read_secret(path, platform.secret);
    if (r != -ENOENT)
        return r;
    r = fs_mkdirs_for(path, 0700);
    if (r == 0)
        r = create_secret(directory, path);
    return r < 0 ? r : read_secret(path, platform.secret);
}

static void load_platform(void)
{
    int r = load_secret();
    if (r < 0) {
        fprintf(stderr,
                "SIM: no place to keep the platform secret (%s): sealed data will not be "
                "readable later\n",
                strerror(-r));
        if (getrandom(platform.secret, sizeof platform.secret, 0) != sizeof platform.secret)
            abort();
    }
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(platform.boot_id, sizeof platform.boot_id, file))
            platform.boot_id[0] = '\0';
        (void) fclose(file); /* only read */
    }
}

static void hmac(const uint8_t key[SECRET_BYTES], const void *bytes, size_t size,
                 uint8_t ret_mac[SHA256_DIGEST_LENGTH])
{
    uint8_t pad[SHA256_CBLOCK] = {0}, inner[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    memcpy(pad, key, SECRET_BYTES);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    SHA256_Init(&hash);
    SHA256_Update(&hash, pad, sizeof pad);
    SHA256_Update(&hash, bytes, size);
    SHA256_Final(inner, &hash);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&hash);
    SHA256_Update(&hash, pad, sizeof pad);
    SHA256_Update(&hash, inner, sizeof inner);
    SHA256_Final(ret_mac, &hash);
}

/* HKDF-SHA256 without salt. */
static void hkdf(const char *info, uint8_t *ret_bytes, size_t size)
{
    static const uint8_t no_salt[SECRET_BYTES];
    uint8_t prk[SHA256_DIGEST_LENGTH], text[SHA256_DIGEST_LENGTH + LABEL_BYTES + 1];
    size_t length = strlen(info), before = 0;
    hmac(no_salt, platform.secret, sizeof platform.secret, prk);
    for (uint8_t i = 1; size > 0; i++) {
        memcpy(text + before, info, length);
        text[before + length] = i;
        hmac(prk, text, before + length + 1, text);
        before = SHA256_DIGEST_LENGTH;
        size_t n = size < before ? size : before;
        memcpy(ret_bytes, text, n);
        ret_bytes += n;
        size -= n;
    }
}

void platform_secret(enum platform_label label, uint8_t *ret_bytes, size_t size)
{
    char info[LABEL_BYTES];
    (void) pthread_once(&platform.once, load_platform); /* cannot fail */
    (void) snprintf(info, sizeof info, "%s%s", label_names[label],
                    label == PLATFORM_REPORT_KEYID ? platform.boot_id : ""); /* fits */
    hkdf(info, ret_bytes, size);
}

/* Doubling in GF(2^128), for the last block's subkeys. */
static void cmac_double(uint8_t block[16])
{
    uint8_t carry = block[0] >> 7;
    for (size_t i = 0; i < 15; i++)
        block[i] = (uint8_t) (block[i] << 1 | block[i + 1] >> 7);
    block[15] = (uint8_t) (block[15] << 1 ^ (carry ? 0x87 : 0));
}

int platform_cmac_with(const uint8_t key[16], const void *bytes, size_t size, uint8_t ret_mac[16])
{
    const uint8_t *from = bytes;
    uint8_t state[16] = {0}, subkey[16] = {0}, last[16] = {0};
    AES_KEY schedule;
    if (AES_set_encrypt_key(key, 128, &schedule) != 0)
        return -EIO;
    AES_encrypt(subkey, subkey, &schedule);
    cmac_double(subkey);
    for (; size > 16; size -= 16, from += 16) {
        for (size_t i = 0; i < 16; i++)
            state[i] ^= from[i];
        AES_encrypt(state, state, &schedule);
    }
    memcpy(last, from, size);
    if (size < 16) {
        last[size] = 0x80;
        cmac_double(subkey);
    }
    for (size_t i = 0; i < 16; i++)
        state[i] ^= last[i] ^ subkey[i];
    AES_encrypt(state, ret_mac, &schedule);
    explicit_bzero(&schedule, sizeof schedule);
    return 0;
}

int platform_cmac(enum platform_label label, const void *bytes, size_t size, uint8_t ret_mac[16])
{
    uint8_t key[16];
    platform_secret(label, key, sizeof key);
    int r = platform_cmac_with(key, bytes, size, ret_mac);
    explicit_bzero(key, sizeof key);
    return r;
}
