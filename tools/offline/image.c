/* The root image by the kernel's EROFS reader over its hash tree. What it must be is what `occlum build` wrote
 * down beside it: this finds damage, and a change by whoever cannot write build/. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "libos/base/log.h"
#include "libos/fs/rootimg/rootimg.h"
#include "libos/mm/heap.h"
#include "tools/lib/imagestamp.h"
#include "tools/lib/keyfile.h"
#include "tools/lib/msg.h"
#include "tools/offline/inodes.h"

#define IMAGE_PATH "build/image.erofs"

struct image {
    struct fsys fsys;
    int fd;
    struct config_image geometry;
    struct verity_source source;
    struct keyfile key;
    struct super *super;
};

static struct image *image_of(struct fsys *f)
{
    return container_of(f, struct image, fsys);
}

static int read_file(const struct verity_source *s, uint64_t offset, struct span dst)
{
    const struct image *m = s->data;
    return pread(m->fd, dst.p, dst.n, (off_t) offset) == (ssize_t) dst.n ? 0 : -EIO;
}

static void image_close(struct fsys *f)
{
    struct image *m = image_of(f);
    if (m->super)
        super_put(m->super);
    if (m->fd >= 0)
        close(m->fd);
    keyfile_wipe(&m->key);
    kfree(m);
}

static int image_root(struct fsys *f, struct fsys_node **ret)
{
    inode_get(image_of(f)->super->root);
    *ret = (struct fsys_node *) image_of(f)->super->root;
    return 0;
}

struct super *image_take_super(struct fsys *f)
{
    struct super *s = image_of(f)->super;
    image_of(f)->super = NULL;
    return s;
}

/* Each block, used or not, against the hash tree. */
static long image_check(struct fsys *f)
{
    const struct image *m = image_of(f);
    struct verity *v = new_zero(struct verity);
    uint8_t block[VERITY_BLOCK];
    long wrong = 0;
    int r = v ? verity_init(v, &m->geometry, &m->source) : -ENOMEM;
    for (uint64_t b = 0; r == 0 && b < m->geometry.data_blocks; b++) {
        wrong += verity_read(v, b, block) < 0;
        if (b % 4096 == 0)
            msg_progress("checking the root image: %llu of %llu MB", (unsigned long long) b >> 8,
                         (unsigned long long) m->geometry.data_blocks >> 8);
    }
    msg_progress_end();
    if (r == 0)
        verity_fini(v);
    kfree(v);
    return r < 0 ? r : wrong;
}

static const struct fsys_ops image_ops = {
    .close = image_close,
    .root = image_root,
    .lookup = inodes_lookup,
    .put = inodes_put,
    .stat = inodes_stat,
    .readdir = inodes_readdir,
    .read_block = inodes_read_block,
    .readlink = inodes_readlink,
    .check = image_check,
};

static int load(struct image *m, const char *key)
{
    struct image_stamp stamp;
    if (!image_stamp_load(".", &stamp)) {
        msg_error("there is no root image here, or " IMAGE_STAMP " does not belong to it");
        msg_hint("occlum build");
        return -ENOENT;
    }
    m->geometry = stamp.image;
    m->fd = open(IMAGE_PATH, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0)
        return -errno;
    int r = key ? keyfile_load(key, &m->key) : 0;
    m->source = (struct verity_source){
        .read = read_file,
        .data = m,
        .size = stamp.image.total_blocks * VERITY_BLOCK,
        .key = {m->key.key, m->key.size},
    };
    return r;
}

int fsys_open_image(const struct fsys_options *options, struct fsys **ret)
{
    struct image *m = new_zero(struct image);
    if (!m)
        return -ENOMEM;
    m->fsys.ops = &image_ops;
    m->fd = -1;
    int r = options->writable ? -EROFS : load(m, options->key);
    if (r == 0)
        r = erofs_mount_source(&m->geometry, &m->source, true, &m->super);
    if (r == -EROFS)
        msg_error("the root image is never written: change image/ and build again");
    if (r < 0) {
        image_close(&m->fsys);
        return r;
    }
    *ret = &m->fsys;
    return 0;
}
