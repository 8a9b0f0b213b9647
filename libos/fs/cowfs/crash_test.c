/* Crashes of cowfs: a workload's writes are recorded, then the device is put into every state a crash can
 * leave: all that an earlier barrier covers, and of the writes since any part, in any order, torn. Each
 * state is mounted, checked, and must show exactly one state the workload was in, not older than the last
 * one whose sync had returned. */
#include "test/unit/cowdev.h"

#define BLOCKS  320u
#define TXG_MAX 4096u
#define SUBSETS 16u
#define SECTOR  512u
#define NAMES   6u

static uint64_t digest_of[TXG_MAX]; /* by txg; 0: no such state */
static uint64_t states, torn_commits;
static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % n;
}

/* ---- the workload ---- */

static uint64_t digest(struct cow *c)
{
    uint64_t d;
    assert_int_equal(cowdev_digest(c, &d), 0);
    return d;
}

static struct cowdev *dev;
static struct cow_params params;
static struct cow *vol;
static struct cow_inode *dirs[2]; /* the root, and "d" in it */
static uint64_t last_txg, last_digest;

static const char *const names[NAMES] = {"a", "b", "c", "long-name-to-fill-things", "e", "f"};

static struct cow_inode *some_inode(struct cow_inode *dir, const char *name)
{
    struct cow_inode *i = NULL;
    return cow_lookup(vol, dir, COWNAME(name), &i) == 0 ? i : NULL;
}

static void op_write(struct cow_inode *i, uint32_t arg)
{
    static uint8_t buf[4 * COW_BLOCK];
    uint32_t count = 1 + arg % 4, at = arg / 4 % 200;
    memset(buf, (int) (arg ^ last_digest), sizeof buf);
    int r = cow_write(vol, i, at, count, buf, (at + count) * COW_BLOCK - arg % 100);
    assert_true(r == 0 || r == -ENOSPC);
}

/* Operations that fail are as good as others: they must not change anything. */
static int op_make(struct cow_inode *dir, const char *name, uint32_t mode)
{
    struct cow_inode *i;
    const struct cow_new what = {.mode = mode,
                                 .now_ns = (int64_t) last_txg,
                                 .target = S_ISLNK(mode) ? "where it leads" : NULL};
    int r = cow_make(vol, dir, COWNAME(name), &what, &i);
    if (r == 0)
        cow_put(vol, i);
    return r;
}

#define FILE_OPS 6u

static void op_file(uint32_t op, struct cow_inode *i, uint32_t arg)
{
    struct cow_attr a;
    cow_attr_get(vol, i, &a);
    if (S_ISREG(a.mode) && op <= 1)
        op_write(i, arg);
    else if (S_ISREG(a.mode) && op == 2)
        assert_int_equal(cow_truncate(vol, i, arg * 7919ull % 900000), 0);
    else if (S_ISREG(a.mode) && op == 3)
        assert_int_equal(cow_punch(vol, i, arg % 100, 1 + arg % 60), 0);
    else if (op == 4)
        (void) cow_xattr_set(vol, i, "user.x", (struct cspan){(uint8_t *) &a, arg % 80}, 0);
    else /* no room and no such attribute are fine, too */
        (void) cow_xattr_remove(vol, i, "user.x");
}

#define OPS 14u

static void operate(uint32_t op, uint32_t arg)
{
    struct cow_inode *dir = dirs[arg % 2], *to = dirs[arg / 2 % 2], *i = NULL;
    const char *name = names[arg / 4 % NAMES], *other = names[arg / 24 % NAMES];
    int64_t now = (int64_t) arg;
    if (op < FILE_OPS) {
        if ((i = some_inode(dir, name)) != NULL) {
            op_file(op, i, arg);
            cow_put(vol, i);
        }
        return;
    }
    int r = 0;
    switch (op) {
    case 6:
    case 7:
        r = op_make(dir, name, S_IFREG | 0600);
        break;
    case 8:
        r = op_make(dir, name, S_IFLNK | 0777);
        break;
    case 9:
        r = op_make(dirs[0], name, S_IFDIR | 0700);
        break;
    case 10:
        if ((i = some_inode(dir, name)) == NULL)
            break;
        struct cow_attr a;
        cow_attr_get(vol, i, &a);
        r = S_ISDIR(a.mode) ? 0 : cow_link(vol, to, COWNAME(other), i, now);
        cow_put(vol, i);
        break;
    case 11:
        r = cow_unlink(vol, dir, COWNAME(name), now);
        break;
    case 12:
        r = cow_rename(vol, dir, COWNAME(name), to, COWNAME(other), false, now);
        break;
    default:
        r = cow_rename(vol, dir, COWNAME(name), to, COWNAME(other), true, now);
    }
    assert_true(r == 0 || r == -EEXIST || r == -ENOENT || r == -ENOTEMPTY || r == -EISDIR ||
                r == -ENOTDIR || r == -EINVAL || r == -ENOSPC);
}

/* After an operation: a commit that it made on its own was of the state before it. */
static void note(void)
{
    uint64_t txg = cow_txg(vol);
    if (txg > last_txg)
        digest_of[txg] = last_digest;
    last_txg = txg;
    last_digest = digest(vol);
}

static void sync_it(void)
{
    assert_int_equal(cow_sync(vol), 0);
    last_txg = cow_txg(vol);
    digest_of[last_txg] = last_digest;
    cowdev_event(dev, COWDEV_ACK, last_txg, NULL);
}

static void begin_workload(void)
{
    dev = cowdev_new();
    params = cowdev_params(dev, BLOCKS);
    memset(digest_of, 0, sizeof digest_of);
    assert_int_equal(cow_create(&params), 0);
    assert_int_equal(cow_mount(&params, &vol), 0);
    assert_int_equal(cow_get(vol, COW_INO_ROOT, &dirs[0]), 0);
    const struct cow_new what = {.mode = S_IFDIR | 0755};
    assert_int_equal(cow_make(vol, dirs[0], COWNAME("d"), &what, &dirs[1]), 0);
    assert_int_equal(op_make(dirs[0], "a", S_IFREG | 0600), 0);
    assert_int_equal(op_make(dirs[1], "b", S_IFREG | 0600), 0);
    last_txg = cow_txg(vol);
    last_digest = digest(vol);
    sync_it();
    dev->recording = true;
    cowdev_event(dev, COWDEV_ACK, last_txg, NULL);
}

static void end_workload(void)
{
    dev->recording = false;
    cow_put(vol, dirs[0]);
    cow_put(vol, dirs[1]);
    cow_abandon(vol);
}

/* ---- crash states ---- */

static struct cowdev *after; /* the device as the crash left it */

static void verify(uint64_t acked)
{
    struct cow_params p = cowdev_params(after, BLOCKS);
    struct cow *c;
    p.dev->blocks = BLOCKS;
    int r = cow_mount(&p, &c);
    if (r < 0)
        fail_msg("state %lu: mount %d", states, r);
    uint64_t txg = cow_txg(c);
    torn_commits += txg > acked;
    if (txg < acked || txg >= TXG_MAX || digest_of[txg] != digest(c))
        fail_msg("state %lu: shows txg %lu (acknowledged %lu) or no state at all", states, txg,
                 acked);
    if (states % 4 == 0)
        assert_int_equal(cow_check(c), 0);
    cow_abandon(c);
    states++;
    for (size_t i = 0; i < after->arena_count; i++)
        free(after->arena[i]);
    after->arena_count = 0;
}

static void show(const uint8_t *const *base)
{
    memcpy(after->view, base, sizeof after->view);
}

/* The last write of a prefix torn: only some of its sectors arrived. */
static void tear(const uint8_t *const *base, const struct cowdev_event *e, size_t n, uint64_t acked)
{
    static uint8_t mixed[COW_BLOCK];
    if (n == 0)
        return;
    const struct cowdev_event *last = &e[n - 1];
    show(base);
    for (size_t i = 0; i + 1 < n; i++)
        after->view[e[i].block] = e[i].data;
    memcpy(mixed, after->view[last->block], COW_BLOCK);
    uint32_t mask = 1 + rnd(254);
    for (uint32_t s = 0; s < COW_BLOCK / SECTOR; s++)
        if (mask >> s & 1)
            memcpy(mixed + s * SECTOR, last->data + s * SECTOR, SECTOR);
    after->view[last->block] = mixed;
    verify(acked);
}

static void crash_within(const uint8_t *const *base, const struct cowdev_event *e, size_t count,
                         uint64_t acked)
{
    show(base);
    verify(acked);
    for (size_t n = 1; n <= count; n++) {
        show(base);
        for (size_t i = 0; i < n; i++)
            after->view[e[i].block] = e[i].data;
        verify(acked);
        tear(base, e, n, acked);
    }
    for (unsigned k = 0; k < SUBSETS && count > 1; k++) {
        show(base);
        uint32_t keep = 1 + rnd(9); /* of ten */
        for (size_t i = 0; i < count; i++)
            if (rnd(10) < keep)
                after->view[e[i].block] = e[i].data;
        verify(acked);
    }
    for (size_t gone = 0; gone < count; gone++) { /* all but one */
        show(base);
        for (size_t i = 0; i < count; i++)
            if (i != gone)
                after->view[e[i].block] = e[i].data;
        verify(acked);
    }
}

/* Only a barrier makes writes certain. An acknowledgement before it would be a lie: the states of the
 * writes so far are tried against it. */
static void crash_everywhere(const uint8_t *const *start)
{
    static const uint8_t *base[COWDEV_BLOCKS];
    static struct cowdev_event writes[4096];
    size_t count = 0;
    uint64_t acked = 0;
    memcpy(base, start, sizeof base);
    after = cowdev_new();
    for (size_t at = 0; at < dev->event_count; at++) {
        const struct cowdev_event *e = &dev->events[at];
        if (e->kind == COWDEV_WRITE) {
            assert_true(count < ARRAY_SIZE(writes));
            writes[count++] = *e;
            continue;
        }
        if (e->kind == COWDEV_ACK)
            acked = e->block;
        crash_within(base, writes, count, acked);
        if (e->kind == COWDEV_ACK)
            continue;
        for (size_t i = 0; i < count; i++)
            base[writes[i].block] = writes[i].data;
        count = 0;
    }
    cowdev_free(after);
}

static unsigned scale(void)
{
    const char *s = getenv("COW_CRASH");
    return s ? (unsigned) atoi(s) : 1;
}

static const uint8_t *first_view[COWDEV_BLOCKS];

/* Random operations, a sync now and then, often enough to tear many commits. */
TEST(cowfs_crash_random)
{
    states = torn_commits = 0;
    for (unsigned run = 0; run < 24 * scale(); run++) {
        seed = run + 1;
        begin_workload();
        memcpy(first_view, dev->view, sizeof first_view);
        for (int n = 0; n < 60; n++) {
            operate(rnd(OPS), rnd(1u << 20));
            note();
            if (rnd(4) == 0)
                sync_it();
        }
        end_workload();
        crash_everywhere(first_view);
        cowdev_free(dev);
    }
    print_message("%lu states, %lu with a commit that was not acknowledged\n", states,
                  torn_commits);
    assert_true(states > 8000 && torn_commits > 0 && torn_commits < states);
}

/* All sequences of two operations (three with COW_CRASH=3 or more), each followed by a sync. */
TEST(cowfs_crash_sequences)
{
    states = torn_commits = 0;
    unsigned length = scale() >= 3 ? 3 : 2, count = 1;
    for (unsigned n = 0; n < length; n++)
        count *= OPS;
    for (unsigned run = 0; run < count; run++) {
        seed = run;
        begin_workload();
        memcpy(first_view, dev->view, sizeof first_view);
        for (unsigned n = 0, ops = run; n < length; n++, ops /= OPS) {
            operate(ops % OPS, 4 * (run % 2) + 24 * (n + run % 3) + n);
            note();
            sync_it();
        }
        end_workload();
        crash_everywhere(first_view);
        cowdev_free(dev);
    }
    print_message("%lu states\n", states);
    assert_true(states > 5000);
}
