/* Union of a read-only lower tree and a writable upper one. Of several layers: the lower tree is a union itself, of
 * which nothing is ever written. */
#ifndef FS_UNION_UNION_H
#define FS_UNION_UNION_H
#include "libos/vfs/inode.h"

struct union_inode {
    struct inode inode;
    struct inode *upper,
        *lower;              /* references, or NULL; upper is set once, under the super's lock */
    struct union_inode *dir; /* a reference: where copy-up puts it; NULL: root or born above */
    char *name;
};

struct union_super {
    struct super super;
    struct super *upper, *lower;
    struct mutex lock; /* every look at and change of the upper tree's directories */
    unsigned level;    /* 0: what is mounted; 1: its lower layer, if that is a union, ... */
};

#define UNION_LEVELS 8u
#define UNION_CLASH  ((uint64_t) 1 << 60) /* of numbers that something else has */

/* Marks of each level's own: of numbers of inodes that are above, of directory positions that are below. */
static inline uint64_t union_upper_ino(const struct union_super *u)
{
    return (uint64_t) 1 << (40 + u->level);
}
static inline uint64_t union_lower_pos(const struct union_super *u)
{
    return (uint64_t) 1 << (62 - u->level);
}

/* The number of what is found under a name: the lower one's, also for what was copied up from it; for what was born
 * above the upper one's with a mark. */
uint64_t union_number(struct super *s, const struct inode *up, const struct inode *low);

static inline struct union_inode *union_of(const struct inode *i)
{
    return container_of(i, struct union_inode, inode);
}
static inline struct union_super *union_super(const struct inode *i)
{
    return container_of(i->super, struct union_super, super);
}

static inline void union_lock(struct union_super *u)
{
    if (u->level)
        mutex_lock_nested(&u->lock); /* from the top down */
    else
        mutex_lock(&u->lock);
}
static inline void union_unlock(struct union_super **u)
{
    mutex_unlock(&(*u)->lock);
}
/* NULL: s is no union. */
const struct super *union_lower_super(const struct super *s);
#define UNION_GUARD(i)                                                                             \
    __attribute__((cleanup(union_unlock))) struct union_super *_union_guard = union_super(i);      \
    union_lock(_union_guard)

/* Holds the lock, and what the upper layer changes meanwhile is on disk all together or not at all. */
static inline struct union_super *union_begin(const struct inode *i)
{
    struct union_super *u = union_super(i);
    union_lock(u);
    if (u->upper->ops->hold)
        u->upper->ops->hold(u->upper);
    return u;
}
static inline void union_end(struct union_super **u)
{
    if ((*u)->upper->ops->release)
        (*u)->upper->ops->release((*u)->upper);
    mutex_unlock(&(*u)->lock);
}
#define UNION_CHANGE(i)                                                                            \
    __attribute__((cleanup(union_end))) struct union_super *_union_change = union_begin(i);        \
    (void) _union_change

/* Takes over both, also on failure. */
must_check int union_super_new(struct super *lower, struct super *upper, struct super **ret);

/* Below the super's lock: */
must_check int union_copy_up_locked(struct union_inode *u); /* u and its directories */
must_check int union_find_locked(struct union_inode *dir, struct qname name,
                                 struct inode **ret_upper,
                                 struct inode **ret_lower); /* references or NULL; -ENOENT */
must_check int union_set_opaque(struct inode *upper);
bool union_is_whiteout(const struct inode *i);
/* The lower tree has this name in dir and shows it. */
bool union_lower_has(struct union_inode *dir, struct qname name);
/* -ENOTEMPTY, or 0 having removed the whiteouts of the upper directory. */
must_check int union_empty_locked(struct union_inode *dir);
int union_readdir(struct inode *dir, struct dir_ctx *ctx);
#endif
