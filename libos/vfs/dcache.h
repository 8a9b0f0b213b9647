/* Names: the tree of directory entries, hashed by (parent, name), with negative entries.
 *
 * One spin lock, the dcache lock, covers the hash chains, parent and name of every dentry, the change
 * of a dentry's inode, the mount tree and the paths in fs contexts: a whole path walk over cached
 * names takes it once. A dentry holds its parent and its inode. References above zero are counted
 * without the lock; the step from 0 to 1 and back needs it. A dentry without references stays in the
 * cache until pruned, one that is not hashed is freed with its last reference.
 *
 * d->inode of a positive dentry never changes while it is hashed: a deleted name is unhashed.
 */
#ifndef VFS_DCACHE_H
#define VFS_DCACHE_H
#include "libos/vfs/inode.h"

enum {
    DENTRY_HASHED = 1u << 0,
    DENTRY_MOUNTPOINT = 1u << 1, /* something is mounted here in some parent mount */
    DENTRY_DELETED = 1u << 2,
    DENTRY_REFERENCED = 1u << 3, /* used since the clock hand passed */
};

struct dentry {
    uint32_t ref;
    uint32_t flags;
    uint32_t hash, name_len;
    struct dentry *hash_next;
    struct dentry *parent; /* itself: a root */
    struct inode *inode;   /* NULL: the name does not exist */
    struct super *super;
    char *name; /* NUL terminated; short_name or on the heap */
    char short_name[40];
};

must_check int dcache_init(void);
void dcache_lock(void);
void dcache_unlock(void);

static inline uint32_t dcache_hash_step(uint32_t h, char c)
{
    return (h ^ (uint8_t) c) * 0x01000193u;
}
#define DCACHE_HASH_START 0x811c9dc5u
uint32_t dcache_hash(struct qname name);

/* Borrowed; the dcache lock is held. */
struct dentry *dcache_peek_locked(struct dentry *parent, struct qname name, uint32_t hash);
/* Finds or asks the file system; takes the directory's mutex. A reference; the dentry may be
 * negative. */
must_check int dcache_lookup(struct dentry *dir, struct qname name, uint32_t hash,
                             struct dentry **ret);
/* The same with the directory's mutex held by the caller. */
must_check int dcache_lookup_mutex(struct dentry *dir, struct qname name, uint32_t hash,
                                   struct dentry **ret);

/* The root dentry of a super; takes over the inode reference. */
struct dentry *dentry_new_root(struct super *s, struct inode *root);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
DEFINE_AUTO(struct dentry, dentry_put)

/* A negative dentry becomes positive (create); takes over the inode reference. Directory's mutex. */
void dcache_instantiate(struct dentry *d, struct inode *i);
/* The name is gone (unlink, rmdir). Directory's mutex. */
void dcache_delete(struct dentry *d);
/* Forgets a name without saying that it was deleted. */
void dcache_drop(struct dentry *d);
/* d is now new_parent/name; what was there is dropped (exchange: takes d's old place). */
must_check int dcache_move(struct dentry *d, struct dentry *target, bool exchange);
/* Unhashes everything of a super that nobody uses; at unmount. */
void dcache_purge(struct super *s);
/* Frees what nobody uses, also what the next walk would have found. May sleep. */
void dcache_shrink(void);
bool dcache_is_below_locked(const struct dentry *d, const struct dentry *ancestor);
#endif
