/* State, mode and places of an Occlum instance. */
#include "tools/occlum/instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/fsutil.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"

const char *instance_state(bool quiet)
{
    static const char *const states[] = {"initialized", "built"};
    AUTO_FREE char *text = NULL;
    size_t size;
    int r = fs_read_file(INSTANCE_STATUS, 64, &text, &size);
    for (size_t i = 0; r == 0 && i < sizeof states / sizeof *states; i++) {
        if (strncmp(text, states[i], strlen(states[i])) == 0)
            return states[i];
    }
    if (quiet)
        return NULL;
    if (r == -ENOENT) {
        AUTO_FREE char *here = getcwd(NULL, 0);
        msg_error("%s is not an Occlum instance: it has no %s", here ? here : "this directory",
                  INSTANCE_STATUS + 2);
        msg_hint("go to your instance's directory, or make one: occlum new DIR");
    } else {
        msg_error("%s cannot be used: %s", INSTANCE_STATUS + 2,
                  r ? strerror(-r) : "it holds no state that is known");
        msg_hint(
            "make a new instance with `occlum new DIR` and copy Occlum.json and image/ into it");
    }
    return NULL;
}

int instance_set_state(const char *state)
{
    AUTO_FREE char *line = mem_printf("%s\n", state);
    int r = fs_write_file(INSTANCE_STATUS, line, strlen(line), 0644);
    if (r < 0)
        msg_error("cannot write %s: %s", INSTANCE_STATUS + 2, strerror(-r));
    return r;
}

int instance_mode(const char *option, struct mode_choice *ret_choice)
{
    AUTO_FREE char *recorded = NULL;
    size_t size;
    if (fs_read_file(BUILD_MODE, 64, &recorded, &size) == 0)
        recorded[strcspn(recorded, "\n")] = 0;
    struct mode_input input = {
        .option = option,
        .variable = getenv("SGX_MODE"),
        .recorded = recorded,
        .device = mode_device_present(),
    };
    int r = mode_choose(&input, ret_choice);
    if (r < 0) {
        msg_error("the mode given by %s must be HW or SIM", ret_choice->by);
        msg_hint("use --sgx-mode SIM (no security, works anywhere) or --sgx-mode HW");
    }
    return r;
}

char *instance_installed(const char *name)
{
    AUTO_FREE char *bin = fs_self_dir();
    AUTO_FREE char *path = mem_printf("%s/../%s", bin, name);
    return fs_exists(path) ? MEM_TAKE(path) : NULL;
}
