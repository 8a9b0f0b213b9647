/* Extended attributes in memory: names with opaque values, of one inode. What inode_ops want; the caller's
 * lock protects all of it. */
#ifndef FS_XATTR_LIST_H
#define FS_XATTR_LIST_H
#include "libos/base/list.h"
#include "libos/base/span.h"

struct xattr_list {
    struct list all;
};

void xattr_list_init(struct xattr_list *l);
void xattr_list_fini(struct xattr_list *l);
/* The value's size; it is copied unless buf is empty. -ENODATA, -ERANGE. */
long xattr_list_get(const struct xattr_list *l, const char *name, struct span buf);
/* flags: XATTR_CREATE (1), XATTR_REPLACE (2). -EEXIST, -ENODATA, -ENOSPC: no memory, l is unchanged. */
int xattr_list_set(struct xattr_list *l, const char *name, struct cspan value, int flags);
int xattr_list_remove(struct xattr_list *l, const char *name); /* -ENODATA */
/* All names, each with its zero: how many bytes; they are copied unless buf is empty. -ERANGE. */
long xattr_list_names(const struct xattr_list *l, struct span buf);
#endif
