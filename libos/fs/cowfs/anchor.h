/* A freshness anchor in a file of its own, for storage that the user trusts more than that of the volume: two
 * blocks, written in turn, each with the mark of a commit and a MAC under a key of the volume. So its host can
 * put an older one back, and nothing else. */
#ifndef FS_COWFS_ANCHOR_H
#define FS_COWFS_ANCHOR_H
#include "libos/fs/cowfs/cow.h"

struct file_anchor {
    struct cow_anchor anchor;
    struct cow_dev *dev; /* of at least two blocks, or empty: no anchor yet */
};

void file_anchor_init(struct file_anchor *a, struct cow_dev *dev);
#endif
