/* The mount tree. Links between mounts are under the dcache lock; a struct mount lives as long as a
 * path refers to it. A mount is busy while anything but the tree refers to it. */
#ifndef VFS_MOUNT_H
#define VFS_MOUNT_H
#include "libos/vfs/dcache.h"

struct mount {
    struct ref ref;
    struct super *super;
    struct dentry *root;
    struct mount *parent;      /* itself: the root of the namespace; dcache lock */
    struct dentry *mountpoint; /* in parent */
    struct list link;          /* all mounts, in mount order; dcache lock */
    bool attached;             /* dcache lock */
    uint32_t flags;            /* MOUNT_* that matter per mount */
    uint32_t id;
    char *source, *options;
};

void mount_get(struct mount *m);
void mount_put(struct mount *m);
void path_get(const struct path *p);
void path_put(const struct path *p); /* NULL members are fine */
static inline void path_put_cleanup(struct path *p)
{
    path_put(p);
}
#define AUTO_PATH __attribute__((cleanup(path_put_cleanup)))

/* What is mounted on p, topmost; the dcache lock is held. p's pointers are borrowed throughout. */
void mount_follow_down_locked(struct path *p);
/* The mount on top of everything: "/" of the first process. Borrowed. */
struct mount *mount_root(void);

must_check int mount_add(const char *source, const struct path *on, const char *type,
                         unsigned long flags, const char *options);
bool mount_type_exists(const char *type);
/* A mount that is nowhere yet: a reference, which mount_move does not take. */
must_check int mount_make(const char *source, const char *type, unsigned long flags,
                          const char *options, struct mount **ret);
must_check int mount_clone(const struct path *p,
                           struct mount **ret); /* of what is at and below p */
must_check int mount_bind(const struct path *from, const struct path *on);
/* Puts the mount whose root `from` is on another place, wherever it was. */
must_check int mount_move(const struct path *from, const struct path *on);
must_check int mount_change_flags(const struct path *p, unsigned long flags);
must_check int mount_remove(const struct path *p, int flags);
struct mount *mount_by_dev_get(uint64_t dev); /* of a file system with this number, or NULL */
/* Lists mounts below the caller's root, in the three formats of /proc. */
enum mount_format { MOUNT_TEXT_MOUNTS, MOUNT_TEXT_INFO };
void mount_list(struct text *t, enum mount_format format);
/* -EROFS if nothing may be written through p. */
must_check int mount_want_write(const struct path *p);
bool mount_is_point_locked(const struct dentry *d);
/* Absolute path of p relative to root, written at the end of buf; the start, or NULL: too long. The
 * dcache lock is held. *ret_outside: p is not below root. */
char *mount_path_locked(const struct path *p, const struct path *root, char *buf, size_t size,
                        bool *ret_outside);
#endif
