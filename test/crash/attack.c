/* A hostile host with a complete memory: it has every version of every block of a volume of 4 MiB, and the file in its
 * hands while it is closed or while it is open. Each block is replaced by each of its older versions, by zeros, by the
 * block of another volume with the same key; each pair is swapped, each block flipped in each sector, the file cut at
 * each block, and put back as it was after each write. With a freshness anchor all of it must end in a refusal, an
 * error, or exactly the last state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/base/panic.h"
#include "test/crash/crash.h"
#include "test/unit/cowanchor.h"
#include "test/unit/cowdigest.h"

#define BLOCKS 1024u /* 4 MiB */
#define ROUNDS 9u
#define SECTOR 512u

static struct disk *disk;
static struct cow_params params;
static struct memory_anchor anchor;
static uint64_t final_digest;
static struct outcome {
    uint64_t tried, refused, errors, same;
} seen;

static const char *const files[] = {"f0", "f1", "f2", "d/f3", "d/f4"};

static struct cow_inode *file_of(struct cow *c, struct cow_inode *root, const char *path)
{
    const struct cow_new dir = {.mode = S_IFDIR | 0755}, file = {.mode = S_IFREG | 0600};
    struct cow_inode *d = NULL, *i;
    const char *name = path[1] == '/' ? path + 2 : path;
    struct cow_name slash = {path, 1}, last = {name, strlen(name)};
    int r = 0;
    if (name != path && cow_lookup(c, root, slash, &d) < 0)
        r = cow_make(c, root, slash, &dir, &d);
    if (r == 0 && cow_lookup(c, d ? d : root, last, &i) < 0)
        r = cow_make(c, d ? d : root, last, &file, &i);
    if (d)
        cow_put(c, d);
    if (r < 0)
        fail("attack: %s cannot be made", path);
    return i;
}

static void fill(struct cow *c, unsigned round)
{
    static uint8_t buf[30 * COW_BLOCK];
    struct cow_inode *root;
    int r = cow_get(c, COW_INO_ROOT, &root);
    for (unsigned n = 0; n < ARRAY_SIZE(files) && r == 0; n++) {
        if (round && (n + round) % 3)
            continue; /* so that a state has blocks of several commits */
        struct cow_inode *i = file_of(c, root, files[n]);
        memset(buf, (int) (n + 16 * round), sizeof buf);
        r = cow_write(c, i, n * 3 + n % 2 * 200, 5 + n * 5, buf, sizeof buf);
        if (r == 0)
            r = cow_xattr_set(c, i, "user.x", (struct cspan){buf, 10 * round}, 0);
        cow_put(c, i);
    }
    if (r < 0)
        fail("attack: the volume cannot be filled");
    cow_put(c, root);
}

static void history(struct disk *d, bool closed)
{
    disk_clear(d);
    params.dev = &d->dev;
    params.blocks = params.blocks_max = BLOCKS;
    params.anchor = NULL;
    anchor = (struct memory_anchor){.anchor.ops = &memory_anchor_ops};
    d->recording = true;
    int r = cow_create(&params);
    params.anchor = &anchor.anchor;
    for (unsigned round = 0; round < ROUNDS && r == 0; round++) {
        struct cow *c;
        r = cow_mount(&params, &c);
        if (r < 0)
            break;
        fill(c, round);
        r = cow_sync(c);
        fill(c, round + 1);
        final_digest = tree_digest(c);
        bool last = round + 1 == ROUNDS;
        if (r == 0 && last && !closed)
            r = cow_sync(c);
        if (r == 0 && (closed || !last))
            r = cow_unmount(c);
        else
            cow_abandon(c);
    }
    if (r < 0)
        fail("attack: no volume: error %d", r);
    d->recording = false;
}

static void judge(struct cow *c, const char *what, uint64_t a, uint64_t b)
{
    uint64_t digest;
    int r = cowdev_digest(c, &digest);
    if (r == 0 && digest != final_digest)
        fail("%s %lu, %lu: another state shows", what, a, b);
    seen.errors += r < 0;
    seen.same += r == 0;
    if (r < 0 && r != -EIO && r != -EBADMSG && r != -EUCLEAN)
        fail("%s %lu, %lu: error %d", what, a, b, -r);
    if ((r == -EBADMSG || r == -EUCLEAN) && cow_claim(c) != -EIO)
        fail("%s %lu, %lu: it was found, and changes are taken", what, a, b);
}

/* What the host did to the device is done to a volume that is closed. */
static void attack(const char *what, uint64_t a, uint64_t b)
{
    struct memory_anchor copy = anchor;
    struct mark m = disk_mark(disk);
    struct cow *c;
    params.dev = &disk->dev;
    params.anchor = &copy.anchor;
    seen.tried++;
    int r = cow_mount(&params, &c);
    if (r == 0) {
        judge(c, what, a, b);
        cow_abandon(c);
    } else if (r == -EBADMSG || r == -EKEYREJECTED || r == -ESTALE || r == -EUCLEAN ||
               r == -ENODATA || r == -EIO || r == -EOPNOTSUPP) {
        seen.refused++;
    } else {
        fail("%s %lu, %lu: error %d", what, a, b, -r);
    }
    if (disk->undo_count != m.undo)
        fail("%s %lu, %lu: a volume that is only looked at was written", what, a, b);
}

static void replaced(const char *what, uint64_t block, const uint8_t *data)
{
    struct mark m = disk_mark(disk);
    disk_set(disk, block, data);
    attack(what, block, 0);
    disk_back(disk, m);
}

/* ... or to one that is open, before anything is read. */
static void replaced_open(uint64_t block, const uint8_t *data)
{
    struct memory_anchor copy = anchor;
    struct cow *c;
    params.dev = &disk->dev;
    params.anchor = &copy.anchor;
    if (cow_mount(&params, &c) < 0)
        fail("attack: the volume does not open");
    struct mark m = disk_mark(disk);
    disk_set(disk, block, data);
    seen.tried++;
    judge(c, "replaced while it is open", block, 0);
    cow_abandon(c);
    disk_back(disk, m);
}

static void report(const char *what)
{
    printf("attack: %s: %lu tried, %lu refused, %lu errors, %lu without effect\n", what, seen.tried,
           seen.refused, seen.errors, seen.same);
    if (seen.refused + seen.errors == 0)
        fail("attack: %s: nothing was found", what);
    seen = (struct outcome){0};
}

static void replay(void)
{
    static const uint8_t zero[COW_BLOCK];
    for (size_t n = 0; n < disk->event_count; n++) {
        const struct event *e = &disk->events[n];
        if (e->kind != EVENT_WRITE || disk->view[e->n] == e->data)
            continue;
        replaced("an older version of block", e->n, e->data);
        replaced_open(e->n, e->data);
    }
    for (uint64_t b = 0; b < BLOCKS; b++)
        replaced("zeros in block", b, zero);
    report("older versions of blocks");
}

static void foreign(const struct disk *other)
{
    for (uint64_t b = 0; b < BLOCKS; b++)
        replaced("another volume's block", b, other->view[b]);
    report("blocks of another volume with the same key");
}

static void flip(void)
{
    for (uint64_t b = 0; b < BLOCKS; b++)
        for (uint32_t s = 0; s < COW_BLOCK / SECTOR; s++) {
            struct mark m = disk_mark(disk);
            uint8_t *flipped = disk_buffer(disk);
            memcpy(flipped, disk->view[b], COW_BLOCK);
            flipped[s * SECTOR + b * 37 % SECTOR] ^= (uint8_t) (1u << b % 8);
            disk_set(disk, b, flipped);
            attack("a flipped bit in block", b, s);
            disk_back(disk, m);
        }
    report("flipped bits");
}

static void swap(unsigned step)
{
    for (uint64_t a = 0, n = 0; a < BLOCKS; a++)
        for (uint64_t b = a + 1; b < BLOCKS; b++, n++) {
            const uint8_t *in_a = disk->view[a], *in_b = disk->view[b];
            if (n % step || memcmp(in_a, in_b, COW_BLOCK) == 0)
                continue;
            struct mark m = disk_mark(disk);
            disk_set(disk, a, in_b);
            disk_set(disk, b, in_a);
            attack("swapped blocks", a, b);
            disk_back(disk, m);
        }
    report(step == 1 ? "all swaps of two blocks" : "some swaps of two blocks");
}

static void cut(void)
{
    for (uint64_t size = 0; size < BLOCKS; size++) {
        disk->dev.blocks = size;
        attack("cut to blocks", size, 0);
    }
    disk->dev.blocks = BLOCKS;
    report("truncations");
}

/* The whole file as it was after each write: also what a host leaves that lies about barriers. */
static void rollback(void)
{
    struct mark m = disk_mark(disk);
    static const uint8_t zero[COW_BLOCK];
    for (uint64_t b = 0; b < BLOCKS; b++)
        disk_set(disk, b, zero);
    for (size_t n = 0; n < disk->event_count; n++) {
        if (disk->events[n].kind != EVENT_WRITE)
            continue;
        attack("put back as it was before write", n, 0);
        disk_set(disk, disk->events[n].n, disk->events[n].data);
    }
    disk_back(disk, m);
    report("older states of the whole file");
}

void attack_everything(const struct cow_params *p, unsigned swap_step)
{
    static const char *const ends[] = {"a volume that was not closed", "a volume that was closed"};
    struct disk *other = disk_new();
    disk = disk_new();
    for (unsigned closed = 0; closed < 2; closed++) {
        params = *p;
        history(other, closed);
        history(disk, closed);
        printf("attack: %s\n", ends[closed]);
        replay();
        foreign(other);
        flip();
        swap(swap_step);
        cut();
        rollback();
    }
    disk_free(other);
    disk_free(disk);
}
