/* File systems in the making: what fsopen and fspick give a descriptor for. */
#ifndef VFS_FSCONTEXT_H
#define VFS_FSCONTEXT_H
#include "libos/vfs/file.h"

/* A context for a type; -ENODEV. */
must_check int fscontext_new(const char *type, struct file **ret);
/* One that changes an existing mount; takes its own reference on p, the root of a mount. */
must_check int fscontext_pick(const struct path *p, struct file **ret);
bool file_is_fscontext(const struct file *f);

/* A parameter; value NULL: a flag. -EBUSY: too late; -EINVAL: given before, too long. */
must_check int fscontext_set(struct file *f, const char *key, const char *value);
must_check int fscontext_create(struct file *f);
must_check int fscontext_reconfigure(struct file *f);
/* The mount, once: -EINVAL before fscontext_create, -EBUSY afterwards. */
must_check int fscontext_take_mount(struct file *f, uint32_t flags, struct mount **ret);
#endif
