/* The root image: image/ -> build/image.erofs, EROFS followed by a dm-verity hash area. */
#ifndef TOOLS_OCCLUM_IMAGE_H
#define TOOLS_OCCLUM_IMAGE_H

#include <stdbool.h>
#include "abi/config.h"
#include "tools/lib/keyfile.h"

/* Brings build/image.erofs up to date and fills in its geometry and root hash; *ret_changed says
 * whether it was made again. Without image/ an existing build/image.erofs is kept. The new file
 * replaces the old one only when it is complete. Same tree, same bytes: times after epoch (seconds)
 * become epoch. Prints its own errors. */
struct image_options {
    bool force; /* make it even if nothing has changed */
    uint64_t epoch;
    const struct keyfile *key; /* the user's; NULL: none */
    bool encipher;             /* the image, with that key; else it is for volumes alone */
};
int image_build(const struct image_options *options, struct config_image *ret_image,
                bool *ret_changed);
/* The descriptor of the image that was built last; false: none was. */
bool image_built(struct config_image *ret_image);
#endif
