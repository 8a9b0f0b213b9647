/* A process without a parent becomes its program: standard descriptors, load, commit; the first one of all
 * makes the mounts before. Runs in that process's own context, so that paths and descriptors mean its. */
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/string.h"
#include "libos/boot/boot.h"
#include "libos/boot/load_init.h"
#include "libos/fs/console.h"
#include "libos/mm/heap.h"
#include "libos/sys/exec.h"
#include "libos/vfs/vfs.h"

enum { AT_FDCWD_ = -100 };

static struct console *boot_console; /* the runtime's own streams */

static int pack(const char *const *list, struct exec_strings *ret)
{
    size_t n = 0, count = 0;
    for (; list[count]; count++)
        n += strlen(list[count]) + 1;
    char *p = kzalloc(n + 1), *at = p;
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        at += str_copy(at, list[i], n + 1) + 1;
    *ret = (struct exec_strings){p, n, count};
    return 0;
}

static int load(const struct spawn_params *params, struct file *f)
{
    struct exec_params in = {.file = f, .path = params->path};
    int r = pack(params->argv, &in.argv);
    if (r == 0)
        r = pack(params->envp, &in.envp);
    if (r == 0)
        r = (int) exec_replace(&in);
    kfree(unconst(in.argv.p));
    kfree(unconst(in.envp.p));
    return r;
}

static int foreground(void)
{
    return console_foreground(boot_console);
}

/* Pid 1, before it becomes its program or waits for requests. */
int boot_first_process(void)
{
    boot_mount_others();
    exec_sites_load();
    int r = console_new(0, &boot_console);
    signal_foreground_pgid = foreground;
    return r;
}

int boot_load_init(const struct spawn_params *params)
{
    int r = params->console ? 0 : boot_first_process();
    if (r == 0)
        r = console_install(params->console ? params->console : boot_console,
                            current_process()->files);
    struct file *f;
    if (r == 0)
        r = vfs_open_exec(AT_FDCWD_, params->path, 0, &f);
    if (r < 0)
        return r;
    r = load(params, f);
    file_put(f);
    return r;
}
