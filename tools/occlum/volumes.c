/* run/volumes/NAME is a volume, NAME.new the order to make it, NAME.made the trace that it was made once
 * (host/call_volume.c). The name is the last component of the mount's source, "root" without one, as in
 * libos/fs/cowfs/cowfs.c. */
#include "tools/occlum/volumes.h"

#include <errno.h>
#include <string.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/msg.h"

#define VOLUMES "run/volumes"

static const char *volume_name(const char *source)
{
    const char *last = strrchr(source, '/');
    last = last ? last + 1 : source;
    return *last && strcmp(last, "image") != 0 ? last : "root";
}

static int order(const char *name)
{
    AUTO_FREE char *volume = mem_printf("%s/%s", VOLUMES, name);
    AUTO_FREE char *made = mem_printf("%s.made", volume);
    AUTO_FREE char *new = mem_printf("%s.new", volume);
    if (fs_exists(volume) || fs_exists(made) || fs_exists(new))
        return 0;
    return fs_write_file(new, "", 0, 0600);
}

static int order_for(const struct config_mount_spec *mount, const char *source)
{
    if (*mount->source) /* layers without one have the union's */
        source = mount->source;
    int r = strcmp(mount->type, "cowfs") == 0 ? order(volume_name(source)) : 0;
    for (size_t i = 0; i < mount->layer_count && r == 0; i++)
        r = order_for(&mount->layers[i], source);
    return r;
}

int volumes_order(const struct config *config)
{
    int r = fs_mkdirs(VOLUMES, 0700);
    for (size_t i = 0; i < config->mount_count && r == 0; i++)
        r = order_for(&config->mounts[i], config->mounts[i].source);
    if (r < 0)
        msg_error("cannot prepare %s: %s", VOLUMES, strerror(-r));
    return r;
}
