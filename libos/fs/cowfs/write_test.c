/* Batches of blocks, which are sealed and written without the volume's lock: what others do meanwhile. */
#include "test/unit/cowdev.h"

#define BATCH 16u

static struct cowdev *dev;
static struct cow *vol;
static struct cow_inode *file;
static struct cow_dev_ops ops;
static uint8_t content[BATCH * COW_BLOCK];
static uint64_t batch_at;                        /* where the last batch was written */
static void (*in_batch)(void), (*in_seal)(void); /* once */

static void hook(void (**fn)(void))
{
    void (*f)(void) = *fn;
    *fn = NULL;
    if (f)
        f();
}

static int watched_write(struct cow_dev *d, uint64_t block, uint32_t count, const void *src)
{
    if (count == BATCH) {
        batch_at = block;
        hook(&in_batch);
    }
    return cowdev_write(d, block, count, src);
}

static void watched_seal(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE],
                         struct cspan aad, struct cspan in, uint8_t *out,
                         uint8_t ret_tag[GCM_TAG_SIZE])
{
    if (in.p == content)
        hook(&in_seal);
    gcm_seal(k, nonce, aad, in, out, ret_tag);
}

static struct cow_params start(void)
{
    static const struct cow_cipher cipher = {watched_seal, gcm_open};
    const struct cow_new what = {.mode = S_IFREG | 0600};
    struct cow_inode *root;
    (void) unit_process();
    dev = cowdev_new();
    ops = *dev->dev.ops;
    ops.write = watched_write;
    dev->dev.ops = &ops;
    struct cow_params p = cowdev_params(dev, 1024);
    p.cipher = &cipher;
    assert_int_equal(cow_create(&p), 0);
    assert_int_equal(cow_mount(&p, &vol), 0);
    assert_int_equal(cow_get(vol, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_make(vol, root, COWNAME("f"), &what, &file), 0);
    cow_put(vol, root);
    assert_int_equal(cow_sync(vol), 0);
    for (size_t n = 0; n < sizeof content; n++)
        content[n] = (uint8_t) (n * 7 / 5 + n / COW_BLOCK);
    return p;
}

static int write_batch(void)
{
    return cow_write(vol, file, 0, BATCH, content, sizeof content);
}

static uint64_t size_after_crash(const struct cow_params *p)
{
    struct cow_inode *root, *i;
    struct cow_attr a;
    cow_abandon(vol);
    assert_int_equal(cow_mount(p, &vol), 0);
    assert_int_equal(cow_get(vol, COW_INO_ROOT, &root), 0);
    assert_int_equal(cow_lookup(vol, root, COWNAME("f"), &i), 0);
    cow_attr_get(vol, i, &a);
    for (uint64_t n = 0; n * COW_BLOCK < a.size; n++) {
        uint8_t block[COW_BLOCK];
        assert_int_equal(cow_read(vol, i, n, 1, block), 0);
        assert_memory_equal(block, content + n * COW_BLOCK, COW_BLOCK);
    }
    cow_put(vol, i);
    cow_put(vol, root);
    assert_int_equal(cow_check(vol), 0);
    cow_abandon(vol);
    return a.size;
}

static struct thread *other;
static bool synced;

static void sync_it(void *arg)
{
    assert_int_equal(cow_sync(vol), 0);
    synced = true;
}

static void somebody_syncs(void)
{
    other = unit_thread(sync_it, NULL);
    unit_run_others();
    assert_false(synced);
}

/* A commit with blocks that are on their way to the device waits for them. */
TEST(cowfs_commit_waits_for_batch)
{
    struct cow_params p = start();
    synced = false;
    in_batch = somebody_syncs;
    assert_int_equal(write_batch(), 0);
    unit_join(other);
    assert_true(synced);
    assert_int_equal(size_after_crash(&p), sizeof content);
    cowdev_free(dev);
}

static void commit_now(void)
{
    struct cow_attr a;
    cow_attr_get(vol, file, &a);
    a.mtime_ns++;
    assert_int_equal(cow_attr_set(vol, file, &a), 0);
    assert_int_equal(cow_sync(vol), 0);
}

/* A commit between the nonces of a batch and its places: a crash that loses the batch, but not what leads to it, shows
 * the state before. */
TEST(cowfs_commit_while_a_batch_is_sealed)
{
    struct cow_params p = start();
    in_seal = commit_now;
    assert_int_equal(write_batch(), 0);
    assert_null(in_seal);
    assert_int_equal(cow_sync(vol), 0);
    for (unsigned n = 0; n < BATCH; n++)
        dev->view[batch_at + n] = cowdev_zero;
    assert_int_equal(size_after_crash(&p), 0);
    cowdev_free(dev);
}

/* Who reads a block that is on its way has what was written, and so has who frees it and writes another one. */
static void read_and_write(void *arg)
{
    uint8_t block[COW_BLOCK];
    assert_int_equal(cow_read(vol, file, 3, 1, block), 0);
    assert_memory_equal(block, content + 3 * COW_BLOCK, COW_BLOCK);
    assert_int_equal(cow_write(vol, file, 3, 1, content + 3 * COW_BLOCK, sizeof content), 0);
    synced = true;
}

static void somebody_reads(void)
{
    other = unit_thread(read_and_write, NULL);
    unit_run_others();
    assert_false(synced);
}

TEST(cowfs_batch_is_read_on_its_way)
{
    struct cow_params p = start();
    synced = false;
    in_batch = somebody_reads;
    assert_int_equal(write_batch(), 0);
    unit_join(other);
    assert_int_equal(cow_sync(vol), 0);
    assert_int_equal(size_after_crash(&p), sizeof content);
    cowdev_free(dev);
}

/* The commit that waits for a batch that fails fails, too. */
static void sync_fails(void *arg)
{
    assert_int_equal(cow_sync(vol), -EIO);
    synced = true;
}

static void fail_this(void)
{
    other = unit_thread(sync_fails, NULL);
    unit_run_others();
    assert_false(synced);
    dev->fail_in = 1;
}

TEST(cowfs_failed_batch_fails_the_commit)
{
    struct cow_params p = start();
    synced = false;
    log_level = LOG_OFF;
    in_batch = fail_this;
    assert_int_equal(write_batch(), -EIO);
    unit_join(other);
    assert_true(synced);
    log_level = LOG_ERROR;
    assert_int_equal(size_after_crash(&p), 0);
    cowdev_free(dev);
}
