/* Content that is written. Data blocks are sealed at once and get new places on the device; the pointers to them wait for
 * the commit.
 *
 * A few blocks are sealed with the volume's lock held and wait in the queue until a run of them is full. A batch takes
 * the lock three times for a short while, so that several vCPUs seal and write at the same time: it gets nonces, is
 * sealed without the lock, gets places and is put into the tree, and is written without the lock. A commit that came
 * between nonces and places would call its blocks old, which no mount verifies: then it is sealed anew. From places to
 * the end of writing it is in the table of flights: a commit waits for all of them (cow_land), whoever reads or frees a
 * block for those that may have it. */
#include "libos/arch/fpu.h"
#include "libos/base/ckmath.h"
#include "libos/fs/cowfs/priv.h"

#define BATCH_MIN 8u

/* Where blocks come from: one behind the other, or a list. */
struct source {
    const uint8_t *flat;
    const void *const *list;
};

static const uint8_t *source_at(struct source s, uint32_t n)
{
    return s.list ? s.list[n] : s.flat + (size_t) n * COW_BLOCK;
}

int cow_write_one(struct cow *c, struct cow_inode *i, uint64_t block, const uint8_t *src)
{
    uint64_t addr;
    uint8_t *out;
    struct cow_ptr p;
    int r = cow_alloc(c, &addr);
    if (r < 0)
        return r;
    r = cow_queue_block(c, addr, &out);
    if (r == 0)
        r = cow_seal(c, &i->tree, 0, block, addr, src, out, &p);
    if (r < 0)
        return cow_poison(c, r, "a data block could not be written");
    r = cow_tree_set(c, &i->tree, block, &p);
    if (r < 0)
        cow_free(c, &p);
    return r;
}

/* ---- flights ---- */

static bool in_flight(const struct cow *c, uint64_t first, uint64_t end)
{
    for (unsigned n = 0; n < COW_FLIGHTS; n++) {
        const struct cow_flight *f = &c->flights[n];
        uint64_t f_end = atomic_load(&f->end);
        if (f_end && f->first < end && first < f_end)
            return true;
    }
    return false;
}

/* With the lock held, which who writes does not need. */
static void wait_landed(struct cow *c, uint64_t first, uint64_t end)
{
    while (in_flight(c, first, end))
        (void) wait_event(&c->landed, !in_flight(c, first, end), SLEEP_UNINTERRUPTIBLE,
                          FOREVER); /* the loop looks */
}

int cow_land(struct cow *c)
{
    wait_landed(c, 0, UINT64_MAX);
    return atomic_load(&c->error);
}

void cow_land_those(struct cow *c, uint64_t first, uint64_t end)
{
    if (unlikely(in_flight(c, first, end)))
        wait_landed(c, first, end);
}

static struct cow_flight *free_flight(struct cow *c)
{
    for (unsigned n = 0; n < COW_FLIGHTS; n++)
        if (!atomic_load(&c->flights[n].end))
            return &c->flights[n];
    return NULL;
}

/* ---- batches ---- */

struct batch {
    struct cow_inode *i;
    uint64_t block; /* the first one's place in the file */
    uint32_t count, placed;
    struct source src;
    uint8_t *sealed;
    struct cow_ptr ptr[COW_IO_BLOCKS];
};

static void batch_seal(struct cow *c, struct batch *b, const struct gcm_key *k, uint64_t nonce)
{
    fpu_begin(); /* once for all of them */
    for (uint32_t n = 0; n < b->count; n++) {
        b->ptr[n] = (struct cow_ptr){.nonce = nonce + n};
        cow_seal_with(c, k, &b->i->tree, 0, b->block + n, source_at(b->src, n),
                      b->sealed + (size_t) n * COW_BLOCK, &b->ptr[n]);
    }
    fpu_end();
}

static int batch_prepare(struct cow *c, struct batch *b)
{
    uint64_t nonce = 0;
    mutex_lock(&c->lock);
    int r = cow_claim_locked(c);
    const struct gcm_key *k = r == 0 ? cow_nonces(c, b->count, &nonce) : NULL;
    mutex_unlock(&c->lock);
    if (!k)
        return r < 0 ? r : -ENOMEM;
    batch_seal(c, b, k, nonce);
    return 0;
}

static void give_back(struct cow *c, const struct batch *b, uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++)
        cow_free(c, &b->ptr[n]);
}

static int batch_alloc(struct cow *c, struct batch *b)
{
    uint64_t row;
    if (b->count == COW_ROW && cow_alloc_row(c, &row)) {
        for (uint32_t n = 0; n < b->count; n++)
            b->ptr[n].addr = row + n;
        return 0;
    }
    for (uint32_t n = 0; n < b->count; n++) {
        int r = cow_alloc(c, &b->ptr[n].addr);
        if (r < 0) {
            give_back(c, b, 0, n);
            return r;
        }
    }
    return 0;
}

static int batch_place(struct cow *c, struct batch *b)
{
    uint64_t nonce;
    if (!cow_nonce_young(c, b->ptr[0].nonce)) {
        const struct gcm_key *k = cow_nonces(c, b->count, &nonce);
        if (!k)
            return -ENOMEM;
        batch_seal(c, b, k, nonce);
    }
    int r = batch_alloc(c, b);
    if (r < 0)
        return r;
    while (r == 0 && b->placed < b->count) {
        r = cow_tree_set(c, &b->i->tree, b->block + b->placed, &b->ptr[b->placed]);
        b->placed += r == 0;
    }
    give_back(c, b, b->placed, b->count);
    return r;
}

/* What has places takes off. What the queue has for one of them, a block that was freed again, goes before. */
static int take_off(struct cow *c, const struct batch *b, struct cow_flight **ret)
{
    uint64_t first = UINT64_MAX, end = 0;
    struct cow_flight *f;
    for (uint32_t n = 0; n < b->placed; n++) {
        first = MIN(first, b->ptr[n].addr);
        end = MAX(end, b->ptr[n].addr + 1);
    }
    int r = cow_queue_yield(c, first, end - first);
    if (r < 0)
        return r;
    while ((f = free_flight(c)) == NULL)
        (void) wait_event(&c->landed, free_flight(c) != NULL, SLEEP_UNINTERRUPTIBLE,
                          FOREVER); /* the loop looks */
    f->first = first;
    atomic_store(&f->end, end);
    *ret = f;
    return 0;
}

static int fly(struct cow *c, struct cow_flight *f, const struct batch *b)
{
    int r = 0;
    for (uint32_t n = 0, run; n < b->placed && r == 0; n += run) {
        run = 1;
        while (n + run < b->placed && b->ptr[n + run].addr == b->ptr[n].addr + run)
            run++;
        r = c->dev->ops->write(c->dev, b->ptr[n].addr, run, b->sealed + (size_t) n * COW_BLOCK);
    }
    if (r < 0)
        (void) cow_poison(c, r, "writing failed");
    atomic_store(&f->end, 0);
    waitq_wake(&c->landed, ~0u);
    return r;
}

static uint64_t room_for(uint32_t count)
{
    return count + count / COW_FAN + 2 * COW_DEPTH_MAX;
}

static void written(struct cow *c, struct cow_inode *i, int r, uint64_t size)
{
    if (r == 0)
        i->d.size = MAX(i->d.size, size);
    cow_inode_change(c, i);
}

static int batch_write(struct cow *c, struct batch *b, uint64_t size, enum cow_use use)
{
    struct cow_flight *f = NULL;
    int r = batch_prepare(c, b);
    if (r < 0)
        return r;
    mutex_lock(&c->lock);
    r = cow_begin(c, room_for(b->count), use);
    if (r == 0)
        r = batch_place(c, b);
    int flown = b->placed ? take_off(c, b, &f) : 0;
    written(c, b->i, r, size);
    mutex_unlock(&c->lock);
    if (f)
        flown = fly(c, f, b);
    return r < 0 ? r : flown;
}

static int write_locked(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                        struct source src, uint64_t size, enum cow_use use)
{
    MUTEX_GUARD(&c->lock);
    int r = cow_begin(c, room_for(count), use);
    for (uint32_t n = 0; n < count && r == 0; n++)
        r = cow_write_one(c, i, block + n, source_at(src, n));
    written(c, i, r, size);
    return r;
}

static int write_blocks(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                        struct source src, uint64_t size, enum cow_use use)
{
    uint64_t end;
    if (ck_add(&end, block, (uint64_t) count) || end > COW_SIZE_LIMIT / COW_BLOCK ||
        size > COW_SIZE_LIMIT)
        return -EFBIG;
    bool fits = count >= BATCH_MIN && count <= COW_IO_BLOCKS;
    struct batch b UNINIT;
    b.sealed = fits ? spare_take(&c->seal_buf, COW_IO_BLOCKS) : NULL;
    if (!b.sealed)
        return write_locked(c, i, block, count, src, size, use);
    b.i = i;
    b.block = block;
    b.count = count;
    b.placed = 0;
    b.src = src;
    int r = batch_write(c, &b, size, use);
    spare_give(&c->seal_buf, b.sealed, COW_IO_BLOCKS);
    return r;
}

int cow_write(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count, const void *src,
              uint64_t size)
{
    return write_blocks(c, i, block, count, (struct source){.flat = src}, size, COW_ADDS);
}

int cow_write_back(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                   const void *const *src, uint64_t size)
{
    return write_blocks(c, i, block, count, (struct source){.list = src}, size, COW_ADMITTED);
}

int cow_send(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    return cow_queue_flush(c);
}
