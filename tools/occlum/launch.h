/* Starting the host runtime, for `occlum run`, `trace` and `start`. */
#ifndef TOOLS_OCCLUM_LAUNCH_H
#define TOOLS_OCCLUM_LAUNCH_H

#include <stdbool.h>
#include "tools/lib/mode.h"

struct launch {
    const char *sgx_mode; /* --sgx-mode or NULL */
    enum sgx_mode mode;   /* what launch_check chose */
    char *image_key;      /* --image-key: the file; NULL: none */
    bool trace;
    char *
        *program; /* path in the image and arguments, NULL-terminated; NULL: none (occlum start) */
    int ready_fd; /* without a program: gets a byte when the instance is ready */
};

/* Checks the instance and the program and chooses the mode; says what is wrong. 0 or negative. */
int launch_check(struct launch *launch);
/* Becomes occlum-run. Returns only on failure; says why. */
void launch_runtime(const struct launch *launch);
/* Both; occlum-run's exit status is the program's. Returns only on failure, with an exit status. */
int launch_program(struct launch *launch);
/* The command line of `occlum start`: 0, or the exit status after a message. */
int launch_parse_start(int argc, char **argv, struct launch *launch);

/* The command line of `occlum run` and `occlum trace`; doc is the text of --help. */
int launch_command(int argc, char **argv, const char *doc, bool trace);
#endif
