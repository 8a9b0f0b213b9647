/* The mounts of the measured configuration. "/" comes before any process; the others are made by the
 * first process before it becomes the program. */
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/host/host.h"
#include "libos/vfs/vfs.h"

void boot_mount_root(void)
{
    int r = vfs_mount("image", "/", "unionfs", 0, "lower=rootimg,upper=ramfs");
    if (r < 0) {
        log_error("the root image cannot be mounted: error %d; run `occlum build`", -r);
        host_shutdown(126);
    }
}

static void mount_one(const char *source, const char *target, const char *type)
{
    int r = vfs_mount(source, target, type, 0, "");
    if (r < 0)
        log_warn("mount of %s at %s: error %d", type, target, -r);
}

void boot_mount_others(void)
{
    mount_one("dev", "/dev", "devfs");
    mount_one("devpts", "/dev/pts", "devpts");
    mount_one("proc", "/proc", "procfs");
    mount_one("tmp", "/tmp", "ramfs");
}
