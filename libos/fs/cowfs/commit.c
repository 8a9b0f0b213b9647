/* Commit: all changes become one new state. Changed blocks get new places and are sealed from the leaves
 * up, inode records follow their trees' roots, then the inode table, the epochs (the first time), the
 * bitmap last, because placing all that changed it. The superblock goes to the next slot of the ring and
 * one barrier makes all of it durable: nothing needs to be written in order, because a mount verifies
 * what the newest superblock calls newborn and takes the one before if any of it is missing. Blocks freed
 * by a commit are not reused before its barrier has returned, so that one is complete.
 *
 * cow_sync waits for the barrier without the lock: others go on, with changes of the next commit. One at a time does
 * that. Who must commit meanwhile, because memory or room is short, writes a superblock with two barriers, the first of
 * which makes the commit before durable, too; that one's cow_sync finds nothing left to do. */
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"

#define SALTS_PER_BLOCK (COW_BLOCK / 32)

static int commit_inodes(struct cow *c)
{
    struct cow_inode *i;
    while ((i = list_first(&c->changed, struct cow_inode, changed_link)) != NULL) {
        int r = cow_tree_commit(c, &i->tree);
        if (r == 0)
            r = cow_inode_store(c, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int commit_epochs(struct cow *c)
{
    if (!c->epochs_changed)
        return 0;
    int r = cow_tree_reach(c, &c->epoch_tree, (c->epoch_count - 1) / SALTS_PER_BLOCK);
    for (uint32_t i = 0; r == 0 && i < c->epoch_count; i++) {
        struct cow_blk *b;
        r = cow_blk_get(c, &c->epoch_tree, 0, i / SALTS_PER_BLOCK, true, &b);
        if (r < 0)
            return r;
        memcpy(b->data + i % SALTS_PER_BLOCK * 32, c->epochs[i].salt, 32);
        cow_blk_change(c, b);
    }
    return r == 0 ? cow_tree_commit(c, &c->epoch_tree) : r;
}

static bool changed(const struct cow *c)
{
    return c->dirty_count || c->changed_count || c->pending_count || c->super_changed ||
           c->ctr != c->ctr_start;
}

/* Everything but the barrier. */
static int commit_write(struct cow *c, uint32_t flags)
{
    int r = commit_inodes(c);
    if (r == 0)
        r = cow_tree_commit(c, &c->table);
    if (r == 0)
        r = commit_epochs(c);
    if (r == 0)
        r = cow_alloc_commit(c);
    if (r == 0 && c->dirty_count)
        r = -EUCLEAN;
    if (r == 0)
        r = cow_queue_flush(c);
    if (r == 0)
        r = cow_land(c);
    if (r == 0)
        r = cow_super_write(c, flags);
    if (r < 0)
        return r;
    c->txg++;
    c->ctr_start = c->ctr;
    c->epochs_changed = c->super_changed = false;
    cow_alloc_written(c);
    return 0;
}

/* A barrier came back (r) that began when superblock txg was written. */
static int commit_done(struct cow *c, uint64_t txg, int r)
{
    if (r < 0)
        return cow_poison(c, r, "a commit failed");
    if (c->durable >= txg)
        return cow_error(c);
    c->durable = txg;
    cow_alloc_settle(c);
    if (c->anchor)
        r = cow_anchor_advance(
            c); /* to txg: a later superblock would be durable, and txg with it */
    if (r == 0)
        return 0;
    (void) cow_poison(c, r, "the freshness anchor refused"); /* which is in the log */
    return r == -ESTALE ? r : -EIO;
}

static bool nothing_to_do(const struct cow *c)
{
    return !c->claimed || (!changed(c) && c->durable == c->txg);
}

int cow_commit(struct cow *c, uint32_t flags)
{
    bool born = c->txg == 0;
    int r = 0;
    if (cow_error(c) || nothing_to_do(c))
        return cow_error(c);
    if (born || c->durable < c->txg)
        flags |= COW_SUPER_TWO_BARRIERS;
    if (changed(c))
        r = commit_write(c, flags);
    if (r == 0)
        r = c->dev->ops->barrier(c->dev);
    if (r == 0 && born && c->dev->ops->born)
        r = c->dev->ops->born(c->dev);
    return commit_done(c, c->txg, r);
}

/* Others may use the volume meanwhile. */
static int barrier_outside(struct cow *c)
{
    mutex_unlock(&c->lock);
    int r = c->dev->ops->barrier(c->dev);
    mutex_lock(&c->lock);
    return r;
}

/* So much data that it is made durable before: what is left for the commit, and for a mount to verify, is little. */
static int data_ahead(struct cow *c)
{
    uint64_t ctr = c->ctr;
    int r = cow_queue_flush(c);
    if (r == 0)
        r = cow_land(c);
    if (r == 0)
        r = barrier_outside(c);
    if (r == 0)
        c->durable_ctr = MAX(c->durable_ctr, ctr);
    return r < 0 ? cow_poison(c, r, "data were not made durable") : 0;
}

void cow_wait_turn(struct cow *c, bool syncs)
{
    while (c->holds || (c->syncing && !syncs)) {
        mutex_unlock(&c->lock);
        (void) wait_event(&c->held, !atomic_load(&c->holds) && (syncs || !atomic_load(&c->syncing)),
                          SLEEP_UNINTERRUPTIBLE, FOREVER);
        mutex_lock(&c->lock); /* whatever woke it, the loop looks again */
    }
}

static int sync_outside(struct cow *c)
{
    int r = commit_write(c, 0);
    uint64_t txg = c->txg;
    if (r == 0)
        r = barrier_outside(c);
    return commit_done(c, txg, r);
}

int cow_sync(struct cow *c)
{
    int r = 0;
    mutex_lock(&c->lock);
    cow_wait_turn(c, false);
    atomic_store(&c->syncing, true);
    if (c->claimed && c->txg && !cow_error(c) && cow_undurable(c) > COW_WALK_MAX)
        r = data_ahead(c);
    cow_wait_turn(c, true);
    if (r == 0)
        r = cow_error(c) || nothing_to_do(c) || c->txg == 0 ? cow_commit(c, 0) : sync_outside(c);
    atomic_store(&c->syncing, false);
    waitq_wake(&c->held, ~0u);
    mutex_unlock(&c->lock);
    return r;
}

void cow_hold(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    atomic_store(&c->holds, c->holds + 1);
}

void cow_release(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    check(c->holds > 0);
    atomic_store(&c->holds, c->holds - 1);
    if (c->holds == 0)
        waitq_wake(&c->held, ~0u);
}

int cow_error(struct cow *c)
{
    return atomic_load(&c->error);
}

uint64_t cow_txg(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    return c->txg;
}

bool cow_dirty(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    return !nothing_to_do(c);
}

void cow_space(struct cow *c, struct cow_space *ret)
{
    MUTEX_GUARD(&c->lock);
    uint64_t reserve = MAX(c->block_count / 50, (uint64_t) 64);
    uint64_t total = MAX(c->block_count, c->blocks_max);
    uint64_t left = total - c->block_count + c->free_count + c->pending_count + c->settling_count;
    *ret = (struct cow_space){total, left, left > reserve ? left - reserve : 0, c->inode_count};
}

int cow_room(struct cow *c, uint64_t blocks)
{
    MUTEX_GUARD(&c->lock);
    return cow_begin(c, blocks + blocks / COW_FAN + 4, COW_ADDS);
}
