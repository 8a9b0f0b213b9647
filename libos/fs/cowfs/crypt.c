/* Keys and sealed blocks. Each mount has a random salt and so a key of its own for all it writes: an epoch.
 * A nonce is the epoch and a counter that only this mount knows, so none repeats whatever the host puts
 * back. The salts of all epochs that have written blocks are a file (COW_INO_EPOCHS), whose own blocks
 * belong to the epoch whose salt is in the superblock; a mount's first commit writes it anew. */
#include "libos/arch/fpu.h"
#include "libos/arch/random.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/crypto/hkdf.h"
#include "libos/fs/cowfs/priv.h"

#define SALTS_PER_BLOCK (COW_BLOCK / 32)

struct block_aad { /* what a sealed block claims to be */
    uint64_t ino, generation, level, index;
};

int cow_poison(struct cow *c, int r, const char *what)
{
    if (!atomic_load(&c->error)) {
        atomic_store(&c->error, -EIO);
        log_error("cowfs: %s, error %d: the volume takes no more changes", what, -r);
    }
    return r;
}

static void derive(const struct cow *c, const char *use, const uint8_t salt[32],
                   struct gcm_key *ret)
{
    uint8_t key[GCM_KEY_SIZE];
    hkdf_sha256(CSPAN_OF(c->key), (struct cspan){salt, 32},
                (struct cspan){(const uint8_t *) use, strlen(use)}, SPAN_OF(key));
    gcm_key_init(ret, key);
    wipe(key, sizeof key);
}

void cow_super_key(const struct cow *c, const uint8_t salt[32], struct gcm_key *ret)
{
    derive(c, "cowfs superblock", salt, ret);
}

void cow_anchor_key(const struct cow *c)
{
    static const char use[] = "cowfs anchor";
    hkdf_sha256(CSPAN_OF(c->key), CSPAN_OF(c->uuid),
                (struct cspan){(const uint8_t *) use, sizeof use - 1}, SPAN_OF(c->anchor->key));
}

static struct gcm_key *epoch_key(struct cow *c, uint32_t epoch)
{
    struct cow_epoch *e = &c->epochs[epoch];
    if (!e->key && (e->key = new_zero(struct gcm_key)))
        derive(c, "cowfs block", e->salt, e->key);
    return e->key;
}

static int epochs_room(struct cow *c, uint32_t count)
{
    struct cow_epoch *fresh = krealloc(c->epochs, count * sizeof *fresh);
    if (!fresh)
        return -ENOMEM;
    c->epochs = fresh;
    return 0;
}

int cow_epoch_start(struct cow *c)
{
    if (c->epoch_count >= COW_EPOCHS_MAX)
        return -EUCLEAN;
    int r = epochs_room(c, c->epoch_count + 1);
    if (r < 0)
        return r;
    c->epoch = c->epoch_count++;
    c->epochs[c->epoch] = (struct cow_epoch){0};
    random_bytes(SPAN_OF(c->epochs[c->epoch].salt));
    cow_super_key(c, c->epochs[c->epoch].salt, &c->super_key);
    c->ctr = c->ctr_start = c->durable_ctr = 1;
    c->epochs_changed = true;
    return 0;
}

int cow_epoch_load(struct cow *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += SALTS_PER_BLOCK) {
        struct cow_blk *b;
        int r = cow_blk_get(c, &c->epoch_tree, 0, i / SALTS_PER_BLOCK, false, &b);
        if (r < 0 || !b)
            return r < 0 ? r : -EUCLEAN;
        for (uint32_t k = 0; k < SALTS_PER_BLOCK && i + k < count; k++)
            memcpy(c->epochs[i + k].salt, b->data + k * 32u, 32);
    }
    return 0;
}

void cow_epochs_free(struct cow *c)
{
    for (uint32_t i = 0; i < c->epoch_count; i++)
        if (c->epochs[i].key) {
            gcm_key_wipe(c->epochs[i].key);
            kfree(c->epochs[i].key);
        }
    kfree(c->epochs);
    gcm_key_wipe(&c->super_key);
    wipe(c->key, sizeof c->key);
}

bool cow_ptr_ok(const struct cow *c, const struct cow_ptr *p)
{
    return p->addr >= COW_FIRST && p->addr < c->block_count &&
           p->nonce >> COW_CTR_BITS < c->epoch_count;
}

static uint64_t counter_of(uint64_t nonce)
{
    return nonce & (((uint64_t) 1 << COW_CTR_BITS) - 1);
}

bool cow_newborn(const struct cow *c, const struct cow_ptr *p)
{
    return p->nonce >> COW_CTR_BITS == c->epoch && counter_of(p->nonce) >= c->ctr_start;
}

bool cow_nonce_young(const struct cow *c, uint64_t nonce)
{
    return counter_of(nonce) >= MAX(c->ctr_start, c->durable_ctr);
}

static void nonce_bytes(uint64_t nonce, uint8_t ret[GCM_NONCE_SIZE])
{
    memset(ret, 0, GCM_NONCE_SIZE);
    memcpy(ret, &nonce, sizeof nonce);
}

const struct gcm_key *cow_nonces(struct cow *c, uint32_t count, uint64_t *ret_first)
{
    const struct gcm_key *k = epoch_key(c, c->epoch);
    if (!k)
        return NULL;
    *ret_first = (uint64_t) c->epoch << COW_CTR_BITS | c->ctr;
    c->ctr += count;
    return k;
}

void cow_seal_with(const struct cow *c, const struct gcm_key *k, const struct cow_tree *t,
                   uint32_t level, uint64_t index, const uint8_t *in, uint8_t *out,
                   struct cow_ptr *ret)
{
    const struct block_aad aad = {t->ino, t->generation, level, index};
    uint8_t nonce[GCM_NONCE_SIZE];
    nonce_bytes(ret->nonce, nonce);
    c->cipher->seal(k, nonce, CSPAN_OF(aad), (struct cspan){in, COW_BLOCK}, out, ret->tag);
}

int cow_seal(struct cow *c, const struct cow_tree *t, uint32_t level, uint64_t index, uint64_t addr,
             const uint8_t *in, uint8_t *out, struct cow_ptr *ret)
{
    *ret = (struct cow_ptr){.addr = addr};
    const struct gcm_key *k = cow_nonces(c, 1, &ret->nonce);
    if (!k)
        return -ENOMEM;
    cow_seal_with(c, k, t, level, index, in, out, ret);
    return 0;
}

const struct gcm_key *cow_open_key(struct cow *c, const struct cow_ptr *p)
{
    return epoch_key(c, (uint32_t) (p->nonce >> COW_CTR_BITS));
}

int cow_open_with(const struct cow *c, const struct gcm_key *k, const struct cow_tree *t,
                  uint32_t level, uint64_t index, const struct cow_ptr *p, const uint8_t *in,
                  uint8_t *out)
{
    const struct block_aad aad = {t->ino, t->generation, level, index};
    uint8_t nonce[GCM_NONCE_SIZE];
    nonce_bytes(p->nonce, nonce);
    return c->cipher->open(k, nonce, CSPAN_OF(aad), (struct cspan){in, COW_BLOCK}, out, p->tag);
}

int cow_open(struct cow *c, const struct cow_tree *t, uint32_t level, uint64_t index,
             const struct cow_ptr *p, uint8_t *data)
{
    if (!cow_ptr_ok(c, p))
        return -EUCLEAN;
    const struct gcm_key *k = cow_open_key(c, p);
    return k ? cow_open_with(c, k, t, level, index, p, data, data) : -ENOMEM;
}
