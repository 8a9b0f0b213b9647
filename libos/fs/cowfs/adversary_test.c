/* A hostile host that has the volume's file in its hands while it is closed: older states, forks, wrong keys. What it
 * can do to single blocks is tried out exhaustively by test/crash/attack.c. */
#include "test/unit/cowanchor.h"
#include "test/unit/cowdev.h"

#define BLOCKS 1024u

static struct cowdev *dev;
static struct cow_params params;
static uint64_t final_digest, tried, refused, failed, same, older;

static struct memory_anchor anchor;

static void fill(struct cow *c, unsigned round)
{
    struct cow_inode *root, *i, *d;
    static uint8_t buf[40 * COW_BLOCK];
    char name[20];
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    const struct cow_new dir = {.mode = S_IFDIR | 0755}, file = {.mode = S_IFREG | 0600};
    if (cow_lookup(c, root, COWNAME("d"), &d) < 0)
        assert_int_equal(cow_make(c, root, COWNAME("d"), &dir, &d), 0);
    for (unsigned n = 0; n < 6; n++) {
        snprintf(name, sizeof name, "f%u", n);
        if (cow_lookup(c, n % 2 ? d : root, COWNAME(name), &i) < 0)
            assert_int_equal(cow_make(c, n % 2 ? d : root, COWNAME(name), &file, &i), 0);
        memset(buf, (int) (n + 16 * round), sizeof buf);
        assert_int_equal(cow_write(c, i, n * 3, 10 + n * 5, buf, sizeof buf), 0);
        assert_int_equal(cow_xattr_set(c, i, "user.x", (struct cspan){buf, 10 * round}, 0), 0);
        cow_put(c, i);
    }
    snprintf(name, sizeof name, "only in round %u", round);
    assert_int_equal(cow_make(c, root, COWNAME(name), &file, &i), 0);
    cow_put(c, i);
    cow_put(c, d);
    cow_put(c, root);
}

/* Three mounts of several commits each; then the volume is closed. */
static void history(bool anchored)
{
    dev = cowdev_new();
    params = cowdev_params(dev, BLOCKS);
    anchor = (struct memory_anchor){.anchor.ops = &memory_anchor_ops};
    dev->recording = true;
    assert_int_equal(cow_create(&params), 0);
    params.anchor = anchored ? &anchor.anchor : NULL;
    for (unsigned round = 0; round < 9; round++) {
        struct cow *c;
        assert_int_equal(cow_mount(&params, &c), 0);
        fill(c, round);
        assert_int_equal(cow_sync(c), 0);
        assert_int_equal(cowdev_digest(c, &final_digest), 0);
        assert_int_equal(cow_unmount(c), 0);
    }
    dev->recording = false;
    params.anchor = NULL;
    tried = refused = failed = same = older = 0;
}

static void attack(bool anchored)
{
    struct memory_anchor copy = anchor;
    struct cow *c;
    uint64_t digest;
    size_t arena = dev->arena_count;
    params.anchor = anchored ? &copy.anchor : NULL;
    tried++;
    int r = cow_mount(&params, &c);
    if (r < 0) {
        assert_true(r == -EBADMSG || r == -EKEYREJECTED || r == -ESTALE || r == -EUCLEAN ||
                    r == -ENODATA || r == -EIO || r == -EOPNOTSUPP);
        refused++;
    } else {
        r = cowdev_digest(c, &digest);
        if (r < 0)
            failed++;
        else if (digest == final_digest)
            same++;
        else
            older++;
        cow_abandon(c);
    }
    while (dev->arena_count > arena)
        free(dev->arena[--dev->arena_count]);
}

/* The whole file of an earlier moment: an anchor refuses it, without one nothing can. */
TEST(cowfs_rollback)
{
    log_level = LOG_OFF;
    for (int anchored = 0; anchored < 2; anchored++) {
        history(anchored);
        const uint8_t *old[COWDEV_BLOCKS];
        for (unsigned b = 0; b < COWDEV_BLOCKS; b++)
            old[b] = cowdev_zero;
        size_t events = dev->event_count * 2 / 3;
        for (size_t n = 0; n < events; n++)
            if (dev->events[n].kind == COWDEV_WRITE)
                old[dev->events[n].block] = dev->events[n].data;
        memcpy(dev->view, old, sizeof old);
        attack(anchored);
        assert_int_equal(anchored ? refused : older, 1);
        cowdev_free(dev);
    }
    log_level = LOG_ERROR;
}

/* Restarted from the same state, with different data: no nonce repeats, because the keys differ. */
TEST(cowfs_fork_of_a_volume)
{
    history(false);
    const uint8_t *saved[COWDEV_BLOCKS];
    uint8_t salt[2][32];
    memcpy(saved, dev->view, sizeof saved);
    uint64_t txg[2];
    for (int n = 0; n < 2; n++) {
        struct cow *c;
        memcpy(dev->view, saved, sizeof saved);
        assert_int_equal(cow_mount(&params, &c), 0);
        fill(c, 20);
        assert_int_equal(cow_sync(c), 0);
        txg[n] = cow_txg(c);
        memcpy(salt[n], dev->view[COW_RING_FIRST + txg[n] % COW_RING] + 16, 32);
        cow_abandon(c);
    }
    assert_int_equal(txg[0], txg[1]);
    assert_memory_not_equal(salt[0], salt[1], 32);
    cowdev_free(dev);
}

/* A second instance on the same volume: the anchor tells the first one. */
TEST(cowfs_two_instances)
{
    log_level = LOG_OFF;
    history(true);
    struct cow *a, *b;
    params.anchor = &anchor.anchor;
    assert_int_equal(cow_mount(&params, &a), 0);
    assert_int_equal(cow_mount(&params, &b), 0);
    fill(a, 30);
    assert_int_equal(cow_sync(a), 0);
    fill(b, 31);
    assert_int_equal(cow_sync(b), -ESTALE);
    assert_int_equal(cow_error(b), -EIO);
    cow_abandon(a);
    cow_abandon(b);
    cowdev_free(dev);
    log_level = LOG_ERROR;
}

/* Nothing is ever made because opening failed. */
TEST(cowfs_wrong_key_and_destroyed)
{
    static const uint8_t other[32] = "another key";
    struct cow *c;
    history(false);
    struct cow_params p = params;
    p.user_key = other;
    assert_int_equal(cow_mount(&p, &c), -EKEYREJECTED);
    p = params;
    p.name = "data";
    assert_int_equal(cow_mount(&p, &c), -EKEYREJECTED); /* another volume's file under this name */
    p = params;
    p.kind = COW_SLOT_SEALED;
    p.slot_secret = cow_secret_sealed;
    assert_int_equal(cow_mount(&p, &c), -EKEYREJECTED); /* it has no such slot */
    size_t writes = dev->arena_count;
    dev->view[0] = dev->view[1] = cowdev_zero;
    assert_int_equal(cow_mount(&params, &c), -EBADMSG);
    dev->dev.blocks = 0;
    assert_int_equal(cow_mount(&params, &c), -ENODATA);
    assert_int_equal(dev->arena_count, writes);
    cowdev_free(dev);
}

TEST(cowfs_sealed_slot)
{
    struct cow *c;
    dev = cowdev_new();
    params = cowdev_params(dev, BLOCKS);
    params.kind = COW_SLOT_SEALED;
    params.slot_secret = cow_secret_sealed;
    assert_int_equal(cow_create(&params), 0);
    assert_int_equal(cow_mount(&params, &c), 0);
    fill(c, 1);
    assert_int_equal(cow_unmount(c), 0);
    assert_int_equal(cow_mount(&params, &c), 0);
    assert_int_equal(cow_check(c), 0);
    cow_abandon(c);
    cowdev_free(dev);
}

/* Nothing of names and contents is in what the host sees. */
TEST(cowfs_shows_nothing)
{
    history(false);
    for (uint64_t b = 0; b < BLOCKS; b++)
        for (size_t at = 0; at + 7 < COW_BLOCK; at++) {
            assert_true(memcmp(dev->view[b] + at, "only in", 7) != 0);
            assert_true(memcmp(dev->view[b] + at, "user.x", 6) != 0);
        }
    cowdev_free(dev);
}
