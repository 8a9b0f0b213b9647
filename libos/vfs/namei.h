/* Path resolution, and the operations on names that system calls are made of.
 *
 * A walk goes component by component under the dcache lock and only lets go of it for names that are
 * not cached. Symlink texts are parsed in place, at most 40 per walk.
 */
#ifndef VFS_NAMEI_H
#define VFS_NAMEI_H
#include "libos/vfs/mount.h"

enum {
    LOOKUP_FOLLOW = 1u << 8,    /* a symlink as last component */
    LOOKUP_DIRECTORY = 1u << 9, /* the result must be one */
    LOOKUP_EMPTY = 1u << 10,    /* "" is dirfd itself */
    LOOKUP_PARENT = 1u << 11,   /* stop before the last component */
    /* low bits: RESOLVE_* of openat2 */
};

/* 0 and references. A magic link to a pathless file (pipe, socket) is -ENXIO unless ret_file is
 * given; then *ret_file is a reference and ret is empty. */
must_check int path_at(int dirfd, const char *path, unsigned flags, struct path *ret,
                       struct file **ret_file);

/* Names as targets of change: the parent directory's path and the last component. */
struct parent {
    struct path dir; /* references */
    char name[NAME_LIMIT + 1];
    size_t name_len;
    bool dot; /* ".", ".." or "/": not a name */
    bool dotdot, root;
    bool slash; /* trailing slashes followed */
};
must_check int path_parent(int dirfd, const char *path, unsigned flags, struct parent *ret);

/* Open: resolves with O_* flags; creates. Result: a path, or a pathless file to reopen. */
struct open_result {
    struct path path;
    struct file *file;
    bool created;
};
must_check int path_open(int dirfd, const char *path, unsigned o_flags, uint32_t mode,
                         unsigned resolve, struct open_result *ret);

/* The operations of mkdirat and friends. mode includes the type for mknod; the umask is applied. */
must_check int vfs_mkdir(int dirfd, const char *path, uint32_t mode);
must_check int vfs_mknod(int dirfd, const char *path, uint32_t mode, uint64_t rdev,
                         struct path *ret); /* ret may be NULL: path of the new node */
must_check int vfs_symlink(const char *target, int dirfd, const char *path);
must_check int vfs_link(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
                        int at_flags);
must_check int vfs_unlink(int dirfd, const char *path);
must_check int vfs_rmdir(int dirfd, const char *path);
must_check int vfs_rename(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
                          unsigned flags);
#endif
