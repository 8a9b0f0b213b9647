/* Inodes of the kernel as nodes of a struct fsys, by their operations: no names are cached, nobody is asked for permission. */
#include "tools/offline/inodes.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_POS 2u /* of readdir: behind "." and ".." */

int inodes_lookup(struct fsys *f, struct fsys_node *dir, const char *name, struct fsys_node **ret)
{
    struct inode *i;
    int r = inode_of(dir)->ops->lookup(inode_of(dir), QNAME(name), &i);
    if (r == 0)
        *ret = (struct fsys_node *) i;
    return r;
}

void inodes_put(struct fsys *f, struct fsys_node *n)
{
    inode_put(inode_of(n));
}

void inodes_stat(struct fsys *f, struct fsys_node *n, struct fsys_stat *ret)
{
    struct inode *i = inode_real(inode_of(n));
    struct kstat st = {.size = i->size, .blocks = (i->size + 511) / 512};
    if (i->ops->getattr)
        (void) i->ops->getattr(i, &st); /* what cannot be written is said by who writes */
    *ret = (struct fsys_stat){
        .ino = inode_of(n)->ino,
        .size = st.size,
        .blocks = st.blocks,
        .rdev = i->rdev,
        .mode = i->mode,
        .nlink = i->nlink,
        .uid = i->uid,
        .gid = i->gid,
        .atime_ns = i->atime_ns,
        .mtime_ns = i->mtime_ns,
        .ctime_ns = i->ctime_ns,
    };
}

struct one { /* readdir that stops after an entry */
    struct dir_ctx ctx;
    struct fsys_entry *ret;
    bool got;
};

static bool emit_one(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                     uint64_t next)
{
    struct one *o = container_of(ctx, struct one, ctx);
    if (o->got)
        return false;
    o->ret->ino = ino;
    o->ret->next = next;
    o->ret->type = type;
    memcpy(o->ret->name, name.p, name.n);
    o->ret->name[name.n] = 0;
    return o->got = true;
}

int inodes_readdir(struct fsys *f, struct fsys_node *dir, uint64_t pos, struct fsys_entry *ret)
{
    struct one o = {.ctx = {pos ? pos : FIRST_POS, emit_one}, .ret = ret};
    if (!S_ISDIR(inode_of(dir)->mode))
        return -ENOTDIR;
    int r = inode_of(dir)->ops->readdir(inode_of(dir), &o.ctx);
    return r < 0 ? r : o.got;
}

int inodes_read_block(struct fsys *f, struct fsys_node *n, uint64_t block, uint8_t *dst)
{
    return inode_read_page(inode_of(n), block, dst);
}

long inodes_readlink(struct fsys *f, struct fsys_node *n, char *buf, size_t size)
{
    const struct inode *i = inode_of(n);
    if (!S_ISLNK(i->mode))
        return -EINVAL;
    size_t length = strlen(i->link);
    memcpy(buf, i->link, length < size ? length : size);
    return (long) (length < size ? length : size);
}

long inodes_getxattr(struct fsys *f, struct fsys_node *n, const char *name, char *buf, size_t size)
{
    struct inode *i = inode_of(n);
    return i->ops->getxattr ? i->ops->getxattr(i, name, (struct span){(uint8_t *) buf, size})
                            : -ENODATA;
}

long inodes_listxattr(struct fsys *f, struct fsys_node *n, char *buf, size_t size)
{
    struct inode *i = inode_of(n);
    return i->ops->listxattr ? i->ops->listxattr(i, (struct span){(uint8_t *) buf, size}) : 0;
}
