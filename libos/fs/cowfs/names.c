/* Operations on names. What can fail comes first (reading, making room); what follows only changes memory,
 * so an error leaves everything as it was. */
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

#define OP_BLOCKS 16u /* new directory blocks, an inode, an orphan slot and the nodes above them */

static unsigned type_of(uint32_t mode)
{
    return (mode & S_IFMT) >> 12;
}

bool cow_name_ok(struct cow_name name)
{
    return name.n > 0 && name.n <= 255 && !memchr(name.p, '/', name.n) &&
           !memchr(name.p, 0, name.n);
}

static void touch(struct cow *c, struct cow_inode *i, bool content, int64_t now_ns)
{
    if (content)
        i->d.mtime_ns = now_ns;
    i->d.ctime_ns = now_ns;
    cow_inode_change(c, i);
}

int cow_lookup(struct cow *c, struct cow_inode *dir, struct cow_name name, struct cow_inode **ret)
{
    MUTEX_GUARD(&c->lock);
    cow_cache_trim(c, c->cache_limit);
    struct cow_dirent_disk *e;
    struct cow_blk *b;
    int r = cow_dir_find(c, dir, name, &e, &b);
    if (r < 0)
        return r;
    r = cow_inode_load(c, e->ino, ret);
    return r == -ENOENT ? -EUCLEAN : r;
}

static int absent(struct cow *c, struct cow_inode *dir, struct cow_name name)
{
    struct cow_dirent_disk *e;
    struct cow_blk *b;
    if (dir->d.nlink == 0)
        return -ENOENT;
    if (!cow_name_ok(name))
        return -EINVAL;
    int r = cow_dir_find(c, dir, name, &e, &b);
    return r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
}

int cow_make(struct cow *c, struct cow_inode *dir, struct cow_name name, const struct cow_new *what,
             struct cow_inode **ret)
{
    MUTEX_GUARD(&c->lock);
    struct cow_inode *i;
    int r = cow_begin(c, OP_BLOCKS, COW_ADDS);
    if (r == 0)
        r = absent(c, dir, name);
    if (r == 0)
        r = cow_inode_new(c, what, &i);
    if (r < 0)
        return r;
    r = cow_dir_add(c, dir, name, i->ino, type_of(what->mode));
    if (r < 0) {
        int undone = cow_inode_delete(c, i);
        return undone < 0 ? cow_poison(c, undone, "a failed creation cannot be undone") : r;
    }
    if (S_ISDIR(what->mode))
        dir->d.nlink++;
    touch(c, dir, true, what->now_ns);
    *ret = i;
    return 0;
}

int cow_tmpfile(struct cow *c, const struct cow_new *what, struct cow_inode **ret)
{
    MUTEX_GUARD(&c->lock);
    struct cow_inode *i;
    int r = cow_begin(c, OP_BLOCKS, COW_ADDS);
    if (r == 0)
        r = cow_inode_new(c, what, &i);
    if (r < 0)
        return r;
    r = cow_orphan_add(c, i);
    if (r < 0) {
        int undone = cow_inode_delete(c, i);
        return undone < 0 ? cow_poison(c, undone, "a failed creation cannot be undone") : r;
    }
    i->d.nlink = 0;
    *ret = i;
    return 0;
}

int cow_link(struct cow *c, struct cow_inode *dir, struct cow_name name, struct cow_inode *i,
             int64_t now_ns)
{
    MUTEX_GUARD(&c->lock);
    int r = cow_begin(c, OP_BLOCKS, COW_ADDS);
    if (r == 0)
        r = absent(c, dir, name);
    if (r == 0)
        r = i->d.nlink == UINT32_MAX ? -EMLINK : 0;
    if (r == 0)
        r = cow_dir_add(c, dir, name, i->ino, type_of(i->d.mode));
    if (r < 0)
        return r;
    i->d.nlink++;
    if (i->orphan_slot)
        r = cow_orphan_remove(c, i);
    touch(c, i, false, now_ns);
    touch(c, dir, true, now_ns);
    return r < 0 ? cow_poison(c, r, "the orphan list cannot be read") : 0;
}

/* One link less of i, whose name in dir is gone or about to go. The caller holds a reference. */
static void unlinked(struct cow *c, struct cow_inode *dir, struct cow_inode *i, int64_t now_ns)
{
    if (S_ISDIR(i->d.mode)) {
        i->d.nlink = 0;
        dir->d.nlink--;
    } else {
        i->d.nlink--;
    }
    touch(c, i, false, now_ns);
}

/* Loads the inode that is to lose its name and makes sure that it can be an orphan. */
static int victim_get(struct cow *c, uint64_t ino, struct cow_inode **ret)
{
    struct cow_inode *i;
    int r = cow_inode_load(c, ino, &i);
    if (r < 0)
        return r == -ENOENT ? -EUCLEAN : r;
    if (i->d.nlink == 0)
        r = -EUCLEAN;
    else if (S_ISDIR(i->d.mode) && i->d.entries)
        r = -ENOTEMPTY;
    else if (S_ISDIR(i->d.mode) || i->d.nlink == 1)
        r = cow_orphan_add(c, i);
    if (r < 0) {
        cow_inode_unref(c, i);
        return r;
    }
    *ret = i;
    return 0;
}

/* Ends the reference of victim_get; without other ones an orphan goes at once. */
static int victim_put(struct cow *c, struct cow_inode *i)
{
    if (i->refs == 1 && i->d.nlink == 0) {
        int r = cow_inode_delete(c, i);
        return r < 0 ? cow_poison(c, r, "an unlinked file cannot be deleted") : 0;
    }
    cow_inode_unref(c, i);
    return 0;
}

int cow_unlink(struct cow *c, struct cow_inode *dir, struct cow_name name, int64_t now_ns)
{
    MUTEX_GUARD(&c->lock);
    struct cow_dirent_disk *e;
    struct cow_blk *b;
    struct cow_inode *i;
    int r = cow_begin(c, OP_BLOCKS, COW_REMOVES);
    if (r == 0)
        r = cow_dir_find(c, dir, name, &e, &b);
    if (r == 0)
        r = victim_get(c, e->ino, &i);
    if (r < 0)
        return r;
    r = cow_dir_remove(c, dir, name);
    if (r < 0)
        return cow_poison(c, r, "a name cannot be removed");
    unlinked(c, dir, i, now_ns);
    touch(c, dir, true, now_ns);
    return victim_put(c, i);
}

struct place {
    struct cow_inode *dir;
    struct cow_name name;
    struct cow_dirent_disk *e; /* NULL: there is no such name */
    struct cow_blk *b;
};

static int place_find(struct cow *c, struct place *p)
{
    int r = cow_dir_find(c, p->dir, p->name, &p->e, &p->b);
    if (r == -ENOENT)
        p->e = NULL;
    return r == -ENOENT ? 0 : r;
}

static void point_at(struct cow *c, struct place *p, uint64_t ino, unsigned type)
{
    p->e->ino = ino;
    p->e->type = (uint8_t) type;
    cow_blk_change(c, p->b);
    cow_inode_change(c, p->dir);
}

#define TYPE_DIR 4u

static void exchange_names(struct cow *c, struct place *a, struct place *b)
{
    uint64_t ino = a->e->ino;
    unsigned type = a->e->type;
    if (a->dir != b->dir) {
        uint32_t up = a->e->type == TYPE_DIR, down = b->e->type == TYPE_DIR;
        a->dir->d.nlink += down - up;
        b->dir->d.nlink += up - down;
    }
    point_at(c, a, b->e->ino, b->e->type);
    point_at(c, b, ino, type);
}

/* The name that stays points at the moved inode before the old one goes; both in the same commit. */
static int move_name(struct cow *c, struct place *a, struct place *b, struct cow_inode *moved,
                     int64_t now_ns)
{
    bool directory = S_ISDIR(moved->d.mode);
    struct cow_inode *victim = NULL;
    int r = 0;
    if (b->e && (b->e->type == TYPE_DIR) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (b->e)
        r = victim_get(c, b->e->ino, &victim);
    else
        r = cow_dir_add(c, b->dir, b->name, moved->ino, type_of(moved->d.mode));
    if (r < 0)
        return r;
    if (victim) {
        point_at(c, b, moved->ino, type_of(moved->d.mode));
        unlinked(c, b->dir, victim, now_ns);
    }
    r = cow_dir_remove(c, a->dir, a->name);
    if (r < 0)
        return cow_poison(c, r, "a name cannot be removed");
    if (directory && a->dir != b->dir) {
        a->dir->d.nlink--;
        b->dir->d.nlink++;
    }
    touch(c, moved, false, now_ns);
    return victim ? victim_put(c, victim) : 0;
}

static int rename_found(struct cow *c, struct place *a, struct place *b, bool exchange,
                        int64_t now_ns)
{
    if (!a->e || (exchange && !b->e) || b->dir->d.nlink == 0)
        return -ENOENT;
    if (b->e && a->e->ino == b->e->ino)
        return 0;
    if (exchange) {
        exchange_names(c, a, b);
        return 0;
    }
    struct cow_inode *moved;
    int r = cow_inode_load(c, a->e->ino, &moved);
    if (r < 0)
        return r == -ENOENT ? -EUCLEAN : r;
    r = move_name(c, a, b, moved, now_ns);
    cow_inode_unref(c, moved);
    return r;
}

int cow_rename(struct cow *c, struct cow_inode *from, struct cow_name old, struct cow_inode *to,
               struct cow_name fresh, bool exchange, int64_t now_ns)
{
    MUTEX_GUARD(&c->lock);
    struct place a = {from, old, NULL, NULL}, b = {to, fresh, NULL, NULL};
    int r = cow_begin(c, OP_BLOCKS, COW_ADDS);
    if (r == 0 && !cow_name_ok(fresh))
        r = -EINVAL;
    if (r == 0)
        r = place_find(c, &a);
    if (r == 0)
        r = place_find(c, &b);
    if (r == 0)
        r = rename_found(c, &a, &b, exchange, now_ns);
    if (r == 0) {
        touch(c, from, true, now_ns);
        touch(c, to, true, now_ns);
    }
    return r;
}
