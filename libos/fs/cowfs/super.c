/* Header and superblocks: the two places whose contents are read before anything vouches for them. */
#include "libos/arch/random.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/printf.h"
#include "libos/crypto/hkdf.h"
#include "libos/fs/cowfs/priv.h"

/* ---- header ---- */

/* The name is part of it: a host that shows one volume under another's name has no key for it. */
static void wrap_key(const struct cow_params *p, const struct cow_header_disk *h,
                     const uint8_t secret[32], struct gcm_key *ret)
{
    char use[96];
    uint8_t key[GCM_KEY_SIZE];
    size_t n = fmt_str(use, sizeof use, "cowfs slot %s", p->name ? p->name : "");
    hkdf_sha256((struct cspan){secret, 32}, CSPAN_OF(h->kdf_salt),
                (struct cspan){(const uint8_t *) use, MIN(n, sizeof use - 1)}, SPAN_OF(key));
    gcm_key_init(ret, key);
    wipe(key, sizeof key);
}

/* What a slot's key also vouches for: all of the header that is not a slot, and which slot this is. */
struct slot_aad {
    uint8_t header[offsetof(struct cow_header_disk, slots)];
    uint32_t kind, generation;
};

static struct slot_aad slot_aad(const struct cow_header_disk *h, const struct cow_slot *s)
{
    struct slot_aad aad = {.kind = s->kind, .generation = s->generation};
    memcpy(aad.header, h, sizeof aad.header);
    return aad;
}

static int slot_open(const struct cow_params *p, const struct cow_header_disk *h,
                     const struct cow_slot *s, uint8_t key[32])
{
    struct cow_slot copy = *s;
    struct gcm_key k;
    uint8_t secret[32];
    int r = p->slot_secret(p, &copy, false, secret);
    if (r < 0)
        return r;
    const struct slot_aad aad = slot_aad(h, s);
    wrap_key(p, h, secret, &k);
    r = gcm_open(&k, s->nonce, CSPAN_OF(aad), CSPAN_OF(s->wrapped), key, s->tag);
    gcm_key_wipe(&k);
    wipe(secret, sizeof secret);
    return r < 0 ? -EKEYREJECTED : 0;
}

static int header_parse(const struct cow_params *p, const uint8_t *block, struct cow_opened *ret)
{
    struct cow_header_disk h;
    memcpy(&h, block, sizeof h);
    if (h.magic != COW_HEADER_MAGIC)
        return -EBADMSG;
    if (h.version != COW_VERSION || h.cipher != 1)
        return -EOPNOTSUPP;
    int r = -EKEYREJECTED;
    for (unsigned i = 0; i < COW_SLOTS && r < 0; i++)
        if (h.slots[i].kind == p->kind) {
            r = slot_open(p, &h, &h.slots[i], ret->key);
            ret->generation = h.slots[i].generation;
        }
    memcpy(ret->uuid, h.uuid, sizeof h.uuid);
    return r;
}

int cow_header_find(const struct cow_params *p, uint8_t *block, struct cow_opened *ret)
{
    int best = -EBADMSG;
    if (p->dev->blocks == 0)
        return -ENODATA;
    if (p->dev->blocks < COW_FIRST)
        return -EBADMSG;
    for (uint64_t copy = 0; copy < 2; copy++) {
        int r = p->dev->ops->read(p->dev, copy, 1, block);
        if (r == 0)
            r = header_parse(p, block, ret);
        if (r == 0 || best == -EBADMSG)
            best = r;
        if (r == 0)
            break;
    }
    return best;
}

int cow_slot_fill(const struct cow_params *p, const struct cow_header_disk *h, uint32_t generation,
                  struct cow_slot *s, const uint8_t key[32])
{
    uint8_t secret[32];
    *s = (struct cow_slot){.kind = (uint32_t) p->kind, .generation = generation};
    random_bytes(SPAN_OF(s->nonce));
    int r = p->slot_secret(p, s, true, secret);
    if (r == 0) {
        struct gcm_key k;
        const struct slot_aad aad = slot_aad(h, s);
        wrap_key(p, h, secret, &k);
        gcm_seal(&k, s->nonce, CSPAN_OF(aad), (struct cspan){key, 32}, s->wrapped, s->tag);
        gcm_key_wipe(&k);
    }
    wipe(secret, sizeof secret);
    return r;
}

int cow_header_new(const struct cow_params *p, const uint8_t uuid[16], const uint8_t key[32],
                   struct cow_header_disk **ret)
{
    struct cow_header_disk *h = kzalloc(COW_BLOCK);
    if (!h)
        return -ENOMEM;
    h->magic = COW_HEADER_MAGIC;
    h->version = COW_VERSION;
    h->cipher = 1;
    memcpy(h->uuid, uuid, sizeof h->uuid);
    random_bytes(SPAN_OF(h->kdf_salt));
    int r = cow_slot_fill(p, h, 0, &h->slots[0], key);
    if (r < 0)
        kfree(h);
    else
        *ret = h;
    return r;
}

int cow_secret_sealed(const struct cow_params *p, struct cow_slot *slot, bool create,
                      uint8_t ret[32])
{
    struct seal_id id = {.policy = slot->policy, .isv_svn = slot->isv_svn};
    memcpy(id.cpu_svn, slot->cpu_svn, sizeof id.cpu_svn);
    memcpy(id.key_id, slot->key_id, sizeof id.key_id);
    if (create) {
        seal_id_new(SGX_KEYPOLICY_MRSIGNER, &id);
        slot->policy = id.policy;
        slot->isv_svn = id.isv_svn;
        memcpy(slot->cpu_svn, id.cpu_svn, sizeof id.cpu_svn);
        memcpy(slot->key_id, id.key_id, sizeof id.key_id);
    }
    memset(ret, 0, 32);
    return seal_key_get(&id, ret); /* 128 bits; the rest is zero */
}

int cow_secret_user(const struct cow_params *p, struct cow_slot *slot, bool create, uint8_t ret[32])
{
    if (!p->user_key)
        return -EKEYREJECTED;
    memcpy(ret, p->user_key, 32);
    return 0;
}

/* ---- superblocks ---- */

static void super_nonce(uint64_t txg, uint8_t ret[GCM_NONCE_SIZE])
{
    memset(ret, 0, GCM_NONCE_SIZE);
    memcpy(ret, &txg, sizeof txg);
}

struct super_aad {
    uint64_t magic, txg;
    uint8_t salt[32];
};

static struct cspan sealed_part(const struct cow_super_disk *s)
{
    size_t start = offsetof(struct cow_super_disk, body);
    return (struct cspan){(const uint8_t *) s + start, sizeof *s - start};
}

static void aad_of(const struct cow_super_disk *s, struct super_aad *ret)
{
    *ret = (struct super_aad){.magic = s->magic, .txg = s->txg};
    memcpy(ret->salt, s->salt, sizeof ret->salt);
}

int cow_super_open(struct cow *c, uint64_t slot, struct cow_super_disk *s)
{
    if (s->magic != COW_SUPER_MAGIC || s->txg % COW_RING != slot)
        return -EBADMSG;
    struct gcm_key k;
    struct super_aad aad;
    uint8_t nonce[GCM_NONCE_SIZE];
    aad_of(s, &aad);
    super_nonce(s->txg, nonce);
    cow_super_key(c, s->salt, &k);
    int r = c->cipher->open(&k, nonce, CSPAN_OF(aad), sealed_part(s), (uint8_t *) &s->body, s->tag);
    gcm_key_wipe(&k);
    return r;
}

static bool root_ok(const struct cow *c, const struct cow_root_disk *r)
{
    return r->depth <= COW_DEPTH_MAX && (cow_hole(&r->root) || cow_ptr_ok(c, &r->root));
}

int cow_super_take(struct cow *c, const struct cow_super_body *b)
{
    c->block_count = b->block_count;
    c->epoch_count = b->epoch_count;
    if (b->epoch_count == 0 || b->epoch_count > COW_EPOCHS_MAX || b->epoch >= b->epoch_count ||
        b->block_count < COW_FIRST || b->block_count > COW_ADDR_MAX ||
        b->next_ino < COW_INO_FIRST || b->next_ino > b->block_count * COW_INODES_PER_BLOCK ||
        b->free_ino >= b->next_ino || b->free_count > b->block_count || !root_ok(c, &b->table) ||
        !root_ok(c, &b->bitmap) || !root_ok(c, &b->epochs)) {
        c->epoch_count = 0;
        return -EUCLEAN;
    }
    const struct cow_root_disk *roots[] = {&b->table, &b->bitmap, &b->epochs};
    struct cow_tree *trees[] = {&c->table, &c->bitmap, &c->epoch_tree};
    for (unsigned i = 0; i < ARRAY_SIZE(trees); i++) {
        trees[i]->root = roots[i]->root;
        trees[i]->depth = roots[i]->depth;
        trees[i]->blocks = roots[i]->blocks;
    }
    c->txg = c->durable = b->txg;
    c->anchored = b->flags & COW_SUPER_ANCHORED;
    c->epoch = b->epoch;
    c->ctr_start = b->ctr_start;
    c->next_ino = b->next_ino;
    c->free_ino = b->free_ino;
    c->next_generation = b->next_generation;
    c->inode_count = b->inode_count;
    c->free_count = b->free_count; /* counted anew before the first change */
    c->name_seed = b->name_seed;
    memcpy(c->slot_generations, b->slot_generations, sizeof c->slot_generations);
    return 0;
}

static struct cow_root_disk root_of(const struct cow_tree *t)
{
    return (struct cow_root_disk){.root = t->root, .blocks = t->blocks, .depth = t->depth};
}

static void super_fill(const struct cow *c, uint32_t flags, struct cow_super_disk *s)
{
    s->magic = COW_SUPER_MAGIC;
    s->txg = c->txg + 1;
    memcpy(s->salt, c->epochs[c->epoch].salt, sizeof s->salt);
    s->body = (struct cow_super_body){
        .txg = s->txg,
        .flags = flags,
        .epoch = c->epoch,
        .ctr_start = MAX(c->ctr_start, c->durable_ctr),
        .next_ino = c->next_ino,
        .free_ino = c->free_ino,
        .next_generation = c->next_generation,
        .block_count = c->block_count,
        .free_count = c->free_count + c->pending_count + c->settling_count,
        .inode_count = c->inode_count,
        .epoch_count = c->epoch_count,
        .name_seed = c->name_seed,
        .table = root_of(&c->table),
        .bitmap = root_of(&c->bitmap),
        .epochs = root_of(&c->epoch_tree),
    };
    memcpy(s->body.uuid, c->uuid, sizeof s->body.uuid);
    memcpy(s->body.slot_generations, c->slot_generations, sizeof c->slot_generations);
}

int cow_super_write(struct cow *c, uint32_t flags)
{
    int r = 0;
    if (cow_undurable(c) > COW_WALK_MAX)
        flags |= COW_SUPER_TWO_BARRIERS;
    if (flags & COW_SUPER_TWO_BARRIERS)
        r = c->dev->ops->barrier(c->dev);
    struct cow_super_disk *s = r == 0 ? new_zero(struct cow_super_disk) : NULL;
    if (!s)
        return r < 0 ? r : -ENOMEM;
    struct super_aad aad;
    uint8_t nonce[GCM_NONCE_SIZE];
    super_fill(c, c->anchor ? flags | COW_SUPER_ANCHORED : flags, s);
    aad_of(s, &aad);
    super_nonce(s->txg, nonce);
    c->cipher->seal(&c->super_key, nonce, CSPAN_OF(aad), sealed_part(s), (uint8_t *) &s->body,
                    s->tag);
    memcpy(c->super_tag, s->tag, sizeof c->super_tag);
    r = c->dev->ops->write(c->dev, COW_RING_FIRST + s->txg % COW_RING, 1, s);
    kfree(s);
    return r;
}
