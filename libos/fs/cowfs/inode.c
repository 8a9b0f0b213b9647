/* Inodes: in memory while somebody holds them or they differ from their record in the inode table, and a
 * while longer. A free record holds the next free number. An inode without links that is still held is in
 * the orphan list, a file of numbers: what is in it at mount is deleted. */
#include "libos/base/panic.h"
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

#define IDLE_MAX        256u
#define SLOTS_PER_BLOCK (COW_BLOCK / 8)

static struct cow_inode **bucket(struct cow *c, uint64_t ino)
{
    return &c->inodes[ino * 0x9e3779b97f4a7c15ull >> 54];
}
_Static_assert(COW_HASH == 1024, "bucket() uses ten bits");

int cow_inode_parse(const struct cow_inode_disk *d)
{
    uint32_t type = d->mode & S_IFMT;
    bool known = type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
                 type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK;
    if (!known || d->mode > 0177777 || d->depth > COW_DEPTH_MAX ||
        d->inline_size > COW_INLINE_MAX || d->size > (uint64_t) INT64_MAX)
        return -EUCLEAN;
    return 0;
}

static int record_get(struct cow *c, uint64_t ino, bool create, struct cow_blk **ret_blk,
                      struct cow_inode_disk **ret)
{
    uint64_t index = ino / COW_INODES_PER_BLOCK;
    int r = create ? cow_tree_reach(c, &c->table, index) : 0;
    if (r == 0)
        r = cow_blk_get(c, &c->table, 0, index, create, ret_blk);
    if (r == 0 && !*ret_blk)
        r = -ENOENT;
    if (r == 0)
        *ret = (struct cow_inode_disk *) (*ret_blk)->data + ino % COW_INODES_PER_BLOCK;
    return r;
}

static struct cow_inode *inode_alloc(struct cow *c, uint64_t ino, const struct cow_inode_disk *d)
{
    struct cow_inode *i = new_zero(struct cow_inode);
    if (!i)
        return NULL;
    cow_tree_init(&i->tree, ino, d->generation);
    i->tree.root = d->root;
    i->tree.depth = d->depth;
    i->tree.blocks = d->blocks;
    i->ino = ino;
    i->d = *d;
    i->refs = 1;
    i->hash_next = *bucket(c, ino);
    *bucket(c, ino) = i;
    return i;
}

static void inode_free(struct cow *c, struct cow_inode *i)
{
    struct cow_inode **at = bucket(c, i->ino);
    while (*at != i)
        at = &(*at)->hash_next;
    *at = i->hash_next;
    if (i->changed) {
        list_del(&i->changed_link);
        c->changed_count--;
    }
    cow_tree_forget(c, &i->tree);
    kfree(i);
}

int cow_inode_load(struct cow *c, uint64_t ino, struct cow_inode **ret)
{
    for (struct cow_inode *i = *bucket(c, ino); i; i = i->hash_next)
        if (i->ino == ino) {
            i->refs++;
            *ret = i;
            return 0;
        }
    struct cow_blk *b;
    struct cow_inode_disk *d;
    if (ino < COW_INO_ROOT || ino >= c->next_ino)
        return -ENOENT;
    int r = record_get(c, ino, false, &b, &d);
    if (r == 0 && d->mode == 0)
        r = -ENOENT;
    if (r == 0)
        r = cow_inode_parse(d);
    if (r < 0)
        return r;
    *ret = inode_alloc(c, ino, d);
    return *ret ? 0 : -ENOMEM;
}

static void drop_idle(struct cow *c)
{
    for (unsigned n = 0; n < COW_HASH; n++)
        for (struct cow_inode *i = c->inodes[n], *next; i; i = next) {
            next = i->hash_next;
            if (i->refs == 0 && !i->changed)
                inode_free(c, i);
        }
}

void cow_inode_unref(struct cow *c, struct cow_inode *i)
{
    check(i->refs > 0);
    if (--i->refs == 0 && ++c->idle > IDLE_MAX) {
        c->idle = 0;
        drop_idle(c);
    }
}

void cow_inode_change(struct cow *c, struct cow_inode *i)
{
    if (i->changed)
        return;
    i->changed = true;
    list_add_tail(&c->changed, &i->changed_link);
    c->changed_count++;
}

int cow_inode_store(struct cow *c, struct cow_inode *i)
{
    struct cow_blk *b;
    struct cow_inode_disk *d;
    int r = record_get(c, i->ino, true, &b, &d);
    if (r < 0)
        return r;
    i->d.root = i->tree.root;
    i->d.depth = (uint8_t) i->tree.depth;
    i->d.blocks = i->tree.blocks;
    *d = i->d;
    cow_blk_change(c, b);
    i->changed = false;
    list_del(&i->changed_link);
    c->changed_count--;
    return 0;
}

void cow_inodes_free(struct cow *c)
{
    for (unsigned n = 0; n < COW_HASH; n++)
        while (c->inodes[n])
            inode_free(c, c->inodes[n]);
}

static int target_put(struct cow *c, struct cow_inode *i, const char *target)
{
    size_t n = strlen(target);
    i->d.size = n;
    if (n <= COW_INLINE_MAX) {
        memcpy(i->d.inline_data, target, n);
        i->d.inline_size = (uint8_t) n;
        return 0;
    }
    struct cow_blk *b;
    int r = n < COW_BLOCK ? cow_blk_get(c, &i->tree, 0, 0, true, &b) : -ENAMETOOLONG;
    if (r == 0)
        memcpy(b->data, target, n);
    return r;
}

int cow_inode_new(struct cow *c, const struct cow_new *what, struct cow_inode **ret)
{
    struct cow_blk *b;
    struct cow_inode_disk *d, fresh = {
                                  .mode = what->mode,
                                  .nlink = S_ISDIR(what->mode) ? 2 : 1,
                                  .uid = what->uid,
                                  .gid = what->gid,
                                  .rdev = what->rdev,
                                  .generation = c->next_generation,
                                  .atime_ns = what->now_ns,
                                  .mtime_ns = what->now_ns,
                                  .ctime_ns = what->now_ns,
                                  .btime_ns = what->now_ns,
                              };
    uint64_t ino = c->free_ino ? c->free_ino : c->next_ino;
    int r = record_get(c, ino, true, &b, &d); /* and reserves the block of its record */
    if (r == 0)
        r = d->mode ? -EUCLEAN : cow_inode_parse(&fresh);
    if (r < 0)
        return r;
    struct cow_inode *i = inode_alloc(c, ino, &fresh);
    r = i ? 0 : -ENOMEM;
    if (r == 0 && what->target)
        r = target_put(c, i, what->target);
    if (r < 0) {
        if (i)
            inode_free(c, i);
        return r;
    }
    if (c->free_ino)
        c->free_ino = d->size;
    else
        c->next_ino++;
    c->next_generation++;
    c->inode_count++;
    c->super_changed = true;
    cow_inode_change(c, i);
    *ret = i;
    return 0;
}

/* ---- orphans ---- */

static int slot_get(struct cow *c, uint64_t slot, bool create, struct cow_blk **ret_blk,
                    uint64_t **ret)
{
    struct cow_tree *t = &c->orphans->tree;
    int r = create ? cow_tree_reach(c, t, slot / SLOTS_PER_BLOCK) : 0;
    if (r == 0)
        r = cow_blk_get(c, t, 0, slot / SLOTS_PER_BLOCK, create, ret_blk);
    if (r == 0 && !*ret_blk)
        r = -EUCLEAN;
    if (r == 0)
        *ret = (uint64_t *) (*ret_blk)->data + slot % SLOTS_PER_BLOCK;
    return r;
}

static uint64_t slot_count(const struct cow *c)
{
    return c->orphans->d.size / 8;
}

int cow_orphan_add(struct cow *c, struct cow_inode *i)
{
    struct cow_blk *b;
    uint64_t *p, n = 0;
    if (i->orphan_slot)
        return 0;
    for (; n < slot_count(c); n++) {
        int r = slot_get(c, n, false, &b, &p);
        if (r < 0)
            return r;
        if (*p == 0)
            break;
    }
    int r = slot_get(c, n, true, &b, &p);
    if (r < 0)
        return r;
    *p = i->ino;
    if (n == slot_count(c))
        c->orphans->d.size += 8;
    i->orphan_slot = n + 1;
    cow_blk_change(c, b);
    cow_inode_change(c, c->orphans);
    return 0;
}

int cow_orphan_remove(struct cow *c, struct cow_inode *i)
{
    struct cow_blk *b;
    uint64_t *p;
    if (!i->orphan_slot)
        return 0;
    int r = slot_get(c, i->orphan_slot - 1, false, &b, &p);
    if (r < 0)
        return r;
    *p = 0;
    i->orphan_slot = 0;
    cow_blk_change(c, b);
    cow_inode_change(c, c->orphans);
    return 0;
}

static int delete_xattrs(struct cow *c, struct cow_inode *i)
{
    struct cow_inode *x;
    if (!i->d.xattr_ino)
        return 0;
    int r = cow_inode_load(c, i->d.xattr_ino, &x);
    if (r < 0)
        return r == -ENOENT ? -EUCLEAN : r;
    if (x->refs != 1 || !(x->d.flags & COW_FLAG_PRIVATE)) {
        cow_inode_unref(c, x);
        return -EUCLEAN;
    }
    i->d.xattr_ino = 0;
    return cow_inode_delete(c, x);
}

/* The caller's reference is the last one, and ends here on success. */
int cow_inode_delete(struct cow *c, struct cow_inode *i)
{
    struct cow_blk *b;
    struct cow_inode_disk *d;
    check(i->refs == 1);
    int r = record_get(c, i->ino, true, &b, &d);
    if (r == 0)
        r = delete_xattrs(c, i);
    if (r == 0)
        r = cow_tree_cut(c, &i->tree, 0, UINT64_MAX);
    if (r == 0)
        r = cow_orphan_remove(c, i);
    if (r < 0)
        return r;
    *d = (struct cow_inode_disk){.size = c->free_ino};
    cow_blk_change(c, b);
    c->free_ino = i->ino;
    c->inode_count--;
    c->super_changed = true;
    inode_free(c, i);
    return 0;
}

int cow_orphans_clean(struct cow *c)
{
    for (uint64_t n = 0; n < slot_count(c); n++) {
        struct cow_blk *b;
        uint64_t *p;
        struct cow_inode *i;
        int r = slot_get(c, n, false, &b, &p);
        if (r < 0)
            return r;
        if (*p == 0)
            continue;
        r = cow_begin(c, 8, COW_REMOVES);
        if (r == 0)
            r = slot_get(c, n, false, &b, &p);
        if (r == 0)
            r = cow_inode_load(c, *p, &i);
        if (r < 0)
            return r == -ENOENT ? -EUCLEAN : r;
        i->orphan_slot = n + 1;
        r = i->d.nlink || i->refs != 1 ? -EUCLEAN : cow_inode_delete(c, i);
        if (r < 0)
            return r;
    }
    return 0;
}
