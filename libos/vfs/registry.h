/* What registers itself by a macro at the start of a line; scripts/gen-tables builds the tables.
 *
 *   FILESYSTEM(ramfs, ramfs_type)         const struct fs_type ramfs_type = {...};
 *   DEVICE(null, 0666, null_device)       const struct device_type null_device = {...};
 */
#ifndef VFS_REGISTRY_H
#define VFS_REGISTRY_H
#include "libos/base/types.h"

#define FILESYSTEM(name, type)   _Static_assert(1, "")
#define DEVICE(name, mode, type) _Static_assert(1, "")

struct super;
struct file_ops;

struct fs_type {
    const char *name;
    /* source and options are kernel strings, never NULL. */
    int (*mount)(const char *source, const char *options, unsigned long flags,
                 struct super **ret_super);
};

struct device_type {
    const char *name; /* below /dev */
    uint32_t mode;    /* permission bits */
    uint16_t major, minor;
    bool block;
    const struct file_ops *ops;
};

extern const struct fs_type *const fs_type_table[];         /* NULL terminated */
extern const struct device_type *const device_type_table[]; /* NULL terminated */
#endif
