/* A cipher that is none: who has the key can write what he likes, and so can a test. */
#ifndef TEST_UNIT_NULLCIPHER_H
#define TEST_UNIT_NULLCIPHER_H
#include <string.h>
#include "libos/fs/cowfs/cow.h"

static void seal_null(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE],
                      struct cspan aad, struct cspan in, uint8_t *out, uint8_t tag[GCM_TAG_SIZE])
{
    memmove(out, in.p, in.n);
    memset(tag, 0, GCM_TAG_SIZE);
}

static int open_null(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
                     struct cspan in, uint8_t *out, const uint8_t tag[GCM_TAG_SIZE])
{
    memmove(out, in.p, in.n);
    return 0;
}

static const struct cow_cipher null_cipher = {seal_null, open_null};
#endif
