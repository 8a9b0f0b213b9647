/* Reading the stamp of the root image. */
#include "tools/lib/imagestamp.h"

#include <stdio.h>
#include <string.h>
#include "abi/layout.h"
#include "tools/lib/mem.h"

bool image_stamp_load(const char *instance, struct image_stamp *ret)
{
    AUTO_FREE char *path = mem_printf("%s/%s", instance, IMAGE_STAMP);
    AUTO_FREE char *image = mem_printf("%s/build/image.erofs", instance);
    AUTO_FREE char *data = NULL;
    size_t size;
    struct stat st;
    struct image_stamp stamp;
    if (fs_read_file(path, 4096, &data, &size) < 0 || size != sizeof stamp || stat(image, &st) < 0)
        return false;
    memcpy(&stamp, data, sizeof stamp);
    if ((uint64_t) st.st_size != stamp.image.total_blocks * PAGE_SIZE)
        return false;
    *ret = stamp;
    return true;
}
