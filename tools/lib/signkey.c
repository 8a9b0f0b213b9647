/* Loading and making signing keys.
 *
 * MRSIGNER, and with it every key sealed to the signer, follows from this file: it is created with
 * link() so that of two first builds at the same time one wins and both use the winner, and it is
 * never overwritten. Mode 0600 in a directory of mode 0700.
 */
#include "tools/lib/signkey.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "tools/lib/fsutil.h"

#define PATH_BYTES 4096

static bool right_kind(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    bool ok = EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == SGX_RSA_BYTES * 8 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
              BN_is_word(e, SGX_SIG_EXPONENT);
    BN_free(e);
    return ok;
}

int signkey_load(const char *path, EVP_PKEY **ret_key)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        int r = -errno;
        fprintf(stderr, "cannot open signing key %s: %s\n", path, strerror(-r));
        return r;
    }
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void) fclose(file); /* only read */
    if (!key || !right_kind(key)) {
        fprintf(stderr,
                "%s: not an RSA-3072 private key with public exponent 3; make one with "
                "`openssl genrsa -3 -out FILE 3072`\n",
                path);
        EVP_PKEY_free(key);
        return -EINVAL;
    }
    *ret_key = key;
    return 0;
}

static EVP_PKEY *generate(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *e = BN_new();
    bool ok = context && e && BN_set_word(e, SGX_SIG_EXPONENT) == 1 &&
              EVP_PKEY_keygen_init(context) == 1 &&
              EVP_PKEY_CTX_set_rsa_keygen_bits(context, SGX_RSA_BYTES * 8) == 1 &&
              EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1 &&
              EVP_PKEY_generate(context, &key) == 1;
    BN_free(e);
    EVP_PKEY_CTX_free(context);
    return ok ? key : NULL;
}

static int default_directory(char *ret_path, size_t size)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = -1;
    if (config && config[0] == '/')
        n = snprintf(ret_path, size, "%s/occlum/", config);
    else if (home && home[0] == '/')
        n = snprintf(ret_path, size, "%s/.config/occlum/", home);
    if (n < 0) {
        fprintf(stderr, "cannot place the signing key: set HOME or XDG_CONFIG_HOME\n");
        return -ENOENT;
    }
    return (size_t) n < size ? 0 : -ENAMETOOLONG;
}

static int write_new_key(const char *directory, const char *path)
{
    char temporary[PATH_BYTES];
    if ((size_t) snprintf(temporary, sizeof temporary, "%s.sign-key.XXXXXX", directory) >=
        sizeof temporary)
        return -ENAMETOOLONG;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    EVP_PKEY *key = generate();
    FILE *file = fdopen(fd, "w");
    int r = key && file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                    fflush(file) == 0 && fsync(fd) == 0
                ? 0
                : -EIO;
    if (file)
        r = fclose(file) == 0 ? r : -EIO;
    else
        (void) close(fd); /* nothing was written */
    EVP_PKEY_free(key);
    if (r == 0 && link(temporary, path) < 0)
        r = errno == EEXIST ? -EEXIST : -errno;
    (void) unlink(temporary); /* a leftover is harmless */
    return r;
}

int signkey_default(EVP_PKEY **ret_key)
{
    char directory[PATH_BYTES], path[PATH_BYTES];
    int r = default_directory(directory, sizeof directory);
    if (r < 0)
        return r;
    if ((size_t) snprintf(path, sizeof path, "%ssign-key.pem", directory) >= sizeof path)
        return -ENAMETOOLONG;
    if (access(path, F_OK) < 0) {
        r = fs_mkdirs_for(path, 0700);
        if (r == 0)
            r = write_new_key(directory, path);
        if (r == 0)
            fprintf(stderr, "made a signing key for you: %s (keep it: sealed data depends on it)\n",
                    path);
        else if (r != -EEXIST) {
            fprintf(stderr, "cannot make signing key %s: %s\n", path, strerror(-r));
            return r;
        }
    }
    return signkey_load(path, ret_key);
}
