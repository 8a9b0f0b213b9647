/* fsck: reads every block, counts every reference, and compares with what the volume says of itself. */
#include "libos/base/log.h"
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

struct count {
    uint32_t names;   /* directory entries that lead here */
    uint32_t subdirs; /* of a directory */
    uint32_t mode, nlink;
    bool orphan, attributes; /* in the orphan list; somebody's attributes */
    uint64_t parent, entries, entries_seen, blocks, blocks_seen, xattr_ino;
    uint32_t flags;
};

struct checker {
    struct cow_walk walk;
    struct cow *c;
    uint8_t *seen; /* bit per block */
    uint64_t seen_count, inodes;
    struct count *inode;
    long wrong;
};

static struct checker *checker_of(struct cow_walk *w)
{
    return container_of(w, struct checker, walk);
}

#define wrong(k, ...)                                                                              \
    do {                                                                                           \
        (k)->wrong++;                                                                              \
        log_error(__VA_ARGS__);                                                                    \
    } while (0)

static int see_ptr(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
                   const struct cow_ptr *p)
{
    struct checker *k = checker_of(w);
    uint8_t mask = (uint8_t) (1u << p->addr % 8);
    if (k->seen[p->addr / 8] & mask)
        wrong(k, "check: block %lu is used twice", p->addr);
    else
        k->seen_count++;
    k->seen[p->addr / 8] |= mask;
    if (!cow_block_used(k->c, p->addr))
        wrong(k, "check: block %lu of inode %lu is free in the bitmap", p->addr, t->ino);
    if (level == 0 && t->ino >= COW_INO_ROOT && t->ino < k->c->next_ino)
        k->inode[t->ino].blocks_seen++;
    return 1;
}

static int see_bad(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
                   const struct cow_ptr *p, int r)
{
    struct checker *k = checker_of(w);
    wrong(k, "check: block %lu, number %lu at level %u of inode %lu, was changed (error %d)",
          p->addr, index, level, t->ino, -r);
    return 0;
}

static int see_inode(struct cow_walk *w, uint64_t ino, const struct cow_inode_disk *d)
{
    struct checker *k = checker_of(w);
    if (ino < COW_INO_ROOT || ino >= k->c->next_ino) {
        wrong(k, "check: inode %lu is beyond the last", ino);
        return 0;
    }
    struct count *n = &k->inode[ino];
    k->inodes++;
    n->mode = d->mode;
    n->nlink = d->nlink;
    n->flags = d->flags;
    n->entries = d->entries;
    n->blocks = d->blocks;
    n->xattr_ino = d->xattr_ino;
    return 1;
}

static void see_name(struct checker *k, uint64_t dir, uint64_t index,
                     const struct cow_dirent_disk *e)
{
    struct cow_name name = {(const char *) (e + 1), e->name_size};
    k->inode[dir].entries_seen++;
    if (!cow_name_ok(name) || !cow_dir_place_ok(k->c, name, e->hash, index))
        wrong(k, "check: a name in directory %lu is out of place", dir);
    if (e->ino < COW_INO_FIRST || e->ino >= k->c->next_ino) {
        wrong(k, "check: a name in directory %lu leads to inode %lu", dir, e->ino);
        return;
    }
    struct count *n = &k->inode[e->ino];
    n->names++;
    n->parent = dir;
    if (e->type == LINUX_DT_DIR)
        k->inode[dir].subdirs++;
    if (n->mode && e->type != (n->mode & S_IFMT) >> 12)
        wrong(k, "check: the name of inode %lu has another type", e->ino);
}

static int see_block(struct cow_walk *w, uint64_t ino, const struct cow_inode_disk *d,
                     uint64_t index, uint8_t *data)
{
    struct checker *k = checker_of(w);
    if (ino == COW_INO_ORPHANS) {
        for (uint64_t n = 0; n < COW_BLOCK / 8; n++) {
            uint64_t orphan;
            memcpy(&orphan, data + n * 8, 8);
            if (orphan >= k->c->next_ino)
                wrong(k, "check: orphan %lu is beyond the last inode", orphan);
            else if (orphan)
                k->inode[orphan].orphan = true;
        }
        return 0;
    }
    if (!S_ISDIR(d->mode))
        return 0;
    struct cow_dirent_disk *e;
    bool bad = false;
    for (uint32_t at = 0; (e = cow_dirent_next(data, &at, &bad)) != NULL;)
        if (e->ino)
            see_name(k, ino, index, e);
    if (bad)
        wrong(k, "check: directory %lu has a broken block %lu", ino, index);
    return 0;
}

static void compare_links(struct checker *k, uint64_t ino)
{
    const struct count *n = &k->inode[ino];
    bool directory = S_ISDIR(n->mode);
    uint32_t names = ino == COW_INO_ROOT ? 1 : n->names;
    uint32_t links = directory ? (names ? 2 + n->subdirs : 0) : names;
    if (n->flags & COW_FLAG_PRIVATE)
        links = 1;
    if (directory && names > 1)
        wrong(k, "check: directory %lu has %u names", ino, names);
    if (links != n->nlink)
        wrong(k, "check: inode %lu has %u links, not %u", ino, links, n->nlink);
    if (n->orphan != (n->nlink == 0))
        wrong(k, "check: inode %lu is %s the orphan list", ino, n->orphan ? "in" : "not in");
    if (n->entries != n->entries_seen)
        wrong(k, "check: directory %lu has %lu names, not %lu", ino, n->entries_seen, n->entries);
    if (n->blocks != n->blocks_seen)
        wrong(k, "check: inode %lu has %lu blocks, not %lu", ino, n->blocks_seen, n->blocks);
    if ((n->flags & COW_FLAG_PRIVATE) && ino != COW_INO_ORPHANS && !n->attributes)
        wrong(k, "check: private inode %lu belongs to none", ino);
    uint64_t up = ino;
    for (uint64_t steps = 0; directory && n->nlink && up != COW_INO_ROOT; steps++) {
        up = k->inode[up].parent;
        if (up == 0 || steps > k->c->next_ino) {
            wrong(k, "check: directory %lu cannot be reached", ino);
            break;
        }
    }
}

static void compare(struct checker *k)
{
    struct cow *c = k->c;
    for (uint64_t ino = COW_INO_ROOT; ino < c->next_ino; ino++) {
        uint64_t x = k->inode[ino].xattr_ino;
        if (x && (x >= c->next_ino || k->inode[x].attributes))
            wrong(k, "check: attributes %lu of inode %lu", x, ino);
        else if (x)
            k->inode[x].attributes = true;
    }
    for (uint64_t ino = COW_INO_ROOT; ino < c->next_ino; ino++)
        if (k->inode[ino].mode)
            compare_links(k, ino);
        else if (k->inode[ino].names || k->inode[ino].orphan || k->inode[ino].attributes)
            wrong(k, "check: free inode %lu is in use", ino);
    if (k->inodes != c->inode_count)
        wrong(k, "check: %lu inodes, not %lu", k->inodes, c->inode_count);
    uint64_t used = 0;
    for (uint64_t n = COW_FIRST; n < c->block_count; n++)
        used += cow_block_used(c, n);
    if (used != k->seen_count)
        wrong(k, "check: %lu blocks in use, the bitmap says %lu", k->seen_count, used);
}

/* The chain of free inode records: each free, each once. */
static int compare_free(struct checker *k)
{
    struct cow *c = k->c;
    uint64_t free_count = 0, ino = c->free_ino;
    for (; ino; free_count++) {
        struct cow_blk *b;
        int r = cow_blk_get(c, &c->table, 0, ino / COW_INODES_PER_BLOCK, false, &b);
        if (r < 0)
            return r;
        if (!b || ino >= c->next_ino || k->inode[ino].mode || free_count > c->next_ino) {
            wrong(k, "check: the list of free inodes is broken at %lu", ino);
            return 0;
        }
        ino = ((struct cow_inode_disk *) b->data)[ino % COW_INODES_PER_BLOCK].size;
    }
    if (free_count + k->inodes != c->next_ino - COW_INO_ROOT)
        wrong(k, "check: %lu free inodes and %lu in use", free_count, k->inodes);
    return 0;
}

long cow_check(struct cow *c)
{
    MUTEX_GUARD(&c->lock);
    int committed = cow_claim_locked(c);
    if (committed == 0)
        committed = cow_commit(c, 0);
    if (committed < 0)
        return committed;
    struct checker k = {.walk = {see_ptr, see_bad, see_inode, see_block}, .c = c};
    k.seen = kzalloc(c->block_count / 8 + 1);
    k.inode = kzalloc(c->next_ino * sizeof *k.inode);
    long r = k.seen && k.inode ? cow_walk_all(c, &k.walk) : -ENOMEM;
    if (r == 0)
        r = compare_free(&k);
    if (r == 0) {
        compare(&k);
        r = k.wrong;
    }
    kfree(k.seen);
    kfree(k.inode);
    return r;
}
