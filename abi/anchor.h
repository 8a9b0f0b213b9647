/* What an enclave and a freshness service say to each other: one message of this size there, one back.
 *
 * The service keeps a number per volume, which only grows, and believes nobody but who has the volume's anchor key; it
 * learns that key when the volume is registered, wrapped under a key of the service that it shares with the user
 * (`occlum key service-key`). The host carries the messages and can do nothing but not do that: what it changes or repeats
 * does not have the right MAC for the nonce of the request. docs/anchor.md has the rules for a service.
 *
 * Little-endian. mac: HMAC-SHA256 under the anchor key of all before it; zero in an answer ANCHOR_UNKNOWN. */
#ifndef ABI_ANCHOR_H
#define ABI_ANCHOR_H
#include <stdint.h>

#define ANCHOR_MAGIC_MESSAGE 0x31524843414d434full /* "OCMACHR1" */
#define ANCHOR_SERVICE_INFO                                                                        \
    "occlum anchor service"              /* the service's key: HKDF(user's key, no salt, this) */
#define ANCHOR_REGISTER_INFO "register"  /* the wrapping key: HKDF(service's key, nonce, this) */
#define ANCHOR_ANSWER        0x80000000u /* in op */

enum anchor_op {
    ANCHOR_READ = 1,
    ANCHOR_ADVANCE = 2,  /* to mark, which is more than what the service has */
    ANCHOR_REGISTER = 3, /* a volume that the service does not know, at mark */
};

enum anchor_status {
    ANCHOR_OK = 0,      /* mark: what the service has now */
    ANCHOR_STALE = 1,   /* refused, it has that already or more; or name or uuid are taken */
    ANCHOR_UNKNOWN = 2, /* no such volume, or the wrong key */
};

struct anchor_message {
    uint64_t magic;
    uint32_t op, status;
    uint8_t uuid[16];
    uint8_t nonce[16]; /* of the request; the answer has the same */
    uint64_t txg;      /* the mark: number of a commit and tag of its superblock */
    uint8_t tag[16];
    char name[64]; /* REGISTER: of the volume, filled up with zeros */
    uint8_t key
        [32]; /* REGISTER: AES-256-GCM of the anchor key, nonce zero, all before as additional data */
    uint8_t key_tag[16];
    uint8_t mac[32];
};
_Static_assert(sizeof(struct anchor_message) == 216, "on the wire");
#endif
