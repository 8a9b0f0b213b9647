/* /dev: a RAM file system with a node for each registered device, the usual links and shm/. */
#include "libos/fs/ramfs.h"
#include "libos/vfs/registry.h"

static int add(struct inode *root, const char *name, uint32_t mode, uint64_t rdev,
               const char *target)
{
    struct inode *i;
    int r = ramfs_add(root, name, mode, rdev, target, &i);
    if (r == 0)
        inode_put(i);
    return r;
}

static int populate(struct inode *root)
{
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},
    };
    int r = 0;
    for (const struct device_type *const *t = device_type_table; *t && r == 0; t++)
        r = add(root, (*t)->name, ((*t)->block ? S_IFBLK : S_IFCHR) | (*t)->mode,
                linux_makedev((*t)->major, (*t)->minor), NULL);
    for (size_t i = 0; i < ARRAY_SIZE(links) && r == 0; i++)
        r = add(root, links[i][0], S_IFLNK | 0777, 0, links[i][1]);
    if (r == 0)
        r = add(root, "shm", S_IFDIR | 01777, 0, NULL);
    if (r == 0)
        r = add(root, "pts", S_IFDIR | 0755, 0, NULL);
    return r == 0 ? add(root, "mqueue", S_IFDIR | 01777, 0, NULL) : r;
}

static int devfs_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    struct super *s;
    int r = ramfs_super_new("devtmpfs", &s);
    if (r < 0)
        return r;
    r = populate(s->root);
    if (r < 0) {
        super_put(s);
        return r;
    }
    *ret = s;
    return 0;
}

FILESYSTEM(devfs, devfs_type);
const struct fs_type devfs_type = {.name = "devfs", .mount = devfs_mount};
