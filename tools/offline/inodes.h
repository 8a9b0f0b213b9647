/* What struct fsys needs, for a file system that has inodes of the kernel: the image, and the union. */
#ifndef TOOLS_OFFLINE_INODES_H
#define TOOLS_OFFLINE_INODES_H

#include "libos/vfs/inode.h"
#include "tools/offline/fsys.h"

static inline struct inode *inode_of(struct fsys_node *n)
{
    return (struct inode *) n;
}

int inodes_lookup(struct fsys *f, struct fsys_node *dir, const char *name, struct fsys_node **ret);
void inodes_put(struct fsys *f, struct fsys_node *n);
void inodes_stat(struct fsys *f, struct fsys_node *n, struct fsys_stat *ret);
int inodes_readdir(struct fsys *f, struct fsys_node *dir, uint64_t pos, struct fsys_entry *ret);
int inodes_read_block(struct fsys *f, struct fsys_node *n, uint64_t block, uint8_t *dst);
long inodes_readlink(struct fsys *f, struct fsys_node *n, char *buf, size_t size);
long inodes_getxattr(struct fsys *f, struct fsys_node *n, const char *name, char *buf, size_t size);
long inodes_listxattr(struct fsys *f, struct fsys_node *n, char *buf, size_t size);

/* Its super, which is the caller's from then on; only closing is left to do with f. */
struct super *image_take_super(struct fsys *f);
#endif
