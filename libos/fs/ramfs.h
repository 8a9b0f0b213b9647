/* The RAM file system: directories are trees of named entries, file content is the page cache. Also the
 * base of /dev, and the upper layer of "/" until there is a persistent one. */
#ifndef FS_RAMFS_H
#define FS_RAMFS_H
#include "libos/vfs/inode.h"

must_check int ramfs_super_new(const char *type_name, struct super **ret);
/* Makes dir/name without asking for permissions; for file systems built on this one. A reference. */
must_check int ramfs_add(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                         const char *link_target, struct inode **ret);
/* Copy-up in O(1): content of i below size comes from backing (a reference is taken) where the cache
 * has no page. */
void ramfs_set_backing(struct inode *i, struct inode *backing, uint64_t size);
struct ramfs_options {
    uint64_t size, inodes; /* 0: no limit; bytes */
    uint32_t mode, uid, gid;
};
/* Into *o, which has the defaults. strict: options that are not known are -EINVAL, too. */
must_check int ramfs_options_parse(const char *text, bool strict, struct ramfs_options *o);
bool ramfs_is(const struct super *s);
#endif
