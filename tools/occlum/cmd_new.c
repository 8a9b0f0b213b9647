/* occlum new DIR: mkdir and init. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/msg.h"
#include "tools/occlum/command.h"
#include "tools/occlum/skeleton.h"

COMMAND(new, "make a directory with a new instance in it", cmd_new);

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **dir = state->input;
    if (key == ARGP_KEY_ARG && state->arg_num == 0)
        *dir = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "one directory only");
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "which directory? For example: occlum new hello");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "DIR",
    .doc = "Make the directory DIR, which must not exist, and an Occlum instance in it.\v"
           "The same as: mkdir DIR && cd DIR && occlum init",
};

int cmd_new(int argc, char **argv)
{
    const char *dir = NULL;
    if (argp_parse(&argp, argc, argv, 0, NULL, &dir) != 0)
        return EXIT_USAGE;
    if (mkdir(dir, 0755) < 0) {
        int error = errno;
        msg_error("cannot make %s: %s", dir, strerror(error));
        if (error == EEXIST)
            msg_hint("choose another name, or: cd %s && occlum init", dir);
        return 1;
    }
    if (chdir(dir) < 0 || skeleton_make() < 0)
        return 1;
    printf("Made an Occlum instance in %s. Copy programs into %s/image/, then: cd %s && "
           "occlum build\n",
           dir, dir, dir);
    return 0;
}
