/* occlum-fs: the file systems of an instance, outside the enclave. `occlum ls`, cat, cp, fsck, mount and key run it. */
#include <stdio.h>
#include <string.h>
#include "tools/lib/msg.h"
#include "tools/offline/fsys.h"
#include "tools/offline/kernel.h"

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {
    {"ls", offline_ls},     {"cat", offline_cat},     {"cp", offline_cp},
    {"fsck", offline_fsck}, {"mount", offline_mount}, {"key", offline_key},
};

int main(int argc, char **argv)
{
    static char name[32];
    kernel_setup();
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            snprintf(name, sizeof name, "occlum %s", argv[1]);
            argv[1] = name;
            return commands[i].fn(argc - 1, argv + 1);
        }
    msg_error("occlum-fs: which command? Use it as `occlum ls`, cat, cp, fsck, mount, key");
    return 64;
}
