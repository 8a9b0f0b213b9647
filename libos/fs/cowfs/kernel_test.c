/* cowfs through the VFS and the host's door, on a file that a scripted host keeps in memory: data survives
 * a remount, and whatever the host answers is an error or has no effect. */
#include <stdlib.h>
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/fs/cowfs/cow.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/vfs/inode.h"
#include "libos/vfs/registry.h"
#include "test/unit/test.h"

#define FILE_MAX (32u << 20)
#define TOKEN    0x10007

static uint8_t *store;
static size_t store_size;
static bool order, exists;
static unsigned opened;

static int64_t on_open(struct cspan in, struct span out, const uint64_t args[4])
{
    if (in.n != 4 || memcmp(in.p, "root", 4) != 0 || (!exists && !order))
        return -ENOENT;
    const struct host_volume h = {.size = store_size, .create = order};
    memcpy(out.p, &h, sizeof h);
    exists = true;
    opened++;
    return TOKEN;
}

static unsigned claims;
static bool busy; /* another runtime has the file open */

static int64_t on_claim(struct cspan in, struct span out, const uint64_t args[4])
{
    claims++;
    return args[0] != TOKEN ? -EINVAL : busy ? -EBUSY : 0;
}

static int64_t on_made(struct cspan in, struct span out, const uint64_t args[4])
{
    order = false;
    return args[0] == TOKEN ? 0 : -EINVAL;
}

static int64_t on_grow(struct cspan in, struct span out, const uint64_t args[4])
{
    if (args[1] > FILE_MAX)
        return -ENOSPC;
    store_size = MAX(store_size, args[1]);
    return 0;
}

static int64_t on_read(struct cspan in, struct span out, const uint64_t args[4])
{
    if (args[1] >= store_size)
        return 0;
    size_t n = MIN(out.n, store_size - args[1]);
    memcpy(out.p, store + args[1], n);
    return (int64_t) n;
}

static int64_t on_write(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(store + args[1], in.p, in.n);
    return (int64_t) in.n;
}

static int64_t on_zero(struct cspan in, struct span out, const uint64_t args[4])
{
    return 0;
}

static void host_ready(void)
{
    fake_host_reset();
    fake_host_on(HOSTCALL_volume_open, on_open);
    fake_host_on(HOSTCALL_volume_claim, on_claim);
    fake_host_on(HOSTCALL_volume_made, on_made);
    fake_host_on(HOSTCALL_volume_grow, on_grow);
    fake_host_on(HOSTCALL_file_read, on_read);
    fake_host_on(HOSTCALL_file_write, on_write);
    fake_host_on(HOSTCALL_file_sync, on_zero);
    fake_host_on(HOSTCALL_file_close, on_zero);
}

static const struct fs_type *type_of_cowfs(void)
{
    for (const struct fs_type *const *t = fs_type_table; *t; t++)
        if (str_eq((*t)->name, "cowfs"))
            return *t;
    fail_msg("no cowfs");
    return NULL;
}

static int mount_it(struct super **ret)
{
    return type_of_cowfs()->mount("", "", 0, ret);
}

static struct super *fresh(void)
{
    struct super *s;
    (void) unit_process(); /* somebody has to own the files */
    host_ready();
    store = calloc(1, FILE_MAX);
    store_size = 0;
    exists = false;
    order = true;
    busy = false;
    claims = 0;
    assert_int_equal(mount_it(&s), 0);
    assert_true(order && store_size == 0 && claims == 0);
    return s;
}

static void done(struct super *s)
{
    super_put(s);
    free(store);
    fake_host_reset();
}

static struct inode *file_with(struct super *s, const char *name, const char *text)
{
    struct inode *i;
    assert_int_equal(s->root->ops->create(s->root, QNAME(name), S_IFREG | 0644, 0, &i), 0);
    assert_int_equal(inode_write_page(i, 0, text, strlen(text)), 0);
    i->size = strlen(text);
    return i;
}

TEST(cowfs_mounted_keeps_data)
{
    struct super *s = fresh();
    uint8_t page[4096];
    struct inode *i = file_with(s, "f", "hello"), *again;
    inode_put(i); /* the last reference takes the page down */
    super_put(s);
    assert_false(order);
    assert_int_equal(claims, 1);
    assert_int_equal(mount_it(&s), 0);
    assert_int_equal(s->root->ops->lookup(s->root, QNAME("f"), &i), 0);
    assert_int_equal(s->root->ops->lookup(s->root, QNAME("f"), &again), 0);
    assert_ptr_equal(i, again);
    assert_int_equal(i->size, 5);
    assert_int_equal(i->mode, S_IFREG | 0644);
    assert_int_equal(inode_read_page(i, 0, page), 0);
    assert_memory_equal(page, "hello\0\0", 7);
    inode_put(again);
    inode_put(i);
    done(s);
}

/* Whoever only reads writes nothing and keeps nobody away; who wants to change something must be alone. */
TEST(cowfs_mounted_reads_first)
{
    struct super *s = fresh();
    super_put(s);
    assert_true(order && store_size == 0); /* nothing was changed: there is still no volume */
    assert_int_equal(mount_it(&s), 0);
    inode_put(file_with(s, "f", "text"));
    super_put(s);
    uint8_t *before = malloc(store_size);
    memcpy(before, store, store_size);
    claims = 0;
    busy = true;
    log_level = LOG_OFF;
    struct inode *i, *other;
    uint8_t page[4096];
    assert_int_equal(mount_it(&s), 0);
    assert_int_equal(s->root->ops->lookup(s->root, QNAME("f"), &i), 0);
    assert_int_equal(inode_read_page(i, 0, page), 0);
    i->atime_ns = 77; /* as reading does */
    assert_int_equal(s->ops->sync(s), 0);
    assert_int_equal(claims, 0);
    assert_int_equal(i->ops->prepare_write(i), -EBUSY);
    assert_int_equal(s->root->ops->create(s->root, QNAME("g"), S_IFREG | 0644, 0, &other), -EBUSY);
    assert_int_equal(s->root->ops->unlink(s->root, QNAME("f"), i), -EBUSY);
    assert_true(claims > 2); /* it waits a while for the others */
    assert_memory_equal(before, store, store_size);
    busy = false; /* the other one has ended */
    assert_int_equal(i->ops->prepare_write(i), 0);
    assert_int_equal(inode_write_page(i, 0, "TEXT", 4), 0);
    inode_put(i);
    super_put(s);
    log_level = LOG_ERROR;
    assert_memory_not_equal(before, store, store_size);
    free(before);
    free(store);
    fake_host_reset();
}

TEST(cowfs_mounted_only_what_was_made)
{
    struct super *s = fresh();
    inode_put(file_with(s, "f", "data"));
    super_put(s);
    log_level = LOG_OFF;
    size_t size = store_size;
    store_size = 0; /* the host lost it */
    assert_int_equal(mount_it(&s), -ENODATA);
    exists = false;
    assert_int_equal(mount_it(&s), -ENOENT);
    exists = true;
    store_size = size;
    memset(store, 0, 8192); /* or destroyed the header */
    assert_int_equal(mount_it(&s), -EBADMSG);
    assert_int_equal(store_size, size);
    log_level = LOG_ERROR;
    free(store);
    fake_host_reset();
}

TEST(cowfs_mounted_lies)
{
    static const int64_t lies[] = {-1, -5, -9999, INT64_MIN, 1, 4095, 1 << 20, INT64_MAX};
    log_level = LOG_OFF;
    for (size_t n = 0; n < ARRAY_SIZE(lies); n++) {
        struct super *s = fresh();
        struct inode *i = file_with(s, "f", "text");
        assert_int_equal(i->ops->sync(i), 0);
        fake_host_answer(HOSTCALL_file_write, lies[n], 1000);
        assert_int_equal(inode_write_page(i, 0, "TEXT", 4), 0);
        assert_true(i->ops->sync(i) < 0);
        fake_host_answer(HOSTCALL_file_write, 0, 0);
        assert_int_equal(i->ops->sync(i), -EIO); /* for good */
        inode_put(i);
        done(s);
        s = fresh();
        inode_put(file_with(s, "f", "text"));
        super_put(s);
        fake_host_answer(HOSTCALL_file_read, lies[n], 1000);
        assert_true(mount_it(&s) < 0);
        fake_host_answer(HOSTCALL_file_read, 0, 0);
        free(store);
    }
    log_level = LOG_ERROR;
    fake_host_reset();
}

/* Interrupted and short calls are gone on with. */
TEST(cowfs_mounted_interrupted)
{
    struct super *s = fresh();
    fake_host_answer(HOSTCALL_volume_claim, -EINTR, 5);
    struct inode *i = file_with(s, "f", "text");
    fake_host_answer(HOSTCALL_file_write, -EINTR, 5);
    assert_int_equal(i->ops->sync(i), 0);
    fake_host_answer(HOSTCALL_file_sync, -EINTR, 5);
    assert_int_equal(inode_write_page(i, 0, "more", 4), 0);
    assert_int_equal(i->ops->sync(i), 0);
    inode_put(i);
    done(s);
}
