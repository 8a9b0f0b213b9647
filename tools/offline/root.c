/* "/" as a program sees it: the kernel's union over the kernel's image and the kernel's cowfs. Which volume is the upper
 * layer Occlum.json says. Nothing is written behind anybody's back: the page cache is flushed by who writes, there is no
 * thread for it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "libos/fs/cowfs/volume.h"
#include "libos/fs/union/union.h"
#include "libos/mm/heap.h"
#include "libos/vfs/writeback.h"
#include "tools/lib/config.h"
#include "tools/lib/msg.h"
#include "tools/offline/inodes.h"
#include "tools/offline/volume.h"

struct root {
    struct fsys fsys;
    struct fsys *image, *volume; /* what is left of them */
    struct super *super;
};

static struct root *root_of(struct fsys *f)
{
    return container_of(f, struct root, fsys);
}

static void root_close(struct fsys *f)
{
    struct root *root = root_of(f);
    if (root->super)
        super_put(root->super);
    fsys_close(root->volume);
    fsys_close(root->image);
    kfree(root);
}

static int root_root(struct fsys *f, struct fsys_node **ret)
{
    inode_get(root_of(f)->super->root);
    *ret = (struct fsys_node *) root_of(f)->super->root;
    return 0;
}

static long root_check(struct fsys *f)
{
    return -EOPNOTSUPP; /* fsck looks at image and volume by themselves */
}

static const struct fsys_ops root_ops = {
    .close = root_close,
    .root = root_root,
    .lookup = inodes_lookup,
    .put = inodes_put,
    .stat = inodes_stat,
    .readdir = inodes_readdir,
    .read_block = inodes_read_block,
    .readlink = inodes_readlink,
    .getxattr = inodes_getxattr,
    .listxattr = inodes_listxattr,
    .check = root_check,
};

bool fsys_is_root(const struct fsys *f)
{
    return f->ops == &root_ops;
}

/* The name of the volume above the image; NULL: "/" is made of something else. */
static char *upper_volume(const struct config *c)
{
    const struct config_mount_spec *m = c->mounts;
    if (c->mount_count == 0)
        return mem_strdup("root");
    if (m->layer_count != 2 || strcmp(m->layers[0].type, "rootimg") != 0 ||
        strcmp(m->layers[1].type, "cowfs") != 0)
        return NULL;
    const char *source = m->layers[1].source && *m->layers[1].source ? m->layers[1].source
                         : m->source                                 ? m->source
                                                                     : "";
    const char *slash = strrchr(source, '/'), *last = slash ? slash + 1 : source;
    return mem_strdup(*last && strcmp(last, "image") != 0 ? last : "root");
}

static int find_volume(char **ret)
{
    struct config *c = config_load("Occlum.json", stderr);
    if (!c)
        return -EINVAL;
    *ret = upper_volume(c);
    config_free(c);
    if (!*ret)
        msg_error("\"/\" of this instance is not the image with a volume above it");
    return *ret ? 0 : -EOPNOTSUPP;
}

static int stack(struct root *root, bool writable)
{
    struct super *upper;
    int r = cowfs_super_over(volume_take_cow(root->volume), writable ? 0 : MOUNT_RDONLY, &upper);
    if (r < 0)
        return r;
    writeback_end(upper);
    return union_super_new(image_take_super(root->image), upper, &root->super);
}

int fsys_open_root(const struct fsys_options *options, struct fsys **ret)
{
    struct root *root = new_zero(struct root);
    AUTO_FREE char *name = NULL;
    if (!root)
        return -ENOMEM;
    root->fsys.ops = &root_ops;
    struct fsys_options image = {.key = options->key}, volume = *options;
    int r = find_volume(&name);
    volume.volume = name;
    if (r == 0)
        r = fsys_open_volume(&volume, &root->volume);
    if (r == 0)
        r = fsys_open_image(&image, &root->image);
    if (r == 0)
        r = stack(root, options->writable);
    if (r < 0)
        root_close(&root->fsys);
    else
        *ret = &root->fsys;
    return r;
}
