/* Which blocks are in use: two bits per block in memory. used: not to be given out. pending: freed since
 * the last commit; the state on disk still needs them until the next one is durable. The bitmap on disk
 * (COW_INO_BITMAP) holds used without pending, as of its commit. Saving it takes blocks and frees blocks,
 * which changes it: all its new places are chosen first, until no further part of it changes. */
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"

#define WORD_BITS 64u
#define GROW_STEP 16384u /* blocks: 64 MiB */
#define SLACK     32u

enum { CHUNK_CLEAN, CHUNK_CHANGED, CHUNK_PLACED };

static uint64_t chunks(uint64_t blocks)
{
    return (blocks + COW_CHUNK - 1) / COW_CHUNK;
}

static bool bit(const uint8_t *map, uint64_t n)
{
    return map[n / 8] >> (n % 8) & 1;
}

static void bit_put(struct cow *c, uint8_t *map, uint64_t n, bool on)
{
    uint8_t mask = (uint8_t) (1u << n % 8);
    map[n / 8] = on ? map[n / 8] | mask : map[n / 8] & (uint8_t) ~mask;
    if (c->chunk_dirty[n / COW_CHUNK] == CHUNK_CLEAN)
        c->chunk_dirty[n / COW_CHUNK] = CHUNK_CHANGED;
}

bool cow_block_used(const struct cow *c, uint64_t addr)
{
    return bit(c->used, addr) && !bit(c->pending, addr);
}

static int maps_room(struct cow *c, uint64_t blocks)
{
    size_t n = chunks(blocks);
    uint8_t **maps[] = {&c->used, &c->pending, &c->chunk_dirty};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        uint8_t *fresh = krealloc(*maps[i], i < 2 ? n * COW_BLOCK : n);
        if (!fresh)
            return -ENOMEM;
        *maps[i] = fresh;
    }
    return 0;
}

int cow_alloc_init(struct cow *c)
{
    int r = maps_room(c, c->block_count);
    if (r < 0)
        return r;
    for (uint64_t i = 0; i < COW_FIRST; i++)
        bit_put(c, c->used, i, true);
    c->free_count = c->block_count - COW_FIRST;
    c->hint = COW_FIRST;
    return 0;
}

int cow_alloc_load(struct cow *c)
{
    int r = maps_room(c, c->block_count);
    for (uint64_t i = 0; r == 0 && i < chunks(c->block_count); i++) {
        struct cow_blk *b;
        r = cow_blk_get(c, &c->bitmap, 0, i, false, &b);
        if (r == 0 && b)
            memcpy(c->used + i * COW_BLOCK, b->data, COW_BLOCK);
        cow_cache_trim(c, c->cache_limit);
    }
    c->free_count = 0;
    for (uint64_t i = 0; r == 0 && i < c->block_count; i++)
        c->free_count += !bit(c->used, i);
    for (uint64_t i = 0; r == 0 && i < COW_FIRST; i++)
        if (!bit(c->used, i))
            r = -EUCLEAN;
    c->hint = COW_FIRST;
    return r;
}

/* The first free block from `from` on, below end; or end. */
static uint64_t find_free(const struct cow *c, uint64_t from, uint64_t end)
{
    for (uint64_t n = from; n < end; n++) {
        if (n % WORD_BITS == 0) {
            uint64_t word;
            memcpy(&word, c->used + n / 8, sizeof word);
            if (word == UINT64_MAX) {
                n += WORD_BITS - 1;
                continue;
            }
        }
        if (!bit(c->used, n))
            return n;
    }
    return end;
}

int cow_alloc(struct cow *c, uint64_t *ret)
{
    uint64_t n = find_free(c, c->hint, c->block_count);
    if (n == c->block_count) {
        n = find_free(c, COW_FIRST, c->hint);
        if (n == c->hint)
            return -ENOSPC;
    }
    bit_put(c, c->used, n, true);
    c->free_count--;
    c->hint = n + 1 < c->block_count ? n + 1 : COW_FIRST;
    *ret = n;
    return 0;
}

void cow_free(struct cow *c, const struct cow_ptr *p)
{
    if (!cow_ptr_ok(c, p) || !bit(c->used, p->addr) || bit(c->pending, p->addr)) {
        (void) cow_poison(c, -EUCLEAN, "a block is freed twice"); /* later changes fail */
        return;
    }
    if (cow_newborn(c, p)) {
        bit_put(c, c->used, p->addr, false);
        c->free_count++;
        return;
    }
    bit_put(c, c->pending, p->addr, true);
    c->pending_count++;
}

void cow_alloc_settle(struct cow *c)
{
    for (uint64_t i = 0; i < chunks(c->block_count); i++) {
        if (c->chunk_dirty[i] == CHUNK_CLEAN)
            continue;
        for (uint64_t k = i * COW_BLOCK; k < (i + 1) * COW_BLOCK; k++) {
            c->used[k] &= (uint8_t) ~c->pending[k];
            c->pending[k] = 0;
        }
        c->chunk_dirty[i] = CHUNK_CLEAN;
    }
    c->free_count += c->pending_count;
    c->pending_count = 0;
    c->hint = COW_FIRST; /* low places first: the file below stays compact */
}

/* A new place for a block of the bitmap, before its content is final. */
static int place(struct cow *c, struct cow_blk *b)
{
    if (b->next_addr)
        return 0;
    int r = cow_alloc(c, &b->next_addr);
    if (r == 0 && !cow_hole(&b->at))
        cow_free(c, &b->at);
    if (r == 0)
        cow_blk_change(c, b);
    return r;
}

static int place_chunk(struct cow *c, uint64_t chunk)
{
    c->chunk_dirty[chunk] = CHUNK_PLACED;
    for (uint32_t level = 0; level <= c->bitmap.depth; level++) {
        struct cow_blk *b;
        int r = cow_blk_get(c, &c->bitmap, level, chunk >> (level * COW_FAN_BITS), true, &b);
        if (r == 0)
            r = place(c, b);
        if (r < 0)
            return r;
    }
    return 0;
}

static int place_all(struct cow *c)
{
    uint64_t count = chunks(c->block_count);
    int r = cow_tree_reach(c, &c->bitmap, count - 1);
    for (bool again = true; again && r == 0;) {
        again = false;
        for (uint64_t i = 0; i < count && r == 0; i++)
            if (c->chunk_dirty[i] == CHUNK_CHANGED) {
                r = place_chunk(c, i);
                again = true;
            }
    }
    return r;
}

static int write_block(struct cow *c, struct cow_blk *b)
{
    struct cow_blk *parent = NULL;
    uint8_t *out;
    int r = cow_queue_block(c, b->next_addr, &out);
    if (r == 0)
        r = cow_seal(c, &c->bitmap, b->level, b->index, b->next_addr, b->data, out, &b->at);
    if (r == 0 && b->level < c->bitmap.depth)
        r = cow_blk_get(c, &c->bitmap, b->level + 1, b->index >> COW_FAN_BITS, false, &parent);
    if (r < 0)
        return r;
    if (parent)
        cow_node(parent)->slot[b->index % COW_FAN] = b->at;
    else
        c->bitmap.root = b->at;
    b->next_addr = 0;
    cow_blk_clean(c, b);
    return 0;
}

int cow_alloc_commit(struct cow *c)
{
    int r = place_all(c);
    for (uint32_t level = 0; level <= c->bitmap.depth && r == 0; level++) {
        struct cow_blk *b;
        list_for_each_safe (b, &c->bitmap.dirty, dirty) {
            if (b->level != level || r < 0)
                continue;
            check(b->next_addr);
            for (uint64_t k = 0; level == 0 && k < COW_BLOCK; k++)
                b->data[k] = c->used[b->index * COW_BLOCK + k] &
                             (uint8_t) ~c->pending[b->index * COW_BLOCK + k];
            r = write_block(c, b);
        }
    }
    return r;
}

static int grow(struct cow *c)
{
    uint64_t blocks = MIN(c->block_count + GROW_STEP, c->blocks_max);
    if (blocks <= c->block_count)
        return -ENOSPC;
    int r = maps_room(c, blocks);
    if (r == 0)
        r = c->dev->ops->grow(c->dev, blocks);
    if (r < 0)
        return r;
    c->free_count += blocks - c->block_count;
    c->block_count = blocks;
    c->super_changed = true;
    return 0;
}

static bool enough(const struct cow *c, uint64_t blocks, enum cow_use use)
{
    uint64_t reserve = MAX(c->block_count / 50, (uint64_t) 64);
    uint64_t need = blocks + 2ull * (c->dirty_count + c->changed_count) + SLACK;
    reserve = use == COW_REMOVES ? 0 : use == COW_ADMITTED ? reserve / 2 : reserve;
    return c->free_count >= need + reserve;
}

int cow_begin(struct cow *c, uint64_t blocks, enum cow_use use)
{
    int r = cow_claim_locked(c);
    if (r < 0)
        return r;
    if (c->dirty_count + c->changed_count > COW_DIRTY_MAX && c->holds == 0)
        r = cow_commit(c, 0);
    cow_cache_trim(c, c->cache_limit);
    while (r == 0 && !enough(c, blocks, use) && c->block_count < c->blocks_max)
        r = grow(c);
    if (r == -ENOSPC || r == -ENOMEM || r == -EFBIG)
        r = 0; /* perhaps there is room after a commit */
    if (r == 0 && !enough(c, blocks, use) && c->pending_count && c->holds == 0)
        r = cow_commit(c, 0);
    return r == 0 && !enough(c, blocks, use) ? -ENOSPC : r;
}
