/* What a file system implements: inodes, their operations and superblocks.
 *
 * An inode is reference counted and belongs to one super. Attributes (mode, owner, times, link count)
 * change under inode->mutex and are single words, so readers need no lock. Content is the page cache
 * (vfs/pagecache.h) for regular files; directories keep their entries where they like.
 *
 * `real` is the inode that holds attributes and content: itself, except for a union inode, which
 * points to the layer that has the file now. It changes once, from lower to upper, and both stay
 * referenced until the union inode goes, so a pointer read from it stays good.
 *
 * Lock order: super->rename_mutex, directory mutexes (ancestor first, else by address), file mutex,
 * then spin locks: dcache lock, pages lock, inode lock.
 */
#ifndef VFS_INODE_H
#define VFS_INODE_H
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/ref.h"
#include "libos/base/span.h"
#include "libos/task/mutex.h"
#include "libos/vfs/pagecache.h"
#include "libos/vfs/vfs.h"
#include "abi/linux/fs.h"

#define NAME_LIMIT 255
#define PATH_LIMIT 4096 /* with the NUL */

struct inode;
struct super;
struct file;
struct file_ops;
struct dentry;
struct mount;
struct text;

struct path { /* each pointer is a reference unless said otherwise */
    struct mount *mnt;
    struct dentry *dentry;
};

struct qname { /* a component; not NUL terminated */
    const char *p;
    size_t n;
};
#define QNAME(s) ((struct qname){(s), strlen(s)})

/* Directory reading. Positions 0 and 1 are "." and "..", made by the VFS; a file system emits from
 * position ctx->pos (>= 2) on, with the position after each entry. emit returns false when full; the
 * entry was not taken then. */
struct dir_ctx {
    uint64_t pos;
    bool (*emit)(struct dir_ctx *ctx, struct qname name, uint64_t ino, unsigned type,
                 uint64_t next);
};

enum {
    ATTR_MODE = 1u << 0,
    ATTR_UID = 1u << 1,
    ATTR_GID = 1u << 2,
    ATTR_SIZE = 1u << 3,
    ATTR_ATIME = 1u << 4,
    ATTR_MTIME = 1u << 5,
    ATTR_CTIME = 1u << 6,
    ATTR_OPAQUE = 1u << 7,
};
struct iattr {
    unsigned valid;
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t atime_ns, mtime_ns, ctime_ns;
};

struct kstat {
    uint64_t dev, ino, rdev, size, blocks;
    uint32_t mode, nlink, uid, gid, blksize;
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
};

/* NULL means the default: -EPERM for changes of directories, generic attributes. Called with the
 * directory's mutex held where one is named first (both for link, rename). On success create, mkdir,
 * symlink, tmpfile and lookup return a new reference. */
struct inode_ops {
    int (*lookup)(struct inode *dir, struct qname name, struct inode **ret); /* -ENOENT */
    int (*create)(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                  struct inode **ret); /* anything but directories and symlinks */
    int (*mkdir)(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret);
    int (*symlink)(struct inode *dir, struct qname name, const char *target, struct inode **ret);
    int (*link)(struct inode *dir, struct qname name, struct inode *target);
    int (*unlink)(struct inode *dir, struct qname name, struct inode *victim);
    int (*rmdir)(struct inode *dir, struct qname name, struct inode *victim);
    /* victim: what new_name is now, or NULL. flags: RENAME_EXCHANGE (victim is not NULL then). */
    int (*rename)(struct inode *old_dir, struct qname old_name, struct inode *moved,
                  struct inode *new_dir, struct qname new_name, struct inode *victim,
                  unsigned flags);
    int (*tmpfile)(struct inode *dir, uint32_t mode, struct inode **ret);
    long (*readlink)(struct inode *i, char *buf, size_t size); /* length, not terminated */
    /* Magic links (procfs): where they lead. Either a path or, for a pathless file, *ret_file. */
    int (*get_link)(struct inode *i, struct path *ret, struct file **ret_file);
    int (*readdir)(struct inode *dir, struct dir_ctx *ctx);
    int (*sync_dir)(struct inode *dir);  /* fsync of a directory */
    int (*pid)(const struct inode *dir); /* /proc/PID: the process; 0: this is not one */
    int (*getattr)(struct inode *i, struct kstat *st);
    int (*setattr)(struct inode *i, const struct iattr *attr); /* checks are done */
    /* Fills a page of a regular file that the page cache does not have; zeros beyond the end. */
    int (*read_page)(struct inode *i, uint64_t index, void *dst);
    /* The same for count pages (1 .. LOAD_PAGES), in any order; each has its own result. NULL: one by one. */
    void (*read_pages)(struct inode *i, const uint64_t *index, uint32_t count, void *const *dst,
                       int *ret_each);
    /* A file system with a store: puts changed pages of a regular file there, several threads at the same time; size
     * is the file's, or less.
     * room: may so many pages more become changed? sync: all of the inode is durable. next: the first
     * page at or above index that is data or a hole (UINT64_MAX: none). punch: pages become holes. */
    int (*write_pages)(struct inode *i, uint64_t index, uint32_t count, const void *const *src,
                       uint64_t size);
    int (*room)(struct inode *i, uint64_t pages);
    int (*sync)(struct inode *i);
    int (*next)(struct inode *i, uint64_t index, bool data, uint64_t *ret);
    int (*punch)(struct inode *i, uint64_t index, uint64_t count);
    /* Before a regular file is opened for writing or otherwise changed (union: copy up). */
    int (*prepare_write)(struct inode *i);
    long (*getxattr)(struct inode *i, const char *name, struct span buf); /* n == 0: length only */
    int (*setxattr)(struct inode *i, const char *name, struct cspan value, int flags);
    int (*removexattr)(struct inode *i, const char *name);
    long (*listxattr)(struct inode *i, struct span buf);
};

enum {
    INODE_DEAD = 1u << 0,      /* a removed directory: nothing can be created in it */
    INODE_OPAQUE = 1u << 1,    /* union: nothing of the lower directory shows through */
    INODE_IMMUTABLE = 1u << 2, /* content can never change */
    INODE_HASHED = 1u << 3,    /* in the table of inode_by_ino */
    INODE_EMBEDDED = 1u << 4,  /* part of another object, which frees it: super may be NULL */
    INODE_NAMELESS = 1u << 5,  /* O_TMPFILE with O_EXCL: it never gets a name */
};

struct inode {
    struct ref ref;
    uint32_t flags;
    uint32_t mode, nlink, uid, gid;
    uint64_t ino, rdev;
    uint64_t origin; /* union: which inode of which super it was copied from, 0: none */
    uint64_t size;   /* regular files: mutex; read without it */
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
    uint64_t unique;
    const struct inode_ops *ops;
    const struct file_ops *fops;
    struct super *super;
    struct inode *real;
    char *link; /* target of a symlink, once known; never changes then */
    struct mutex mutex;
    struct pages pages;
    struct spinlock lock;    /* the four below */
    struct lock_list *locks; /* vfs/lock.c */
    struct list *watches;    /* vfs/inotify.c */
    struct pipe *pipe;       /* FIFOs, vfs/pipe.c */
    int writers;    /* > 0 open for writing; < 0 programs that run deny it; not of the real inode */
    uint32_t seals; /* memfd; mutex */
    uint32_t writable_maps; /* shared mappings by files that may write; atomic */
    struct inode *above; /* upper layer of a union: the union inode of a copied-up file; set once */
    struct inode *hash_next;
};

struct super_ops {
    void (*inode_free)(struct inode *i); /* the last reference is gone; frees the memory */
    void (*put)(struct super *s);        /* unmounted and the last inode gone: frees it */
    int (*statfs)(struct super *s, struct linux_statfs *ret);
    int (*sync)(struct super *s);
    int (*writeback)(
        struct super *s); /* puts changed pages into the store; nothing is durable yet */
    /* Changes between hold and release are on disk all together or not at all. */
    void (*hold)(struct super *s);
    void (*release)(struct super *s);
    /* NULL, or: adds what /proc/mounts shows behind the flags, each with a comma before it. */
    void (*options)(const struct super *s, struct text *t);
};

enum {
    SUPER_UNCACHED = 1u << 0, /* names may change by themselves: ask the file system each time */
    SUPER_READONLY = 1u << 1,
    SUPER_NO_ATIME = 1u << 2,
    /* The host's files: mounts are nosuid, nodev, noexec whatever their flags, links may not lead out of
     * them (-ELOOP), and private mappings read the file system instead of the page cache. */
    SUPER_UNTRUSTED = 1u << 3,
};

struct super {
    struct ref ref;  /* mounts */
    uint64_t inodes; /* inodes, and 1 for all mounts together; atomic */
    uint32_t flags;
    uint64_t dev;
    uint32_t magic;
    uint32_t
        numbers; /* 24 bits that say what its inode numbers mean, also in another run; 0: nothing */
    size_t dirty_pages; /* atomic */
    uint64_t pages,
        pages_max; /* of a file system in memory with a limit (0: none); pages: atomic */
    struct writeback *writeback; /* vfs/writeback.c; set once */
    const char *type_name;
    const struct super_ops *ops;
    struct inode *root; /* a reference */
    struct mutex rename_mutex;
};

/* Sets up what the VFS needs; the file system fills in the rest. super_init gives a device number. */
void super_init(struct super *s, const struct super_ops *ops, const char *type_name);
void super_put(struct super *s);
void super_inode_gone(struct super *s); /* one inode less; the last one frees the super */
void inode_init(struct inode *i, struct super *s, uint32_t mode);
void inode_fini(struct inode *i); /* page cache and helpers; inode_free calls it */

/* Inodes of file systems where several names lead to one number. insert returns the inode that is in
 * the table: i itself or, having dropped i, an older one; a reference either way. */
struct inode *inode_by_ino_get(struct super *s, uint64_t ino);
struct inode *inode_by_ino_insert(struct inode *i);

/* atomic: union inodes switch layers while others look */
static inline struct inode *inode_real(const struct inode *i)
{
    return atomic_load(&i->real);
}
static inline uint32_t inode_mode(const struct inode *i)
{
    return inode_real(i)->mode;
}
static inline bool inode_is_dir(const struct inode *i)
{
    return S_ISDIR(i->mode);
}

enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };
struct cred;
/* 0 or -EACCES, by the file-system ids. */
must_check int inode_permission(const struct inode *i, int mask);
must_check int inode_permission_cred(const struct inode *i, int mask, const struct cred *c);
bool inode_owner_or_capable(const struct inode *i);
void inode_stat(struct inode *i, struct kstat *ret);
/* Checks as chmod, chown, truncate and utimes do, then applies. Telling watchers is the caller's, who
 * knows the name. */
must_check int inode_change(struct inode *i, struct iattr *attr);
/* The plain way: stores the attributes (and truncates the page cache) in the inode. */
must_check int inode_setattr_simple(struct inode *i, const struct iattr *attr);
must_check long inode_readlink(struct inode *i, char *buf, size_t size);
void inode_touch(struct inode *i, unsigned attr); /* ATTR_*TIME bits: now */
int64_t inode_now(void);

/* Set-group-ID directories and the caller's identity decide about a new inode. */
void inode_owner_init(struct inode *i, const struct inode *dir, uint32_t mode);
#endif
