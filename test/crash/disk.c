/* The device: pointers to blocks that never change. What is written while it records stays until the end; what is
 * written after a mark goes when the mark is gone back to. */
#include <stdlib.h>
#include <string.h>
#include "libos/base/errno.h"
#include "test/crash/crash.h"

static const uint8_t zero[COW_BLOCK];

static struct disk *disk_of(struct cow_dev *d)
{
    return container_of(d, struct disk, dev);
}

static void *grown(void *p, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return p;
    *room = *room * 2 + 64;
    p = realloc(p, *room * size);
    if (!p)
        fail("out of memory");
    return p;
}

void disk_record(struct disk *d, enum event_kind kind, uint64_t n, const uint8_t *data)
{
    if (!d->recording)
        return;
    d->events = grown(d->events, d->event_count, &d->event_room, sizeof *d->events);
    d->events[d->event_count++] = (struct event){kind, n, data};
}

uint8_t *disk_buffer(struct disk *d)
{
    d->arena.p = grown(d->arena.p, d->arena.count, &d->arena.room, sizeof *d->arena.p);
    uint8_t *p = malloc(COW_BLOCK);
    if (!p)
        fail("out of memory");
    return d->arena.p[d->arena.count++] = p;
}

void disk_set(struct disk *d, uint64_t block, const uint8_t *data)
{
    d->undo = grown(d->undo, d->undo_count, &d->undo_room, sizeof *d->undo);
    d->undo[d->undo_count++] = (struct undo){block, d->view[block]};
    d->view[block] = data;
}

struct mark disk_mark(const struct disk *d)
{
    return (struct mark){d->undo_count, d->arena.count, d->dev.blocks};
}

void disk_back(struct disk *d, struct mark m)
{
    while (d->undo_count > m.undo) {
        const struct undo *u = &d->undo[--d->undo_count];
        d->view[u->block] = u->was;
    }
    while (d->arena.count > m.arena)
        free(d->arena.p[--d->arena.count]);
    d->dev.blocks = m.blocks;
}

static int disk_read(struct cow_dev *dev, uint64_t block, uint32_t count, void *dst)
{
    const struct disk *d = disk_of(dev);
    if (block + count > dev->blocks)
        return -EIO; /* as of a file that ends before */
    for (uint32_t i = 0; i < count; i++)
        memcpy((uint8_t *) dst + (size_t) i * COW_BLOCK, d->view[block + i], COW_BLOCK);
    return 0;
}

static int disk_write(struct cow_dev *dev, uint64_t block, uint32_t count, const void *src)
{
    struct disk *d = disk_of(dev);
    if (block + count > dev->blocks)
        fail("a write behind the end of the device");
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = disk_buffer(d);
        memcpy(p, (const uint8_t *) src + (size_t) i * COW_BLOCK, COW_BLOCK);
        disk_set(d, block + i, p);
        disk_record(d, EVENT_WRITE, block + i, p);
    }
    return 0;
}

/* What is written while a barrier is on its way may be covered by it or not. */
static int disk_barrier(struct cow_dev *dev)
{
    struct disk *d = disk_of(dev);
    bool late = d->meanwhile && rnd(2);
    if (d->dying)
        return -EIO;
    if (d->meanwhile && !late)
        d->meanwhile();
    disk_record(d, EVENT_BARRIER, 0, NULL);
    if (d->meanwhile && late)
        d->meanwhile();
    return 0;
}

static int disk_grow(struct cow_dev *dev, uint64_t blocks)
{
    if (blocks > DISK_BLOCKS)
        return -ENOSPC;
    if (blocks > dev->blocks) {
        dev->blocks = blocks;
        disk_record(disk_of(dev), EVENT_GROW, blocks, NULL);
    }
    return 0;
}

static const struct cow_dev_ops ops = {
    .read = disk_read, .write = disk_write, .barrier = disk_barrier, .grow = disk_grow};

struct disk *disk_new(void)
{
    struct disk *d = calloc(1, sizeof *d);
    if (!d || !(d->view = malloc(DISK_BLOCKS * sizeof *d->view)))
        fail("out of memory");
    d->dev.ops = &ops;
    for (unsigned i = 0; i < DISK_BLOCKS; i++)
        d->view[i] = zero;
    return d;
}

void disk_clear(struct disk *d)
{
    disk_back(d, (struct mark){0});
    d->event_count = 0;
    d->recording = false;
    d->meanwhile = NULL;
}

void disk_free(struct disk *d)
{
    disk_clear(d);
    free(d->arena.p);
    free(d->undo);
    free(d->events);
    free(d->view);
    free(d);
}
