/* Options of a mount: "key=value,flag,...". */
#ifndef VFS_MOUNT_OPTION_H
#define VFS_MOUNT_OPTION_H
#include "libos/base/types.h"

/* The length of key's value, which is copied to buf with a NUL; a flag's is 0. -ENOENT: it is not among
 * them; -ENAMETOOLONG: buf is too small. The last one counts if there are several. */
must_check long mount_option(const char *options, const char *key, char *buf, size_t size);
/* Is the flag, or the key with this value, among them? */
bool mount_option_is(const char *options, const char *option);
#endif
