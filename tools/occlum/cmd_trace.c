/* occlum trace PROGRAM [ARGUMENT...]. */
#include "tools/occlum/command.h"
#include "tools/occlum/launch.h"

COMMAND(trace, "run a program and show its system calls", cmd_trace);

static const char doc[] = "Run PROGRAM as `occlum run` does and write a line per system call to "
                          "stderr, like strace. Needs "
                          "\"debuggable\": true in Occlum.json: a trace shows the program's data.";

int cmd_trace(int argc, char **argv)
{
    return launch_command(argc, argv, doc, true);
}
