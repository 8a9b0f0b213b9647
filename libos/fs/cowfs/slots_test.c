/* Key slots: another key, another enclave, a change of keys, each interrupted at every write; and what a host
 * that puts old headers back gets. */
#include "libos/fs/cowfs/volume.h"
#include "test/unit/cowdev.h"

#define BLOCKS     512u
#define DATA       100u /* blocks of the file in it */
#define WRITES_MAX 12u  /* a change of keys: the header's copies and an empty commit */

static struct cowdev *dev;
static uint8_t content[DATA * COW_BLOCK];
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

static struct cow_params recovery(const uint8_t key[32])
{
    struct cow_params p = user(key);
    p.kind = COW_SLOT_RECOVERY;
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
    assert_int_equal(cow_write(c, i, 0, COW_IO_BLOCKS, content, sizeof content), 0);
    assert_int_equal(cow_write(c, i, COW_IO_BLOCKS, DATA - COW_IO_BLOCKS, content, sizeof content),
                     0);
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
    assert_in_range(dev->arena_count - writes, 3, WRITES_MAX); /* no data */
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
    assert_int_equal(cow_slot_put(&s, &p), -ENOSPC);
    assert_ptr_equal(dev->view[0], block);
    assert_ptr_equal(dev->view[1], block);
    cowdev_free(dev);
}

/* Either key, and whoever did it does it again: then the old one is no more. */
static void interrupted(const struct cowdev_state *s, uint64_t content_is)
{
    uint64_t now;
    struct cow_params seal = sealed(), one = user(first_key), two = user(second_key);
    cowdev_restore(dev, s);
    assert_int_equal(look(seal, &now), 0);
    assert_int_equal(now, content_is);
    int first = look(one, &now), second = look(two, &now);
    assert_true(first == 0 || second == 0);
    assert_true(first == 0 || first == -EKEYREJECTED);
    assert_true(second == 0 || second == -EKEYREJECTED);
    assert_int_equal(cow_slot_put(&seal, &two), 0);
    assert_int_equal(look(two, &now), 0);
    assert_int_equal(look(one, &now), -EKEYREJECTED);
    dev->view[0] = s->view[0];
    dev->view[1] = s->view[1];
    first = look(one, &now);
    assert_true(first == -ESTALE || first == -EKEYREJECTED);
}

/* Whatever part of the change reached the disk, the writes in their order, torn at every eighth of a sector. */
TEST(cowfs_slots_crash)
{
    uint64_t before, now;
    start();
    struct cow_params s = sealed(), one = user(first_key), two = user(second_key);
    assert_int_equal(look(s, &before), 0);
    assert_int_equal(cow_slot_put(&s, &one), 0);
    struct cowdev_state old = cowdev_state(dev);
    dev->recording = true;
    assert_int_equal(cow_slot_put(&s, &two), 0);
    dev->recording = false;
    log_level = LOG_OFF;
    for (size_t n = 0; n < dev->event_count; n++) {
        const struct cowdev_event *e = &dev->events[n];
        if (e->kind != COWDEV_WRITE)
            continue;
        for (size_t cut = 0; cut < COW_BLOCK; cut += e->block < COW_FIRST ? 64 : 2048) {
            uint8_t torn[COW_BLOCK];
            memcpy(torn, e->data, cut);
            memcpy(torn + cut, old.view[e->block] + cut, COW_BLOCK - cut);
            struct cowdev_state cut_off = old;
            cut_off.view[e->block] = torn;
            interrupted(&cut_off, before);
        }
        old.view[e->block] = e->data;
    }
    cowdev_restore(dev, &old);
    assert_int_equal(look(two, &now), 0);
    for (unsigned nth = 1; nth <= 6; nth++) {
        dev->fail_in = nth;
        assert_int_equal(cow_slot_put(&s, &one), -EIO);
        dev->fail_in = 0;
        assert_int_equal(look(s, &now), 0);
    }
    log_level = LOG_ERROR;
    cowdev_free(dev);
}

/* The host puts the header back that an old key opens, after the change of keys: whoever opens the volume hears of
 * it, by whatever slot, and what was told of the slots' generations in the clear helps nobody. */
TEST(cowfs_slots_old_header)
{
    uint64_t now;
    start();
    struct cow_params s = sealed(), one = user(first_key), two = user(second_key);
    assert_int_equal(cow_slot_put(&s, &one), 0);
    struct cowdev_state old = cowdev_state(dev);
    assert_int_equal(cow_slot_put(&one, &two), 0);
    struct cowdev_state new = cowdev_state(dev);
    dev->view[0] = old.view[0];
    assert_int_equal(look(one, &now), -ESTALE);
    assert_int_equal(look(two, &now), 0); /* by the copy that is left */
    dev->view[1] = old.view[1];
    assert_int_equal(look(one, &now), -ESTALE);
    assert_int_equal(look(two, &now), -EKEYREJECTED);
    assert_int_equal(look(s, &now), -ESTALE);
    assert_int_equal(cow_slot_put(&one, &two), -ESTALE);
    assert_int_equal(cow_slot_put(&s, &two), -ESTALE);
    uint8_t block[COW_BLOCK];
    for (uint32_t fake = 0; fake < 4; fake++) {
        memcpy(block, old.view[0], sizeof block);
        memcpy(block + offsetof(struct cow_header_disk, slots[1].generation), &fake, sizeof fake);
        dev->view[0] = dev->view[1] = block;
        assert_int_equal(look(one, &now), fake == 1 ? -ESTALE : -EKEYREJECTED);
    }
    uint32_t kind = COW_SLOT_RECOVERY; /* the old slot as one of a kind that never was there */
    memcpy(block, old.view[0], sizeof block);
    memcpy(block + offsetof(struct cow_header_disk, slots[1].kind), &kind, sizeof kind);
    assert_int_equal(look(recovery(first_key), &now), -EKEYREJECTED);
    cowdev_restore(dev, &old); /* all of it, that is what an anchor is for */
    assert_int_equal(look(one, &now), 0);
    cowdev_restore(dev, &new);
    assert_int_equal(look(two, &now), 0);
    cowdev_free(dev);
}

/* A key in a safe: it opens the volume when the enclave and the user's key are lost, and only as what it is. */
TEST(cowfs_slots_recovery)
{
    uint64_t before, now;
    static const uint8_t third[32] = "the third";
    start();
    struct cow_params s = sealed(), mine = user(first_key), safe = recovery(second_key);
    assert_int_equal(look(s, &before), 0);
    assert_int_equal(cow_slot_put(&s, &mine), 0);
    assert_int_equal(cow_slot_put(&mine, &safe), 0);
    assert_int_equal(look(safe, &now), 0);
    assert_int_equal(now, before);
    assert_int_equal(look(user(second_key), &now), -EKEYREJECTED);
    assert_int_equal(look(recovery(first_key), &now), -EKEYREJECTED);
    struct cow_params lost = user(third);
    assert_int_equal(cow_slot_put(&safe, &lost), 0); /* a new user's key, the old one is lost */
    assert_int_equal(look(mine, &now), -EKEYREJECTED);
    assert_int_equal(look(lost, &now), 0);
    assert_int_equal(cow_slot_remove(&safe, COW_SLOT_RECOVERY), -EPERM);
    struct cowdev_state with = cowdev_state(dev);
    assert_int_equal(cow_slot_remove(&lost, COW_SLOT_RECOVERY), 0);
    assert_int_equal(look(safe, &now), -EKEYREJECTED);
    dev->view[0] = with.view[0];
    dev->view[1] = with.view[1];
    assert_int_equal(look(safe, &now), -ESTALE);
    assert_int_equal(look(s, &now), -ESTALE);
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
        assert_true(a == 0 || a == -EKEYREJECTED || a == -EBADMSG || a == -EOPNOTSUPP ||
                    a == -ESTALE);
        assert_true(b == 0 || b == -EKEYREJECTED || b == -EBADMSG || b == -EOPNOTSUPP ||
                    b == -ESTALE);
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
    assert_in_range(dev->arena_count, writes + 3, writes + WRITES_MAX);
    writes = dev->arena_count;
    assert_int_equal(cowfs_keys(&s), 0); /* once */
    assert_int_equal(dev->arena_count, writes);

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

/* A change of keys that was cut off behind the header: the next start with the key finishes it. */
TEST(cowfs_slots_finished_later)
{
    uint64_t now;
    struct cow *c;
    start();
    log_level = LOG_OFF;
    struct cow_params s = sealed(), one = user(first_key);
    assert_int_equal(cow_slot_put(&s, &one), 0);
    struct cowdev_state old = cowdev_state(dev);
    cowfs_user_key((struct cspan){second_key, 16});
    assert_int_equal(cowfs_keys(&s), 0);
    struct cowdev_state cut_off = old;
    cut_off.view[0] = dev->view[0];
    cut_off.view[1] = dev->view[1];
    cowdev_restore(dev, &cut_off);
    s = sealed();
    assert_int_equal(cowfs_keys(&s), 0);
    assert_int_equal(cow_mount(&s, &c), 0);
    assert_int_equal(cow_claim(c), 0);
    assert_int_equal(cow_unmount(c), 0);
    dev->view[0] = old.view[0];
    dev->view[1] = old.view[1];
    assert_int_equal(look(one, &now), -ESTALE);
    cowfs_user_key((struct cspan){0});
    log_level = LOG_ERROR;
    cowdev_free(dev);
}
