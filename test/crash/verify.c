/* What a state must look like: exactly one commit, no older than what was promised. For each commit there is a
 * reference, made when nothing was missing: its digest and the blocks that it consists of. A state that shows it
 * must have those very blocks. As every block is authenticated by the one that leads to it, this is what
 * reading all of it would find; some states are read all the same, checked, and written to, and the first
 * commit after the crash is crashed, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/base/errno.h"
#include "libos/fs/cowfs/priv.h"
#include "test/crash/crash.h"
#include "test/unit/cowdigest.h"

struct kept {
    uint64_t block;
    const uint8_t *data;
};
struct reference {
    uint64_t digest; /* 0: none */
    struct kept *kept;
    size_t count, room;
};

static struct reference *references; /* by txg */
static size_t reference_count;

uint64_t tree_digest(struct cow *c)
{
    uint64_t d;
    int r = cowdev_digest(c, &d);
    if (r < 0)
        fail("a volume cannot be read: error %d", -r);
    return d;
}

void verify_forget(void)
{
    for (size_t n = 0; n < reference_count; n++)
        free(references[n].kept);
    free(references);
    references = NULL;
    reference_count = 0;
}

static struct reference *reference_of(uint64_t txg, bool create)
{
    if (txg >= reference_count && !create)
        return NULL;
    if (txg >= reference_count) {
        size_t count = txg + 1 + txg / 2;
        references = realloc(references, count * sizeof *references);
        if (!references)
            fail("out of memory");
        memset(references + reference_count, 0, (count - reference_count) * sizeof *references);
        reference_count = count;
    }
    return &references[txg];
}

static struct cow *mount_it(struct verifier *v, struct disk *d)
{
    struct cow *c;
    v->params.dev = &d->dev;
    int r = cow_mount(&v->params, &c);
    if (r < 0)
        fail("%s, state %lu: the volume does not open: error %d", v->what, v->states, -r);
    return c;
}

/* ---- references ---- */

struct collect {
    struct cow_walk walk;
    struct reference *ref;
    const struct disk *d;
};

static void keep(struct reference *r, uint64_t block, const uint8_t *data)
{
    if (r->count == r->room) {
        r->room = r->room * 2 + 64;
        r->kept = realloc(r->kept, r->room * sizeof *r->kept);
        if (!r->kept)
            fail("out of memory");
    }
    r->kept[r->count++] = (struct kept){block, data};
}

static int keep_ptr(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
                    const struct cow_ptr *p)
{
    const struct collect *k = container_of(w, struct collect, walk);
    keep(k->ref, p->addr, k->d->view[p->addr]);
    return 1;
}

void verify_reference(struct verifier *v, struct disk *d, uint64_t acked, uint64_t live)
{
    struct mark m = disk_mark(d);
    struct cow *c = mount_it(v, d);
    struct reference *r = reference_of(cow_txg(c), true);
    struct collect k = {{.ptr = keep_ptr}, r, d};
    r->count = 0;
    keep(r, COW_RING_FIRST + c->txg % COW_RING, d->view[COW_RING_FIRST + c->txg % COW_RING]);
    if (cow_walk_all(c, &k.walk) < 0)
        fail("%s: a whole state cannot be read", v->what);
    r->digest = tree_digest(c);
    if (live && live != r->digest)
        fail("%s: txg %lu is not what was synced", v->what, cow_txg(c));
    if (v->each)
        v->each(v, c, acked);
    cow_abandon(c);
    disk_back(d, m);
}

/* ---- states ---- */

static void has_blocks(const struct verifier *v, const struct disk *d, const struct reference *r)
{
    for (size_t n = 0; n < r->count; n++) {
        const uint8_t *there = d->view[r->kept[n].block];
        if (r->kept[n].block >= d->dev.blocks ||
            (there != r->kept[n].data && memcmp(there, r->kept[n].data, COW_BLOCK) != 0))
            fail("%s, state %lu: block %lu of what it shows is lost", v->what, v->states,
                 r->kept[n].block);
    }
}

static const struct cow_name after = {"made after the crash", 20};

/* False: the volume is full. */
static bool go_on(struct verifier *v, struct disk *d, struct cow *c)
{
    struct cow_inode *root, *i;
    const struct cow_new what = {.mode = S_IFREG | 0600};
    int r = cow_get(c, COW_INO_ROOT, &root);
    if (r == 0)
        r = cow_make(c, root, after, &what, &i);
    if (r == -ENOSPC) {
        cow_put(c, root);
        return false;
    }
    if (r < 0)
        fail("%s, state %lu: nothing can be made after it: error %d", v->what, v->states, -r);
    r = cow_write(c, i, 0, 1, d->view[0], COW_BLOCK);
    cow_put(c, i);
    cow_put(c, root);
    if ((r < 0 && r != -ENOSPC) || cow_sync(c) < 0)
        fail("%s, state %lu: nothing can be synced after it", v->what, v->states);
    return true;
}

static void went_on(struct verifier *v, struct disk *d, bool made)
{
    struct cow *c = mount_it(v, d);
    struct cow_inode *root, *i;
    if (cow_get(c, COW_INO_ROOT, &root) < 0 || (made && cow_lookup(c, root, after, &i) < 0))
        fail("%s, state %lu: what was synced after it is lost", v->what, v->states);
    if (made)
        cow_put(c, i);
    cow_put(c, root);
    if (cow_check(c) != 0)
        fail("%s, state %lu: not consistent after more changes", v->what, v->states);
    cow_abandon(c);
}

/* The first commits after the crash are cut off after each of their writes. */
static void crash_again(struct verifier *v, struct disk *d, const struct event *e, size_t count,
                        uint64_t txg)
{
    for (size_t n = 0; n < count; n++) {
        if (e[n].kind == EVENT_GROW)
            d->dev.blocks = e[n].n;
        if (e[n].kind != EVENT_WRITE)
            continue;
        disk_set(d, e[n].n, e[n].data);
        struct mark m = disk_mark(d);
        struct cow *c = mount_it(v, d);
        if (cow_txg(c) < txg || cow_txg(c) > txg + 2 || cow_check(c) != 0)
            fail("%s, state %lu: a second crash", v->what, v->states);
        cow_abandon(c);
        disk_back(d, m);
        v->states++;
    }
}

static void check_all(struct verifier *v, struct cow *c, const struct reference *r)
{
    if (tree_digest(c) != r->digest)
        fail("%s, state %lu: txg %lu differs", v->what, v->states, cow_txg(c));
    if (cow_check(c) != 0)
        fail("%s, state %lu: fsck finds something", v->what, v->states);
}

/* Events whose data stay when the device goes back. */
static struct event *events_copy(const struct disk *d, uint8_t **ret_data)
{
    struct event *e = malloc((d->event_count + 1) * sizeof *e);
    uint8_t *data = malloc((d->event_count + 1) * (size_t) COW_BLOCK);
    if (!e || !data)
        fail("out of memory");
    for (size_t n = 0; n < d->event_count; n++) {
        e[n] = (struct event){d->events[n].kind, d->events[n].n, data + n * COW_BLOCK};
        if (d->events[n].data)
            memcpy(data + n * COW_BLOCK, d->events[n].data, COW_BLOCK);
    }
    *ret_data = data;
    return e;
}

static void thorough(struct verifier *v, struct disk *d, struct cow *c, const struct reference *r)
{
    uint64_t txg = cow_txg(c);
    struct mark start = disk_mark(d);
    d->recording = true;
    d->event_count = 0;
    check_all(v, c, r);
    bool made = go_on(v, d, c);
    d->recording = false;
    went_on(v, d, made);
    uint8_t *data;
    size_t count = d->event_count;
    struct event *e = events_copy(d, &data);
    disk_back(d, start);
    crash_again(v, d, e, count, txg);
    free(data);
    free(e);
}

void verify_state(struct verifier *v, struct disk *d, uint64_t oldest)
{
    struct mark m = disk_mark(d);
    struct cow *c = mount_it(v, d);
    uint64_t txg = cow_txg(c);
    const struct reference *r = reference_of(txg, false);
    if (txg < oldest || !r || !r->digest)
        fail("%s, state %lu: shows txg %lu (promised: %lu) or no commit at all", v->what, v->states,
             txg, oldest);
    has_blocks(v, d, r);
    v->unacknowledged += txg > oldest;
    if (v->thorough && v->states % v->thorough == 0)
        thorough(v, d, c, r);
    cow_abandon(c);
    disk_back(d, m);
    v->states++;
}
