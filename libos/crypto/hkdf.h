/* HKDF-SHA256 (RFC 5869): keys from a key. */
#ifndef CRYPTO_HKDF_H
#define CRYPTO_HKDF_H
#include "libos/base/span.h"

#define HKDF_MAX (255u * 32)

/* Fills ret (at most HKDF_MAX bytes); info tells the uses of one key apart, at most 128 bytes. */
void hkdf_sha256(struct cspan key, struct cspan salt, struct cspan info, struct span ret);
#endif
