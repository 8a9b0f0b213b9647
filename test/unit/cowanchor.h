/* A freshness anchor in memory, that nobody turns back. */
#ifndef TEST_UNIT_COWANCHOR_H
#define TEST_UNIT_COWANCHOR_H

#include "libos/base/errno.h"
#include "libos/fs/cowfs/cow.h"

struct memory_anchor {
    struct cow_anchor anchor;
    struct cow_mark mark;
};

static int anchor_read(struct cow_anchor *a, const uint8_t uuid[16], struct cow_mark *ret)
{
    *ret = container_of(a, struct memory_anchor, anchor)->mark;
    return 0;
}

static int anchor_advance(struct cow_anchor *a, const uint8_t uuid[16], const struct cow_mark *to)
{
    struct memory_anchor *m = container_of(a, struct memory_anchor, anchor);
    if (to->txg <= m->mark.txg)
        return -ESTALE; /* another instance was here */
    m->mark = *to;
    return 0;
}

static const struct cow_anchor_ops memory_anchor_ops = {anchor_read, anchor_advance};
#endif
