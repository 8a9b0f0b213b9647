/* The root image: EROFS over dm-verity, read-only and measured. */
#ifndef FS_ROOTIMG_ROOTIMG_H
#define FS_ROOTIMG_ROOTIMG_H
#include "libos/fs/rootimg/verity.h"
#include "libos/vfs/inode.h"

/* From boot, before FILESYSTEM rootimg is mounted: the measured geometry (kept by copy), and the key that
 * the host passed on, which must stay where it is and is wiped by the first mount. */
void rootimg_configure(const struct config_image *geometry, struct span key);
/* Mounts any source; for tests and fuzzing also without a tree (verify false). */
must_check int erofs_mount_source(const struct config_image *geometry,
                                  const struct verity_source *source, bool verify,
                                  struct super **ret);
#endif
