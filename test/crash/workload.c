/* Workloads made here, on a small tree: a file "a", a directory "d" with a file "b". All sequences of operations up to
 * a length, and random ones. After each operation the tree's digest is noted; a commit shows the digest of
 * before the operation that caused it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"
#include "test/crash/crash.h"
#include "abi/linux/fs.h"

#define BLOCKS     240u
#define BLOCKS_MAX 2400u
#define TXG_MAX    2048u
#define HELD       4u

static struct disk *recorder, *replayer;
static struct cow *vol;
static struct cow_params params;
static struct cow_inode *held[HELD]; /* open without a name */
static unsigned held_count;
static uint64_t live[TXG_MAX], last_txg, last_digest;
static int64_t now;

/* ---- operations on paths; one that fails must not change anything ---- */

static struct cow_name name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return (struct cow_name){name, strlen(name)};
}

/* The directory of a path with at most one slash; NULL: it is not there. */
static struct cow_inode *dir_of(const char *path)
{
    struct cow_inode *root, *dir;
    const char *slash = strchr(path, '/');
    if (cow_get(vol, COW_INO_ROOT, &root) < 0)
        fail("no root");
    if (!slash)
        return root;
    struct cow_name name = {path, (size_t) (slash - path)};
    int r = cow_lookup(vol, root, name, &dir);
    struct cow_attr a = {0};
    if (r == 0)
        cow_attr_get(vol, dir, &a);
    cow_put(vol, root);
    if (r == 0 && !S_ISDIR(a.mode)) {
        cow_put(vol, dir);
        return NULL;
    }
    return r == 0 ? dir : NULL;
}

static struct cow_inode *file_of(const char *path)
{
    struct cow_inode *dir = dir_of(path), *i = NULL;
    if (!dir)
        return NULL;
    if (cow_lookup(vol, dir, name_of(path), &i) < 0)
        i = NULL;
    cow_put(vol, dir);
    return i;
}

struct arg {
    const char *path, *to;
    uint64_t a, b;
};

static int op_make(const struct arg *x)
{
    struct cow_inode *dir = dir_of(x->path), *i;
    const struct cow_new what = {.mode = (uint32_t) x->a, .now_ns = now, .target = x->to};
    if (!dir)
        return -ENOENT;
    int r = cow_make(vol, dir, name_of(x->path), &what, &i);
    if (r == 0)
        cow_put(vol, i);
    cow_put(vol, dir);
    return r;
}

static int op_link(const struct arg *x)
{
    struct cow_inode *i = file_of(x->path), *dir = dir_of(x->to);
    struct cow_attr a = {0};
    if (i)
        cow_attr_get(vol, i, &a);
    int r = i && dir && !S_ISDIR(a.mode) ? cow_link(vol, dir, name_of(x->to), i, now) : -ENOENT;
    if (i)
        cow_put(vol, i);
    if (dir)
        cow_put(vol, dir);
    return r;
}

static int op_unlink(const struct arg *x)
{
    struct cow_inode *dir = dir_of(x->path);
    int r = dir ? cow_unlink(vol, dir, name_of(x->path), now) : -ENOENT;
    if (dir)
        cow_put(vol, dir);
    return r;
}

/* Unlinked while it is open: an orphan. */
static int op_unlink_open(const struct arg *x)
{
    struct cow_inode *i = held_count < HELD ? file_of(x->path) : NULL;
    if (i)
        held[held_count++] = i;
    return op_unlink(x);
}

static int op_tmpfile(const struct arg *x)
{
    const struct cow_new what = {.mode = S_IFREG | 0600, .now_ns = now};
    int r = held_count < HELD ? cow_tmpfile(vol, &what, &held[held_count]) : -ENOSPC;
    held_count += r == 0;
    return r;
}

static int op_close(const struct arg *x)
{
    if (held_count)
        cow_put(vol, held[--held_count]);
    return 0;
}

/* A directory does not go into itself: the VFS sees to that. */
static bool inside(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int op_rename(const struct arg *x)
{
    if (inside(x->to, x->path) || inside(x->path, x->to))
        return -EINVAL;
    struct cow_inode *from = dir_of(x->path), *to = dir_of(x->to);
    int r = from && to ? cow_rename(vol, from, name_of(x->path), to, name_of(x->to), x->a != 0, now)
                       : -ENOENT;
    if (from)
        cow_put(vol, from);
    if (to)
        cow_put(vol, to);
    return r;
}

static int on_file(const struct arg *x, int (*fn)(struct cow_inode *i, const struct arg *x))
{
    struct cow_inode *i = file_of(x->path);
    struct cow_attr a;
    if (!i)
        return -ENOENT;
    cow_attr_get(vol, i, &a);
    int r = S_ISREG(a.mode) ? fn(i, x) : -EISDIR;
    cow_put(vol, i);
    return r;
}

static int write_file(struct cow_inode *i, const struct arg *x)
{
    static uint8_t buf[64 * COW_BLOCK];
    memset(buf, (int) (x->a ^ last_digest), sizeof buf);
    return cow_write(vol, i, x->a, (uint32_t) x->b, buf, (x->a + x->b) * COW_BLOCK - 100);
}
static int op_write(const struct arg *x)
{
    return on_file(x, write_file);
}

static int truncate_file(struct cow_inode *i, const struct arg *x)
{
    return cow_truncate(vol, i, x->a);
}
static int op_truncate(const struct arg *x)
{
    return on_file(x, truncate_file);
}

static int punch_file(struct cow_inode *i, const struct arg *x)
{
    return cow_punch(vol, i, x->a, x->b);
}
static int op_punch(const struct arg *x)
{
    return on_file(x, punch_file);
}

static int op_xattr(const struct arg *x)
{
    static const uint8_t value[3000] = "of the attribute";
    struct cow_inode *i = file_of(x->path);
    if (!i)
        return -ENOENT;
    int r = x->a ? cow_xattr_set(vol, i, "user.x", (struct cspan){value, x->a}, 0)
                 : cow_xattr_remove(vol, i, "user.x");
    cow_put(vol, i);
    return r;
}

static int op_chmod(const struct arg *x)
{
    struct cow_inode *i = file_of(x->path);
    struct cow_attr a;
    if (!i)
        return -ENOENT;
    cow_attr_get(vol, i, &a);
    a.mode ^= (uint32_t) x->a;
    a.mtime_ns = now;
    int r = cow_attr_set(vol, i, &a);
    cow_put(vol, i);
    return r;
}

static const struct op {
    int (*fn)(const struct arg *x);
    struct arg x;
} ops[] = {
    {op_make, {"c", NULL, S_IFREG | 0644, 0}},
    {op_make, {"d/c", NULL, S_IFREG | 0644, 0}},
    {op_make, {"e", NULL, S_IFDIR | 0755, 0}},
    {op_make, {"d/l", "where it leads", S_IFLNK | 0777, 0}},
    {op_make, {"d/p", NULL, S_IFIFO | 0600, 0}},
    {op_link, {"a", "d/a2", 0, 0}},
    {op_link, {"d/b", "c", 0, 0}},
    {op_unlink, {"a", NULL, 0, 0}},
    {op_unlink, {"d/b", NULL, 0, 0}},
    {op_unlink, {"d", NULL, 0, 0}},
    {op_unlink, {"e", NULL, 0, 0}},
    {op_unlink_open, {"a", NULL, 0, 0}},
    {op_tmpfile, {NULL, NULL, 0, 0}},
    {op_close, {NULL, NULL, 0, 0}},
    {op_rename, {"a", "d/c", 0, 0}},
    {op_rename, {"a", "d/b", 0, 0}},
    {op_rename, {"d", "e", 0, 0}},
    {op_rename, {"d/b", "a", 1, 0}},
    {op_rename, {"a", "d", 1, 0}},
    {op_write, {"a", NULL, 0, 2}},
    {op_write, {"a", NULL, 130, 1}},
    {op_write, {"d/b", NULL, 1, 40}},
    {op_write, {"d/c", NULL, 3, 64}},
    {op_truncate, {"a", NULL, 0, 0}},
    {op_truncate, {"a", NULL, 5000, 0}},
    {op_truncate, {"d/b", NULL, 1ull << 33, 0}},
    {op_punch, {"a", NULL, 0, 2}},
    {op_xattr, {"a", NULL, 20, 0}},
    {op_xattr, {"d", NULL, 3000, 0}},
    {op_xattr, {"a", NULL, 0, 0}},
    {op_chmod, {"d/b", NULL, 0111, 0}},
};

/* ---- the course of a workload ---- */

static void note(uint64_t txg)
{
    check(txg < TXG_MAX);
    live[txg] = last_digest;
}

static void operate(const struct op *o)
{
    now++;
    int r = o->fn(&o->x);
    bool usual = r == 0 || r == -EEXIST || r == -ENOENT || r == -ENOTEMPTY || r == -EISDIR ||
                 r == -ENOTDIR || r == -EINVAL || r == -ENOSPC || r == -ENODATA;
    if (!usual)
        fail("an operation of the workload fails: error %d", -r);
    uint64_t txg = cow_txg(vol);
    if (txg > last_txg)
        note(txg);
    last_txg = txg;
    last_digest = tree_digest(vol);
}

static void sync_it(void)
{
    if (cow_sync(vol) < 0)
        fail("the workload cannot sync");
    last_txg = cow_txg(vol);
    check(last_txg < TXG_MAX);
    if (!live[last_txg]) /* else it was noted meanwhile */
        note(last_txg);
    disk_record(recorder, EVENT_ACK, last_txg, NULL);
}

/* Closing commits, too, and the next mount's first commit writes the list of epochs. */
static void remount(void)
{
    void (*others)(void) = TAKE(recorder->meanwhile);
    while (held_count)
        cow_put(vol, held[--held_count]);
    sync_it();
    if (cow_unmount(vol) < 0 || cow_mount(&params, &vol) < 0)
        fail("the workload cannot mount its volume again");
    recorder->meanwhile = others;
    last_txg = cow_txg(vol);
    note(last_txg);
}

/* The process is killed between a superblock and its barrier, and the next one goes on. */
static void kill_it(void)
{
    recorder->dying = true;
    (void) cow_sync(vol); /* it may have nothing to do */
    recorder->dying = false;
    held_count = 0; /* they go with the volume */
    cow_abandon(vol);
    if (cow_mount(&params, &vol) < 0)
        fail("a volume whose process was killed does not open");
    last_txg = cow_txg(vol);
    last_digest = tree_digest(vol);
    check(last_txg < TXG_MAX);
    if (live[last_txg] && live[last_txg] != last_digest)
        fail("after a kill, txg %lu differs", last_txg);
    note(last_txg);
}

static struct disk *empty_disk(struct disk *d)
{
    if (!d)
        return disk_new();
    disk_clear(d);
    return d;
}

/* What is on the recorder's device goes to the replayer's. */
static void copy_device(void)
{
    replayer = empty_disk(replayer);
    for (uint64_t n = 0; n < recorder->dev.blocks; n++)
        disk_set(replayer, n, recorder->view[n]);
    replayer->dev.blocks = recorder->dev.blocks;
}

static void begin(struct verifier *v)
{
    static const struct op tree[] = {
        {op_make, {"d", NULL, S_IFDIR | 0755, 0}},
        {op_make, {"a", NULL, S_IFREG | 0644, 0}},
        {op_make, {"d/b", NULL, S_IFREG | 0600, 0}},
        {op_write, {"a", NULL, 0, 5}},
    };
    recorder = empty_disk(recorder);
    params = v->params;
    params.dev = &recorder->dev;
    params.blocks = BLOCKS;
    params.blocks_max = BLOCKS_MAX;
    memset(live, 0, sizeof live);
    verify_forget();
    now = 0;
    if (cow_create(&params) < 0 || cow_mount(&params, &vol) < 0)
        fail("no volume can be made");
    last_txg = 0;
    for (size_t n = 0; n < ARRAY_SIZE(tree); n++)
        operate(&tree[n]);
    remount();
    copy_device();
    recorder->recording = true;
}

static void end(struct verifier *v, const struct effort *effort)
{
    recorder->recording = false;
    while (held_count)
        cow_put(vol, held[--held_count]);
    cow_abandon(vol);
    v->params.blocks_max = BLOCKS_MAX;
    crash_everywhere(recorder, replayer, v, effort, live);
    disk_clear(replayer); /* its pointers lead into the recorder's memory */
}

/* One sequence: what is new in it are the crashes after its last operation. A bit of syncs for each operation before
 * the last one says whether it is followed by a sync. */
static void run_sequence(struct verifier *v, const unsigned *which, unsigned length, unsigned syncs,
                         const struct effort *effort)
{
    struct effort last = *effort;
    last.last_only = true;
    begin(v);
    for (unsigned n = 0; n < length; n++) {
        operate(&ops[which[n]]);
        if (n + 1 == length || syncs >> n & 1)
            sync_it();
    }
    end(v, &last);
}

void workload_sequences(struct verifier *v, unsigned length, const struct effort *effort)
{
    unsigned count = 1;
    for (unsigned n = 0; n < length; n++)
        count *= ARRAY_SIZE(ops);
    char what[80];
    for (unsigned run = 0; run < count; run++)
        for (unsigned syncs = 0; syncs < 1u << (length - 1); syncs++) {
            unsigned which[8], rest = run;
            check(length <= ARRAY_SIZE(which));
            for (unsigned n = 0; n < length; n++, rest /= ARRAY_SIZE(ops))
                which[n] = rest % ARRAY_SIZE(ops);
            snprintf(what, sizeof what, "sequence %u of length %u, syncs %u", run, length, syncs);
            v->what = what;
            rnd_seed = run * 8 + syncs;
            run_sequence(v, which, length, syncs, effort);
        }
}

static void random_operation(void)
{
    static const char *const paths[] = {"a", "c", "d/a", "d/b", "d/c", "e", "d"};
    struct op o = ops[rnd(ARRAY_SIZE(ops))];
    if (o.x.path && rnd(2))
        o.x.path = paths[rnd(ARRAY_SIZE(paths))];
    if (o.fn == op_write)
        o.x = (struct arg){o.x.path, NULL, rnd(200), 1 + rnd(40)};
    if (o.fn == op_truncate)
        o.x.a = rnd(900000);
    operate(&o);
}

static int op_check(const struct arg *x)
{
    return cow_check(vol) == 0 ? 0 : -EUCLEAN;
}

/* What other threads do while one waits for a barrier in cow_sync. A check commits, too. */
static void meanwhile(void)
{
    static const struct op check_it = {op_check, {0}};
    if (mutex_held(&vol->lock))
        return;
    recorder->meanwhile = NULL;
    last_txg = cow_txg(vol);
    check(last_txg < TXG_MAX);
    if (!live[last_txg])
        note(last_txg);
    for (uint32_t n = rnd(4); n > 0; n--)
        random_operation();
    if (rnd(3) == 0)
        operate(&check_it);
    recorder->meanwhile = meanwhile;
}

void workload_random(struct verifier *v, uint32_t seed, const struct effort *effort)
{
    char what[40];
    snprintf(what, sizeof what, "random workload %u", seed);
    v->what = what;
    rnd_seed = seed;
    begin(v);
    recorder->meanwhile = seed % 2 ? meanwhile : NULL;
    for (int n = 0; n < 60; n++) {
        random_operation();
        if (rnd(4) == 0)
            sync_it();
        if (rnd(20) == 0)
            remount();
        if (rnd(20) == 0)
            kill_it();
    }
    recorder->meanwhile = NULL;
    if (cow_claim(vol) < 0) /* the state that a kill left becomes certain */
        fail("the workload cannot end");
    end(v, effort);
}
