/* The store below a volume: blocks of 4096 bytes in one untrusted file. Answers are not believed in any
 * way: what is read is authenticated, what is written is sealed. */
#ifndef FS_COWFS_DEV_H
#define FS_COWFS_DEV_H
#include "libos/base/types.h"

struct cow_dev;
struct cow_dev_ops { /* 0 or -errno; all of it or an error */
    int (*read)(struct cow_dev *d, uint64_t block, uint32_t count, void *dst);
    /* Blocks from anywhere, one behind the other into dst: how many of the first came; read is asked again for one
     * that is wrong. NULL: read is used. */
    long (*read_list)(struct cow_dev *d, const uint64_t *blocks, uint32_t count, void *dst);
    int (*write)(struct cow_dev *d, uint64_t block, uint32_t count, const void *src);
    int (*barrier)(struct cow_dev *d); /* what was written before is durable */
    /* Makes room for so many blocks, so that writing them later finds it; updates d->blocks. */
    int (*grow)(struct cow_dev *d, uint64_t blocks);
    /* NULL, or: before the first write; from then on nobody else has it open. -EBUSY: somebody has. */
    int (*claim)(struct cow_dev *d);
    /* NULL, or: it holds a volume now, and is to be found as one even after a crash. */
    int (*born)(struct cow_dev *d);
};

struct cow_dev {
    const struct cow_dev_ops *ops;
    uint64_t blocks; /* how many there are now */
};

static inline int cow_dev_claim(struct cow_dev *d)
{
    return d->ops->claim ? d->ops->claim(d) : 0;
}

#define COW_IO_BLOCKS 64u /* at most, in one call */
#endif
