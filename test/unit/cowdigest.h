/* What a volume looks like: one number of all names, attributes and contents, whatever the order of names. */
#ifndef TEST_UNIT_COWDIGEST_H
#define TEST_UNIT_COWDIGEST_H

#include "libos/base/errno.h"
#include "libos/fs/cowfs/cow.h"
#include "abi/linux/fs.h"

static uint64_t cowdev_mix(uint64_t h, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3ull;
    return h ^ h >> 29;
}

static int cowdev_digest_inode(struct cow *c, uint64_t ino, uint64_t path, uint64_t *sum);

static int cowdev_digest_names(struct cow *c, struct cow_inode *dir, uint64_t path, uint64_t *sum)
{
    struct cow_dirent e;
    int r;
    for (uint64_t pos = 0; (r = cow_readdir(c, dir, pos, &e)) == 1; pos = e.next) {
        uint64_t h = cowdev_mix(path, e.name, e.name_size + 1);
        r = cowdev_digest_inode(c, e.ino, h, sum);
        if (r < 0)
            return r;
    }
    return r;
}

static int cowdev_digest_content(struct cow *c, struct cow_inode *i, uint64_t size, uint64_t *h)
{
    static uint8_t buf[COW_BLOCK];
    int r = 0;
    for (uint64_t n = 0; n * COW_BLOCK < size && r == 0; n++) {
        r = cow_next(c, i, n, true, &n);
        if (r < 0 || n >= (size + COW_BLOCK - 1) / COW_BLOCK)
            break;
        r = cow_read(c, i, n, 1, buf);
        *h = cowdev_mix(cowdev_mix(*h, &n, sizeof n), buf, sizeof buf);
    }
    return r;
}

static int cowdev_digest_inode(struct cow *c, uint64_t ino, uint64_t path, uint64_t *sum)
{
    struct cow_inode *i;
    struct cow_attr a;
    uint8_t buf[COW_BLOCK];
    int r = cow_get(c, ino, &i);
    if (r < 0)
        return r;
    cow_attr_get(c, i, &a);
    const uint64_t words[] = {a.size, a.mode, a.nlink, a.uid, a.rdev, (uint64_t) a.mtime_ns};
    uint64_t h = cowdev_mix(path, words, sizeof words);
    if (S_ISREG(a.mode))
        r = cowdev_digest_content(c, i, a.size, &h);
    long got = S_ISLNK(a.mode) ? cow_readlink(c, i, (char *) buf, sizeof buf)
                               : cow_xattr_get(c, i, "user.x", SPAN_OF(buf));
    if (got < 0 && got != -ENODATA && r == 0)
        r = (int) got;
    h = cowdev_mix(h, &got, sizeof got);
    if (got > 0)
        h = cowdev_mix(h, buf, (size_t) got);
    *sum += h;
    if (S_ISDIR(a.mode) && r == 0)
        r = cowdev_digest_names(c, i, h, sum);
    cow_put(c, i);
    return r;
}

/* The first error, or 0 and a number that is not 0. */
static inline int cowdev_digest(struct cow *c, uint64_t *ret)
{
    *ret = 0;
    int r = cowdev_digest_inode(c, COW_INO_ROOT, 1, ret);
    *ret |= 1;
    return r;
}
#endif
