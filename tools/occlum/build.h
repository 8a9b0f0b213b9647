/* The steps of `occlum build`. */
#ifndef TOOLS_OCCLUM_BUILD_H
#define TOOLS_OCCLUM_BUILD_H

#include <stdbool.h>
#include <stdint.h>

struct build_options {
    const char *sign_key;   /* PEM file; NULL: the user's own key */
    const char *image_key;  /* key file; NULL: the root image is not enciphered */
    const char *volume_key; /* key file, for volumes alone; not with image_key */
    bool force;             /* make everything again */
};

/* Configuration, root image, enclave, signature; writes only below build/ and image/.occlum/.
 * Prints its own errors; returns 0 or -errno. */
int build_instance(const struct build_options *options, uint8_t ret_mrenclave[32],
                   bool *ret_changed);
#endif
