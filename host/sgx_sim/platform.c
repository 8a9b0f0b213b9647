/* Where the simulated processor keeps its fuses:
 * ${XDG_STATE_HOME:-~/.local/state}/occlum/sim-platform, 32 random bytes, mode 0600, made on
 * first use and never overwritten (link() decides races). Secrets are HKDF-SHA256 of it with a
 * label; the report key id also takes the kernel's boot id, so that it changes at each boot.
 * Without a home directory the secret is random and lasts as long as the process.
 */
#include "host/sgx_sim/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES 32
#define PATH_BYTES   4096

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

/* Directory with '/' at the end; creates what is missing. */
static int state_directory(char *ret_path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/')
        n = snprintf(ret_path, size, "%s/occlum/", state);
    else if (home && home[0] == '/')
        n = snprintf(ret_path, size, "%s/.local/state/occlum/", home);
    if (n < 0 || (size_t) n >= size)
        return -ENOENT;
    for (char *slash = strchr(ret_path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdir(ret_path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (r < 0)
            return r;
    }
    return 0;
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
    int r = RAND_bytes(fresh, sizeof fresh) == 1 &&
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
        if (RAND_bytes(platform.secret, sizeof platform.secret) != 1)
            abort();
    }
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(platform.boot_id, sizeof platform.boot_id, file))
            platform.boot_id[0] = '\0';
        (void) fclose(file); /* only read */
    }
}

static int hkdf(const char *info, uint8_t *ret_bytes, size_t size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *) (uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, platform.secret, SECRET_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *) (uintptr_t) info,
                                          strlen(info)),
        OSSL_PARAM_construct_end(),
    };
    int ok = context && EVP_KDF_derive(context, ret_bytes, size, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok ? 0 : -EIO;
}

void platform_secret(enum platform_label label, uint8_t *ret_bytes, size_t size)
{
    char info[128];
    (void) pthread_once(&platform.once, load_platform); /* cannot fail */
    (void) snprintf(info, sizeof info, "%s%s", label_names[label],
                    label == PLATFORM_REPORT_KEYID ? platform.boot_id : ""); /* fits */
    if (hkdf(info, ret_bytes, size) < 0)
        abort(); /* OpenSSL without HKDF: nothing below could be right */
}

int platform_cmac_with(const uint8_t key[16], const void *bytes, size_t size, uint8_t ret_mac[16])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, (char *) (uintptr_t) "AES-128-CBC",
                                         0),
        OSSL_PARAM_construct_end(),
    };
    size_t got = 0;
    int ok = context && EVP_MAC_init(context, key, 16, parameters) == 1 &&
             EVP_MAC_update(context, bytes, size) == 1 &&
             EVP_MAC_final(context, ret_mac, &got, 16) == 1 && got == 16;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return ok ? 0 : -EIO;
}

int platform_cmac(enum platform_label label, const void *bytes, size_t size, uint8_t ret_mac[16])
{
    uint8_t key[16];
    platform_secret(label, key, sizeof key);
    int r = platform_cmac_with(key, bytes, size, ret_mac);
    explicit_bzero(key, sizeof key);
    return r;
}
