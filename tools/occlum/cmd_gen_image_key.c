/* occlum gen-image-key FILE: 16 random bytes, in Occlum's notation xx-xx-...-xx. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "tools/lib/msg.h"
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
    unsigned char key[KEY_SIZE];
    if (getrandom(key, sizeof key, 0) != sizeof key) {
        msg_error("the system gives no random numbers: %s", strerror(errno));
        return 1;
    }
    char text[3 * KEY_SIZE + 1];
    for (int i = 0; i < KEY_SIZE; i++)
        snprintf(text + 3 * i, 4, "%02x%c", key[i], i + 1 < KEY_SIZE ? '-' : '\n');
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        msg_error("cannot make %s: %s", path, strerror(errno));
        return 1;
    }
    ssize_t written = write(fd, text, 3 * KEY_SIZE);
    int r = close(fd);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    if (written != 3 * KEY_SIZE || r < 0) {
        msg_error("%s could not be written completely", path);
        return 1;
    }
    return 0;
}
