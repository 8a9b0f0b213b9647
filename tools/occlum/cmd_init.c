/* occlum init: makes the current directory an instance. */
#include <argp.h>
#include <stdio.h>
#include "tools/occlum/command.h"
#include "tools/occlum/skeleton.h"

COMMAND(init, "make the current directory an instance", cmd_init);

static const struct argp argp = {
    .doc = "Make the current directory an Occlum instance: image/ (the root file system of your "
           "programs, with the C libraries of this host), Occlum.json (the settings; the defaults "
           "suit most programs) and run/ (what programs will write)."
           "\vNext: copy programs into image/, then `occlum build` and `occlum run /bin/PROGRAM`. "
           "An existing instance is never touched.",
};

int cmd_init(int argc, char **argv)
{
    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0)
        return EXIT_USAGE;
    if (skeleton_make() < 0)
        return 1;
    puts("Made an Occlum instance. Copy programs into image/, then: occlum build");
    return 0;
}
