/* occlum run PROGRAM [ARGUMENT...]. */
#include "tools/occlum/command.h"
#include "tools/occlum/launch.h"

COMMAND(run, "run a program of the image", cmd_run);

static const char doc[] =
    "Run PROGRAM, an absolute path in the image, inside the enclave. Its standard files, terminal "
    "and "
    "signals are this command's, and so is its exit status (128+n when signal n killed it)."
    "\vOCCLUM_LOG_LEVEL=off|error|warn|info|debug|trace shows what the kernel does; OCCLUM_QUIET=1 "
    "hides the notice about simulation.";

int cmd_run(int argc, char **argv)
{
    return launch_command(argc, argv, doc, false);
}
