/* memfd_create: files that live in memory only, with seals. */
#ifndef VFS_MEMFD_H
#define VFS_MEMFD_H
#include "libos/vfs/file.h"

enum {
    SEAL_SEAL = 1,
    SEAL_SHRINK = 2,
    SEAL_GROW = 4,
    SEAL_WRITE = 8,
    SEAL_FUTURE_WRITE = 16,
    SEAL_EXEC = 32,
};
/* A file of the internal RAM file system, without a name; sealable: F_ADD_SEALS allowed. */
must_check int memfd_new(const char *name, bool sealable, struct file **ret);
struct file *memfd_anon_shared(uint64_t size);
/* The memory of an object of another kind; name is what /proc shows. */
must_check int memfd_new_object(const char *name, uint64_t size, struct file **ret);
must_check long memfd_seals(struct file *f); /* -EINVAL: not a memfd */
must_check long memfd_add_seals(struct file *f, unsigned seals);
const char *memfd_name(const struct inode *i); /* "/memfd:x"; NULL: not a memfd */
/* Do the seals allow it? For any regular inode; without seals always 0. The inode's mutex is held. */
must_check int memfd_may_write(const struct inode *i, uint64_t pos, uint64_t len);
must_check int memfd_may_resize(const struct inode *i, uint64_t size);
must_check int memfd_may_map(const struct inode *i, int prot, bool shared, bool writable);
#endif
