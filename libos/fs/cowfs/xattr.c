/* Extended attributes: one private inode holds them all, as records {name size, value size, name, value}
 * one behind the other. They are small: each change rewrites them. */
#include "libos/fs/cowfs/priv.h"
#include "abi/linux/fs.h"

#define TOTAL_MAX (128u * 1024)
#define VALUE_MAX (64u * 1024)

struct record_head {
    uint16_t name_size, reserved;
    uint32_t value_size;
};

static int load(struct cow *c, struct cow_inode *i, struct cow_inode **ret_x, struct span *ret)
{
    *ret_x = NULL;
    *ret = (struct span){0};
    if (!i->d.xattr_ino)
        return 0;
    struct cow_inode *x;
    int r = cow_inode_load(c, i->d.xattr_ino, &x);
    if (r < 0)
        return r == -ENOENT ? -EUCLEAN : r;
    uint8_t *p = x->d.size <= TOTAL_MAX && (x->d.flags & COW_FLAG_PRIVATE)
                     ? kzalloc(ROUND_UP(x->d.size + 1, (uint64_t) COW_BLOCK))
                     : NULL;
    r = p ? 0 : -ENOMEM;
    for (uint64_t n = 0; r == 0 && n * COW_BLOCK < x->d.size; n++) {
        struct cow_blk *b;
        r = cow_blk_get(c, &x->tree, 0, n, false, &b);
        if (r == 0 && b)
            memcpy(p + n * COW_BLOCK, b->data, COW_BLOCK);
    }
    if (r < 0) {
        kfree(p);
        cow_inode_unref(c, x);
        return r;
    }
    *ret_x = x;
    *ret = (struct span){p, x->d.size};
    return 0;
}

/* The record at *at: its name and value; false at the end or where it cannot be one. */
static bool next(struct cspan all, size_t *at, struct cspan *ret_name, struct cspan *ret_value)
{
    struct record_head h;
    if (!cspan_get(all, *at, &h, sizeof h) || h.name_size == 0 ||
        !cspan_sub(all, *at + sizeof h, h.name_size, ret_name) ||
        !cspan_sub(all, *at + sizeof h + h.name_size, h.value_size, ret_value))
        return false;
    *at += sizeof h + h.name_size + h.value_size;
    return true;
}

static bool is(struct cspan name, const char *text)
{
    return name.n == strlen(text) && memcmp(name.p, text, name.n) == 0;
}

/* Where the record begins and ends; false: there is none. */
static bool find(struct cspan all, const char *text, size_t *ret_start, size_t *ret_end,
                 struct cspan *ret_value)
{
    struct cspan name;
    size_t at = 0;
    do
        *ret_start = at;
    while (next(all, &at, &name, ret_value) && !is(name, text));
    *ret_end = at;
    return at > *ret_start;
}

static int store(struct cow *c, struct cow_inode *x, struct cspan all)
{
    uint64_t blocks = (all.n + COW_BLOCK - 1) / COW_BLOCK;
    int r = blocks ? cow_tree_reach(c, &x->tree, blocks - 1) : 0;
    for (uint64_t n = 0; r == 0 && n < blocks; n++) {
        struct cow_blk *b;
        r = cow_blk_get(c, &x->tree, 0, n, true, &b);
        if (r < 0)
            break;
        size_t part = MIN(all.n - n * COW_BLOCK, (size_t) COW_BLOCK);
        memcpy(b->data, all.p + n * COW_BLOCK, part);
        memset(b->data + part, 0, COW_BLOCK - part);
        cow_blk_change(c, b);
    }
    if (r == 0)
        r = cow_tree_cut(c, &x->tree, blocks, UINT64_MAX);
    x->d.size = all.n;
    cow_inode_change(c, x);
    return r < 0 ? cow_poison(c, r, "attributes cannot be stored") : 0;
}

static int private_inode(struct cow *c, struct cow_inode *i, struct cow_inode **ret)
{
    const struct cow_new what = {.mode = S_IFREG};
    int r = cow_inode_new(c, &what, ret);
    if (r < 0)
        return r;
    (*ret)->d.flags = COW_FLAG_PRIVATE;
    i->d.xattr_ino = (*ret)->ino;
    cow_inode_change(c, i);
    return 0;
}

/* all without [start, end), with a record for value at the end (value NULL: without one). */
static int replace(struct cow *c, struct cow_inode *i, struct cow_inode **x, struct cspan all,
                   size_t start, size_t end, const char *name, const struct cspan *value)
{
    size_t name_size = strlen(name), kept = all.n - (end - start);
    size_t n = kept + (value ? sizeof(struct record_head) + name_size + value->n : 0);
    if (n > TOTAL_MAX)
        return -ENOSPC;
    uint8_t *p = kzalloc(n + 1);
    if (!p)
        return -ENOMEM;
    if (start)
        memcpy(p, all.p, start);
    if (all.n > end)
        memcpy(p + start, all.p + end, all.n - end);
    if (value) {
        struct record_head h = {(uint16_t) name_size, 0, (uint32_t) value->n};
        memcpy(p + kept, &h, sizeof h);
        memcpy(p + kept + sizeof h, name, name_size);
        if (value->n)
            memcpy(p + kept + sizeof h + name_size, value->p, value->n);
    }
    int r = *x ? 0 : private_inode(c, i, x);
    if (r == 0)
        r = store(c, *x, (struct cspan){p, n});
    kfree(p);
    return r;
}

static int change(struct cow *c, struct cow_inode *i, const char *name, const struct cspan *value,
                  int flags)
{
    struct cow_inode *x;
    struct span all;
    struct cspan old;
    size_t start, end;
    int r = cow_begin(c, (value ? value->n / COW_BLOCK : 0) + 48, value ? COW_ADDS : COW_REMOVES);
    if (r == 0)
        r = load(c, i, &x, &all);
    if (r < 0)
        return r;
    bool have = find(cspan(all), name, &start, &end, &old);
    if (have && (flags & 1))
        r = -EEXIST;
    else if (!have && ((flags & 2) || !value))
        r = -ENODATA;
    else
        r = replace(c, i, &x, cspan(all), start, end, name, value);
    if (x)
        cow_inode_unref(c, x);
    kfree(all.p);
    return r;
}

int cow_xattr_set(struct cow *c, struct cow_inode *i, const char *name, struct cspan value,
                  int flags)
{
    MUTEX_GUARD(&c->lock);
    if (strlen(name) == 0 || strlen(name) > 255)
        return -ERANGE;
    return value.n > VALUE_MAX ? -E2BIG : change(c, i, name, &value, flags);
}

int cow_xattr_remove(struct cow *c, struct cow_inode *i, const char *name)
{
    MUTEX_GUARD(&c->lock);
    return change(c, i, name, NULL, 0);
}

long cow_xattr_get(struct cow *c, struct cow_inode *i, const char *name, struct span buf)
{
    MUTEX_GUARD(&c->lock);
    struct cow_inode *x;
    struct span all;
    struct cspan value;
    size_t start, end;
    int r = load(c, i, &x, &all);
    if (r < 0)
        return r;
    long n = -ENODATA;
    if (find(cspan(all), name, &start, &end, &value)) {
        n = buf.n && value.n > buf.n ? -ERANGE : (long) value.n;
        if (buf.n && n > 0)
            memcpy(buf.p, value.p, value.n);
    }
    if (x)
        cow_inode_unref(c, x);
    kfree(all.p);
    return n;
}

long cow_xattr_list(struct cow *c, struct cow_inode *i, struct span buf)
{
    MUTEX_GUARD(&c->lock);
    struct cow_inode *x;
    struct span all;
    struct cspan name, value;
    int r = load(c, i, &x, &all);
    if (r < 0)
        return r;
    size_t n = 0;
    for (size_t at = 0; next(cspan(all), &at, &name, &value); n += name.n + 1) {
        if (!buf.n || n + name.n + 1 > buf.n)
            continue;
        memcpy(buf.p + n, name.p, name.n);
        buf.p[n + name.n] = 0;
    }
    if (x)
        cow_inode_unref(c, x);
    kfree(all.p);
    return buf.n && n > buf.n ? -ERANGE : (long) n;
}
