/* A freshness anchor in memory, that nobody turns back. */
#ifndef TEST_UNIT_COWANCHOR_H
#define TEST_UNIT_COWANCHOR_H

#include "libos/base/errno.h"
#include "libos/fs/cowfs/cow.h"

struct memory_anchor {
    struct cow_anchor anchor;
    uint64_t txg;
};

static int anchor_read(struct cow_anchor *a, const uint8_t uuid[16], uint64_t *ret_txg)
{
    *ret_txg = container_of(a, struct memory_anchor, anchor)->txg;
    return 0;
}

static int anchor_advance(struct cow_anchor *a, const uint8_t uuid[16], uint64_t txg)
{
    struct memory_anchor *m = container_of(a, struct memory_anchor, anchor);
    if (txg <= m->txg)
        return -ESTALE; /* another instance was here */
    m->txg = txg;
    return 0;
}

static const struct cow_anchor_ops memory_anchor_ops = {anchor_read, anchor_advance};
#endif
