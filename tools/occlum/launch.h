/* Starting the host runtime, for `occlum run` and `occlum trace`. */
#ifndef TOOLS_OCCLUM_LAUNCH_H
#define TOOLS_OCCLUM_LAUNCH_H

#include <stdbool.h>

struct launch {
    const char *sgx_mode; /* --sgx-mode or NULL */
    bool trace;
    char **program; /* path in the image and arguments, NULL-terminated */
};

/* Checks the instance, then becomes occlum-run, whose exit status is the program's. Returns only on
 * failure, with an exit status; says why. */
int launch_program(const struct launch *launch);

/* The command line of `occlum run` and `occlum trace`; doc is the text of --help. */
int launch_command(int argc, char **argv, const char *doc, bool trace);
#endif
