/* Every pointer of a volume, read from the device and not through the cache: for the check of what a
 * commit wrote (mount) and of everything (check.c). Nothing read is trusted further than its tag. */
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

struct place {
    const struct cow_tree *tree;
    uint64_t ino;
    const struct cow_inode_disk *inode; /* NULL: one of the files that describe the others */
};

static int walk_ptr(struct cow *c, struct cow_walk *w, const struct place *at, uint32_t level,
                    uint64_t index, const struct cow_ptr *p);

static int walk_tree(struct cow *c, struct cow_walk *w, uint64_t ino,
                     const struct cow_inode_disk *d)
{
    struct cow_tree t;
    struct place at = {&t, ino, d};
    cow_tree_init(&t, ino, d->generation);
    return cow_hole(&d->root) ? 0 : walk_ptr(c, w, &at, d->depth, 0, &d->root);
}

static int table_block(struct cow *c, struct cow_walk *w, uint64_t index, const uint8_t *data)
{
    for (uint64_t n = 0; n < COW_INODES_PER_BLOCK; n++) {
        struct cow_inode_disk d;
        memcpy(&d, data + n * sizeof d, sizeof d);
        if (d.mode == 0)
            continue;
        uint64_t ino = index * COW_INODES_PER_BLOCK + n;
        int r = cow_inode_parse(&d);
        if (r == 0)
            r = w->inode ? w->inode(w, ino, &d) : 1;
        if (r > 0)
            r = walk_tree(c, w, ino, &d);
        if (r < 0)
            return r;
    }
    return 0;
}

static int leaf(struct cow *c, struct cow_walk *w, const struct place *at, uint64_t index,
                uint8_t *data)
{
    if (at->ino == COW_INO_TABLE && !at->inode)
        return table_block(c, w, index, data);
    bool listed = at->inode && (S_ISDIR(at->inode->mode) || (at->inode->flags & COW_FLAG_PRIVATE));
    return listed && w->block ? w->block(w, at->ino, at->inode, index, data) : 0;
}

static int walk_ptr(struct cow *c, struct cow_walk *w, const struct place *at, uint32_t level,
                    uint64_t index, const struct cow_ptr *p)
{
    int r = cow_ptr_ok(c, p) ? w->ptr(w, at->tree, level, index, p) : -EBADMSG;
    if (r <= 0)
        return r;
    uint8_t *data = kzalloc(COW_BLOCK);
    if (!data)
        return -ENOMEM;
    r = cow_dev_read(c, p->addr, 1, data);
    if (r == 0)
        r = cow_open(c, at->tree, level, index, p, data);
    if (r < 0 && r != -ENOMEM && w->bad) {
        kfree(data);
        return w->bad(w, at->tree, level, index, p, r);
    }
    if (r == 0 && level == 0)
        r = leaf(c, w, at, index, data);
    const struct cow_node *n = (const struct cow_node *) data;
    for (unsigned i = 0; level > 0 && r == 0 && i < COW_FAN; i++)
        if (!cow_hole(&n->slot[i]))
            r = walk_ptr(c, w, at, level - 1, index * COW_FAN + i, &n->slot[i]);
    kfree(data);
    return r;
}

int cow_walk_all(struct cow *c, struct cow_walk *w)
{
    const struct cow_tree *trees[] = {&c->epoch_tree, &c->bitmap, &c->table};
    for (unsigned i = 0; i < ARRAY_SIZE(trees); i++) {
        struct place at = {trees[i], trees[i]->ino, NULL};
        int r = cow_hole(&trees[i]->root)
                    ? 0
                    : walk_ptr(c, w, &at, trees[i]->depth, 0, &trees[i]->root);
        if (r < 0)
            return r;
    }
    return 0;
}
