/* The freshness anchor in a file: what a host can do to both files at any moment, and what crashes leave. */
#include "libos/fs/cowfs/anchor.h"
#include "test/unit/cowdev.h"

#define BLOCKS  512u
#define COMMITS 6u

static struct cowdev *dev, *store;
static struct file_anchor anchor;
static struct cow_params params;

static void start(void)
{
    dev = cowdev_new();
    store = cowdev_new();
    file_anchor_init(&anchor, &store->dev);
    params = cowdev_params(dev, BLOCKS);
    params.anchor = &anchor.anchor;
    assert_int_equal(cow_create(&params), 0);
    log_level = LOG_OFF;
}

static void done(void)
{
    log_level = LOG_ERROR;
    cowdev_free(dev);
    cowdev_free(store);
}

static void commit(struct cow *c, char name)
{
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(c, root, (struct cow_name){&name, 1}, &what, &i), 0);
    cow_put(c, i);
    cow_put(c, root);
    assert_int_equal(cow_sync(c), 0);
}

struct moment { /* what both hosts had then */
    const uint8_t *volume[BLOCKS], *anchor[2];
    uint64_t txg;
};
static struct moment moments[COMMITS];

static void record(struct moment *m, uint64_t txg)
{
    memcpy(m->volume, dev->view, sizeof m->volume);
    memcpy(m->anchor, store->view, sizeof m->anchor);
    m->txg = txg;
}

static int mount_at(const struct moment *volume, const struct moment *a, uint64_t *ret_txg)
{
    struct cow *c;
    memcpy(dev->view, volume->volume, sizeof volume->volume);
    memcpy(store->view, a->anchor, sizeof a->anchor);
    int r = cow_mount(&params, &c);
    if (r == 0) {
        *ret_txg = cow_txg(c);
        cow_abandon(c);
    }
    return r;
}

static void history(void)
{
    struct cow *c;
    start();
    assert_int_equal(cow_mount(&params, &c), 0);
    for (unsigned n = 0; n < COMMITS; n++) {
        commit(c, (char) ('a' + n));
        record(&moments[n], cow_txg(c));
    }
    cow_abandon(c);
}

TEST(cowfs_anchor_refuses_older)
{
    history();
    for (unsigned v = 0; v < COMMITS; v++)
        for (unsigned a = 0; a < COMMITS; a++) {
            uint64_t txg = 0;
            int r = mount_at(&moments[v], &moments[a], &txg);
            assert_int_equal(r, v >= a ? 0 : -ESTALE); /* a host of both can turn both back */
            if (r == 0)
                assert_int_equal(txg, moments[v].txg);
        }
    done();
}

/* Nothing, zeros, one copy, the other volume's, flipped bits: never more than an older anchor. */
TEST(cowfs_anchor_damaged)
{
    uint64_t txg;
    history();
    const struct moment *last = &moments[COMMITS - 1];
    struct moment m = *last;
    static uint8_t block[COW_BLOCK];
    for (unsigned copy = 0; copy < 2; copy++) /* torn: the volume is ahead by one at most */
        for (size_t at = 0; at < 64; at++) {
            memcpy(block, last->anchor[copy], sizeof block);
            block[at] ^= 0x10;
            m = *last;
            m.anchor[copy] = block;
            assert_int_equal(mount_at(last, &m, &txg), 0);
            assert_int_equal(mount_at(&moments[COMMITS - 3], &m, &txg), -ESTALE);
        }
    m.anchor[0] = m.anchor[1] = block;
    block[0] ^= 1;
    assert_int_equal(mount_at(last, &m, &txg), -ESTALE);
    m.anchor[0] = m.anchor[1] = cowdev_zero;
    assert_int_equal(mount_at(last, &m, &txg), -ESTALE);
    store->dev.blocks = 1;
    assert_int_equal(mount_at(last, last, &txg), -ESTALE);
    store->dev.blocks = 0;
    assert_int_equal(mount_at(last, last, &txg), -ESTALE);
    store->dev.blocks = 2;
    assert_int_equal(mount_at(last, last, &txg), 0);
    done();
}

/* Neither an empty volume nor another one takes the place of the one that is anchored. */
TEST(cowfs_anchor_belongs_to_one)
{
    struct cow *c;
    history();
    struct moment mine;
    record(&mine, 0);
    assert_int_equal(cow_create(&params), -ESTALE);
    assert_memory_equal(dev->view, mine.volume, sizeof mine.volume);
    params.anchor = NULL;
    assert_int_equal(cow_create(&params), 0);
    params.anchor = &anchor.anchor;
    assert_int_equal(cow_mount(&params, &c), -ESTALE);
    done();
}

/* An old volume gets an anchor when it is asked for; from then on it has to be there. */
TEST(cowfs_anchor_comes_later)
{
    struct cow *c;
    start();
    params.anchor = NULL;
    assert_int_equal(cow_create(&params), 0);
    assert_int_equal(cow_mount(&params, &c), 0);
    commit(c, 'x');
    assert_int_equal(cow_unmount(c), 0);
    store->view[0] = store->view[1] = cowdev_zero;
    params.anchor = &anchor.anchor;
    assert_int_equal(cow_mount(&params, &c), 0);
    commit(c, 'y');
    assert_int_equal(cow_unmount(c), 0);
    store->view[0] = store->view[1] = cowdev_zero;
    assert_int_equal(cow_mount(&params, &c), -ESTALE);
    done();
}

/* An anchor that cannot be written: the commit is not acknowledged, and the volume is not lost. */
TEST(cowfs_anchor_fails)
{
    struct cow *c;
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    for (unsigned nth = 1; nth <= 3; nth++) {
        start();
        assert_int_equal(cow_mount(&params, &c), 0);
        assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
        assert_int_equal(cow_make(c, root, COWNAME("n"), &what, &i), 0);
        cow_put(c, i);
        cow_put(c, root);
        store->fail_in = nth;
        assert_int_equal(cow_sync(c), -EIO);
        assert_int_equal(cow_error(c), -EIO);
        store->fail_in = 0;
        cow_abandon(c);
        assert_int_equal(cow_mount(&params, &c), 0); /* ahead of its anchor */
        assert_int_equal(cow_check(c), 0);
        assert_int_equal(cow_unmount(c), 0);
        done();
    }
}

/* Two instances that went on from one state have the same number. The one whose commit was not acknowledged is not
 * taken for the other one. */
TEST(cowfs_anchor_knows_which)
{
    struct cow *c;
    uint64_t txg;
    history();
    struct moment *before = &moments[COMMITS - 2], *acknowledged = &moments[COMMITS - 1], other;
    assert_int_equal(mount_at(before, before, &txg), 0);
    assert_int_equal(cow_mount(&params, &c), 0);
    memcpy(store->view, acknowledged->anchor, sizeof acknowledged->anchor);
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(c, root, COWNAME("other"), &what, &i), 0);
    cow_put(c, i);
    cow_put(c, root);
    assert_int_equal(cow_sync(c), -ESTALE);
    assert_int_equal(cow_txg(c), acknowledged->txg);
    record(&other, acknowledged->txg);
    cow_abandon(c);
    assert_int_equal(mount_at(&other, acknowledged, &txg), -ESTALE);
    assert_int_equal(mount_at(acknowledged, acknowledged, &txg), 0);
    done();
}
