/* Which keys open the volumes of this enclave: the one sealed to it, and the user's own where the measured
 * configuration names it (so the host cannot add a key of its own). With the user's key at hand a volume gets
 * a slot for it, and one that was sealed elsewhere is sealed to this enclave: moving it is recovery. */
#include "libos/base/log.h"
#include "libos/crypto/hkdf.h"
#include "libos/fs/cowfs/volume.h"
#include "abi/config.h"

static uint8_t user_secret[32], service_secret[32];
static bool have_user;

static void derive(struct cspan key, const char *info, uint8_t ret[32])
{
    hkdf_sha256(key, (struct cspan){0}, (struct cspan){(const uint8_t *) info, strlen(info)},
                (struct span){ret, 32});
}

void cowfs_user_key(struct cspan key)
{
    derive(key, VOLUME_KEY_INFO, user_secret);
    derive(key, ANCHOR_SERVICE_INFO, service_secret);
    have_user = key.n > 0;
}

const uint8_t *cowfs_service_key(void)
{
    return have_user ? service_secret : NULL;
}

bool cowfs_has_user_key(void)
{
    return have_user;
}

static struct cow_params with_user(const struct cow_params *sealed)
{
    struct cow_params user = *sealed;
    user.kind = COW_SLOT_USER;
    user.slot_secret = cow_secret_user;
    user.user_key = user_secret;
    return user;
}

int cowfs_keys(struct cow_params *sealed)
{
    if (!have_user)
        return 0; /* cow_mount finds out whether the seal opens it */
    const struct cow_params user = with_user(sealed);
    uint32_t *seen = sealed->seen;
    int by_seal = cow_slot_try(sealed, &seen[COW_SLOT_SEALED]);
    int by_user = cow_slot_try(&user, &seen[COW_SLOT_USER]);
    if (by_seal == 0 && by_user == -EKEYREJECTED)
        return cow_slot_put(sealed, &user);
    if (by_seal != -EKEYREJECTED || by_user != 0)
        return by_seal;
    log_warn(
        "cowfs: a volume of another enclave is opened with the user's key and sealed to this one");
    return cow_slot_put(&user, sealed);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cowfs_key_of_text(const char *text, uint8_t ret[32])
{
    uint8_t key[VOLUME_KEY_MAX];
    size_t n = 0;
    int r = 0;
    while (r == 0 && *text) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || n == sizeof key) {
            r = -EINVAL;
            break;
        }
        key[n++] = (uint8_t) (high << 4 | low);
        text += 2;
        if (text[0] == '-' && text[1])
            text++;
    }
    if (n < VOLUME_KEY_MIN)
        r = -EINVAL;
    if (r == 0)
        derive((struct cspan){key, n}, VOLUME_KEY_INFO, ret);
    wipe(key, sizeof key);
    return r;
}
