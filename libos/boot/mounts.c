/* The mounts of the measured configuration. "/" comes before any process; the others are made by the
 * first process before it becomes the program: first what the configuration lists, then the places
 * that every program expects, unless they are in the list. A mount that fails is reported and left
 * out, but not one that keeps data: a program would go on with an empty directory in its place, whenever the host
 * likes.
 */
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/printf.h"
#include "libos/base/string.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/fs/hostfs/hostfs.h"
#include "libos/host/host.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/namei.h"
#include "libos/vfs/vfs.h"

#define OPTIONS_MAX 1024

static const char *text_of(struct config_str s)
{
    return boot_config_str(boot_config(), s);
}

/* Appends the mount's own options, a comma before each but the first of the text. */
static void add_options(const struct config_mount *m, char *buf, size_t size)
{
    size_t count, used = strlen(buf);
    const struct config_str *list = boot_config_options(boot_config(), m, &count);
    for (size_t i = 0; i < count && used < size; i++) {
        used += str_copy(buf + used, used ? "," : "", size - used);
        if (used < size)
            used += str_copy(buf + used, text_of(list[i]), size - used);
    }
}

static void add_layer(const struct config_mount *l, const char *key, char *buf, size_t size)
{
    size_t used = strlen(buf);
    const char *source = text_of(l->source);
    fmt_str(buf + used, size - used, "%s%s=%s%s%s", used ? "," : "", key, text_of(l->type),
            *source ? ":" : "", source);
}

/* "lower=TYPE,...,upper=TYPE,..." of a union: its layers, and the options of the highest one. */
static void options_of(const struct config_mount *m, char *buf, size_t size)
{
    const struct boot_config *c = boot_config();
    buf[0] = 0;
    if (m->layer_count == 0) {
        add_options(m, buf, size);
        return;
    }
    const struct config_mount *l = &c->layers[m->layer_first];
    for (unsigned n = 0; n < m->layer_count; n++)
        add_layer(&l[n], n + 1 < m->layer_count ? "lower" : "upper", buf, size);
    add_options(&l[m->layer_count - 1], buf, size);
}

/* What of the host's may be shown there. */
static int allow(const struct config_mount *m, bool read_only)
{
    int r = str_eq(text_of(m->type), "hostfs") ? hostfs_allow(text_of(m->source), read_only) : 0;
    for (unsigned n = 0; n < m->layer_count && r == 0; n++) {
        const struct config_mount *l = &boot_config()->layers[m->layer_first + n];
        if (str_eq(text_of(l->type), "hostfs"))
            r = hostfs_allow(text_of(l->source), read_only || n + 1 < m->layer_count);
    }
    return r;
}

static int mount_listed(const struct config_mount *m)
{
    char options[OPTIONS_MAX];
    options_of(m, options, sizeof options);
    bool read_only = boot_config_option(boot_config(), m, "ro") != NULL;
    const char *source = text_of(m->source), *type = text_of(m->type);
    int r = allow(m, read_only);
    if (r < 0)
        return r;
    return vfs_mount(source, text_of(m->target), type, read_only ? MOUNT_RDONLY : 0, options);
}

void boot_mount_root(void)
{
    const struct boot_config *c = boot_config();
    bool listed = c->mount_count > 0 && str_eq(text_of(c->mounts[0].target), "/");
    int r = listed ? mount_listed(&c->mounts[0])
                   : vfs_mount("image", "/", "unionfs", 0, "lower=rootimg,upper=cowfs");
    if (r < 0) {
        log_error("the root cannot be mounted: error %d%s", -r,
                  r == -EKEYREJECTED ? "" : "; run `occlum build`");
        host_shutdown(126);
    }
}

/* Makes the directories that lead to target, and target. What cannot be made the mount will miss. */
static void make_target(const char *target)
{
    char path[PATH_LIMIT];
    for (const char *p = target; *p; p++) {
        size_t n = (size_t) (p - target) + 1;
        if (n >= sizeof path || (p[1] != '/' && p[1]))
            continue;
        memcpy(path, target, n);
        path[n] = 0;
        (void) vfs_mkdir(FD_AT_FDCWD, path, 0755); /* usually it is there */
    }
}

static void report(const char *type, const char *target, int r)
{
    if (r == -ENODEV)
        log_warn("mount of %s at %s: there is no such file system", type, target);
    else if (r < 0)
        log_warn("mount of %s at %s: error %d", type, target, -r);
}

static bool is_listed(const char *target)
{
    const struct boot_config *c = boot_config();
    for (size_t i = 0; i < c->mount_count; i++)
        if (str_eq(text_of(c->mounts[i].target), target))
            return true;
    return false;
}

static bool keeps_data(const char *type)
{
    return str_eq(type, "cowfs") || str_eq(type, "unionfs") || str_eq(type, "rootimg");
}

static void mount_standard(const char *type, const char *target, const char *options)
{
    if (is_listed(target))
        return;
    make_target(target);
    report(type, target, vfs_mount(type, target, type, 0, options));
}

void boot_mount_others(void)
{
    const struct boot_config *c = boot_config();
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct config_mount *m = &c->mounts[i];
        if (str_eq(text_of(m->target), "/"))
            continue;
        make_target(text_of(m->target));
        int r = mount_listed(m);
        report(text_of(m->type), text_of(m->target), r);
        if (r < 0 && keeps_data(text_of(m->type)))
            host_shutdown(126);
    }
    mount_standard("devfs", "/dev", "");
    mount_standard("devpts", "/dev/pts", "");
    mount_standard("procfs", "/proc", "");
    mount_standard("sysfs", "/sys", "");
    mount_standard("tmpfs", "/tmp", "");
    mount_standard("tmpfs", "/dev/shm", "");
    mount_standard("mqueue", "/dev/mqueue", "");
}
