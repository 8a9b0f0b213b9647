/* Volumes of somebody who has the key and means harm: what authenticates and makes no sense. The cipher is none,
 * so that a test can write what it likes; fuzz/cowfs.c found these. */
#include "test/unit/cowdev.h"
#include "test/unit/nullcipher.h"

#define BLOCKS 512u

static struct cowdev *dev;
static struct cow_params params;

static void start(void)
{
    dev = cowdev_new();
    params = cowdev_params(dev, BLOCKS);
    params.cipher = &null_cipher;
    assert_int_equal(cow_create(&params), 0);
    log_level = LOG_OFF;
}

static void done(void)
{
    log_level = LOG_ERROR;
    cowdev_free(dev);
}

/* A superblock of somebody who has the key, and disagrees with itself: each byte of it in turn. */
TEST(cowfs_superblock_nonsense)
{
    static struct cow_super_disk s;
    struct cow *c;
    start();
    uint64_t at = COW_RING_FIRST + 1; /* of the first commit */
    const uint8_t *good = dev->view[at];
    for (size_t n = 0; n < sizeof s - sizeof s.unused; n++) {
        memcpy(&s, good, sizeof s);
        ((uint8_t *) &s)[n] ^= 0x81;
        dev->view[at] = (const uint8_t *) &s;
        if (cow_mount(&params, &c) == 0)
            cow_abandon(c);
    }
    memcpy(&s, good, sizeof s);
    s.body.txg += COW_RING;
    assert_int_equal(cow_mount(&params, &c), -EUCLEAN);
    s.body.txg = s.txg;
    assert_int_equal(cow_mount(&params, &c), 0);
    cow_abandon(c);
    done();
}

/* Exchanges the only place where text is for other text of the same length. */
static void replace(const char *text, const char *with)
{
    static uint8_t block[COW_BLOCK];
    size_t n = strlen(text);
    unsigned found = 0;
    for (uint64_t b = COW_FIRST; b < BLOCKS; b++)
        for (size_t at = 0; at + n <= COW_BLOCK; at++)
            if (memcmp(dev->view[b] + at, text, n) == 0) {
                memcpy(block, dev->view[b], COW_BLOCK);
                memcpy(block + at, with, n);
                dev->view[b] = block;
                found++;
            }
    assert_int_equal(found, 1);
}

/* No name that is a path, or ends early, ever reaches a program or a tool. */
TEST(cowfs_names_of_a_liar)
{
    static const char *const names[] = {"../../tmp", "/etcetera", "nine\0char"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct cow *c;
        struct cow_inode *root, *file;
        const struct cow_new what = {.mode = S_IFREG | 0600};
        struct cow_dirent e;
        start();
        assert_int_equal(cow_mount(&params, &c), 0);
        assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
        assert_int_equal(cow_make(c, root, COWNAME("nine.char"), &what, &file), 0);
        cow_put(c, file);
        cow_put(c, root);
        assert_int_equal(cow_unmount(c), 0);
        char with[10] = {0};
        memcpy(with, names[i], 9);
        replace("nine.char", with);
        assert_int_equal(cow_mount(&params, &c), 0);
        assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
        assert_int_equal(cow_readdir(c, root, 0, &e), -EUCLEAN);
        cow_put(c, root);
        assert_true(cow_check(c) > 0);
        cow_abandon(c);
        done();
    }
}
