/* A volume opened outside: for what needs more of it than struct fsys has. */
#ifndef TOOLS_OFFLINE_VOLUME_H
#define TOOLS_OFFLINE_VOLUME_H

#include "libos/fs/cowfs/cow.h"
#include "tools/offline/fsys.h"

struct cow *volume_cow(struct fsys *f);
/* It is the caller's from then on; only closing is left to do with f, afterwards. */
struct cow *volume_take_cow(struct fsys *f);
static inline struct cow_inode *volume_inode(struct fsys_node *n)
{
    return (struct cow_inode *) n;
}

/* Bytes into a regular file, anywhere; blocks that are changed in part are read first. size, or -errno. */
long volume_write(struct fsys *f, struct fsys_node *n, const void *buf, size_t size, uint64_t off);
int64_t volume_now(void); /* nanoseconds since 1970 */
/* The directory that the last name of path is in, and that name, which is part of path. -EINVAL: no name. */
int volume_parent(struct fsys *f, const char *path, struct fsys_node **ret,
                  struct cow_name *ret_name);

/* What is derived from a key file for a use (VOLUME_KEY_INFO). Prints its own error. */
int volume_secret(const char *key_file, const char *info, uint8_t ret[32]);
/* Opens a volume's file alone; change gets what opens it, and returns 0 or -errno. Prints errors. */
int volume_change_keys(const char *name, const char *key_file,
                       int (*change)(const struct cow_params *p, void *arg), void *arg);
#endif
