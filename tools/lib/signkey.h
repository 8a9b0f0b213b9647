/* The key that signs enclaves: RSA-3072, public exponent 3, in a PEM file. */
#ifndef TOOLS_LIB_SIGNKEY_H
#define TOOLS_LIB_SIGNKEY_H

#include <openssl/evp.h>

/* Reads a PEM private key. -errno of open(); -EINVAL: no such key in it, or the wrong kind. Says on
 * stderr what is wrong. The caller frees the key with EVP_PKEY_free(). */
int signkey_load(const char *path, EVP_PKEY **ret_key);

/* The user's own key, ${XDG_CONFIG_HOME:-~/.config}/occlum/sign-key.pem. Makes it on first use (and
 * says so once on stderr); safe against another process doing the same. */
int signkey_default(EVP_PKEY **ret_key);
#endif
