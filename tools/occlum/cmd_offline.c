/* occlum ls, cat, cp, fsck, mount, key: become occlum-fs, which has the kernel's file systems. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"

COMMAND(ls, "list files of the root image or of a volume", cmd_ls);
COMMAND(cat, "show a file of the root image or of a volume", cmd_cat);
COMMAND(cp, "copy out of the root image or a volume, or into a volume", cmd_cp);
COMMAND(fsck, "check the root image and the volumes", cmd_fsck);
COMMAND(mount, "show the root image or a volume as a directory here", cmd_mount);
COMMAND(key, "change the keys of an encrypted volume", cmd_key);

static int become(const char *command, int argc, char **argv)
{
    AUTO_FREE char *beside = instance_installed("bin/occlum-fs");
    if (!beside) {
        msg_error("occlum-fs is missing beside this program");
        msg_hint("build it with `make`, or install the tools again: make install");
        return 1;
    }
    bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
    if (!help && !instance_state(false))
        return 1;
    char **list = mem_zalloc(((size_t) argc + 2) * sizeof *list);
    AUTO_FREE char *name = mem_strdup(command);
    list[0] = beside;
    list[1] = name;
    if (argc > 1)
        memcpy(list + 2, argv + 1, (size_t) (argc - 1) * sizeof *list);
    execv(beside, list);
    msg_error("cannot start %s: %s", beside, strerror(errno));
    free(list);
    return 1;
}

int cmd_ls(int argc, char **argv)
{
    return become("ls", argc, argv);
}

int cmd_cat(int argc, char **argv)
{
    return become("cat", argc, argv);
}

int cmd_cp(int argc, char **argv)
{
    return become("cp", argc, argv);
}

int cmd_fsck(int argc, char **argv)
{
    return become("fsck", argc, argv);
}

int cmd_mount(int argc, char **argv)
{
    return become("mount", argc, argv);
}

int cmd_key(int argc, char **argv)
{
    return become("key", argc, argv);
}
