/* An Occlum instance: a directory with Occlum.json, image/, build/ (made by `occlum build`), run/
 * (what programs wrote; never touched by the tools) and the one-word state file .__occlum_status.
 * All paths are relative to the current directory, which is the instance. */
#ifndef TOOLS_OCCLUM_INSTANCE_H
#define TOOLS_OCCLUM_INSTANCE_H

#include <stdbool.h>
#include "tools/lib/mode.h"

#define INSTANCE_STATUS "./.__occlum_status"
#define INSTANCE_CONFIG "Occlum.json"
#define INSTANCE_IMAGE  "image"
#define BUILD_DIR       "build"
#define BUILD_IMAGE     "build/image.erofs"
#define BUILD_SGXS      "build/enclave.sgxs"
#define BUILD_SIG       "build/enclave.sig"
#define BUILD_MODE      "build/.sgx_mode"

/* "initialized" or "built"; NULL (and a message for people unless quiet) if this is no instance.
 * The text is static. */
const char *instance_state(bool quiet);
/* Records the state. Prints its own error; returns 0 or -errno. */
int instance_set_state(const char *state);

/* Chooses the mode for a command of this instance and says so when nobody asked for it (SIM only).
 * Prints its own error; returns 0 or -errno. */
int instance_mode(const char *option, struct mode_choice *ret_choice);

/* A file that belongs to the installation: name is relative to the directory above bin/. NULL if it
 * is not there. The caller frees it. */
char *instance_installed(const char *name);
#endif
