/* cowfs through the VFS and the host's door, on a file that a scripted host keeps in memory: data survives
 * a remount, and whatever the host answers is an error or has no effect. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/fs/cowfs/cow.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/vfs/pagecache_priv.h"
#include "libos/vfs/registry.h"
#include "test/unit/test.h"

#define FILE_MAX (32u << 20)
#define TOKEN    0x10007

static uint8_t *store;
static size_t store_size;
static bool order, exists;
static unsigned opened;
static uint8_t *shown; /* what the host has mapped: NULL nothing */

static int64_t on_open(struct cspan in, struct span out, const uint64_t args[4])
{
    if (in.n != 4 || memcmp(in.p, "root", 4) != 0 || (!exists && !order))
        return -ENOENT;
    const struct host_volume h = {.size = store_size,
                                  .create = order,
                                  .map = (uint64_t) shown,
                                  .map_size = shown ? FILE_MAX : 0};
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

/* Blocks of the last list; one of them comes changed, on whatever way. */
static uint64_t listed[64];
static size_t listed_count;
static uint64_t forged = UINT64_MAX;
static unsigned lists;

static void forge(uint64_t block, uint8_t *p)
{
    if (block == forged)
        p[100] ^= 1;
}

static int64_t on_read(struct cspan in, struct span out, const uint64_t args[4])
{
    if (args[1] >= store_size)
        return 0;
    size_t n = MIN(out.n, store_size - args[1]);
    memcpy(out.p, store + args[1], n);
    for (size_t at = 0; at + 4096 <= n; at += 4096)
        forge((args[1] + at) / 4096, out.p + at);
    return (int64_t) n;
}

static int64_t on_read_list(struct cspan in, struct span out, const uint64_t args[4])
{
    lists++;
    listed_count = in.n / sizeof *listed;
    memcpy(listed, in.p, in.n);
    for (size_t n = 0; n < listed_count; n++) {
        memcpy(out.p + n * 4096, store + listed[n] * 4096, 4096);
        forge(listed[n], out.p + n * 4096);
    }
    return (int64_t) out.n;
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
    fake_host_on(HOSTCALL_volume_read, on_read_list);
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
    shown = NULL;
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

/* Reads of single pages: calls of the host for them. */
static unsigned read_alone(void)
{
    struct super *s;
    struct inode *i;
    uint8_t page[4096];
    assert_int_equal(mount_it(&s), 0);
    assert_int_equal(s->root->ops->lookup(s->root, QNAME("f"), &i), 0);
    assert_int_equal(inode_read_page(i, 1, page), 0); /* and the nodes above */
    assert_int_equal(page[0], 'b');
    unsigned before = fake_host_calls(HOSTCALL_file_read) + fake_host_calls(HOSTCALL_volume_read);
    assert_int_equal(inode_read_page(i, 0, page), 0);
    assert_memory_equal(page, "a\0", 2);
    unsigned calls = fake_host_calls(HOSTCALL_file_read) + fake_host_calls(HOSTCALL_volume_read);
    inode_put(i);
    super_put(s);
    return calls - before;
}

/* From the host's mapping; what is not there, or is wrong there, by a call. */
TEST(cowfs_mounted_reads_the_mapping)
{
    struct super *s = fresh();
    struct inode *i = file_with(s, "f", "a");
    assert_int_equal(inode_write_page(i, 1, "b", 1), 0);
    i->size = 8192;
    inode_put(i);
    super_put(s);
    assert_true(read_alone() > 0);
    shown = store;
    assert_int_equal(read_alone(), 0);
    shown = calloc(1, FILE_MAX); /* another file */
    assert_true(read_alone() > 0);
    free(shown);
    shown = mmap(NULL, FILE_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(read_alone() > 0);
    munmap(shown, FILE_MAX);
    shown = (uint8_t *) 0x1000; /* within the enclave */
    assert_true(read_alone() > 0);
    shown = NULL;
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

/* ---- many pages with one call ---- */

#define MANY 40u

/* A file of MANY pages, page n full of n, in a volume that was mounted again. */
static struct inode *many_pages(struct super **s)
{
    uint8_t page[4096];
    *s = fresh();
    struct inode *i = file_with(*s, "f", "");
    for (unsigned n = 0; n < MANY; n++) {
        memset(page, (int) n, sizeof page);
        assert_int_equal(inode_write_page(i, n, page, sizeof page), 0);
    }
    i->size = MANY * sizeof page;
    inode_put(i);
    super_put(*s);
    assert_int_equal(mount_it(s), 0);
    assert_int_equal((*s)->root->ops->lookup((*s)->root, QNAME("f"), &i), 0);
    lists = 0;
    return i;
}

static int read_at(struct inode *i, uint64_t index, const struct load_plan *plan)
{
    struct cpage *page;
    int r = pages_get_ahead(i, index, plan, &page);
    if (r < 0)
        return r;
    r = page->data[7];
    cpage_unpin(page);
    return r;
}

static const struct load_plan all_of_them = {.run = MANY}, one = {.run = 1};

TEST(cowfs_mounted_reads_many)
{
    struct super *s;
    struct inode *i = many_pages(&s);
    assert_int_equal(read_at(i, 0, &all_of_them), 0);
    assert_int_equal(lists, 1);
    assert_int_equal(listed_count, MANY);
    fake_host_answer(HOSTCALL_file_read, -EIO, 1000); /* all are here */
    fake_host_answer(HOSTCALL_volume_read, -EIO, 1000);
    for (unsigned n = 0; n < MANY; n++)
        assert_int_equal(read_at(i, n, &one), n);
    inode_put(i);
    fake_host_answer(HOSTCALL_file_read, 0, 0);
    fake_host_answer(HOSTCALL_volume_read, 0, 0);
    done(s);
}

/* A forged block in the middle is an error for whoever reads that page. */
TEST(cowfs_mounted_forged_among_many)
{
    log_level = LOG_OFF;
    for (unsigned bad = 0; bad < MANY; bad += 13) {
        struct super *s;
        struct inode *i = many_pages(&s);
        assert_int_equal(read_at(i, 0, &all_of_them), 0);
        pages_drop(i, 0, UINT64_MAX);
        forged = listed[bad];
        assert_int_equal(read_at(i, 0, &all_of_them), bad == 0 ? -EIO : 0);
        for (unsigned n = 0; n < MANY; n++)
            assert_int_equal(read_at(i, n, &one), n == bad ? -EIO : (int) n);
        assert_int_equal(inode_write_page(i, 1, "x", 1), 0);
        assert_int_equal(i->ops->sync(i), -EIO); /* no more changes to what somebody tampers with */
        forged = UINT64_MAX;
        i->nlink = 0; /* its change is lost */
        inode_put(i);
        done(s);
    }
    log_level = LOG_ERROR;
}

/* Answers that are no answers: the blocks are asked for one by one. Blocks in the wrong place are forged ones. */
static int64_t swap_two(struct cspan in, struct span out, const uint64_t args[4])
{
    (void) on_read_list(in, out, args);
    memcpy(out.p + 3 * 4096, store + listed[4] * 4096, 4096);
    memcpy(out.p + 4 * 4096, store + listed[3] * 4096, 4096);
    return (int64_t) out.n;
}

TEST(cowfs_mounted_lists_lie)
{
    static const int64_t lies[] = {-1,   -5,   -9999,  INT64_MIN, 0,        1,
                                   4095, 4096, 100000, 1 << 20,   INT64_MAX};
    struct super *s;
    struct inode *i = many_pages(&s);
    for (size_t n = 0; n < ARRAY_SIZE(lies); n++) {
        fake_host_answer(HOSTCALL_volume_read, lies[n], 1);
        assert_int_equal(read_at(i, 0, &all_of_them), 0);
        for (unsigned k = 0; k < MANY; k++)
            assert_int_equal(read_at(i, k, &one), k);
        pages_drop(i, 0, UINT64_MAX);
    }
    fake_host_on(HOSTCALL_volume_read, swap_two);
    assert_int_equal(read_at(i, 0, &all_of_them), 0);
    for (unsigned k = 0; k < MANY; k++)
        assert_int_equal(read_at(i, k, &one), k);
    assert_int_equal(inode_write_page(i, 1, "x", 1), 0); /* the blocks are as they were */
    assert_int_equal(i->ops->sync(i), 0);
    inode_put(i);
    done(s);
}

/* Blocks that are freed and written anew while a list of them is on its way. */
static struct inode *overwritten;

static int64_t overwrite_then_read(struct cspan in, struct span out, const uint64_t args[4])
{
    uint8_t page[4096];
    fake_host_on(HOSTCALL_volume_read, on_read_list);
    for (unsigned round = 0; round < 4;
         round++) { /* new places, until the old ones are used again */
        for (unsigned n = 0; n < MANY; n++) {
            memset(page, (int) (100 + n), sizeof page);
            assert_int_equal(inode_write_page(overwritten, n, page, sizeof page), 0);
        }
        assert_int_equal(overwritten->ops->sync(overwritten), 0);
    }
    while (pageclock_evict(1000) > 0) {
    }
    return on_read_list(in, out, args);
}

TEST(cowfs_mounted_list_overtaken)
{
    struct super *s;
    struct inode *i = overwritten = many_pages(&s);
    fake_host_on(HOSTCALL_volume_read, overwrite_then_read);
    assert_int_equal(read_at(i, 0, &all_of_them), 100);
    for (unsigned n = 0; n < MANY; n++)
        assert_int_equal(read_at(i, n, &one), 100 + n);
    assert_int_equal(i->ops->sync(i), 0); /* nobody was accused */
    inode_put(i);
    done(s);
}

/* ---- fsync, together ---- */

#define SYNCERS 8u

static unsigned barriers, returned;

static int64_t slow_sync(struct cspan in, struct span out, const uint64_t args[4])
{
    barriers += args[1] == HOST_SYNC_DATA;
    unit_run_others(); /* who comes now waits for the next one */
    return 0;
}

static void sync_one(void *arg)
{
    struct inode *i = arg;
    assert_int_equal(inode_write_page(i, 0, "new!", 4), 0);
    assert_int_equal(i->ops->sync(i), 0);
    returned++;
}

TEST(cowfs_mounted_syncs_together)
{
    struct super *s = fresh();
    struct inode *files[SYNCERS], *again;
    struct thread *threads[SYNCERS];
    char name[8], page[4096];
    for (unsigned n = 0; n < SYNCERS; n++) {
        snprintf(name, sizeof name, "f%u", n);
        files[n] = file_with(s, name, "text");
    }
    assert_int_equal(s->ops->sync(s), 0);
    fake_host_on(HOSTCALL_file_sync, slow_sync);
    barriers = returned = 0;
    for (unsigned n = 0; n < SYNCERS; n++)
        threads[n] = unit_thread(sync_one, files[n]);
    for (unsigned n = 0; n < SYNCERS; n++)
        unit_join(threads[n]);
    assert_int_equal(returned, SYNCERS);
    assert_in_range(barriers, 1, 2);
    uint8_t *kept = malloc(FILE_MAX); /* what a crash now would leave */
    memcpy(kept, store, FILE_MAX);
    for (unsigned n = 0; n < SYNCERS; n++)
        inode_put(files[n]);
    super_put(s);
    memcpy(store, kept, FILE_MAX);
    free(kept);
    assert_int_equal(mount_it(&s), 0);
    for (unsigned n = 0; n < SYNCERS; n++) {
        snprintf(name, sizeof name, "f%u", n);
        assert_int_equal(s->root->ops->lookup(s->root, QNAME(name), &again), 0);
        assert_int_equal(inode_read_page(again, 0, page), 0);
        assert_memory_equal(page, "new!", 4);
        inode_put(again);
    }
    done(s);
}

static void sync_fails(void *arg)
{
    struct inode *i = arg;
    assert_int_equal(inode_write_page(i, 0, "new!", 4), 0);
    assert_int_equal(i->ops->sync(i), -EIO);
    returned++;
}

/* Everybody in a round is told. */
TEST(cowfs_mounted_syncs_fail_together)
{
    struct super *s = fresh();
    struct inode *files[2] = {file_with(s, "a", "a"), file_with(s, "b", "b")};
    struct thread *threads[2];
    assert_int_equal(s->ops->sync(s), 0);
    log_level = LOG_OFF;
    returned = 0;
    fake_host_answer(HOSTCALL_file_sync, -EIO, 1000);
    for (unsigned n = 0; n < 2; n++)
        threads[n] = unit_thread(sync_fails, files[n]);
    for (unsigned n = 0; n < 2; n++)
        unit_join(threads[n]);
    assert_int_equal(returned, 2);
    for (unsigned n = 0; n < 2; n++)
        inode_put(files[n]);
    fake_host_answer(HOSTCALL_file_sync, 0, 0);
    done(s);
    log_level = LOG_ERROR;
}
