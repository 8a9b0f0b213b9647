/* Open files and what they can do. */
#ifndef VFS_FILE_H
#define VFS_FILE_H
#include "libos/vfs/inode.h"
#include "libos/vfs/mount.h"
#include "libos/vfs/readahead.h"

/* All may be NULL: read, write -EINVAL; poll always ready; ioctl -ENOTTY; seek the generic one for
 * files with a size, -ESPIPE for streams; fsync 0; mmap -ENODEV. Streams (FILE_STREAM) get pos NULL. */
struct file_ops {
    int (*open)(struct inode *i,
                struct file *f);     /* before the file is visible; may replace f->ops */
    void (*release)(struct file *f); /* the last reference is gone; may sleep */
    void (*reopened)(
        struct file *f);           /* through /proc: has the same priv; takes what release puts */
    void (*flush)(struct file *f); /* at each close of a descriptor */
    long (*read)(struct file *f, struct uio *uio, uint64_t *pos);
    long (*write)(struct file *f, struct uio *uio, uint64_t *pos);
    long (*seek)(struct file *f, int64_t offset, int whence);
    int (*readdir)(struct file *f, struct dir_ctx *ctx);
    uint32_t (*poll)(struct file *f, struct poll_table *pt);
    long (*ioctl)(struct file *f, unsigned cmd, uint64_t arg);
    int (*fsync)(struct file *f, bool data_only);
    long (*fallocate)(struct file *f, int mode, uint64_t offset, uint64_t len);
    int (*mmap)(struct file *f, int prot, bool shared); /* 0: it may be mapped so; 1: as private */
    /* A shared mapping of it comes or goes; mm->lock is held. */
    void (*mapped)(struct file *f, bool comes);
    void (*fdinfo)(struct file *f, struct text *t);
    const char *name; /* pathless files: "anon_inode:[eventfd]" in /proc/self/fd */
};

enum {
    FILE_READ = 1u << 0,
    FILE_WRITE = 1u << 1,
    FILE_STREAM = 1u << 2, /* no position: pread and lseek are -ESPIPE */
    FILE_PATH = 1u << 3,   /* O_PATH: only names */
    FILE_WRITER = 1u << 4, /* counted in inode->writers */
    FILE_LOCKS = 1u << 5,  /* may have left locks on the inode */
    FILE_POLLED = 1u << 6, /* is in an epoll set */
    FILE_DENIES = 1u << 7, /* a program: nobody may write the inode */
};

struct file {
    struct ref ref;
    uint32_t
        mode; /* FILE_*; constant but for LOCKS and POLLED, which are only ever set, and DENIES */
    uint32_t flags; /* O_*; changed by fcntl in one store */
    const struct file_ops *ops;
    struct inode *inode; /* a reference */
    struct path path;    /* empty for pathless files */
    void *priv;
    uint64_t pos; /* pos_lock */
    struct mutex pos_lock;
    struct readahead ahead;
    struct list epoll_items; /* epoll.c's lock */
    struct async *async;     /* its owner and O_ASYNC; NULL: never used; async.c */
};

/* A file without a name. Takes over the inode reference and priv on success. */
must_check struct file *file_new_pathless(struct inode *i, const struct file_ops *ops, void *priv,
                                          unsigned o_flags, uint32_t mode);
/* One inode for all the objects that Linux calls anon_inode. */
struct inode *anon_inode(void); /* a reference */

/* Opens path (references are taken over on success) as o_flags say. */
must_check int file_open_path(const struct path *path, unsigned o_flags, bool created,
                              struct file **ret);
/* What open("/proc/self/fd/N") does for a pathless file. */
must_check int file_reopen(struct file *old, unsigned o_flags, struct file **ret);
must_check int vfs_openat(int dirfd, const char *path, unsigned o_flags, uint32_t mode,
                          unsigned resolve, struct file **ret);

/* The common path of all reads and writes. pos NULL: at the file's position. */
must_check long file_read(struct file *f, struct uio *uio, const uint64_t *pos);
must_check long file_write(struct file *f, struct uio *uio, const uint64_t *pos, bool append);
must_check long file_seek(struct file *f, int64_t offset, int whence);
must_check long file_seek_generic(struct file *f, int64_t offset, int whence); /* by inode_size */
uint32_t file_poll(struct file *f, struct poll_table *pt);
enum { FALLOC_KEEP_SIZE = 1, FALLOC_PUNCH_HOLE = 2, FALLOC_ZERO = 16 }; /* of fallocate */
must_check int file_readdir(struct file *f, struct dir_ctx *ctx);
/* A descriptor of table is closed: the POSIX locks of its process go. */
void file_flush(struct file *f, const struct fdtable *table);
const char *file_anon_name(struct file *f, char *buf, size_t size); /* "pipe:[12]" */

/* Regular files over the page cache; directories; O_PATH. */
extern const struct file_ops regular_file_ops, directory_file_ops;
long regular_read(struct file *f, struct uio *uio, uint64_t *pos);
long regular_write(struct file *f, struct uio *uio, uint64_t *pos);
/* How much of n may be written at pos: size limits of the process and the ABI; -EFBIG. */
long regular_write_limit(uint64_t pos, size_t n);
/* May it become that long? A file that is longer already may be cut. -EFBIG, with SIGXFSZ. */
must_check int regular_may_grow(struct inode *i, uint64_t size);

/* epoll forgets a file that goes. */
void epoll_release_file(struct file *f);
/* Locks on the inode: of the file (flock, OFD) at release, of the process (POSIX) at flush. */
void lock_release_file(struct file *f);
void lock_flush(struct file *f, const struct fdtable *table);
void lock_fini(struct inode *i); /* the inode goes */
#endif
