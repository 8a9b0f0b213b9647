/* The two halves of `occlum mount`. */
#ifndef TOOLS_OFFLINE_MOUNT_H
#define TOOLS_OFFLINE_MOUNT_H

#include <time.h>
#include "tools/offline/volume.h"

struct fuse_operations;
struct fsys *mount_fsys(void); /* of the request that is served */
struct timespec mount_time(int64_t ns);
/* Makes a file, directory, link or device, as the caller of the request: 0 or -errno; ret: its handle, for
 * fuse_file_info, or NULL. */
typedef int (*mount_make_fn)(const char *path, uint32_t mode, uint64_t rdev, const char *target,
                             uint64_t *ret);
/* Adds what makes something new. */
void mount_make_operations(struct fuse_operations *operations, mount_make_fn make);
/* Adds what changes a volume. */
void mount_write_operations(struct fuse_operations *operations);
/* Adds extended attributes, of a volume. */
void mount_xattr_operations(struct fuse_operations *operations, bool writable);
/* The same for what a program sees as "/". */
void mount_root_operations(struct fuse_operations *operations, bool writable);
bool mount_xattr_ok(const char *name); /* in a namespace that programs inside have */
#endif
