/* The cache of metadata blocks, and the queue of sealed blocks on their way to the device.
 *
 * A block is found by tree, level and index. Clean ones are on an LRU list and are dropped between
 * operations; changed ones are on their tree's list and stay until the commit. */
#include "libos/fs/cowfs/priv.h"

static struct cow_blk **bucket(struct cow *c, const struct cow_tree *t, uint32_t level,
                               uint64_t index)
{
    uint64_t k = (t->ino * 31 + level) * 0x9e3779b97f4a7c15ull + index * 0xc2b2ae3d27d4eb4full;
    return &c->hash[(k >> 40) % COW_BLK_HASH];
}

void cow_tree_init(struct cow_tree *t, uint64_t ino, uint64_t generation)
{
    *t = (struct cow_tree){.ino = ino, .generation = generation};
    list_init(&t->dirty);
    list_init(&t->cached);
}

struct cow_blk *cow_blk_find(struct cow *c, const struct cow_tree *t, uint32_t level,
                             uint64_t index)
{
    for (struct cow_blk *b = *bucket(c, t, level, index); b; b = b->hash_next)
        if (b->tree == t && b->level == level && b->index == index)
            return b;
    return NULL;
}

static void blk_free(struct cow_blk *b)
{
    kfree(b->data);
    kfree(b);
}

static struct cow_blk *blk_new(struct cow_tree *t, uint32_t level, uint64_t index)
{
    struct cow_blk *b = new_zero(struct cow_blk);
    if (!b)
        return NULL;
    b->data = kzalloc(COW_BLOCK);
    if (!b->data) {
        kfree(b);
        return NULL;
    }
    b->tree = t;
    b->level = level;
    b->index = index;
    return b;
}

static void blk_insert(struct cow *c, struct cow_blk *b)
{
    struct cow_blk **at = bucket(c, b->tree, b->level, b->index);
    b->hash_next = *at;
    *at = b;
    list_add_tail(&c->lru, &b->lru);
    list_add_tail(&b->tree->cached, &b->in_tree);
    c->cached++;
}

/* The pointer to a block that is not in the cache. */
static int blk_ptr(struct cow *c, struct cow_tree *t, uint32_t level, uint64_t index,
                   struct cow_ptr *ret)
{
    *ret = (struct cow_ptr){0};
    if (level > t->depth || index >= cow_tree_span(t->depth - level))
        return 0;
    if (level == t->depth) {
        *ret = t->root;
        return 0;
    }
    struct cow_blk *parent;
    int r = cow_blk_get(c, t, level + 1, index >> COW_FAN_BITS, false, &parent);
    if (r == 0 && parent)
        *ret = cow_node(parent)->slot[index % COW_FAN];
    return r;
}

static int blk_load(struct cow *c, struct cow_blk *b)
{
    if (!cow_ptr_ok(c, &b->at))
        return cow_poison(c, -EUCLEAN, "a pointer that leads nowhere");
    int r = cow_dev_read(c, b->at.addr, 1, b->data);
    if (r < 0)
        return r;
    r = cow_open(c, b->tree, b->level, b->index, &b->at, b->data);
    return r == -EBADMSG ? cow_poison(c, r, "a metadata block was tampered with") : r;
}

int cow_blk_get(struct cow *c, struct cow_tree *t, uint32_t level, uint64_t index, bool create,
                struct cow_blk **ret)
{
    struct cow_blk *b = cow_blk_find(c, t, level, index);
    *ret = b;
    if (b) {
        if (!b->is_dirty) {
            list_del(&b->lru);
            list_add_tail(&c->lru, &b->lru);
        }
        return 0;
    }
    struct cow_ptr at;
    struct cow_blk *parent;
    int r = blk_ptr(c, t, level, index, &at);
    if (r < 0 || (cow_hole(&at) && !create))
        return r;
    if (cow_hole(&at) && level < t->depth) /* whoever looks from above must come by here */
        r = cow_blk_get(c, t, level + 1, index >> COW_FAN_BITS, true, &parent);
    if (r < 0)
        return r;
    b = blk_new(t, level, index);
    if (!b)
        return -ENOMEM;
    b->at = at;
    r = cow_hole(&at) ? 0 : blk_load(c, b);
    if (r < 0) {
        blk_free(b);
        return r;
    }
    blk_insert(c, b);
    if (cow_hole(&at)) {
        if (level == 0)
            t->blocks++;
        cow_blk_change(c, b);
    }
    *ret = b;
    return 0;
}

void cow_blk_change(struct cow *c, struct cow_blk *b)
{
    if (b->is_dirty)
        return;
    b->is_dirty = true;
    list_del(&b->lru);
    list_add_tail(&b->tree->dirty, &b->dirty);
    c->dirty_count++;
}

void cow_blk_clean(struct cow *c, struct cow_blk *b)
{
    if (!b->is_dirty)
        return;
    b->is_dirty = false;
    list_del(&b->dirty);
    list_add_tail(&c->lru, &b->lru);
    c->dirty_count--;
}

void cow_blk_drop(struct cow *c, struct cow_blk *b)
{
    struct cow_blk **at = bucket(c, b->tree, b->level, b->index);
    while (*at != b)
        at = &(*at)->hash_next;
    *at = b->hash_next;
    cow_blk_clean(c, b);
    list_del(&b->lru);
    list_del(&b->in_tree);
    c->cached--;
    blk_free(b);
}

void cow_tree_forget(struct cow *c, struct cow_tree *t)
{
    struct cow_blk *b;
    while ((b = list_first(&t->cached, struct cow_blk, in_tree)) != NULL)
        cow_blk_drop(c, b);
}

void cow_cache_trim(struct cow *c, uint32_t limit)
{
    while (c->cached > limit) {
        struct cow_blk *b = list_first(&c->lru, struct cow_blk, lru);
        if (!b)
            return;
        cow_blk_drop(c, b);
    }
}

/* ---- the device ---- */

int cow_dev_read(struct cow *c, uint64_t addr, uint32_t count, void *dst)
{
    int r = cow_queue_yield(c, addr, count);
    if (r < 0)
        return r;
    if (addr + count > c->dev->blocks)
        return -EBADMSG; /* cut off */
    return c->dev->ops->read(c->dev, addr, count, dst);
}

int cow_queue_block(struct cow *c, uint64_t addr, uint8_t **ret)
{
    if (c->queue_count == COW_QUEUE || (c->queue_count && addr != c->queue_addr + c->queue_count)) {
        int r = cow_queue_flush(c);
        if (r < 0)
            return r;
    }
    if (c->queue_count == 0)
        c->queue_addr = addr;
    *ret = c->queue + (size_t) c->queue_count++ * COW_BLOCK;
    return 0;
}

int cow_queue_yield(struct cow *c, uint64_t addr, uint64_t count)
{
    cow_land_those(c, addr, addr + count);
    bool holds = addr < c->queue_addr + c->queue_count && c->queue_addr < addr + count;
    return holds ? cow_queue_flush(c) : 0;
}

int cow_queue_flush(struct cow *c)
{
    uint32_t n = c->queue_count;
    c->queue_count = 0;
    if (n == 0)
        return 0;
    int r = c->dev->ops->write(c->dev, c->queue_addr, n, c->queue);
    return r < 0 ? cow_poison(c, r, "writing failed") : 0;
}
