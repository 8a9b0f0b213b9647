/* cowfs by its own interface: every kind of object, remounted and checked; space; errors. */
#include "test/unit/cowdev.h"

static struct cowdev *dev;
static struct cow_params params;
static struct cow *c;
static struct cow_inode *root;

static void mount_it(void)
{
    assert_int_equal(cow_mount(&params, &c), 0);
    assert_int_equal(cow_get(c, COW_INO_ROOT, &root), 0);
}

static void start(uint64_t blocks)
{
    dev = cowdev_new();
    params = cowdev_params(dev, blocks);
    assert_int_equal(cow_create(&params), 0);
    mount_it();
}

static void again(void)
{
    cow_put(c, root);
    assert_int_equal(cow_check(c), 0);
    assert_int_equal(cow_unmount(c), 0);
    mount_it();
    assert_int_equal(cow_check(c), 0);
}

static void finish(void)
{
    again();
    cow_put(c, root);
    assert_int_equal(cow_unmount(c), 0);
    cowdev_free(dev);
}

static struct cow_inode *make(struct cow_inode *dir, const char *name, uint32_t mode)
{
    struct cow_inode *i;
    const struct cow_new what = {.mode = mode, .uid = 1, .gid = 2, .now_ns = 1000000007};
    assert_int_equal(cow_make(c, dir, COWNAME(name), &what, &i), 0);
    return i;
}

static struct cow_inode *find(struct cow_inode *dir, const char *name)
{
    struct cow_inode *i = NULL;
    int r = cow_lookup(c, dir, COWNAME(name), &i);
    assert_true(r == 0 || r == -ENOENT);
    return i;
}

static struct cow_attr attr(struct cow_inode *i)
{
    struct cow_attr a;
    cow_attr_get(c, i, &a);
    return a;
}

static void pattern(uint8_t *p, uint64_t block, unsigned salt)
{
    for (unsigned k = 0; k < COW_BLOCK; k++)
        p[k] = (uint8_t) (block * 31 + k + salt + k / 256);
}

static void write_at(struct cow_inode *i, uint64_t block, uint32_t count, unsigned salt)
{
    uint8_t *p = malloc((size_t) count * COW_BLOCK);
    for (uint32_t n = 0; n < count; n++)
        pattern(p + (size_t) n * COW_BLOCK, block + n, salt);
    assert_int_equal(cow_write(c, i, block, count, p, (block + count) * COW_BLOCK), 0);
    free(p);
}

static void expect_at(struct cow_inode *i, uint64_t block, uint32_t count, unsigned salt)
{
    uint8_t *p = malloc((size_t) count * COW_BLOCK), want[COW_BLOCK];
    assert_int_equal(cow_read(c, i, block, count, p), 0);
    for (uint32_t n = 0; n < count; n++) {
        pattern(want, block + n, salt);
        assert_memory_equal(p + (size_t) n * COW_BLOCK, want, COW_BLOCK);
    }
    free(p);
}

TEST(cowfs_files)
{
    start(2048);
    struct cow_inode *f = make(root, "file", S_IFREG | 0640);
    write_at(f, 0, 1, 1);
    write_at(f, 1, 200, 1);
    write_at(f, 100, 3, 2);
    write_at(f, 1ull << 28, 2, 3); /* a terabyte away */
    cow_put(c, f);
    again();
    f = find(root, "file");
    expect_at(f, 0, 100, 1);
    expect_at(f, 100, 3, 2);
    expect_at(f, 103, 98, 1);
    expect_at(f, 1ull << 28, 2, 3);
    uint8_t buf[COW_BLOCK];
    assert_int_equal(cow_read(c, f, 5000, 1, buf), 0);
    assert_memory_equal(buf, cowdev_zero, COW_BLOCK);
    assert_int_equal(attr(f).size, ((1ull << 28) + 2) * COW_BLOCK);
    assert_int_equal(attr(f).blocks, 203);
    assert_int_equal(attr(f).mode, S_IFREG | 0640);
    assert_int_equal(attr(f).uid, 1);
    assert_int_equal(attr(f).mtime_ns, 1000000007);
    uint64_t at;
    assert_int_equal(cow_next(c, f, 150, false, &at), 0);
    assert_int_equal(at, 201);
    assert_int_equal(cow_next(c, f, 201, true, &at), 0);
    assert_int_equal(at, 1ull << 28);
    assert_int_equal(cow_punch(c, f, 10, 5), 0);
    assert_int_equal(cow_truncate(c, f, 20 * COW_BLOCK + 7), 0);
    assert_int_equal(cow_truncate(c, f, 30 * COW_BLOCK), 0);
    cow_put(c, f);
    again();
    f = find(root, "file");
    assert_int_equal(attr(f).blocks, 16);
    assert_int_equal(cow_read(c, f, 20, 1, buf), 0);
    assert_memory_equal(buf + 7, cowdev_zero, COW_BLOCK - 7);
    assert_memory_not_equal(buf, cowdev_zero, 7);
    expect_at(f, 15, 5, 1);
    cow_put(c, f);
    finish();
}

TEST(cowfs_names)
{
    start(1024);
    struct cow_inode *d = make(root, "dir", S_IFDIR | 0755), *e = make(d, "sub", S_IFDIR | 0700);
    struct cow_inode *f = make(d, "f", S_IFREG | 0600), *i;
    assert_int_equal(attr(root).nlink, 3);
    assert_int_equal(attr(d).nlink, 3);
    assert_int_equal(cow_link(c, root, COWNAME("hard"), f, 5), 0);
    assert_int_equal(attr(f).nlink, 2);
    assert_int_equal(cow_link(c, root, COWNAME("hard"), f, 5), -EEXIST);
    assert_int_equal(cow_unlink(c, root, COWNAME("dir"), 6), -ENOTEMPTY);
    assert_int_equal(cow_rename(c, d, COWNAME("sub"), root, COWNAME("up"), false, 7), 0);
    assert_int_equal(attr(root).nlink, 4);
    assert_int_equal(attr(d).nlink, 2);
    assert_int_equal(cow_rename(c, d, COWNAME("f"), root, COWNAME("up"), false, 7), -EISDIR);
    assert_int_equal(cow_rename(c, d, COWNAME("f"), root, COWNAME("hard"), false, 7), 0);
    assert_ptr_equal((i = find(d, "f")), f); /* two names of one file: nothing happens */
    cow_put(c, i);
    assert_int_equal(cow_rename(c, d, COWNAME("f"), root, COWNAME("up"), true, 8), 0);
    assert_ptr_equal((i = find(root, "up")), f);
    cow_put(c, i);
    assert_ptr_equal((i = find(d, "f")), e);
    cow_put(c, i);
    assert_int_equal(attr(root).nlink, 3);
    assert_int_equal(attr(d).nlink, 3);
    assert_int_equal(cow_rename(c, root, COWNAME("up"), root, COWNAME("hard"), false, 9), 0);
    cow_put(c, d);
    cow_put(c, e);
    cow_put(c, f);
    again();
    assert_null(find(root, "nothing"));
    assert_int_equal(cow_unlink(c, root, COWNAME("hard"), 9), 0);
    d = find(root, "dir");
    assert_int_equal(cow_unlink(c, d, COWNAME("f"), 9), 0);
    cow_put(c, d);
    assert_int_equal(cow_unlink(c, root, COWNAME("dir"), 9), 0);
    finish();
}

TEST(cowfs_links_and_nodes)
{
    start(512);
    char target[4001], buf[4096];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = 0;
    struct cow_inode *i;
    struct cow_new what = {.mode = S_IFLNK | 0777, .target = "short"};
    assert_int_equal(cow_make(c, root, COWNAME("s"), &what, &i), 0);
    cow_put(c, i);
    what.target = target;
    assert_int_equal(cow_make(c, root, COWNAME("l"), &what, &i), 0);
    cow_put(c, i);
    what = (struct cow_new){.mode = S_IFCHR | 0600, .rdev = 0x105};
    assert_int_equal(cow_make(c, root, COWNAME("dev"), &what, &i), 0);
    cow_put(c, i);
    cow_put(c, make(root, "fifo", S_IFIFO | 0600));
    cow_put(c, make(root, "sock", S_IFSOCK | 0600));
    again();
    i = find(root, "s");
    assert_int_equal(cow_readlink(c, i, buf, sizeof buf), 5);
    assert_memory_equal(buf, "short", 5);
    cow_put(c, i);
    i = find(root, "l");
    assert_int_equal(cow_readlink(c, i, buf, sizeof buf), 4000);
    assert_memory_equal(buf, target, 4000);
    cow_put(c, i);
    i = find(root, "dev");
    assert_int_equal(attr(i).rdev, 0x105);
    assert_int_equal(attr(i).mode, S_IFCHR | 0600);
    cow_put(c, i);
    finish();
}

TEST(cowfs_xattrs)
{
    start(1024);
    struct cow_inode *f = make(root, "f", S_IFREG | 0600);
    uint8_t big[5000], buf[6000];
    memset(big, 7, sizeof big);
    assert_int_equal(cow_xattr_get(c, f, "user.a", SPAN_OF(buf)), -ENODATA);
    assert_int_equal(cow_xattr_set(c, f, "user.a", (struct cspan){big, 3}, 2), -ENODATA);
    assert_int_equal(cow_xattr_set(c, f, "user.a", (struct cspan){big, 3}, 0), 0);
    assert_int_equal(cow_xattr_set(c, f, "user.b", CSPAN_OF(big), 1), 0);
    assert_int_equal(cow_xattr_set(c, f, "user.a", (struct cspan){big, 3}, 1), -EEXIST);
    assert_int_equal(cow_xattr_set(c, f, "user.empty", (struct cspan){0}, 0), 0);
    assert_int_equal(cow_xattr_set(c, f, "user.a", (struct cspan){big, 9}, 0), 0);
    cow_put(c, f);
    again();
    f = find(root, "f");
    assert_int_equal(cow_xattr_get(c, f, "user.b", SPAN_OF(buf)), 5000);
    assert_memory_equal(buf, big, 5000);
    assert_int_equal(cow_xattr_get(c, f, "user.a", (struct span){0}), 9);
    assert_int_equal(cow_xattr_get(c, f, "user.a", (struct span){buf, 4}), -ERANGE);
    assert_int_equal(cow_xattr_get(c, f, "user.empty", SPAN_OF(buf)), 0);
    assert_int_equal(cow_xattr_list(c, f, (struct span){0}), 7 + 7 + 11);
    assert_int_equal(cow_xattr_list(c, f, SPAN_OF(buf)), 25);
    assert_memory_equal(buf, "user.b\0user.empty\0user.a", 25);
    assert_int_equal(cow_xattr_remove(c, f, "user.b"), 0);
    assert_int_equal(cow_xattr_remove(c, f, "user.b"), -ENODATA);
    cow_put(c, f);
    again();
    assert_int_equal(cow_unlink(c, root, COWNAME("f"), 0), 0); /* and the attributes go */
    finish();
}

TEST(cowfs_unlinked_open)
{
    start(512);
    struct cow_inode *f = make(root, "f", S_IFREG | 0600), *t;
    struct cow_space before, after;
    write_at(f, 0, 50, 1);
    assert_int_equal(cow_sync(c), 0);
    assert_int_equal(cow_unlink(c, root, COWNAME("f"), 0), 0);
    expect_at(f, 0, 50, 1);
    const struct cow_new what = {.mode = S_IFREG | 0600};
    assert_int_equal(cow_tmpfile(c, &what, &t), 0);
    write_at(t, 0, 10, 2);
    assert_int_equal(cow_sync(c), 0);
    cow_space(c, &before);
    cow_abandon(c); /* as after a crash: nobody closed them */
    mount_it();
    assert_int_equal(cow_check(c), 0);
    cow_space(c, &after);
    assert_true(after.free >= before.free + 60);
    assert_int_equal(cow_tmpfile(c, &what, &t), 0);
    write_at(t, 0, 10, 2);
    assert_int_equal(cow_link(c, root, COWNAME("kept"), t, 0), 0);
    cow_put(c, t);
    again();
    t = find(root, "kept");
    expect_at(t, 0, 10, 2);
    cow_put(c, t);
    finish();
}

#define MANY 3000

TEST(cowfs_many_names)
{
    start(2048);
    static bool seen[MANY];
    struct cow_inode *d = make(root, "d", S_IFDIR | 0755);
    char name[80];
    for (int n = 0; n < MANY; n++) {
        snprintf(name, sizeof name, "a name of some length that fills the blocks %d", n);
        cow_put(c, make(d, name, S_IFREG | 0600));
    }
    cow_put(c, d);
    again();
    d = find(root, "d");
    for (int n = 0; n < MANY; n += 2) {
        snprintf(name, sizeof name, "a name of some length that fills the blocks %d", n);
        assert_int_equal(cow_unlink(c, d, COWNAME(name), 0), 0);
    }
    struct cow_dirent e;
    int r, count = 0;
    for (uint64_t pos = 0; (r = cow_readdir(c, d, pos, &e)) == 1; pos = e.next, count++) {
        int n = atoi(e.name + 44);
        assert_false(seen[n]);
        seen[n] = true;
        assert_int_equal(n % 2, 1);
        if (count % 3 == 0) /* changing it meanwhile neither repeats nor hides the others */
            assert_int_equal(cow_unlink(c, d, (struct cow_name){e.name, e.name_size}, 0), 0);
    }
    assert_int_equal(r, 0);
    assert_int_equal(count, MANY / 2);
    cow_put(c, d);
    finish();
}

TEST(cowfs_full)
{
    start(512);
    struct cow_inode *f = make(root, "f", S_IFREG | 0600);
    uint8_t block[COW_BLOCK] = {1};
    uint64_t n = 0;
    int r;
    while ((r = cow_write(c, f, n, 1, block, (n + 1) * COW_BLOCK)) == 0)
        n++;
    assert_int_equal(r, -ENOSPC);
    assert_true(n > 512 - COW_FIRST - 160);
    assert_int_equal(cow_sync(c), 0); /* there is always room for that */
    const struct cow_new what = {.mode = S_IFREG | 0600};
    struct cow_inode *g;
    while ((r = cow_make(c, root, COWNAME("g"), &what, &g)) == 0) {
        cow_put(c, g);
        assert_int_equal(cow_unlink(c, root, COWNAME("g"), 0), 0);
    }
    assert_int_equal(r, -ENOSPC);
    cow_put(c, f);
    assert_int_equal(cow_unlink(c, root, COWNAME("f"), 0), 0); /* and for this */
    f = make(root, "again", S_IFREG | 0600);
    write_at(f, 0, (uint32_t) n - 20, 1);
    cow_put(c, f);
    finish();
}

TEST(cowfs_grows)
{
    dev = cowdev_new();
    params = cowdev_params(dev, 256);
    params.blocks_max = 2000;
    assert_int_equal(cow_create(&params), 0);
    mount_it();
    struct cow_inode *f = make(root, "f", S_IFREG | 0600);
    write_at(f, 0, 1500, 4);
    cow_put(c, f);
    again();
    f = find(root, "f");
    expect_at(f, 0, 1500, 4);
    cow_put(c, f);
    assert_int_equal(dev->dev.blocks, 2000);
    finish();
}

/* The nth operation of the device fails: changes end with -EIO, and after a remount all is well. */
TEST(cowfs_device_errors)
{
    log_level = LOG_OFF;
    for (unsigned nth = 1; nth < 12; nth++) {
        start(512);
        struct cow_inode *f = make(root, "f", S_IFREG | 0600);
        write_at(f, 0, 3, 1);
        assert_int_equal(cow_sync(c), 0);
        dev->fail_in = nth;
        uint8_t block[COW_BLOCK] = {1};
        int r = 0;
        for (int k = 0; k < 20 && r == 0; k++) {
            r = cow_write(c, f, 10, 1, block, 0);
            r = r == 0 ? cow_sync(c) : r;
        }
        assert_int_equal(r, -EIO);
        assert_int_equal(cow_error(c), -EIO);
        assert_int_equal(cow_sync(c), -EIO); /* for good */
        cow_abandon(c);
        mount_it();
        assert_int_equal(cow_check(c), 0);
        f = find(root, "f");
        expect_at(f, 0, 3, 1);
        cow_put(c, f);
        finish();
    }
    log_level = LOG_ERROR;
}

static struct cow_inode *other_file;
static unsigned meanwhile_count;

/* Another thread's: reads, writes, frees what the last commit wrote, and commits. */
static void others(void)
{
    dev->in_barrier = NULL;
    meanwhile_count++;
    expect_at(other_file, 0, 30, 1);
    write_at(other_file, 10, 5, 2);
    assert_int_equal(cow_punch(c, other_file, 20, 5), 0);
    assert_true(cow_dirty(c));
    if (meanwhile_count % 2)
        assert_int_equal(cow_check(c), 0); /* which commits first */
}

TEST(cowfs_goes_on_during_a_barrier)
{
    start(1024);
    other_file = make(root, "file", S_IFREG | 0600);
    for (unsigned n = 0; n < 40; n++) {
        write_at(other_file, 0, 30, 1);
        uint64_t txg = cow_txg(c);
        dev->in_barrier = others;
        assert_int_equal(cow_sync(c), 0);
        assert_int_equal(meanwhile_count, n + 1);
        assert_int_equal(cow_txg(c), txg + 1 + meanwhile_count % 2);
        assert_int_equal(cow_dirty(c), meanwhile_count % 2 == 0);
        assert_int_equal(cow_check(c), 0);
        expect_at(other_file, 0, 10, 1);
        expect_at(other_file, 10, 5, 2);
    }
    cow_put(c, other_file);
    finish();
}

TEST(cowfs_no_memory)
{
    for (unsigned nth = 1; nth < 60; nth++) {
        start(512);
        log_level = LOG_OFF;
        unit_fail_alloc(nth);
        const struct cow_new what = {.mode = S_IFREG | 0600};
        struct cow_inode *f = NULL;
        uint8_t block[COW_BLOCK] = {1};
        int r = cow_make(c, root, COWNAME("f"), &what, &f);
        if (r == 0)
            r = cow_write(c, f, 200, 1, block, 1);
        if (r == 0)
            r = cow_xattr_set(c, f, "user.a", CSPAN_OF(block), 0);
        if (r == 0)
            r = cow_sync(c);
        unit_fail_alloc(0);
        if (f)
            cow_put(c, f);
        if (cow_error(c)) {
            cow_abandon(c);
            mount_it();
        }
        log_level = LOG_ERROR;
        finish();
    }
}
