/* A block device in memory for tests of cowfs, that remembers what was written and when it became
 * durable. Every write of a block is a buffer of its own that stays until the end, so any state of the
 * device is an array of pointers. For one test file each: everything is static. */
#ifndef TEST_UNIT_COWDEV_H
#define TEST_UNIT_COWDEV_H

#include <stdio.h>
#include <stdlib.h>
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/fs/cowfs/cow.h"
#include "libos/host/posix/unit.h"
#include "abi/linux/fs.h"
#include "test/unit/cowdigest.h"
#include "test/unit/test.h"

enum cowdev_kind { COWDEV_WRITE, COWDEV_BARRIER, COWDEV_ACK };
struct cowdev_event {
    enum cowdev_kind kind;
    uint64_t block; /* ACK: the txg */
    const uint8_t *data;
};

#define COWDEV_BLOCKS 4096u

struct cowdev {
    struct cow_dev dev;
    const uint8_t *view[COWDEV_BLOCKS];
    struct cowdev_event *events;
    size_t event_count, event_room;
    uint8_t **arena;
    size_t arena_count, arena_room;
    bool recording;
    uint64_t grow_limit;
    unsigned writes;          /* calls */
    void (*in_barrier)(void); /* NULL, or: what others do meanwhile */
    unsigned fail_in;         /* the nth write, barrier or growth from now on fails; 0: none */
    unsigned lie_in;          /* the nth read from now on answers something else */
};

static const uint8_t cowdev_zero[COW_BLOCK];

static struct cowdev *cowdev_of(struct cow_dev *d)
{
    return container_of(d, struct cowdev, dev);
}

static void cowdev_event(struct cowdev *d, enum cowdev_kind kind, uint64_t block,
                         const uint8_t *data)
{
    if (!d->recording)
        return;
    if (d->event_count == d->event_room) {
        d->event_room = d->event_room * 2 + 64;
        d->events = realloc(d->events, d->event_room * sizeof *d->events);
    }
    d->events[d->event_count++] = (struct cowdev_event){kind, block, data};
}

static uint8_t *cowdev_buffer(struct cowdev *d)
{
    if (d->arena_count == d->arena_room) {
        d->arena_room = d->arena_room * 2 + 64;
        d->arena = realloc(d->arena, d->arena_room * sizeof *d->arena);
    }
    return d->arena[d->arena_count++] = malloc(COW_BLOCK);
}

static bool cowdev_fails(struct cowdev *d)
{
    return d->fail_in && --d->fail_in == 0;
}

static int cowdev_read(struct cow_dev *dev, uint64_t block, uint32_t count, void *dst)
{
    struct cowdev *d = cowdev_of(dev);
    if (block + count > dev->blocks)
        return -EIO;
    for (uint32_t i = 0; i < count; i++)
        memcpy((uint8_t *) dst + i * COW_BLOCK, d->view[block + i], COW_BLOCK);
    if (d->lie_in && --d->lie_in == 0)
        ((uint8_t *) dst)[block % COW_BLOCK] ^= 0x40;
    return 0;
}

static int cowdev_write(struct cow_dev *dev, uint64_t block, uint32_t count, const void *src)
{
    struct cowdev *d = cowdev_of(dev);
    assert_true(block + count <= dev->blocks);
    if (cowdev_fails(d))
        return -EIO;
    d->writes++;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = cowdev_buffer(d);
        memcpy(p, (const uint8_t *) src + i * COW_BLOCK, COW_BLOCK);
        d->view[block + i] = p;
        cowdev_event(d, COWDEV_WRITE, block + i, p);
    }
    return 0;
}

static int cowdev_barrier(struct cow_dev *dev)
{
    if (cowdev_fails(cowdev_of(dev)))
        return -EIO;
    if (cowdev_of(dev)->in_barrier)
        cowdev_of(dev)->in_barrier();
    cowdev_event(cowdev_of(dev), COWDEV_BARRIER, 0, NULL);
    return 0;
}

static int cowdev_grow(struct cow_dev *dev, uint64_t blocks)
{
    struct cowdev *d = cowdev_of(dev);
    if (cowdev_fails(d))
        return -EIO;
    if (blocks > COWDEV_BLOCKS || (d->grow_limit && blocks > d->grow_limit))
        return -ENOSPC;
    dev->blocks = MAX(dev->blocks, blocks);
    return 0;
}

static const struct cow_dev_ops cowdev_ops = {
    .read = cowdev_read,
    .write = cowdev_write,
    .barrier = cowdev_barrier,
    .grow = cowdev_grow,
};

static inline struct cowdev *cowdev_new(void)
{
    struct cowdev *d = calloc(1, sizeof *d);
    d->dev.ops = &cowdev_ops;
    for (unsigned i = 0; i < COWDEV_BLOCKS; i++)
        d->view[i] = cowdev_zero;
    return d;
}

static inline void cowdev_free(struct cowdev *d)
{
    for (size_t i = 0; i < d->arena_count; i++)
        free(d->arena[i]);
    free(d->arena);
    free(d->events);
    free(d);
}

static const uint8_t cowdev_key[32] = "the key of all volumes in tests";

static inline struct cow_params cowdev_params(struct cowdev *d, uint64_t blocks)
{
    return (struct cow_params){.dev = &d->dev,
                               .kind = COW_SLOT_USER,
                               .slot_secret = cow_secret_user,
                               .user_key = cowdev_key,
                               .blocks = blocks,
                               .blocks_max = blocks};
}

#define COWNAME(s) ((struct cow_name){(s), strlen(s)})

/* What is on the device, to be put back later: blocks are never changed in place. */
struct cowdev_state {
    const uint8_t *view[COWDEV_BLOCKS];
};

static inline struct cowdev_state cowdev_state(const struct cowdev *d)
{
    struct cowdev_state s;
    memcpy(s.view, d->view, sizeof s.view);
    return s;
}

static inline void cowdev_restore(struct cowdev *d, const struct cowdev_state *s)
{
    memcpy(d->view, s->view, sizeof s->view);
}
#endif
