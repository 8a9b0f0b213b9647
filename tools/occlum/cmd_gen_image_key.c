/* occlum gen-image-key FILE: 16 random bytes, in Occlum's notation xx-xx-...-xx. */
#include <argp.h>
#include <stddef.h>
#include "tools/lib/keyfile.h"
#include "tools/occlum/command.h"

COMMAND(gen_image_key, "make a random key for an encrypted image", cmd_gen_image_key);

#define KEY_SIZE 16

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **path = state->input;
    if (key == ARGP_KEY_ARG && state->arg_num == 0)
        *path = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "one file only");
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "write it where? For example: occlum gen-image-key image_key");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Write a new random 128-bit key to FILE, readable for you alone. An existing file is "
           "never overwritten: it may be the only key to something.",
};

int cmd_gen_image_key(int argc, char **argv)
{
    const char *path = NULL;
    if (argp_parse(&argp, argc, argv, 0, NULL, &path) != 0)
        return EXIT_USAGE;
    return keyfile_create(path, KEY_SIZE) == 0 ? 0 : 1;
}
