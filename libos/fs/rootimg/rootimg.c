/* The file system "rootimg": the image the host mapped for us, with the geometry that was measured. */
#include "libos/fs/rootimg/rootimg.h"
#include "libos/base/log.h"
#include "libos/host/host.h"
#include "libos/vfs/registry.h"

static struct config_image rootimg_geometry;
static struct span rootimg_key;

void rootimg_configure(const struct config_image *geometry, struct span key)
{
    rootimg_geometry = *geometry;
    rootimg_key = key;
}

static int image_read(const struct verity_source *s, uint64_t offset, struct span dst)
{
    return host_image_read(offset, dst);
}

static struct verity_source rootimg_source = {.read = image_read};

static int rootimg_mount(const char *source, const char *options, unsigned long flags,
                         struct super **ret)
{
    rootimg_source.size = host_image_size();
    if (rootimg_source.size == 0 || !rootimg_geometry.present) {
        log_error("root image: %s",
                  rootimg_geometry.present ? "the host provides none" : "none was configured");
        return -ENODATA;
    }
    rootimg_source.key = cspan(rootimg_key);
    int r = erofs_mount_source(&rootimg_geometry, &rootimg_source, true, ret);
    if (rootimg_key.n)
        wipe(rootimg_key.p, rootimg_key.n);
    return r;
}

FILESYSTEM(rootimg, rootimg_type);
const struct fs_type rootimg_type = {.name = "rootimg", .mount = rootimg_mount};
