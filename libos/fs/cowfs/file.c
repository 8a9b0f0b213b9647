/* Attributes of inodes, and content that is read, cut off or looked for; write.c has what is written. */
#include "libos/arch/fpu.h"
#include "libos/base/ckmath.h"
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

int cow_get(struct cow *c, uint64_t ino, struct cow_inode **ret)
{
    MUTEX_GUARD(&c->lock);
    return cow_inode_load(c, ino, ret);
}

void cow_put(struct cow *c, struct cow_inode *i)
{
    MUTEX_GUARD(&c->lock);
    bool last = i->refs == 1 && i->d.nlink == 0;
    if (last && cow_begin(c, 8, COW_REMOVES) == 0 && i->refs == 1 && cow_inode_delete(c, i) == 0)
        return;
    cow_inode_unref(c, i); /* what could not be deleted stays in the orphan list */
}

void cow_attr_get(struct cow *c, struct cow_inode *i, struct cow_attr *ret)
{
    MUTEX_GUARD(&c->lock);
    const struct cow_inode_disk *d = &i->d;
    *ret = (struct cow_attr){
        .ino = i->ino,
        .size = S_ISDIR(d->mode) ? i->tree.blocks * COW_BLOCK : d->size,
        .blocks = i->tree.blocks,
        .rdev = d->rdev,
        .origin = d->origin,
        .mode = d->mode,
        .nlink = d->nlink,
        .uid = d->uid,
        .gid = d->gid,
        .flags = d->flags,
        .atime_ns = d->atime_ns,
        .mtime_ns = d->mtime_ns,
        .ctime_ns = d->ctime_ns,
        .btime_ns = d->btime_ns,
    };
}

int cow_attr_set(struct cow *c, struct cow_inode *i, const struct cow_attr *a)
{
    MUTEX_GUARD(&c->lock);
    int r = cow_begin(c, 4, COW_REMOVES);
    if (r < 0)
        return r;
    struct cow_inode_disk *d = &i->d;
    d->mode = (d->mode & S_IFMT) | (a->mode & 07777);
    d->uid = a->uid;
    d->gid = a->gid;
    d->origin = a->origin;
    d->flags = (d->flags & COW_FLAG_PRIVATE) | (a->flags & COW_FLAG_OPAQUE);
    d->atime_ns = a->atime_ns;
    d->mtime_ns = a->mtime_ns;
    d->ctime_ns = a->ctime_ns;
    cow_inode_change(c, i);
    return 0;
}

/* ---- reading ---- */

static int open_run(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                    const struct cow_ptr *p, uint8_t *dst)
{
    int r = cow_dev_read(c, p[0].addr, count, dst);
    for (uint32_t k = 0; k < count && r == 0; k++)
        r = cow_open(c, &i->tree, 0, block + k, &p[k], dst + (size_t) k * COW_BLOCK);
    return r == -EBADMSG ? cow_poison(c, r, "a data block was tampered with") : r;
}

/* Blocks that lie one behind the other are read at once. */
static int read_run(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                    uint8_t *dst, uint32_t *ret_done)
{
    struct cow_ptr p[COW_IO_BLOCKS];
    uint32_t n = 0;
    for (; n < MIN(count, COW_IO_BLOCKS); n++) {
        int r = cow_tree_ptr(c, &i->tree, block + n, &p[n]);
        if (r < 0)
            return r;
        if (!cow_hole(&p[n]) && !cow_ptr_ok(c, &p[n]))
            return cow_poison(c, -EUCLEAN, "a pointer that leads nowhere");
        if (n && (cow_hole(&p[0]) ? !cow_hole(&p[n]) : p[n].addr != p[0].addr + n))
            break;
    }
    *ret_done = n;
    if (!cow_hole(&p[0]))
        return open_run(c, i, block, n, p, dst);
    memset(dst, 0, (size_t) n * COW_BLOCK);
    return 0;
}

int cow_read(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count, void *dst)
{
    MUTEX_GUARD(&c->lock);
    cow_cache_trim(c, c->cache_limit);
    uint8_t *to = dst;
    for (uint32_t done = 0, n; done < count; done += n) {
        int r = read_run(c, i, block + done, count - done, to + (size_t) done * COW_BLOCK, &n);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is read without the lock: where it is, and what it must be. */
struct wanted {
    uint32_t count;
    uint32_t which[COW_IO_BLOCKS];
    uint64_t addr[COW_IO_BLOCKS];
    struct cow_ptr ptr[COW_IO_BLOCKS];
    const struct gcm_key *key[COW_IO_BLOCKS];
};

static int want(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t which, void *dst,
                struct wanted *w)
{
    struct cow_ptr *p = &w->ptr[w->count];
    int r = cow_tree_ptr(c, &i->tree, block, p);
    if (r < 0)
        return r;
    if (cow_hole(p)) {
        memset(dst, 0, COW_BLOCK);
        return 0;
    }
    if (!cow_ptr_ok(c, p))
        return cow_poison(c, -EUCLEAN, "a pointer that leads nowhere");
    if ((r = cow_queue_yield(c, p->addr, 1)) < 0)
        return r;
    w->key[w->count] = cow_open_key(c, p);
    if (!w->key[w->count])
        return -ENOMEM;
    w->addr[w->count] = p->addr;
    w->which[w->count++] = which;
    return 0;
}

/* How many of the first blocks came. */
static uint32_t fetch(struct cow *c, const struct wanted *w, uint8_t *buf)
{
    const struct cow_dev_ops *ops = c->dev->ops;
    uint32_t n = 0;
    if (w->count > 0 && ops->read_list)
        return (uint32_t) MAX(ops->read_list(c->dev, w->addr, w->count, buf), 0L);
    while (n < w->count) {
        uint32_t run = 1;
        while (n + run < w->count && w->addr[n + run] == w->addr[n] + run)
            run++;
        if (ops->read(c->dev, w->addr[n], run, buf + (size_t) n * COW_BLOCK) < 0)
            break;
        n += run;
    }
    return n;
}

/* The lock is held to look where the blocks are, not while they come and are deciphered. A block that was freed and
 * written anew meanwhile does not fit its pointer: all that fail are read again with the lock held, and only that
 * says that they are forged. */
void cow_read_list(struct cow *c, struct cow_inode *i, const uint64_t *block, uint32_t count,
                   void *const *dst, int *ret_each)
{
    struct wanted w UNINIT;
    w.count = 0;
    mutex_lock(&c->lock);
    cow_cache_trim(c, c->cache_limit);
    for (uint32_t n = 0; n < count; n++)
        ret_each[n] = want(c, i, block[n], n, dst[n], &w);
    mutex_unlock(&c->lock);
    uint8_t *buf = w.count > 1 ? spare_take(&c->list_buf, COW_IO_BLOCKS) : NULL;
    uint8_t *in = w.count == 1 ? dst[w.which[0]] : buf;
    uint32_t came = in ? fetch(c, &w, in) : 0;
    fpu_begin(); /* once for all of them */
    for (uint32_t k = 0; k < w.count; k++) {
        uint32_t n = w.which[k];
        ret_each[n] = k < came ? cow_open_with(c, w.key[k], &i->tree, 0, block[n], &w.ptr[k],
                                               in + (size_t) k * COW_BLOCK, dst[n])
                               : -EAGAIN;
    }
    fpu_end();
    if (buf)
        spare_give(&c->list_buf, buf, COW_IO_BLOCKS);
    for (uint32_t k = 0; k < w.count; k++)
        if (ret_each[w.which[k]] < 0)
            ret_each[w.which[k]] = cow_read(c, i, block[w.which[k]], 1, dst[w.which[k]]);
}

/* ---- changing ---- */

/* What lies behind the end in the last block becomes zero, so that growing shows zeros. */
static int zero_tail(struct cow *c, struct cow_inode *i, uint64_t size)
{
    struct cow_ptr p;
    uint64_t block = size / COW_BLOCK;
    int r = cow_tree_ptr(c, &i->tree, block, &p);
    if (r < 0 || size % COW_BLOCK == 0 || cow_hole(&p))
        return r;
    uint8_t *buf = kzalloc(COW_BLOCK);
    if (!buf)
        return -ENOMEM;
    r = cow_ptr_ok(c, &p) ? open_run(c, i, block, 1, &p, buf) : -EUCLEAN;
    if (r == 0) {
        memset(buf + size % COW_BLOCK, 0, COW_BLOCK - size % COW_BLOCK);
        r = cow_write_one(c, i, block, buf);
    }
    kfree(buf);
    return r;
}

int cow_truncate(struct cow *c, struct cow_inode *i, uint64_t size)
{
    MUTEX_GUARD(&c->lock);
    bool shrinks = size < i->d.size;
    if (size > COW_SIZE_LIMIT)
        return -EFBIG;
    int r = cow_begin(c, 8, COW_REMOVES);
    if (r == 0 && shrinks)
        r = zero_tail(c, i, size);
    if (r == 0 && shrinks)
        r = cow_tree_cut(c, &i->tree, (size + COW_BLOCK - 1) / COW_BLOCK, UINT64_MAX);
    if (r == 0)
        i->d.size = size;
    cow_inode_change(c, i);
    return r;
}

int cow_punch(struct cow *c, struct cow_inode *i, uint64_t block, uint64_t count)
{
    MUTEX_GUARD(&c->lock);
    uint64_t end;
    int r = ck_add(&end, block, count) ? -EFBIG : cow_begin(c, 8, COW_REMOVES);
    if (r == 0)
        r = cow_tree_cut(c, &i->tree, block, end);
    if (r == 0)
        cow_inode_change(c, i);
    return r;
}

int cow_next(struct cow *c, struct cow_inode *i, uint64_t block, bool data, uint64_t *ret)
{
    MUTEX_GUARD(&c->lock);
    cow_cache_trim(c, c->cache_limit);
    if (data)
        return cow_tree_next(c, &i->tree, block, ret);
    for (;; block++) {
        struct cow_ptr p;
        int r = cow_tree_ptr(c, &i->tree, block, &p);
        if (r < 0)
            return r;
        if (cow_hole(&p)) {
            *ret = block;
            return 0;
        }
    }
}

long cow_readlink(struct cow *c, struct cow_inode *i, char *buf, size_t size)
{
    MUTEX_GUARD(&c->lock);
    size_t n = MIN(size, (size_t) i->d.size);
    if (i->d.size <= COW_INLINE_MAX) {
        memcpy(buf, i->d.inline_data, n);
        return (long) n;
    }
    struct cow_blk *b;
    int r = cow_blk_get(c, &i->tree, 0, 0, false, &b);
    if (r < 0 || !b || i->d.size > COW_BLOCK)
        return r < 0 ? r : -EUCLEAN;
    memcpy(buf, b->data, n);
    return (long) n;
}
