/* Which blocks are in use: three bits per block in memory. used: not to be given out. pending: freed since the last
 * commit was written; settling: freed by that one, while it is not durable yet. The states on disk still need both. The
 * bitmap on disk (COW_INO_BITMAP) holds used without them, as of its commit. Saving it takes blocks and frees blocks,
 * which changes it: all its new places are chosen first, until no further part of it changes.
 *
 * Places are given out in ascending order, next to the last one where that is free, else at the next run of free ones,
 * so that what belongs to one commit is written with few calls. It goes in turns (laps) through what lies below the
 * highest place that was ever used, while enough of that is free: blocks that the host has written once are cheaper
 * to write than new ones. A lap takes runs of at least lap_run; one that found little is followed by one for shorter
 * runs. Rows, full and aligned, have a cursor of their own: what a host keeps and writes in large pieces is cheap for it,
 * and metadata in between would spoil that. */
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"

#define WORD_BITS 64u
_Static_assert(COW_ROW == WORD_BITS, "a row is a word of the map");
#define GROW_STEP 16384u /* blocks: 64 MiB */
#define SLACK     32u
#define LAP_SHARE 4u /* this part of what was used once must be free for another turn */
#define LAPS_MAX  5u /* so many turns look everywhere for one block */

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
    return bit(c->used, addr) && !bit(c->pending, addr) && !bit(c->settling, addr);
}

static int maps_room(struct cow *c, uint64_t blocks)
{
    size_t n = chunks(blocks);
    uint8_t **maps[] = {&c->used, &c->pending, &c->settling, &c->chunk_dirty, &c->chunk_settling};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        uint8_t *fresh = krealloc(*maps[i], i < 3 ? n * COW_BLOCK : n);
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
    c->hint = c->row_hint = c->high = COW_FIRST;
    c->lap_run = WORD_BITS;
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
    c->high = COW_FIRST;
    for (uint64_t i = 0; r == 0 && i < c->block_count; i++) {
        c->free_count += !bit(c->used, i);
        c->high = bit(c->used, i) ? MAX(c->high, i + 1) : c->high;
    }
    for (uint64_t i = 0; r == 0 && i < COW_FIRST; i++)
        if (!bit(c->used, i))
            r = -EUCLEAN;
    c->hint = c->row_hint = COW_FIRST;
    c->lap_run = WORD_BITS;
    return r;
}

/* The first of `size` (a power of two) free blocks in a row within one word of the map, from `from` on and below end;
 * or end. */
static uint64_t find_run(const struct cow *c, uint64_t from, uint64_t end, uint32_t size)
{
    for (uint64_t n = from / WORD_BITS * WORD_BITS; n < end; n += WORD_BITS) {
        uint64_t word;
        __builtin_memcpy(&word, c->used + n / 8, sizeof word);
        uint64_t starts = ~word;
        if (n < from)
            starts &= UINT64_MAX << (from - n);
        if (end - n < WORD_BITS)
            starts &= ((uint64_t) 1 << (end - n)) - 1;
        for (uint32_t k = 1; k < size && starts; k *= 2)
            starts &= starts >> k; /* whose 2 k places are free */
        if (starts)
            return n + (uint64_t) __builtin_ctzll(starts);
    }
    return end;
}

/* Where a turn ends. */
static uint64_t lap_end(const struct cow *c)
{
    uint64_t above = c->block_count - c->high;
    uint64_t below = c->free_count > above ? c->free_count - above : 0;
    return below > c->high / LAP_SHARE ? c->high : c->block_count;
}

/* A turn that found little looked for too long runs. */
static void next_lap(struct cow *c, uint64_t end)
{
    bool rich = c->lap_found > end / WORD_BITS;
    c->lap_run = rich || c->lap_run <= 1 ? WORD_BITS : c->lap_run / 4;
    c->lap_found = 0;
    c->hint = COW_FIRST;
}

int cow_alloc(struct cow *c, uint64_t *ret)
{
    uint64_t end = lap_end(c), n = c->hint;
    if (n >= end || bit(c->used, n)) {
        n = find_run(c, n, end, c->lap_run);
        for (unsigned laps = 0; n >= end && laps < LAPS_MAX; laps++) {
            next_lap(c, end);
            n = find_run(c, c->hint, end, c->lap_run);
        }
    }
    if (n >= end)
        return -ENOSPC;
    bit_put(c, c->used, n, true);
    c->free_count--;
    c->lap_found++;
    c->hint = n + 1;
    c->high = MAX(c->high, n + 1);
    *ret = n;
    return 0;
}

bool cow_alloc_row(struct cow *c, uint64_t *ret)
{
    if (c->rows_gone)
        return false;
    uint64_t end = lap_end(c), n = find_run(c, c->row_hint, end, WORD_BITS);
    if (n >= end) {
        end = c->block_count;
        n = find_run(c, COW_FIRST, end, WORD_BITS);
    }
    c->rows_gone = n >= end;
    if (c->rows_gone)
        return false;
    for (uint64_t k = n; k < n + COW_ROW; k++)
        bit_put(c, c->used, k, true);
    c->free_count -= COW_ROW;
    c->row_hint = n + COW_ROW;
    c->high = MAX(c->high, n + COW_ROW);
    *ret = n;
    return true;
}

void cow_free(struct cow *c, const struct cow_ptr *p)
{
    if (!cow_ptr_ok(c, p) || !cow_block_used(c, p->addr)) {
        (void) cow_poison(c, -EUCLEAN, "a block is freed twice"); /* later changes fail */
        return;
    }
    if (cow_newborn(c, p)) {
        cow_land_those(c, p->addr, p->addr + 1); /* somebody may get it at once */
        bit_put(c, c->used, p->addr, false);
        c->free_count++;
        return;
    }
    bit_put(c, c->pending, p->addr, true);
    c->pending_count++;
}

/* dst = map without bits: of one chunk */
static void take_out(uint8_t *dst, const uint8_t *map, const uint8_t *bits)
{
    for (size_t k = 0; k < COW_BLOCK; k += sizeof(uint64_t)) {
        uint64_t m, b;
        __builtin_memcpy(&m, map + k, sizeof m);
        __builtin_memcpy(&b, bits + k, sizeof b);
        m &= ~b;
        __builtin_memcpy(dst + k, &m, sizeof m);
    }
}

void cow_alloc_written(struct cow *c)
{
    for (uint64_t i = 0; i < chunks(c->block_count); i++) {
        if (c->chunk_dirty[i] == CHUNK_CLEAN)
            continue;
        for (size_t k = i * COW_BLOCK; k < (i + 1) * COW_BLOCK; k++)
            c->settling[k] |= c->pending[k];
        memset(c->pending + i * COW_BLOCK, 0, COW_BLOCK);
        c->chunk_dirty[i] = CHUNK_CLEAN;
        c->chunk_settling[i] = true;
    }
    c->settling_count += c->pending_count;
    c->pending_count = 0;
}

void cow_alloc_settle(struct cow *c)
{
    for (uint64_t i = 0; i < chunks(c->block_count); i++) {
        if (!c->chunk_settling[i])
            continue;
        take_out(c->used + i * COW_BLOCK, c->used + i * COW_BLOCK, c->settling + i * COW_BLOCK);
        memset(c->settling + i * COW_BLOCK, 0, COW_BLOCK);
        c->chunk_settling[i] = false;
    }
    c->free_count += c->settling_count;
    c->settling_count = 0;
    c->rows_gone = false;
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

static int place_level(struct cow *c, uint64_t chunk, uint32_t level)
{
    struct cow_blk *b;
    int r = cow_blk_get(c, &c->bitmap, level, chunk >> (level * COW_FAN_BITS), true, &b);
    return r == 0 ? place(c, b) : r;
}

static int place_leaves(struct cow *c)
{
    int r = 0;
    for (uint64_t i = 0; i < chunks(c->block_count) && r == 0; i++)
        if (c->chunk_dirty[i] == CHUNK_CHANGED) {
            c->chunk_dirty[i] = CHUNK_PLACED;
            r = place_level(c, i, 0);
        }
    return r;
}

static int place_above(struct cow *c)
{
    int r = 0;
    for (uint64_t i = 0; i < chunks(c->block_count); i++)
        for (uint32_t l = 1; l <= c->bitmap.depth && c->chunk_dirty[i] != CHUNK_CLEAN && r == 0;
             l++)
            r = place_level(c, i, l);
    return r;
}

static bool any_changed(const struct cow *c)
{
    uint64_t count = chunks(c->block_count);
    for (uint64_t i = 0; i < count; i++)
        if (c->chunk_dirty[i] == CHUNK_CHANGED)
            return true;
    return false;
}

/* In the order in which they are written then, so that they lie side by side. */
static int place_all(struct cow *c)
{
    int r = cow_tree_reach(c, &c->bitmap, chunks(c->block_count) - 1);
    while (r == 0 && any_changed(c)) {
        while (r == 0 && any_changed(c))
            r = place_leaves(c);
        if (r == 0)
            r = place_above(c);
    }
    return r;
}

static void bitmap_fill(const struct cow *c, struct cow_blk *b)
{
    size_t at = b->index * COW_BLOCK;
    take_out(b->data, c->used + at, c->pending + at);
    take_out(b->data, b->data, c->settling + at);
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
            if (level == 0)
                bitmap_fill(c, b);
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
    c->rows_gone = false;
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

/* What was freed, and what is kept free for the blocks that changed; a few of those are nothing. */
static bool commit_frees(const struct cow *c)
{
    return c->pending_count || c->settling_count || c->dirty_count + c->changed_count > SLACK;
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
    if (r == 0 && !enough(c, blocks, use) && commit_frees(c) && c->holds == 0)
        r = cow_commit(c, 0);
    return r == 0 && !enough(c, blocks, use) ? -ENOSPC : r;
}
