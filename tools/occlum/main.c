/* The occlum command: finds the subcommand in the generated table and calls it.
 *
 * Exit status: 0 done, 1 failed, 64 wrong arguments; `occlum run` gives the program's own status.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/command.h"

const struct command *command_find(const char *name)
{
    for (const struct command *c = command_table; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

/* Letters that must change: two names closer than this are taken for a typing error. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32];
    size_t size = strlen(b);
    if (size >= 31 || strlen(a) >= 31)
        return 31;
    for (size_t j = 0; j <= size; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[size];
}

static int unknown(const char *name)
{
    msg_error("there is no command \"%s\"", name);
    for (const struct command *c = command_table; c->name; c++) {
        if (distance(name, c->name) <= 2) {
            msg_hint("occlum %s", c->name);
            return EXIT_USAGE;
        }
    }
    msg_hint("occlum help");
    return EXIT_USAGE;
}

/* -C DIR before the command; returns the index of the command or -1. */
static int global_options(int argc, char **argv)
{
    int i = 1;
    while (i + 1 < argc && strcmp(argv[i], "-C") == 0) {
        if (chdir(argv[i + 1]) < 0) {
            msg_error("cannot go to %s: %s", argv[i + 1], strerror(errno));
            return -1;
        }
        i += 2;
    }
    return i;
}

int main(int argc, char **argv)
{
    int at = global_options(argc, argv);
    if (at < 0)
        return 1;
    if (at >= argc) {
        (void) command_find("help")->fn(1, argv); /* it only prints */
        return EXIT_USAGE;
    }
    const char *name = argv[at];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "--version") == 0)
        name = "help";
    const struct command *command = command_find(name);
    if (!command)
        return unknown(name);
    AUTO_FREE char *full_name = mem_printf("occlum %s", command->name);
    argv[at] = full_name;
    return command->fn(argc - at, argv + at);
}
