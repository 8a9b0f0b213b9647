/* HKDF: extract, then expand. */
#include "libos/crypto/hkdf.h"
#include "libos/base/panic.h"
#include "libos/crypto/sha256.h"

#define INFO_MAX 128u

void hkdf_sha256(struct cspan key, struct cspan salt, struct cspan info, struct span ret)
{
    static const uint8_t no_salt[SHA256_SIZE];
    uint8_t secret[SHA256_SIZE], part[SHA256_SIZE], text[SHA256_SIZE + INFO_MAX + 1];
    check(info.n <= INFO_MAX && ret.n <= HKDF_MAX);
    hmac_sha256(salt.n ? salt : (struct cspan){no_salt, sizeof no_salt}, key, secret);
    size_t have = 0, n;
    uint8_t round = 1;
    for (size_t done = 0; done < ret.n; done += n) {
        memcpy(text, part, have);
        if (info.n)
            memcpy(text + have, info.p, info.n);
        text[have + info.n] = round++;
        hmac_sha256(CSPAN_OF(secret), (struct cspan){text, have + info.n + 1}, part);
        have = SHA256_SIZE;
        n = MIN(ret.n - done, (size_t) SHA256_SIZE);
        memcpy(ret.p + done, part, n);
    }
    wipe(secret, sizeof secret);
    wipe(part, sizeof part);
    wipe(text, sizeof text);
}
