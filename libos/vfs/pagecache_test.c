/* The page cache over a store that a test looks into: what happens while pages are on their way, one page of many
 * that cannot be read, what readahead asks for, and the writeback thread. */
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/task/clock.h"
#include "libos/vfs/pagecache_priv.h"
#include "libos/vfs/readahead.h"
#include "libos/vfs/writeback.h"
#include "test/unit/test.h"

#define PAGES 3200u

static struct store {
    struct super super;
    struct inode inode;
    uint8_t page[PAGES]; /* all bytes of a page are the same */
    uint64_t bad;        /* cannot be read; UINT64_MAX: none */
    unsigned reads, pages_read, writes, syncs;
    int fails; /* writes and syncs return it */
    void (*in_read)(void),
        (*in_write)(void); /* once, with what is read or written in somebody's hands already */
} store;

static void hook(void (**fn)(void))
{
    void (*f)(void) = *fn;
    *fn = NULL;
    if (f)
        f();
}

static void store_read_pages(struct inode *i, const uint64_t *index, uint32_t count,
                             void *const *dst, int *ret_each)
{
    store.reads++;
    store.pages_read += count;
    for (uint32_t n = 0; n < count; n++) {
        ret_each[n] = index[n] == store.bad ? -EIO : 0;
        memset(dst[n], index[n] < PAGES ? store.page[index[n]] : 0, PAGE_SIZE);
    }
    hook(&store.in_read);
}

static int store_read_page(struct inode *i, uint64_t index, void *dst)
{
    int r;
    store_read_pages(i, &index, 1, &dst, &r);
    return r;
}

static int store_write_pages(struct inode *i, uint64_t index, uint32_t count,
                             const void *const *src, uint64_t size)
{
    uint8_t taken[64];
    assert_true(count <= sizeof taken);
    for (uint32_t n = 0; n < count; n++)
        taken[n] = *(const uint8_t *) src[n];
    hook(&store.in_write);
    if (store.fails)
        return store.fails;
    memcpy(store.page + index, taken, count);
    store.writes++;
    return 0;
}

static int store_writeback(struct super *s)
{
    return pages_flush(&store.inode, 0, UINT64_MAX);
}

static int store_sync(struct super *s)
{
    store.syncs++;
    return store_writeback(s);
}

static const struct super_ops store_super_ops = {.writeback = store_writeback, .sync = store_sync};
static const struct inode_ops store_ops = {
    .read_page = store_read_page,
    .read_pages = store_read_pages,
    .write_pages = store_write_pages,
};

static struct inode *fresh(void)
{
    (void) unit_process();
    store = (struct store){.bad = UINT64_MAX};
    super_init(&store.super, &store_super_ops, "store");
    inode_init(&store.inode, &store.super, S_IFREG | 0644);
    store.inode.ops = &store_ops;
    store.inode.size = PAGES * PAGE_SIZE;
    for (unsigned n = 0; n < PAGES; n++)
        store.page[n] = (uint8_t) n;
    return &store.inode;
}

static void done(void)
{
    writeback_end(&store.super);
    writeback_free(&store.super);
    inode_fini(&store.inode);
    assert_int_equal(pages_dirty_all(), 0);
}

static void put(uint64_t index, uint8_t value)
{
    uint8_t page[PAGE_SIZE];
    memset(page, value, sizeof page);
    assert_int_equal(inode_write_page(&store.inode, index, page, sizeof page), 0);
}

/* The value of a page, or the error. */
static int get(uint64_t index)
{
    struct cpage *page;
    int r = pages_get(&store.inode, index, false, &page);
    if (r < 0)
        return r;
    r = page->data[0];
    assert_int_equal(page->data[PAGE_SIZE - 1], r);
    cpage_unpin(page);
    return r;
}

static void evict_all(void)
{
    while (pageclock_evict(1000) > 0) {
    }
}

static void flush(void)
{
    assert_int_equal(pages_flush(&store.inode, 0, UINT64_MAX), 0);
}

/* ---- pages on their way ---- */

static void evict_and_look(void)
{
    evict_all();
    assert_int_equal(get(5), 105); /* not what the store still has */
}

TEST(pagecache_stays_until_stored)
{
    fresh();
    put(5, 105);
    store.in_write = evict_and_look;
    flush();
    evict_all();
    assert_false(pages_has(&store.inode, 5));
    assert_int_equal(get(5), 105);
    done();
}

static void change_again(void)
{
    put(5, 106);
}

TEST(pagecache_change_while_stored)
{
    fresh();
    put(5, 105);
    store.in_write = change_again;
    flush();
    assert_int_equal(store.page[5], 105);
    evict_all();
    assert_int_equal(get(5), 106);
    flush();
    assert_int_equal(store.page[5], 106);
    done();
}

static void change_flush_evict(void)
{
    put(7, 107);
    flush();
    evict_all();
    assert_false(pages_has(&store.inode, 7));
}

/* The reader has the old content in its hands while the page is changed, written and evicted. */
TEST(pagecache_read_is_not_old)
{
    fresh();
    store.in_read = change_flush_evict;
    assert_int_equal(get(7), 107);
    assert_int_equal(store.page[7], 107);
    done();
}

static void cut(void)
{
    pages_cut_begin(&store.inode);
    pages_drop(&store.inode, 3, UINT64_MAX);
    memset(store.page + 3, 0, PAGES - 3);
    pages_cut_end(&store.inode);
}

static uint8_t pass(uint64_t index)
{
    uint8_t page[PAGE_SIZE];
    assert_int_equal(pages_pass(&store.inode, index, page), 0);
    assert_int_equal(page[PAGE_SIZE - 1], page[0]);
    return page[0];
}

static void change_5(void)
{
    put(5, 99);
}

/* What is read past the cache is as new as what the cache would have. */
TEST(pagecache_passes_once)
{
    struct inode *i = fresh();
    assert_int_equal(pass(3), 3);
    assert_false(pages_has(i, 3));
    put(3, 77);
    flush();
    evict_all();
    assert_int_equal(pass(3), 77);
    assert_true(pages_has(i, 3));
    put(4, 88);
    assert_int_equal(pass(4), 88);
    store.in_read = change_5;
    assert_int_equal(pass(5), 99);
    store.in_read = change_flush_evict;
    assert_int_equal(pass(7), 107);
    store.in_read = cut;
    assert_int_equal(pass(9), 0);
    flush();
    done();
}

TEST(pagecache_read_is_not_from_before_a_cut)
{
    fresh();
    store.in_read = cut;
    assert_int_equal(get(9), 0);
    store.page[2] = 2;
    assert_int_equal(get(2), 2);
    done();
}

static bool second_returned;

static void second_flush(void *arg)
{
    flush();
    assert_int_equal(store.page[5], 105);
    second_returned = true;
}

static struct thread *second;

static void let_second_try(void)
{
    second = unit_thread(second_flush, NULL);
    unit_run_others();
    assert_false(second_returned); /* the page is clean, and not there yet */
}

TEST(pagecache_flush_waits_for_flush)
{
    fresh();
    second_returned = false;
    put(5, 105);
    store.in_write = let_second_try;
    flush();
    unit_join(second);
    assert_true(second_returned);
    done();
}

static struct thread *helper;
static bool lead_returned;

static void during_help(void)
{
    thread_yield(); /* the leader comes to its end */
    assert_false(lead_returned);
}

static void help(void *arg)
{
    store.in_write = during_help;
    assert_int_equal(pages_flush_help(&store.inode, NULL), 0);
}

static void during_lead(void)
{
    helper = unit_thread(help, NULL);
    thread_yield();
}

/* Others take part in a flush, which ends when they have written theirs. */
TEST(pagecache_flush_with_help)
{
    fresh();
    for (unsigned n = 0; n < 300; n++)
        put(n, (uint8_t) (n + 1));
    lead_returned = false;
    store.in_write = during_lead;
    flush();
    lead_returned = true;
    for (unsigned n = 0; n < 300; n++)
        assert_int_equal(store.page[n], (uint8_t) (n + 1));
    unit_join(helper);
    put(5, 99);
    assert_int_equal(pages_flush_help(&store.inode, NULL), 0); /* nobody leads */
    assert_int_equal(store.page[5], 99);
    done();
}

TEST(pagecache_failed_write_stays)
{
    fresh();
    put(5, 105);
    store.fails = -EIO;
    assert_int_equal(pages_flush(&store.inode, 0, UINT64_MAX), -EIO);
    evict_all();
    assert_int_equal(get(5), 105);
    store.fails = 0;
    flush();
    assert_int_equal(store.page[5], 105);
    done();
}

/* ---- memory ---- */

TEST(pagecache_pressure_keeps_changes)
{
    fresh();
    for (unsigned n = 0; n < PAGES; n += 2)
        put(n, (uint8_t) (n + 1));
    for (unsigned n = 1; n < PAGES; n += 2)
        assert_int_equal(get(n), (uint8_t) n);
    evict_all();
    for (unsigned n = 0; n < PAGES; n++)
        assert_int_equal(pages_has(&store.inode, n), n % 2 == 0);
    assert_int_equal(store.writes, 0);
    flush();
    evict_all();
    for (unsigned n = 0; n < PAGES; n++)
        assert_int_equal(get(n), (uint8_t) (n + (n % 2 == 0)));
    done();
}

TEST(pagecache_read_without_memory)
{
    fresh();
    struct cpage *page;
    for (unsigned n = 1; n < 30; n++) {
        unit_fail_alloc(n);
        int r = pages_get_ahead(&store.inode, 10, &(struct load_plan){.run = 8}, &page);
        assert_true(r == 0 || r == -ENOMEM);
        if (r == 0)
            cpage_unpin(page);
        pages_drop(&store.inode, 0, UINT64_MAX);
    }
    unit_fail_alloc(0);
    done();
}

/* ---- marks: a flush finds changed pages wherever they are ---- */

TEST(pagecache_flush_finds_all)
{
    struct inode *i = fresh();
    static const uint64_t far[] = {0, 63, 64, 65, 127, 4095, 4096, 262143, 262144, 1ull << 30};
    i->size = (1ull << 31) * PAGE_SIZE;
    for (size_t n = 0; n < ARRAY_SIZE(far); n++) {
        struct cpage *page;
        assert_int_equal(pages_get(i, far[n], true, &page), 0);
        pages_written(i, page, 0, PAGE_SIZE);
        cpage_unpin(page);
    }
    uint64_t at = 0;
    for (size_t n = 0; n < ARRAY_SIZE(far); n++, at++) {
        at = pagetree_next_marked(&i->pages, at);
        assert_int_equal(at, far[n]);
    }
    assert_int_equal(pagetree_next_marked(&i->pages, at), UINT64_MAX);
    pages_drop(i, 64, 4096);
    assert_int_equal(pagetree_next_marked(&i->pages, 64), 4096);
    pages_drop(i, 0, UINT64_MAX);
    assert_int_equal(pagetree_next_marked(&i->pages, 0), UINT64_MAX);
    done();
}

/* ---- many at once ---- */

TEST(pagecache_one_bad_page_of_many)
{
    fresh();
    struct cpage *page;
    store.bad = 12;
    assert_int_equal(pages_get_ahead(&store.inode, 10, &(struct load_plan){.run = 6}, &page), 0);
    cpage_unpin(page);
    assert_int_equal(store.reads, 1);
    for (uint64_t n = 10; n < 16; n++)
        assert_int_equal(pages_has(&store.inode, n), n != 12);
    assert_int_equal(get(12), -EIO);
    assert_int_equal(get(13), 13);
    store.bad = UINT64_MAX; /* and nobody remembers */
    assert_int_equal(get(12), 12);
    done();
}

TEST(pagecache_strided_and_bounded)
{
    fresh();
    struct cpage *page;
    const struct load_plan every_tenth = {.run = 2, .repeats = 3, .stride = 10};
    assert_int_equal(pages_get_ahead(&store.inode, 100, &every_tenth, &page), 0);
    cpage_unpin(page);
    assert_int_equal(store.reads, 1);
    assert_int_equal(store.pages_read, 8);
    for (uint64_t n = 100; n < 140; n++)
        assert_int_equal(pages_has(&store.inode, n), n % 10 < 2);
    const struct load_plan back = {.run = 1, .repeats = 5, .stride = -10}; /* leaves the file */
    assert_int_equal(pages_get_ahead(&store.inode, 25, &back, &page), 0);
    cpage_unpin(page);
    assert_int_equal(store.pages_read, 8 + 3);
    assert_int_equal(
        pages_get_ahead(&store.inode, PAGES - 2, &(struct load_plan){.run = 64}, &page), 0);
    cpage_unpin(page);
    assert_int_equal(store.pages_read, 8 + 3 + 2); /* not behind the end */
    assert_int_equal(pages_get_ahead(&store.inode, 200, &(struct load_plan){.run = 1000}, &page),
                     0);
    cpage_unpin(page);
    assert_int_equal(store.pages_read, 8 + 3 + 2 + LOAD_PAGES);
    done();
}

static struct load_plan after(struct readahead *a, uint64_t first, uint64_t count)
{
    readahead_note(a, first, first + count);
    return readahead_plan(a, count);
}

TEST(readahead_patterns)
{
    struct readahead a = {0};
    assert_int_equal(after(&a, 0, 1).run, 1 + 4); /* the start of a file is one */
    assert_int_equal(after(&a, 1, 1).run, 1 + 8);
    assert_int_equal(after(&a, 2, 1).run, 1 + 16);
    for (unsigned n = 3; n < 20; n++)
        (void) after(&a, n, 1);
    assert_int_equal(after(&a, 20, 1).run, LOAD_PAGES);
    assert_int_equal(after(&a, 500, 1).run, 1); /* elsewhere */
    assert_int_equal(after(&a, 90, 1).run, 1);
    struct load_plan p = after(&a, 100, 2);
    assert_int_equal(p.run, 2);
    assert_int_equal(p.repeats, 0);
    p = after(&a, 110, 2);
    assert_int_equal(p.stride, 10);
    assert_int_equal(p.run, 2);
    assert_true(p.repeats >= 4);
    p = after(&a, 120, 2);
    assert_true(p.repeats >= 8);
    assert_int_equal(after(&a, 7, 1).repeats, 0);
    a = (struct readahead){0};
    (void) after(&a, 1000, 1);
    (void) after(&a, 990, 1);
    assert_int_equal(after(&a, 980, 1).stride, -10); /* backwards, too */
    a = (struct readahead){0}; /* small reads within a page go on where they are */
    (void) after(&a, 0, 1);
    assert_int_equal(after(&a, 0, 1).run, 1 + 4);
    assert_int_equal(after(&a, 0, 2).run, 2 + 8);
}

/* ---- streams ---- */

static void whole(uint64_t index)
{
    struct cpage *page = cpage_new(index);
    assert_non_null(page);
    assert_int_equal(pages_put_whole(&store.inode, page), 0);
}

/* What was only written goes before what was read, the oldest first, and does not fill the cache; what somebody looks
 * at stays. */
TEST(pages_of_a_stream_go_first)
{
    struct inode *i = fresh();
    size_t share = pageclock_limit() / 16;
    assert_true(share + 200 < PAGES);
    assert_int_equal(get(0), 0);
    for (uint64_t n = 1; n < share + 200; n++) {
        whole(n);
        if (n % 16 == 0)
            flush();
        if (n == 40)
            assert_int_equal(get(20), 0);
    }
    flush();
    assert_true(pages_cached() <= share + 64);
    assert_true(pages_has(i, 0) && pages_has(i, 20));
    assert_false(pages_has(i, 1) || pages_has(i, 40));
    assert_true(pages_has(i, share + 199));
    done();
}

/* ---- the thread ---- */

static void wait_ns(int64_t ns)
{
    assert_int_equal(thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + ns), -ETIMEDOUT);
}

TEST(writeback_after_a_while)
{
    struct inode *i = fresh();
    put(5, 105);
    assert_int_equal(writeback_balance(i), 0);
    wait_ns(WRITEBACK_NS / 2);
    assert_int_equal(store.page[5], 5);
    wait_ns(WRITEBACK_NS);
    assert_int_equal(store.page[5], 105);
    assert_int_equal(store.syncs, 1);
    wait_ns(10 * WRITEBACK_NS);
    assert_int_equal(store.syncs, 1); /* nothing has changed */
    writeback_note(&store.super);     /* a name, say */
    wait_ns(2 * WRITEBACK_NS);
    assert_int_equal(store.syncs, 2);
    done();
}

TEST(writeback_tries_again)
{
    struct inode *i = fresh();
    put(5, 105);
    store.fails = -EIO;
    assert_int_equal(writeback_balance(i), 0);
    wait_ns(WRITEBACK_NS + 1000);
    assert_int_equal(store.syncs, 1);
    store.fails = 0;
    wait_ns(3 * WRITEBACK_NS);
    assert_int_equal(store.page[5], 105);
    done();
}

TEST(writeback_ends_with_its_super)
{
    fresh();
    writeback_note(&store.super);
    writeback_end(&store.super);
    put(5, 105);
    writeback_note(&store.super); /* by somebody who has a file open after the unmount */
    wait_ns(10 * WRITEBACK_NS);
    assert_int_equal(store.syncs, 0);
    flush();
    done();
    fresh();
    done();
}
