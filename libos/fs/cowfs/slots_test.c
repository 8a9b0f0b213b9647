/* Key slots: another key, another enclave, a change of keys, each interrupted at every write; and what a host
 * that puts old headers back gets. */
#include "libos/fs/cowfs/volume.h"
#include "test/unit/cowdev.h"

#define BLOCKS 512u

static struct cowdev *dev;
static const uint8_t first_key[32] = "the user's first key", second_key[32] = "the second";

static struct cow_params sealed(void)
{
    struct cow_params p = cowdev_params(dev, BLOCKS);
    p.kind = COW_SLOT_SEALED;
    p.slot_secret = cow_secret_sealed;
    return p;
}

static struct cow_params user(const uint8_t key[32])
{
    struct cow_params p = cowdev_params(dev, BLOCKS);
    p.user_key = key;
    return p;
}

/* The number of what is in it, or the error. */
static int look(struct cow_params p, uint64_t *ret)
{
    struct cow *c;
    int r = cow_mount(&p, &c);
    if (r < 0)
        return r;
    *ret = 1;
    r = cowdev_digest_inode(c, COW_INO_ROOT, 1, ret);
    cow_abandon(c);
    return r;
}

static void start(void)
{
    dev = cowdev_new();
    struct cow_params p = sealed();
    struct cow *c;
    struct cow_inode *root, *i;
    const struct cow_new file = {.mode = S_IFREG | 0600};
    assert_int_equal(cow_create(&p), 0);
    assert_int_equal(cow_mount(&p, &c), 0);
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(c, root, (struct cow_name){"f", 1}, &file, &i), 0);
    assert_int_equal(cow_write(c, i, 0, 1, cowdev_zero, 5), 0);
    cow_put(c, i);
    cow_put(c, root);
    assert_int_equal(cow_unmount(c), 0);
}

TEST(cowfs_slots_add_and_change)
{
    uint64_t before, now;
    start();
    struct cow_params s = sealed(), one = user(first_key), two = user(second_key);
    assert_int_equal(look(s, &before), 0);
    assert_int_equal(look(one, &now), -EKEYREJECTED);
    size_t writes = dev->arena_count;
    assert_int_equal(cow_slot_put(&s, &one), 0);
    assert_int_equal(dev->arena_count - writes, 2); /* the header's copies and nothing else */
    assert_int_equal(look(one, &now), 0);
    assert_int_equal(now, before);
    assert_int_equal(look(s, &now), 0);
    assert_int_equal(cow_slot_put(&two, &one), -EKEYREJECTED);
    assert_int_equal(cow_slot_put(&one, &two), 0); /* in place of the first one */
    assert_int_equal(look(one, &now), -EKEYREJECTED);
    assert_int_equal(look(two, &now), 0);
    assert_int_equal(look(s, &now), 0);
    assert_int_equal(now, before);
    assert_int_equal(cow_slot_put(&two, &s), 0); /* sealed anew */
    assert_int_equal(look(s, &now), 0);
    cowdev_free(dev);
}

TEST(cowfs_slots_none_left)
{
    start();
    struct cow_params s = sealed(), p = user(first_key);
    struct cow_header_disk h;
    uint8_t block[COW_BLOCK];
    memcpy(block, dev->view[0], sizeof block);
    memcpy(&h, block, sizeof h);
    for (unsigned i = 0; i < COW_SLOTS; i++)
        h.slots[i].kind = h.slots[i].kind ? h.slots[i].kind : 77 + i;
    memcpy(block, &h, sizeof h);
    dev->view[0] = dev->view[1] = block;
    size_t writes = dev->arena_count;
    assert_int_equal(cow_slot_put(&s, &p), -ENOSPC);
    assert_int_equal(dev->arena_count, writes);
    cowdev_free(dev);
}

/* Whatever part of the change reached the disk, torn at every sector: the key that did it still opens the
 * volume, and the one that was replaced does so or not. */
TEST(cowfs_slots_crash)
{
    uint64_t before, now;
    start();
    struct cow_params s = sealed(), one = user(first_key), two = user(second_key);
    assert_int_equal(look(s, &before), 0);
    assert_int_equal(cow_slot_put(&s, &one), 0);
    const uint8_t *old[2] = {dev->view[0], dev->view[1]};
    assert_int_equal(cow_slot_put(&s, &two), 0);
    const uint8_t *new[2] = {dev->view[0], dev->view[1]};
    for (unsigned copy = 0; copy < 2; copy++)
        for (size_t cut = 0; cut <= COW_BLOCK; cut += 64) {
            uint8_t torn[COW_BLOCK];
            memcpy(torn, new[copy], cut);
            memcpy(torn + cut, old[copy] + cut, COW_BLOCK - cut);
            dev->view[0] = copy == 0 ? torn : new[0];
            dev->view[1] = copy == 0 ? old[1] : torn;
            assert_int_equal(look(s, &now), 0);
            assert_int_equal(now, before);
            int first = look(one, &now), second = look(two, &now);
            assert_true(first == 0 || second == 0);
            assert_true(first == 0 || first == -EKEYREJECTED);
            assert_true(second == 0 || second == -EKEYREJECTED);
            struct cow_params fresh = user(second_key); /* and it can be done again */
            assert_int_equal(cow_slot_put(&s, &fresh), 0);
            assert_int_equal(look(two, &now), 0);
        }
    for (unsigned nth = 1; nth <= 4; nth++) {
        dev->fail_in = nth;
        assert_int_equal(cow_slot_put(&s, &one), -EIO);
        dev->fail_in = 0;
        assert_int_equal(look(s, &now), 0);
    }
    cowdev_free(dev);
}

/* A header that the host changed opens nothing, and a slot of another volume neither. */
TEST(cowfs_slots_changed)
{
    uint64_t now;
    start();
    struct cow_params s = sealed(), one = user(first_key);
    assert_int_equal(cow_slot_put(&s, &one), 0);
    uint8_t block[COW_BLOCK];
    const uint8_t *good = dev->view[0];
    dev->view[0] = dev->view[1] = block;
    log_level = LOG_OFF;
    for (size_t at = 0; at < offsetof(struct cow_header_disk, slots) + 2 * sizeof(struct cow_slot);
         at++) {
        memcpy(block, good, sizeof block);
        block[at] ^= 1;
        int a = look(s, &now), b = look(one, &now);
        assert_true(a < 0 || b < 0 || at >= offsetof(struct cow_header_disk, slots));
        assert_true(a == 0 || a == -EKEYREJECTED || a == -EBADMSG || a == -EOPNOTSUPP);
        assert_true(b == 0 || b == -EKEYREJECTED || b == -EBADMSG || b == -EOPNOTSUPP);
    }
    struct cowdev *here = dev;
    start();
    memcpy(block, good, sizeof block);
    memcpy(block + offsetof(struct cow_header_disk, slots),
           dev->view[0] + offsetof(struct cow_header_disk, slots),
           COW_SLOTS * sizeof(struct cow_slot));
    cowdev_free(dev);
    dev = here;
    assert_int_equal(look(s, &now), -EKEYREJECTED);
    log_level = LOG_ERROR;
    cowdev_free(dev);
}

/* As the kernel uses them: with the user's key at hand, and without. */
TEST(cowfs_slots_of_an_enclave)
{
    uint64_t now;
    start();
    log_level = LOG_OFF;
    struct cow_params s = sealed();
    size_t writes = dev->arena_count;
    cowfs_user_key((struct cspan){0});
    assert_int_equal(cowfs_keys(&s), 0);
    assert_int_equal(dev->arena_count, writes);
    cowfs_user_key((struct cspan){first_key, 16});
    assert_int_equal(cowfs_keys(&s), 0); /* gives it a slot */
    assert_int_equal(dev->arena_count, writes + 2);
    assert_int_equal(cowfs_keys(&s), 0); /* once */
    assert_int_equal(dev->arena_count, writes + 2);

    uint8_t block[COW_BLOCK]; /* an enclave that the seal does not open for */
    memcpy(block, dev->view[0], sizeof block);
    block[offsetof(struct cow_header_disk, slots[0].key_id)] ^= 1;
    dev->view[0] = dev->view[1] = block;
    assert_int_equal(look(s, &now), -EKEYREJECTED);
    cowfs_user_key((struct cspan){second_key, 16});
    assert_int_equal(cowfs_keys(&s), -EKEYREJECTED);
    cowfs_user_key((struct cspan){first_key, 16});
    assert_int_equal(cowfs_keys(&s), 0);
    assert_int_equal(look(s, &now), 0);
    cowfs_user_key((struct cspan){0});
    log_level = LOG_ERROR;
    cowdev_free(dev);
}
