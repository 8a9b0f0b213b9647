/* Where blocks go: what belongs to one commit, or was written one after the other, reaches the device in few calls also
 * when free places are scattered; the file below stays about as large as what was in it at most; and the last block is
 * found. */
#include "test/unit/cowdev.h"

static struct cowdev *dev;
static struct cow_params params;
static struct cow *c;
static struct cow_inode *f;
static uint8_t content[COW_BLOCK];

static void start(uint64_t blocks, uint64_t most)
{
    const struct cow_new file = {.mode = S_IFREG | 0600};
    struct cow_inode *root;
    dev = cowdev_new();
    params = cowdev_params(dev, blocks);
    params.blocks_max = most;
    assert_int_equal(cow_mount_new(&params, &c), 0);
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(c, root, COWNAME("f"), &file, &f), 0);
    cow_put(c, root);
}

static void finish(void)
{
    cow_put(c, f);
    assert_int_equal(cow_check(c), 0);
    assert_int_equal(cow_unmount(c), 0);
    cowdev_free(dev);
}

static int put(uint64_t block)
{
    return cow_write(c, f, block, 1, content, (block + 1) * COW_BLOCK);
}

static uint32_t next_random(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

/* Half of the places are free, nowhere many of them side by side. */
static void scatter(uint64_t count)
{
    for (uint64_t n = 0; n < count; n++)
        assert_int_equal(put(n), 0);
    assert_int_equal(cow_sync(c), 0);
    for (uint64_t n = 0; n < count; n += 16)
        assert_int_equal(cow_punch(c, f, n, 8), 0);
    assert_int_equal(cow_sync(c), 0);
}

TEST(cowfs_commits_in_runs)
{
    uint32_t seed = 1;
    start(3600, 3600);
    scatter(3000);
    unsigned before = dev->writes;
    for (unsigned n = 0; n < 400; n++) {
        assert_int_equal(put(next_random(&seed) >> 8 & 2047), 0);
        assert_int_equal(cow_sync(c), 0);
    }
    assert_true(dev->writes - before < 400 * 3); /* one of them is the superblock */
    before = dev->writes;
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal(put(next_random(&seed) >> 8 & 2047), 0);
    assert_int_equal(cow_sync(c), 0);
    assert_true(dev->writes - before < 1000 / 2);
    finish();
}

TEST(cowfs_queued_blocks_are_read)
{
    uint8_t got[COW_BLOCK];
    void *dst[1] = {got};
    int each[1];
    const uint64_t block[1] = {1};
    start(1024, 1024);
    assert_int_equal(cow_sync(c), 0);
    for (unsigned n = 0; n < 4; n++) {
        memset(content, 'a' + (int) n, sizeof content);
        assert_int_equal(put(n), 0);
    }
    unsigned before = dev->writes;
    memset(content, 'b', sizeof content);
    cow_read_list(c, f, block, 1, dst, each);
    assert_int_equal(each[0], 0);
    assert_memory_equal(got, content, sizeof got);
    assert_int_equal(dev->writes, before + 1);
    content[0] = 'x';
    assert_int_equal(put(1), 0);
    assert_int_equal(dev->writes, before + 1);
    assert_int_equal(cow_read(c, f, 1, 1, got), 0);
    assert_memory_equal(got, content, sizeof got);
    assert_int_equal(put(2), 0);
    before = dev->writes;
    assert_int_equal(cow_send(c), 0);
    assert_int_equal(dev->writes, before + 1);
    finish();
}

/* What is written again and again takes turns in the same places. */
TEST(cowfs_stays_small)
{
    uint32_t seed = 5;
    start(256, COWDEV_BLOCKS);
    for (unsigned n = 0; n < 4000; n++) {
        assert_int_equal(put((next_random(&seed) >> 8) % 1000), 0);
        if (n % 50 == 0)
            assert_int_equal(cow_sync(c), 0);
    }
    uint64_t highest = 0;
    for (uint64_t n = COW_FIRST; n < COWDEV_BLOCKS; n++)
        if (dev->view[n] != cowdev_zero)
            highest = n;
    assert_true(highest < 2000);
    finish();
}

TEST(cowfs_finds_the_last_block)
{
    uint32_t seed = 9;
    start(1024, 1024);
    uint64_t n = 0;
    int r = 0;
    while ((r = put(n)) == 0)
        n++;
    assert_int_equal(r, -ENOSPC);
    assert_true(n > 1024 - COW_FIRST - 200);
    for (unsigned k = 0; k < 300; k++) { /* nothing is free but the reserve */
        r = put((next_random(&seed) >> 8) % n);
        assert_true(r == 0 || r == -ENOSPC);
        assert_int_equal(cow_sync(c), 0);
    }
    finish();
}
