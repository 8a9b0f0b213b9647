/* Making a volume, opening it again after whatever happened, closing it.
 *
 * The newest superblock that authenticates is taken if every block that its commit wrote is there; else
 * the one before it, which a barrier made durable before the newest was begun.
 *
 * A mount only reads until something is to be changed. Then it claims the device, which several readers may
 * have open, begins an epoch and loads the bitmap; a new volume is written down only then. */
#include "libos/arch/random.h"
#include "libos/base/log.h"
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

#define CACHE_LIMIT 1024u /* metadata blocks kept between operations, at least */

static void seal_gcm(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
                     struct cspan in, uint8_t *out, uint8_t ret_tag[GCM_TAG_SIZE])
{
    gcm_seal(k, nonce, aad, in, out, ret_tag);
}

static int open_gcm(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
                    struct cspan in, uint8_t *out, const uint8_t tag[GCM_TAG_SIZE])
{
    return gcm_open(k, nonce, aad, in, out, tag);
}

static const struct cow_cipher gcm = {seal_gcm, open_gcm};

static struct cow *cow_new(const struct cow_params *p)
{
    struct cow *c = new_zero(struct cow);
    if (!c)
        return NULL;
    mutex_init(&c->lock);
    waitq_init(&c->held);
    waitq_init(&c->landed);
    list_init(&c->lru);
    list_init(&c->changed);
    cow_tree_init(&c->table, COW_INO_TABLE, 0);
    cow_tree_init(&c->bitmap, COW_INO_BITMAP, 0);
    cow_tree_init(&c->epoch_tree, COW_INO_EPOCHS, 0);
    c->dev = p->dev;
    c->cipher = p->cipher ? p->cipher : &gcm;
    c->anchor = p->anchor;
    c->blocks_max = MAX(p->blocks_max, p->blocks);
    c->cache_limit = MAX(p->cache_blocks, CACHE_LIMIT);
    return c;
}

static void forget_all(struct cow *c)
{
    cow_inodes_free(c);
    struct cow_tree *trees[] = {&c->table, &c->bitmap, &c->epoch_tree};
    for (unsigned i = 0; i < ARRAY_SIZE(trees); i++)
        cow_tree_forget(c, trees[i]);
}

void cow_abandon(struct cow *c)
{
    forget_all(c);
    cow_epochs_free(c);
    kfree(c->used);
    kfree(c->pending);
    kfree(c->settling);
    kfree(c->chunk_dirty);
    kfree(c->chunk_settling);
    kfree(c->queue);
    kfree(c->birth);
    spare_fini(&c->list_buf, COW_IO_BLOCKS);
    spare_fini(&c->seal_buf, COW_IO_BLOCKS);
    kfree(c);
}

/* ---- a new volume ---- */

static int first_inodes(struct cow *c)
{
    const struct cow_new root = {.mode = S_IFDIR | 0755}, orphans = {.mode = S_IFREG};
    struct cow_inode *i;
    int r = cow_inode_new(c, &root, &i);
    if (r < 0)
        return r;
    cow_inode_unref(c, i);
    r = cow_inode_new(c, &orphans, &i);
    if (r < 0)
        return r;
    i->d.flags = COW_FLAG_PRIVATE;
    cow_inode_unref(c, i);
    return 0;
}

/* Header and an empty ring. A superblock follows with the first commit. */
static int birth_write(struct cow *c)
{
    int r = c->dev->ops->grow(c->dev, c->block_count);
    if (r == 0)
        r = c->dev->ops->write(c->dev, COW_RING_FIRST, COW_RING, c->queue);
    for (uint64_t copy = 0; copy < 2 && r == 0; copy++)
        r = c->dev->ops->write(c->dev, copy, 1, c->birth);
    kfree(c->birth);
    c->birth = NULL;
    return r;
}

/* A new volume takes no anchor over: else an empty one could take the place of any other. */
static int anchor_free(struct cow *c)
{
    struct cow_mark mark = {0};
    if (!c->anchor)
        return 0;
    cow_anchor_key(c);
    int r = c->anchor->ops->read(c->anchor, c->uuid, &mark);
    return r == -ENOENT || (r == 0 && mark.txg == 0) ? 0 : r < 0 ? r : -ESTALE;
}

int cow_mount_new(const struct cow_params *p, struct cow **ret)
{
    struct cow *c = cow_new(p);
    if (!c)
        return -ENOMEM;
    c->block_count = p->blocks;
    c->next_ino = COW_INO_ROOT;
    c->next_generation = 1;
    random_bytes(SPAN_OF(c->uuid));
    random_bytes(SPAN_OF(c->key));
    random_bytes(SPAN_OF(c->name_seed));
    int r = p->blocks < 2 * COW_FIRST || p->blocks > COW_ADDR_MAX ? -EINVAL : anchor_free(c);
    if (r == 0)
        r = cow_header_new(p, c->uuid, c->key, &c->birth);
    if (r == 0)
        r = cow_alloc_init(c);
    if (r == 0)
        r = first_inodes(c);
    if (r == 0)
        r = cow_inode_load(c, COW_INO_ORPHANS, &c->orphans);
    if (r < 0)
        cow_abandon(c);
    else
        *ret = c;
    return r;
}

int cow_create(const struct cow_params *p)
{
    struct cow *c;
    int r = cow_mount_new(p, &c);
    if (r < 0)
        return r;
    r = cow_claim(c);
    int committed = cow_unmount(c);
    return r < 0 ? r : committed;
}

/* ---- opening ---- */

struct newborn_walk {
    struct cow_walk walk;
    const struct cow *c;
};

static int newborn_ptr(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
                       const struct cow_ptr *p)
{
    return cow_newborn(container_of(w, struct newborn_walk, walk)->c, p);
}

/* -EBADMSG: part of what it says is not there. */
static int candidate_take(struct cow *c, const struct cow_super_disk *s, bool verify)
{
    forget_all(c);
    bool ours = memcmp(s->body.uuid, c->uuid, sizeof c->uuid) == 0 && s->body.txg == s->txg;
    if (!ours || cow_super_take(c, &s->body) < 0)
        return -EUCLEAN;
    kfree(c->epochs);
    c->epochs = kzalloc(c->epoch_count * sizeof *c->epochs);
    if (!c->epochs) {
        c->epoch_count = 0;
        return -ENOMEM;
    }
    memcpy(c->epochs[c->epoch].salt, s->salt, sizeof s->salt);
    memcpy(c->super_tag, s->tag, sizeof c->super_tag);
    struct newborn_walk w = {.walk = {.ptr = newborn_ptr}, .c = c};
    int r = 0;
    if (verify && !(s->body.flags & COW_SUPER_TWO_BARRIERS))
        r = cow_walk_all(c, &w.walk);
    if (r == 0)
        r = cow_epoch_load(c, c->epoch_count);
    if (r == 0 && memcmp(c->epochs[c->epoch].salt, s->salt, sizeof s->salt))
        r = -EUCLEAN;
    return r;
}

/* Keys of a candidate that was not taken. */
static void candidate_drop(struct cow *c)
{
    forget_all(c);
    for (uint32_t i = 0; i < c->epoch_count; i++)
        if (c->epochs[i].key) {
            gcm_key_wipe(c->epochs[i].key);
            kfree(c->epochs[i].key);
        }
    kfree(c->epochs);
    c->epochs = NULL;
    c->epoch_count = 0;
    c->error = 0;
}

/* The authentic superblock with the highest txg at or below limit. */
static int newest(struct cow *c, uint64_t limit, struct cow_super_disk *ret)
{
    struct cow_super_disk *ring = kzalloc(COW_RING * sizeof *ring);
    if (!ring)
        return -ENOMEM;
    int r = c->dev->ops->read(c->dev, COW_RING_FIRST, COW_RING, ring);
    int found = r < 0 ? r : -EBADMSG;
    for (uint64_t slot = 0; slot < COW_RING && r == 0; slot++) {
        const struct cow_super_disk *s = &ring[slot];
        bool wanted = s->txg <= limit && (found < 0 || s->txg > ret->txg);
        if (wanted && cow_super_open(c, slot, &ring[slot]) == 0) {
            memcpy(ret, s, sizeof *s);
            found = 0;
        }
    }
    kfree(ring);
    return found;
}

static int choose(struct cow *c, struct cow_super_disk *s)
{
    int r = newest(c, UINT64_MAX, s);
    if (r < 0)
        return r;
    r = candidate_take(c, s, true);
    if (r != -EBADMSG || s->txg == 0)
        return r;
    uint64_t torn = s->txg;
    candidate_drop(c);
    r = newest(c, torn - 1, s);
    if (r < 0)
        return r;
    if (s->txg != torn - 1)
        return -EBADMSG;
    r = candidate_take(c, s, false);
    if (r == 0)
        log_warn("cowfs: the last commit was torn; the one before it is used");
    return r;
}

int cow_anchor_advance(struct cow *c)
{
    struct cow_mark mark = {.txg = c->txg};
    memcpy(mark.tag, c->super_tag, sizeof mark.tag);
    return c->anchor->ops->advance(c->anchor, c->uuid, &mark);
}

/* The volume may be ahead of its anchor, by commits that nobody was told of. */
static int anchor_check(struct cow *c)
{
    struct cow_mark mark = {0};
    if (!c->anchor)
        return 0;
    cow_anchor_key(c);
    int r = c->anchor->ops->read(c->anchor, c->uuid, &mark);
    if (r == -ENOENT && c->anchored && !c->anchor->registers)
        return -ESTALE; /* it was taken away */
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == -ENOENT || c->txg > mark.txg)
        return cow_anchor_advance(c);
    return c->txg == mark.txg && memcmp(c->super_tag, mark.tag, sizeof mark.tag) == 0 ? 0 : -ESTALE;
}

/* The superblock knows the last change of each kind's slot: a header from before it was put back. What a slot
 * says that was not opened is only believed where it speaks against the header. */
static int header_check(struct cow *c, const struct cow_params *p, const uint8_t *block,
                        uint32_t generation)
{
    struct cow_header_disk h;
    memcpy(&h, block, sizeof h);
    if (generation < c->slot_generations[p->kind])
        return -ESTALE;
    for (unsigned i = 0; i < COW_SLOTS; i++) {
        uint32_t kind = h.slots[i].kind;
        if (kind && kind < COW_SLOT_KINDS && h.slots[i].generation < c->slot_generations[kind])
            return -ESTALE;
    }
    for (unsigned kind = 1; kind < COW_SLOT_KINDS; kind++) {
        uint32_t seen = kind == (unsigned) p->kind ? generation : p->seen[kind];
        c->super_changed |= seen > c->slot_generations[kind]; /* its change was cut off */
        c->slot_generations[kind] = MAX(seen, c->slot_generations[kind]);
    }
    return 0;
}

static int open_header(struct cow *c, const struct cow_params *p, uint8_t *block,
                       uint32_t *ret_generation)
{
    struct cow_opened o;
    int r = cow_header_find(p, block, &o);
    if (r == 0) {
        memcpy(c->uuid, o.uuid, sizeof c->uuid);
        memcpy(c->key, o.key, sizeof c->key);
        *ret_generation = o.generation;
    }
    wipe(&o, sizeof o);
    return r;
}

static int open_volume(struct cow *c, const struct cow_params *p)
{
    uint32_t generation = 0;
    struct cow_super_disk *s = new_zero(struct cow_super_disk);
    uint8_t *header = kzalloc(COW_BLOCK);
    int r = s && header ? open_header(c, p, header, &generation) : -ENOMEM;
    if (r == 0)
        r = choose(c, s);
    if (r == 0)
        r = header_check(c, p, header, generation);
    kfree(header);
    kfree(s);
    if (r == 0)
        r = anchor_check(c);
    return r == 0 ? cow_inode_load(c, COW_INO_ORPHANS, &c->orphans) : r;
}

int cow_mount(const struct cow_params *p, struct cow **ret)
{
    struct cow *c = cow_new(p);
    if (!c)
        return -ENOMEM;
    int r = open_volume(c, p);
    if (r < 0) {
        cow_abandon(c);
        return r;
    }
    *ret = c;
    return 0;
}

/* ---- from reader to writer ---- */

/* The state that was found may be one whose writer was killed before its barrier: it has to be durable before places
 * that it left free are written. */
static int become_writer(struct cow *c)
{
    int r = 0;
    if (!c->queue)
        c->queue = kzalloc((size_t) COW_QUEUE * COW_BLOCK);
    if (!c->queue)
        return -ENOMEM;
    if (c->birth)
        r = birth_write(c);
    else
        r = c->dev->ops->barrier(c->dev);
    if (r == 0 && c->dev->blocks < c->block_count)
        r = c->dev->ops->grow(c->dev, c->block_count);
    if (r == 0 && c->txg)
        r = cow_alloc_load(c);
    return r == 0 ? cow_epoch_start(c) : r;
}

int cow_claim_locked(struct cow *c)
{
    if (cow_error(c) || c->claimed)
        return cow_error(c);
    int r = cow_dev_claim(c->dev);
    if (r < 0)
        return r;
    r = become_writer(c);
    if (r < 0)
        return cow_poison(c, r, "it cannot be changed");
    c->claimed = true;
    r = cow_orphans_clean(c);
    return r < 0 ? cow_poison(c, r, "what was deleted last cannot be cleaned up") : 0;
}

int cow_claim(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    return cow_claim_locked(c);
}

bool cow_claimed(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    return c->claimed;
}

int cow_unmount(struct cow *c)
{
    mutex_lock(&c->lock);
    cow_wait_turn(c, false);
    int r = cow_commit(c, COW_SUPER_TWO_BARRIERS | COW_SUPER_CLEAN);
    mutex_unlock(&c->lock);
    cow_abandon(c);
    return r;
}
