/* Directories as trees of blocks by the hash of names (disk.h). A name is looked for in every block on its
 * way until one that does not exist; it is added to the first with room. Names never move. */
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

#define HEAD ((uint32_t) sizeof(struct cow_dirent_disk))

static uint32_t name_hash(const struct cow *c, struct cow_name name)
{
    uint64_t h = c->name_seed ^ 0xcbf29ce484222325ull;
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (uint8_t) name.p[i]) * 0x100000001b3ull;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
    return (uint32_t) (h >> 32);
}

static uint64_t block_of(uint32_t hash, uint32_t level)
{
    uint64_t first = ((1ull << 2 * level) - 1) / 3;
    return first + (level ? hash >> (32 - 2 * level) : 0);
}

bool cow_dir_place_ok(const struct cow *c, struct cow_name name, uint32_t hash, uint64_t index)
{
    if (name_hash(c, name) != hash)
        return false;
    for (uint32_t level = 0; level < COW_DIR_LEVELS; level++)
        if (block_of(hash, level) == index)
            return true;
    return false;
}

static uint32_t need_of(size_t name_size)
{
    return ROUND_UP(HEAD + (uint32_t) name_size, 8u);
}

struct cow_dirent_disk *cow_dirent_next(uint8_t *block, uint32_t *at, bool *ret_bad)
{
    if (*at >= COW_BLOCK)
        return NULL;
    struct cow_dirent_disk *e = (struct cow_dirent_disk *) (block + *at);
    bool bad = e->size < HEAD || e->size % 8 || e->size > COW_BLOCK - *at ||
               (e->ino && (e->name_size == 0 || need_of(e->name_size) > e->size));
    if (bad) {
        *ret_bad = true;
        return NULL;
    }
    *at += e->size;
    return e;
}

static const char *name_of(const struct cow_dirent_disk *e)
{
    return (const char *) (e + 1);
}

static struct cow_dirent_disk *find_in(struct cow_blk *b, struct cow_name name, uint32_t hash,
                                       bool *ret_bad)
{
    struct cow_dirent_disk *e;
    for (uint32_t at = 0; (e = cow_dirent_next(b->data, &at, ret_bad)) != NULL;)
        if (e->ino && e->hash == hash && e->name_size == name.n &&
            memcmp(name_of(e), name.p, name.n) == 0)
            return e;
    return NULL;
}

int cow_dir_find(struct cow *c, struct cow_inode *dir, struct cow_name name,
                 struct cow_dirent_disk **ret, struct cow_blk **ret_blk)
{
    uint32_t hash = name_hash(c, name);
    bool bad = false;
    for (uint32_t level = 0; level < COW_DIR_LEVELS; level++) {
        struct cow_blk *b;
        int r = cow_blk_get(c, &dir->tree, 0, block_of(hash, level), false, &b);
        if (r < 0)
            return r;
        if (!b)
            return -ENOENT;
        struct cow_dirent_disk *e = find_in(b, name, hash, &bad);
        if (bad)
            return -EUCLEAN;
        if (e) {
            *ret = e;
            *ret_blk = b;
            return 0;
        }
    }
    return -ENOENT;
}

/* Room for the name in the block: the record, cut to size; or NULL. */
static struct cow_dirent_disk *room_in(struct cow_blk *b, uint32_t need, bool *ret_bad)
{
    struct cow_dirent_disk *e;
    for (uint32_t at = 0; (e = cow_dirent_next(b->data, &at, ret_bad)) != NULL;) {
        uint32_t used = e->ino ? need_of(e->name_size) : 0;
        if (e->size - used < need)
            continue;
        if (!used)
            return e;
        struct cow_dirent_disk *rest = (struct cow_dirent_disk *) ((uint8_t *) e + used);
        *rest = (struct cow_dirent_disk){.size = (uint16_t) (e->size - used)};
        e->size = (uint16_t) used;
        return rest;
    }
    return NULL;
}

static int block_make(struct cow *c, struct cow_inode *dir, uint64_t index, struct cow_blk **ret)
{
    int r = cow_tree_reach(c, &dir->tree, index);
    if (r == 0)
        r = cow_blk_get(c, &dir->tree, 0, index, true, ret);
    if (r < 0)
        return r;
    *(struct cow_dirent_disk *) (*ret)->data = (struct cow_dirent_disk){.size = COW_BLOCK};
    dir->d.size = MAX(dir->d.size, (index + 1) * COW_BLOCK);
    return 0;
}

int cow_dir_add(struct cow *c, struct cow_inode *dir, struct cow_name name, uint64_t ino,
                unsigned type)
{
    uint32_t hash = name_hash(c, name), need = need_of(name.n);
    struct cow_dirent_disk *e = NULL;
    struct cow_blk *b = NULL;
    bool bad = false;
    for (uint32_t level = 0; level < COW_DIR_LEVELS && !e; level++) {
        uint64_t index = block_of(hash, level);
        int r = cow_blk_get(c, &dir->tree, 0, index, false, &b);
        if (r == 0 && !b)
            r = block_make(c, dir, index, &b);
        if (r < 0)
            return r;
        e = room_in(b, need, &bad);
        if (bad)
            return -EUCLEAN;
    }
    if (!e)
        return -ENOSPC;
    e->ino = ino;
    e->hash = hash;
    e->type = (uint8_t) type;
    e->name_size = (uint8_t) name.n;
    memcpy((uint8_t *) e + HEAD, name.p, name.n);
    dir->d.entries++;
    cow_blk_change(c, b);
    cow_inode_change(c, dir);
    return 0;
}

int cow_dir_remove(struct cow *c, struct cow_inode *dir, struct cow_name name)
{
    struct cow_dirent_disk *gone, *before = NULL, *e;
    struct cow_blk *b;
    bool bad = false;
    int r = cow_dir_find(c, dir, name, &gone, &b);
    if (r < 0)
        return r;
    for (uint32_t at = 0; (e = cow_dirent_next(b->data, &at, &bad)) != NULL && e != gone;)
        before = e;
    memset((uint8_t *) gone + HEAD, 0, gone->name_size);
    gone->ino = 0;
    gone->name_size = 0;
    if (before)
        before->size = (uint16_t) (before->size + gone->size);
    dir->d.entries--;
    cow_blk_change(c, b);
    cow_inode_change(c, dir);
    return 0;
}

int cow_readdir(struct cow *c, struct cow_inode *dir, uint64_t pos, struct cow_dirent *ret)
{
    MUTEX_GUARD(&c->lock);
    cow_cache_trim(c, c->cache_limit);
    bool bad = false;
    for (uint64_t index = pos / COW_BLOCK; index < dir->d.size / COW_BLOCK; index++) {
        int r = cow_tree_next(c, &dir->tree, index, &index);
        struct cow_blk *b = NULL;
        if (r == 0 && index < dir->d.size / COW_BLOCK)
            r = cow_blk_get(c, &dir->tree, 0, index, false, &b);
        if (r < 0)
            return r;
        if (!b)
            return 0;
        struct cow_dirent_disk *e;
        for (uint32_t at = 0; (e = cow_dirent_next(b->data, &at, &bad)) != NULL;) {
            uint64_t here = index * COW_BLOCK + (uint64_t) ((uint8_t *) e - b->data);
            if (!e->ino || here < pos)
                continue;
            *ret = (struct cow_dirent){e->ino, here + 1, e->type, {0}, e->name_size};
            memcpy(ret->name, name_of(e), e->name_size);
            return cow_name_ok((struct cow_name){ret->name, ret->name_size}) ? 1 : -EUCLEAN;
        }
        if (bad)
            return -EUCLEAN;
    }
    return 0;
}
