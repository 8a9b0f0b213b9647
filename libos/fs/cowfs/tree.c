/* Radix trees: where a data block is, cutting a range out, and giving changed nodes new places. Depth 0
 * means that the root is the only data block; a node of level l has COW_FAN children of level l - 1.
 * Recursion is at most COW_DEPTH_MAX deep. */
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"

uint64_t cow_tree_span(uint32_t level)
{
    return (uint64_t) 1 << (level * COW_FAN_BITS);
}

int cow_tree_ptr(struct cow *c, struct cow_tree *t, uint64_t index, struct cow_ptr *ret)
{
    *ret = (struct cow_ptr){0};
    if (index >= cow_tree_span(t->depth))
        return 0;
    if (t->depth == 0) {
        *ret = t->root;
        return 0;
    }
    struct cow_blk *b;
    int r = cow_blk_get(c, t, 1, index >> COW_FAN_BITS, false, &b);
    if (r == 0 && b)
        *ret = cow_node(b)->slot[index % COW_FAN];
    return r;
}

int cow_tree_reach(struct cow *c, struct cow_tree *t, uint64_t index)
{
    if (index >= cow_tree_span(COW_DEPTH_MAX))
        return -EFBIG;
    while (index >= cow_tree_span(t->depth)) {
        struct cow_ptr root = t->root;
        bool empty = cow_hole(&root) && !cow_blk_find(c, t, t->depth, 0);
        t->depth++;
        t->root = (struct cow_ptr){0};
        struct cow_blk *b;
        int r = empty ? 0 : cow_blk_get(c, t, t->depth, 0, true, &b);
        if (r < 0) {
            t->depth--;
            t->root = root;
            return r;
        }
        if (!empty)
            cow_node(b)->slot[0] = root;
    }
    return 0;
}

int cow_tree_set(struct cow *c, struct cow_tree *t, uint64_t index, const struct cow_ptr *p)
{
    struct cow_ptr *slot = &t->root;
    struct cow_blk *b = NULL;
    int r = p ? cow_tree_reach(c, t, index) : 0;
    if (r < 0 || index >= cow_tree_span(t->depth))
        return r;
    if (t->depth > 0) {
        r = cow_blk_get(c, t, 1, index >> COW_FAN_BITS, p != NULL, &b);
        if (r < 0 || !b)
            return r;
        slot = &cow_node(b)->slot[index % COW_FAN];
    }
    if (!p && cow_hole(slot))
        return 0;
    t->blocks += p != NULL;
    if (!cow_hole(slot)) {
        cow_free(c, slot);
        t->blocks--;
    }
    *slot = p ? *p : (struct cow_ptr){0};
    if (b)
        cow_blk_change(c, b);
    return 0;
}

struct cut {
    uint64_t first, end; /* data blocks */
};

/* Takes the range out of what slot leads to; *slot becomes a hole when nothing of it can be left. */
static int cut_node(struct cow *c, struct cow_tree *t, uint32_t level, uint64_t index,
                    const struct cut *cut, struct cow_ptr *slot)
{
    uint64_t span = cow_tree_span(level), first = index * span;
    bool whole = cut->first <= first && first + span <= cut->end;
    struct cow_blk *b = cow_blk_find(c, t, level, index);
    if (cut->first >= first + span || cut->end <= first || (!b && cow_hole(slot)))
        return 0;
    if (level > 0) {
        int r = cow_blk_get(c, t, level, index, false, &b);
        if (r < 0)
            return r;
        for (unsigned i = 0; i < COW_FAN; i++) {
            struct cow_ptr child = cow_node(b)->slot[i];
            r = cut_node(c, t, level - 1, index * COW_FAN + i, cut, &child);
            if (r < 0)
                return r;
            if (cow_hole(&child) && !cow_hole(&cow_node(b)->slot[i])) {
                cow_node(b)->slot[i] = child;
                cow_blk_change(c, b);
            }
        }
    }
    if (!whole)
        return 0;
    if (level == 0)
        t->blocks--;
    if (b)
        cow_blk_drop(c, b);
    if (!cow_hole(slot))
        cow_free(c, slot);
    *slot = (struct cow_ptr){0};
    return 0;
}

int cow_tree_cut(struct cow *c, struct cow_tree *t, uint64_t first, uint64_t end)
{
    struct cut cut = {first, end};
    if (first >= end)
        return 0;
    int r = cut_node(c, t, t->depth, 0, &cut, &t->root);
    if (r == 0 && first == 0 && end >= cow_tree_span(t->depth))
        t->depth = 0;
    return r;
}

/* *ret stays UINT64_MAX when there is none. */
static int next_below(struct cow *c, struct cow_tree *t, uint32_t level, uint64_t index,
                      uint64_t from, uint64_t *ret)
{
    uint64_t span = cow_tree_span(level), first = index * span;
    if (from >= first + span)
        return 0;
    if (level == 0) {
        *ret = index;
        return 0;
    }
    struct cow_blk *b;
    int r = cow_blk_get(c, t, level, index, false, &b);
    if (r < 0 || !b)
        return r;
    uint64_t below = cow_tree_span(level - 1);
    for (uint64_t i = from > first ? (from - first) / below : 0; i < COW_FAN; i++) {
        uint64_t child = index * COW_FAN + i;
        if (cow_hole(&cow_node(b)->slot[i]) && !cow_blk_find(c, t, level - 1, child))
            continue;
        r = next_below(c, t, level - 1, child, from, ret);
        if (r < 0 || *ret != UINT64_MAX)
            return r;
    }
    return 0;
}

int cow_tree_next(struct cow *c, struct cow_tree *t, uint64_t index, uint64_t *ret)
{
    *ret = UINT64_MAX;
    if (cow_hole(&t->root) && !cow_blk_find(c, t, t->depth, 0))
        return 0;
    return next_below(c, t, t->depth, 0, index, ret);
}

static int commit_block(struct cow *c, struct cow_tree *t, struct cow_blk *b)
{
    struct cow_blk *parent = NULL;
    uint64_t addr;
    uint8_t *out;
    int r = 0;
    if (b->level < t->depth)
        r = cow_blk_get(c, t, b->level + 1, b->index >> COW_FAN_BITS, true, &parent);
    if (r == 0)
        r = cow_alloc(c, &addr);
    if (r == 0)
        r = cow_queue_block(c, addr, &out);
    if (r < 0)
        return r;
    struct cow_ptr p;
    r = cow_seal(c, t, b->level, b->index, addr, b->data, out, &p);
    if (r < 0)
        return r;
    if (!cow_hole(&b->at))
        cow_free(c, &b->at);
    b->at = p;
    if (parent) {
        cow_node(parent)->slot[b->index % COW_FAN] = p;
        cow_blk_change(c, parent);
    } else {
        t->root = p;
    }
    cow_blk_clean(c, b);
    return 0;
}

int cow_tree_commit(struct cow *c, struct cow_tree *t)
{
    for (uint32_t level = 0; level <= t->depth; level++) {
        struct cow_blk *b;
        list_for_each_safe (b, &t->dirty, dirty) {
            if (b->level != level)
                continue;
            int r = commit_block(c, t, b);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
