/* Asking the freshness service. Nothing it says is believed without a MAC over it and the nonce of the question, but
 * one: that it does not know the volume. Then the volume is registered, and whether that could be is said with a MAC
 * again: a host that hides the volume's number gains nothing. */
#include "libos/fs/cowfs/service.h"
#include "libos/arch/random.h"
#include "libos/base/errno.h"
#include "libos/crypto/hkdf.h"
#include "libos/crypto/sha256.h"

static void mac_of(const struct service_anchor *s, const struct anchor_message *m,
                   uint8_t ret[SHA256_SIZE])
{
    hmac_sha256(CSPAN_OF(s->anchor.key),
                (struct cspan){(const uint8_t *) m, offsetof(struct anchor_message, mac)}, ret);
}

static bool answers(const struct service_anchor *s, const struct anchor_message *question,
                    const struct anchor_message *m)
{
    uint8_t mac[SHA256_SIZE];
    mac_of(s, m, mac);
    return m->magic == ANCHOR_MAGIC_MESSAGE && m->op == (question->op | ANCHOR_ANSWER) &&
           memcmp(m->uuid, question->uuid, sizeof m->uuid) == 0 &&
           memcmp(m->nonce, question->nonce, sizeof m->nonce) == 0 &&
           equal_secret(mac, m->mac, sizeof mac);
}

/* The anchor key, for whoever has the service's. */
static void wrap_key(const struct service_anchor *s, struct anchor_message *m)
{
    static const char use[] = ANCHOR_REGISTER_INFO;
    static const uint8_t nonce[GCM_NONCE_SIZE];
    struct gcm_key k;
    uint8_t key[GCM_KEY_SIZE];
    hkdf_sha256((struct cspan){s->key, 32}, CSPAN_OF(m->nonce),
                (struct cspan){(const uint8_t *) use, sizeof use - 1}, SPAN_OF(key));
    gcm_key_init(&k, key);
    gcm_seal(&k, nonce, (struct cspan){(const uint8_t *) m, offsetof(struct anchor_message, key)},
             CSPAN_OF(s->anchor.key), m->key, m->key_tag);
    gcm_key_wipe(&k);
    wipe(key, sizeof key);
}

static int talk(struct service_anchor *s, enum anchor_op op, const uint8_t uuid[16],
                const struct cow_mark *to, struct anchor_message *ret)
{
    struct anchor_message m = {.magic = ANCHOR_MAGIC_MESSAGE, .op = (uint32_t) op};
    memcpy(m.uuid, uuid, sizeof m.uuid);
    random_bytes(SPAN_OF(m.nonce));
    if (to) {
        m.txg = to->txg;
        memcpy(m.tag, to->tag, sizeof m.tag);
    }
    if (op == ANCHOR_REGISTER) {
        str_copy(m.name, s->name, sizeof m.name);
        wrap_key(s, &m);
    }
    mac_of(s, &m, m.mac);
    int r = s->ask(s, &m, ret);
    if (r < 0)
        return -EHOSTUNREACH;
    if (answers(s, &m, ret))
        return ret->status == ANCHOR_OK ? 0 : ret->status == ANCHOR_STALE ? -ESTALE : -EPROTO;
    return ret->magic == ANCHOR_MAGIC_MESSAGE && ret->status == ANCHOR_UNKNOWN ? -ENOENT : -EPROTO;
}

static int service_read(struct cow_anchor *anchor, const uint8_t uuid[16], struct cow_mark *ret)
{
    struct service_anchor *s = container_of(anchor, struct service_anchor, anchor);
    struct anchor_message m;
    int r = talk(s, ANCHOR_READ, uuid, NULL, &m);
    s->known = r == 0;
    if (r < 0)
        return r;
    ret->txg = m.txg;
    memcpy(ret->tag, m.tag, sizeof ret->tag);
    return 0;
}

static int service_advance(struct cow_anchor *anchor, const uint8_t uuid[16],
                           const struct cow_mark *to)
{
    struct service_anchor *s = container_of(anchor, struct service_anchor, anchor);
    struct anchor_message m;
    if (!s->known && !s->key)
        return -ENOKEY;
    int r = talk(s, s->known ? ANCHOR_ADVANCE : ANCHOR_REGISTER, uuid, to, &m);
    if (r == -ENOENT)
        return -EPROTO; /* it knew the volume, or it has another key */
    if (r == 0)
        s->known = true;
    return r;
}

static const struct cow_anchor_ops service_ops = {service_read, service_advance};

void service_anchor_init(struct service_anchor *s, const char *name, const uint8_t *key,
                         int (*ask)(struct service_anchor *s, const struct anchor_message *in,
                                    struct anchor_message *out))
{
    *s = (struct service_anchor){
        .anchor = {.ops = &service_ops, .registers = true}, .name = name, .ask = ask, .key = key};
}
