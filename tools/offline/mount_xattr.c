/* Extended attributes of a volume through `occlum mount`, in the namespaces that programs inside have. Others mean
 * something to a kernel (an access list is a mode, too) that is not done here. The root image has none. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <string.h>
#include "tools/offline/mount.h"

static int find(const char *path, struct cow_inode **ret)
{
    struct fsys_node *n;
    int r = fsys_find(mount_fsys(), path, false, &n);
    if (r == 0)
        *ret = volume_inode(n);
    return r;
}

bool mount_xattr_ok(const char *name)
{
    static const char *const spaces[] = {"user.", "trusted.", "security."};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (strncmp(name, spaces[i], strlen(spaces[i])) == 0)
            return true;
    return false;
}

static struct cow *the_cow(void)
{
    return volume_cow(mount_fsys());
}

static int do_get(const char *path, const char *name, char *buf, size_t size)
{
    struct cow_inode *i;
    int r = mount_xattr_ok(name) ? find(path, &i) : -EOPNOTSUPP;
    if (r < 0)
        return r;
    long n = cow_xattr_get(the_cow(), i, name, (struct span){(uint8_t *) buf, size});
    cow_put(the_cow(), i);
    return (int) n;
}

static int do_list(const char *path, char *buf, size_t size)
{
    struct cow_inode *i;
    int r = find(path, &i);
    if (r < 0)
        return r;
    long n = cow_xattr_list(the_cow(), i, (struct span){(uint8_t *) buf, size});
    cow_put(the_cow(), i);
    return (int) n;
}

static int do_set(const char *path, const char *name, const char *value, size_t size, int flags)
{
    struct cow_inode *i;
    int r = mount_xattr_ok(name) ? find(path, &i) : -EOPNOTSUPP;
    if (r < 0)
        return r;
    r = cow_xattr_set(the_cow(), i, name, (struct cspan){(const uint8_t *) value, size}, flags);
    cow_put(the_cow(), i);
    return r;
}

static int do_remove(const char *path, const char *name)
{
    struct cow_inode *i;
    int r = mount_xattr_ok(name) ? find(path, &i) : -EOPNOTSUPP;
    if (r < 0)
        return r;
    r = cow_xattr_remove(the_cow(), i, name);
    cow_put(the_cow(), i);
    return r;
}

void mount_xattr_operations(struct fuse_operations *o, bool writable)
{
    o->getxattr = do_get;
    o->listxattr = do_list;
    if (writable) {
        o->setxattr = do_set;
        o->removexattr = do_remove;
    }
}
