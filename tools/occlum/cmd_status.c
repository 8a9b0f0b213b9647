/* occlum status: the one-word state, as scripts expect it from Occlum. */
#include <argp.h>
#include <stdio.h>
#include "tools/occlum/command.h"
#include "tools/occlum/instance.h"

COMMAND(status, "print the state of the instance", cmd_status);

static const struct argp argp = {
    .doc = "Print \"initialized\" or \"built\".",
};

int cmd_status(int argc, char **argv)
{
    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
        return EXIT_USAGE;
    const char *state = instance_state(false);
    if (!state)
        return 1;
    puts(state);
    return 0;
}
