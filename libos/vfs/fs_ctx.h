/* A process's view of names: root, working directory, umask. Shared by CLONE_FS. The paths are under
 * the dcache lock, so that a walk starts without counting references. */
#ifndef VFS_FS_CTX_H
#define VFS_FS_CTX_H
#include "libos/vfs/mount.h"
#include "libos/vfs/vfs.h"

struct fs_ctx {
    struct ref ref;
    struct path root, cwd; /* dcache lock */
    uint32_t umask;
};

struct fs_ctx *current_fs(void);
struct path fs_ctx_root(struct fs_ctx *c); /* references */
struct path fs_ctx_cwd(struct fs_ctx *c);
void fs_ctx_set_root(struct fs_ctx *c, const struct path *p); /* takes its own references */
void fs_ctx_set_cwd(struct fs_ctx *c, const struct path *p);
#endif
