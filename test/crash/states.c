/* The states that a crash can leave. A barrier makes everything before it certain. Of the writes since the last one
 * any may have arrived, in any order, the last of them torn between sectors of 512 bytes, and the file may or may
 * not have its new size. For each interval: all prefixes, each also with its last write torn; all writes but
 * one; the superblock alone; random versions of each block, whole and torn.
 *
 * A number that was acknowledged before the barrier that covers it would be found: the writes so far are tried
 * against it. */
#include <stdlib.h>
#include <string.h>
#include "libos/base/panic.h"
#include "test/crash/crash.h"

#define SECTOR 512u

struct interval {
    struct disk *d; /* shows what is certain */
    struct verifier *v;
    const struct event *e; /* the writes */
    size_t count;
    uint64_t old_blocks, new_blocks; /* size of the file: certain, and as it may be */
    uint64_t oldest;                 /* txg that must be there at least */
};

static void apply(struct interval *t, const struct event *e)
{
    if (e->n < t->d->dev.blocks)
        disk_set(t->d, e->n, e->data);
}

static void apply_torn(struct interval *t, const struct event *e)
{
    if (e->n >= t->d->dev.blocks)
        return;
    uint8_t *mixed = disk_buffer(t->d);
    uint32_t mask = 1 + rnd(254);
    memcpy(mixed, t->d->view[e->n], COW_BLOCK);
    for (uint32_t s = 0; s < COW_BLOCK / SECTOR; s++)
        if (mask >> s & 1)
            memcpy(mixed + s * SECTOR, e->data + s * SECTOR, SECTOR);
    disk_set(t->d, e->n, mixed);
}

static void choose_size(struct interval *t)
{
    t->d->dev.blocks = t->old_blocks < t->new_blocks && rnd(2) ? t->old_blocks : t->new_blocks;
}

static void try_prefixes(struct interval *t, unsigned limit)
{
    struct mark start = disk_mark(t->d);
    size_t step = limit && t->count > limit ? t->count / limit : 1;
    choose_size(t);
    verify_state(t->v, t->d, t->oldest);
    for (size_t n = 0; n < t->count; n++) {
        struct mark before = disk_mark(t->d);
        if (n % step == 0 || n + 3 > t->count) {
            apply_torn(t, &t->e[n]);
            verify_state(t->v, t->d, t->oldest);
            disk_back(t->d, before);
        }
        apply(t, &t->e[n]);
        if (n % step == 0 || n + 3 > t->count)
            verify_state(t->v, t->d, t->oldest);
    }
    disk_back(t->d, start);
}

/* All but one: then all after the one that is missing are there, too. */
static void try_missing(struct interval *t, unsigned limit)
{
    size_t step = limit && t->count > limit ? t->count / limit : 1;
    for (size_t gone = 0; gone < t->count; gone += step) {
        struct mark start = disk_mark(t->d);
        choose_size(t);
        for (size_t n = 0; n < t->count; n++)
            if (n != gone)
                apply(t, &t->e[n]);
        verify_state(t->v, t->d, t->oldest);
        disk_back(t->d, start);
    }
}

static void try_last_alone(struct interval *t)
{
    struct mark start = disk_mark(t->d);
    choose_size(t);
    apply(t, &t->e[t->count - 1]);
    verify_state(t->v, t->d, t->oldest);
    disk_back(t->d, start);
}

static void try_subset(struct interval *t, bool torn)
{
    struct mark start = disk_mark(t->d);
    uint32_t keep = 1 + rnd(9), tear = torn ? 1 + rnd(5) : 0; /* of ten */
    choose_size(t);
    for (size_t n = 0; n < t->count; n++) {
        if (rnd(10) < tear)
            apply_torn(t, &t->e[n]);
        else if (rnd(10) < keep)
            apply(t, &t->e[n]);
    }
    verify_state(t->v, t->d, t->oldest);
    disk_back(t->d, start);
}

static void crash_within(struct interval *t, const struct effort *effort)
{
    struct mark start = disk_mark(t->d);
    if (t->count == 0)
        return;
    try_prefixes(t, effort->prefixes);
    if (t->count > 1) {
        try_missing(t, effort->prefixes);
        try_last_alone(t);
        for (unsigned n = 0; n < effort->subsets; n++)
            try_subset(t, false);
    }
    for (unsigned n = 0; n < effort->tears; n++)
        try_subset(t, true);
    disk_back(t->d, start);
}

/* The next barrier at or behind `at`, or the end; the promises and the file's size on the way. */
static size_t interval_read(const struct disk *d, size_t at, struct event *writes,
                            struct interval *t, uint64_t *acked)
{
    t->count = 0;
    for (; at < d->event_count && d->events[at].kind != EVENT_BARRIER; at++) {
        const struct event *e = &d->events[at];
        if (e->kind == EVENT_WRITE)
            writes[t->count++] = *e;
        else if (e->kind == EVENT_GROW)
            t->new_blocks = MAX(t->new_blocks, e->n);
        else
            *acked = MAX(*acked, e->n);
    }
    return at;
}

static uint64_t certain(struct interval *t, uint64_t acked, const uint64_t *live)
{
    t->d->dev.blocks = t->old_blocks = t->new_blocks;
    for (size_t n = 0; n < t->count; n++)
        apply(t, &t->e[n]);
    struct cow *c;
    struct mark m = disk_mark(t->d);
    t->v->params.dev = &t->d->dev;
    if (cow_mount(&t->v->params, &c) < 0)
        fail("%s: no volume after a barrier", t->v->what);
    uint64_t txg = cow_txg(c);
    cow_abandon(c);
    disk_back(t->d, m);
    verify_reference(t->v, t->d, acked, live ? live[txg] : 0);
    return txg;
}

static bool later_writes(const struct disk *d, size_t at)
{
    for (; at < d->event_count; at++)
        if (d->events[at].kind == EVENT_WRITE)
            return true;
    return false;
}

/* The promises that are made after the barrier belong to the state that it made certain. */
static uint64_t acked_behind(const struct disk *d, size_t at, uint64_t acked)
{
    for (at++; at < d->event_count && d->events[at].kind != EVENT_BARRIER; at++)
        if (d->events[at].kind == EVENT_ACK)
            acked = MAX(acked, d->events[at].n);
    return acked;
}

void crash_everywhere(struct disk *d, struct disk *start, struct verifier *v,
                      const struct effort *effort, const uint64_t *live)
{
    struct event *writes = malloc((d->event_count + 1) * sizeof *writes);
    struct interval t = {.d = start, .v = v, .e = writes, .new_blocks = start->dev.blocks};
    uint64_t acked = 0;
    if (!writes)
        fail("out of memory");
    t.oldest = certain(&t, acked_behind(d, (size_t) -1, 0), live);
    for (size_t at = 0; at < d->event_count; at++) {
        at = interval_read(d, at, writes, &t, &acked);
        bool complete = at < d->event_count;
        struct mark before = disk_mark(start);
        uint64_t old_blocks = t.old_blocks, newest = t.oldest;
        if (complete) { /* first, so that a commit that shows before its barrier is known */
            newest = certain(&t, acked_behind(d, at, acked), live);
            disk_back(start, before);
            t.old_blocks = old_blocks;
        }
        if (!effort->last_only || !later_writes(d, at))
            crash_within(&t, effort);
        start->dev.blocks = t.old_blocks = t.new_blocks;
        for (size_t n = 0; n < t.count; n++)
            apply(&t, &writes[n]);
        t.oldest = newest;
    }
    free(writes);
}
