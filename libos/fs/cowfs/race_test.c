/* A volume on memory that its host changes while it is read: in another thread, and between two looks at one block. What
 * is read is what was written, or an error. */
#include <pthread.h>
#include "libos/base/atomic.h"
#include "test/unit/cowdev.h"

#define BLOCKS 512u
#define DATA   150u

static struct cowdev *dev;
static struct cow_params params;
static uint8_t content[DATA * COW_BLOCK];
static bool stop;

static void start(void)
{
    struct cow *c;
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    for (size_t n = 0; n < sizeof content; n++)
        content[n] = (uint8_t) (n * 7 / 5 + n / COW_BLOCK);
    dev = cowdev_new();
    params = cowdev_params(dev, BLOCKS);
    assert_int_equal(cow_create(&params), 0);
    assert_int_equal(cow_mount(&params, &c), 0);
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(c, root, COWNAME("f"), &what, &i), 0);
    for (uint32_t at = 0; at < DATA; at += 50)
        assert_int_equal(cow_write(c, i, at, 50, content + at * COW_BLOCK, (at + 50) * COW_BLOCK),
                         0);
    cow_put(c, i);
    cow_put(c, root);
    assert_int_equal(cow_unmount(c), 0);
}

/* The blocks that came; errors are counted, and so is an older commit, where the newest superblock was not one when it
 * was read (there is no anchor here). Everything anew: mount, names, nodes, data. */
static unsigned look(unsigned *ret_errors)
{
    static uint8_t block[COW_BLOCK];
    struct cow *c;
    struct cow_inode *root, *i = NULL;
    unsigned good = 0;
    int r = cow_mount(&params, &c);
    if (r < 0) {
        ++*ret_errors;
        return 0;
    }
    r = cow_get(c, COW_INO_ROOT, &root);
    if (r == 0) {
        r = cow_lookup(c, root, COWNAME("f"), &i);
        cow_put(c, root);
    }
    for (uint64_t b = 0; r == 0 && b < DATA; b++) {
        int got = cow_read(c, i, b, 1, block);
        if (got == 0)
            assert_memory_equal(block, content + b * COW_BLOCK, COW_BLOCK);
        good += got == 0;
        *ret_errors += got < 0;
    }
    if (r == 0)
        cow_put(c, i);
    else
        ++*ret_errors;
    cow_abandon(c);
    return good;
}

static void *race(void *arg)
{
    for (unsigned at = 1; !atomic_load(&stop); at = (at + 1237) % COW_BLOCK)
        for (unsigned turn = 0; turn < 2; turn++)
            for (size_t n = 0; n < dev->arena_count; n++)
                ((volatile uint8_t *) dev->arena[n])[at] ^= 0x20;
    return NULL;
}

TEST(cowfs_racing_host)
{
    pthread_t thread;
    unsigned good = 0, errors = 0;
    start();
    log_level = LOG_OFF;
    stop = false;
    assert_int_equal(pthread_create(&thread, NULL, race, NULL), 0);
    for (unsigned n = 0; n < 200 || ((!good || !errors) && n < 100000); n++)
        good += look(&errors);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_true(good > 0 && errors > 0);
    errors = 0;
    assert_int_equal(look(&errors), DATA);
    assert_int_equal(errors, 0);
    log_level = LOG_ERROR;
    cowdev_free(dev);
}

static unsigned looks[COWDEV_BLOCKS];

static int read_once(struct cow_dev *d, uint64_t block, uint32_t count, void *dst)
{
    int r = cowdev_read(d, block, count, dst);
    for (uint32_t n = 0; r == 0 && n < count; n++)
        if (looks[block + n]++)
            ((uint8_t *) dst)[n * COW_BLOCK + 33] ^= 1;
    return r;
}

/* From the header on no block is asked for twice by an operation: the second answer would be another one. */
TEST(cowfs_one_look)
{
    static struct cow_dev_ops ops;
    unsigned errors = 0;
    start();
    ops = *dev->dev.ops;
    ops.read = read_once;
    dev->dev.ops = &ops;
    uint32_t generation;
    assert_int_equal(cow_slot_try(&params, &generation), 0);
    memset(looks, 0, sizeof looks);
    assert_int_equal(look(&errors), DATA);
    assert_int_equal(errors, 0);
    cowdev_free(dev);
}
