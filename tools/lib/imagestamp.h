/* What `occlum build` remembers of the root image it made: a digest of what it was made from, and the
 * descriptor that is part of the measured configuration. */
#ifndef TOOLS_LIB_IMAGESTAMP_H
#define TOOLS_LIB_IMAGESTAMP_H

#include <stdbool.h>
#include "abi/config.h"
#include "tools/lib/fsutil.h"

#define IMAGE_STAMP "build/.image.stamp"

struct image_stamp {
    uint8_t tree[SHA256_SIZE];
    uint8_t builder[SHA256_SIZE]; /* of `occlum`: another scanner may find other sites */
    struct config_image image;
};

/* Of the instance in that directory; false: there is none, or the image has another size. */
bool image_stamp_load(const char *instance, struct image_stamp *ret);
#endif
