/* cowfs, the encrypted writable file system, as a library: no host call, no VFS. The kernel, unit tests,
 * the crash tester, fuzzers and tools use the same objects.
 *
 * All functions take the volume's lock themselves and may sleep. Changes are atomic all together: what is
 * on disk is always exactly the state at some cow_sync, never a part of one. After an I/O error of a write
 * or a forged block the volume is poisoned: -EIO for every change from then on. */
#ifndef FS_COWFS_COW_H
#define FS_COWFS_COW_H
#include "libos/fs/cowfs/dev.h"
#include "libos/fs/cowfs/disk.h"

struct cow;
struct cow_inode;

struct cow_cipher { /* replaced only by fuzzers, whose mutations must pass the tag */
    void (*seal)(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
                 struct cspan in, uint8_t *out, uint8_t ret_tag[GCM_TAG_SIZE]);
    int (*open)(const struct gcm_key *k, const uint8_t nonce[GCM_NONCE_SIZE], struct cspan aad,
                struct cspan in, uint8_t *out, const uint8_t tag[GCM_TAG_SIZE]);
};

/* Freshness: a counter that the host cannot turn back. */
struct cow_anchor;
struct cow_mark { /* which commit: two of one number are not the same */
    uint64_t txg;
    uint8_t tag[GCM_TAG_SIZE];
};
struct cow_anchor_ops { /* read: -ENOENT: there is none yet */
    int (*read)(struct cow_anchor *a, const uint8_t uuid[16], struct cow_mark *ret);
    int (*advance)(struct cow_anchor *a, const uint8_t uuid[16], const struct cow_mark *to);
};
struct cow_anchor {
    const struct cow_anchor_ops *ops;
    uint8_t key[32]; /* of the volume, for a MAC: set before the first call */
    bool registers;  /* the first advance finds out whether there really was none */
};

struct cow_params {
    struct cow_dev *dev;
    const char *name;        /* of the volume, which opens under no other one; NULL: "" */
    enum cow_slot_kind kind; /* which slot opens the volume */
    /* The secret of a slot; for a new one, fills in how it can be had again. */
    int (*slot_secret)(const struct cow_params *p, struct cow_slot *slot, bool create,
                       uint8_t ret[32]);
    const uint8_t *user_key;         /* 32 bytes, for slot_secret */
    const struct cow_cipher *cipher; /* NULL: AES-256-GCM */
    struct cow_anchor *anchor;       /* NULL: none */
    uint32_t cache_blocks;           /* how many decrypted blocks of metadata are kept; 0: 1024 */
    uint64_t blocks, blocks_max;     /* of a new volume; how far it may grow */
    uint32_t seen[COW_SLOT_KINDS];   /* generations of slots that cow_slot_try found authentic */
};

/* For slot_secret. */
int cow_secret_sealed(const struct cow_params *p, struct cow_slot *slot, bool create,
                      uint8_t ret[32]);
int cow_secret_user(const struct cow_params *p, struct cow_slot *slot, bool create,
                    uint8_t ret[32]);

/* Writes an empty volume over whatever is there. Nothing else ever does. -ESTALE: the anchor belongs to another
 * volume, which this one would replace. */
must_check int cow_create(const struct cow_params *p);
/* The same and mounts it, but nothing is written before the first change. */
must_check int cow_mount_new(const struct cow_params *p, struct cow **ret);
/* -ENODATA: there is nothing; -EBADMSG: destroyed or not a volume; -EKEYREJECTED: no key opens it;
 * -ESTALE: older than the anchor says, or a header from before a change of keys; -EUCLEAN: authentic nonsense. Writes nothing (but an anchor that was
 * left behind): a mount is a reader until its first change, which claims the device. */
must_check int cow_mount(const struct cow_params *p, struct cow **ret);
/* Before a change that the library hears of later (memory that is written back): -EBUSY, and everything else
 * that keeps the volume from being changed. Others claim by themselves. */
must_check int cow_claim(struct cow *c);
bool cow_claimed(struct cow *c);
/* Commits and frees; no inode may be held. The error of the last commit, the memory is gone anyway. */
int cow_unmount(struct cow *c);
/* Keys of a volume that is not mounted; its blocks stay as they are. put: gives it the slot of fresh's kind and
 * secret, instead of the one of that kind if there is one; p opens it. remove: of that kind there is none any more;
 * -EPERM: it is p's own. Once they have returned 0, a header from before is -ESTALE. try: can p open it? Errors
 * as of cow_mount. */
must_check int cow_slot_put(const struct cow_params *p, const struct cow_params *fresh);
must_check int cow_slot_remove(const struct cow_params *p, enum cow_slot_kind kind);
must_check int cow_slot_try(const struct cow_params *p, uint32_t *ret_generation);
void cow_abandon(struct cow *c); /* the same without writing anything */

must_check int cow_sync(struct cow *c);
int cow_error(struct cow *c);    /* 0, or why it is poisoned */
uint64_t cow_txg(struct cow *c); /* of the last commit */
bool cow_dirty(struct cow *c);   /* would cow_sync write? */
/* No commit between begin and end, except by nobody: several changes become one. They nest. */
void cow_hold(struct cow *c);
void cow_release(struct cow *c);

struct cow_space {
    uint64_t blocks, free, available; /* available: without the reserve; of what it may grow to */
    uint64_t inodes;
};
void cow_space(struct cow *c, struct cow_space *ret);
/* Is there room for so many more data blocks? -ENOSPC. */
must_check int cow_room(struct cow *c, uint64_t blocks);

/* ---- inodes: a reference each */
struct cow_attr {
    uint64_t ino, size, blocks, rdev, origin;
    uint32_t mode, nlink, uid, gid, flags;
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
};
must_check int cow_get(struct cow *c, uint64_t ino, struct cow_inode **ret); /* -ENOENT, -EUCLEAN */
void cow_put(struct cow *c, struct cow_inode *i); /* an unlinked one is deleted at the last */
void cow_attr_get(struct cow *c, struct cow_inode *i, struct cow_attr *ret);
/* Mode (permission bits), owner, times, flags, origin; not size, links, type. */
must_check int cow_attr_set(struct cow *c, struct cow_inode *i, const struct cow_attr *a);
must_check int cow_truncate(struct cow *c, struct cow_inode *i, uint64_t size);

/* ---- content, in whole blocks; holes read as zeros */
must_check int cow_read(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                        void *dst);
/* Up to COW_IO_BLOCKS blocks in any order, each to its own place and with its own result. */
void cow_read_list(struct cow *c, struct cow_inode *i, const uint64_t *block, uint32_t count,
                   void *const *dst, int *ret_each);
must_check int cow_write(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                         const void *src, uint64_t size); /* size: of the file, at least */
/* The same for data that cow_room found room for: it does not run out now. Each block has its own place in memory,
 * and may change meanwhile: then it is written again later. */
must_check int cow_write_back(struct cow *c, struct cow_inode *i, uint64_t block, uint32_t count,
                              const void *const *src, uint64_t size);
/* Blocks that wait for others to be written with go to the device. */
must_check int cow_send(struct cow *c);
must_check int cow_punch(struct cow *c, struct cow_inode *i, uint64_t block, uint64_t count);
/* The first block from here on that is data, or hole; UINT64_MAX: none before the end. */
must_check int cow_next(struct cow *c, struct cow_inode *i, uint64_t block, bool data,
                        uint64_t *ret);
must_check long cow_readlink(struct cow *c, struct cow_inode *i, char *buf, size_t size);

/* ---- names */
struct cow_name {
    const char *p;
    size_t n; /* 1..255 */
};
struct cow_new {
    uint32_t mode, uid, gid;
    uint64_t rdev;
    const char *target; /* of a symbolic link */
    int64_t now_ns;
};
must_check int cow_lookup(struct cow *c, struct cow_inode *dir, struct cow_name name,
                          struct cow_inode **ret);
must_check int cow_make(struct cow *c, struct cow_inode *dir, struct cow_name name,
                        const struct cow_new *what, struct cow_inode **ret);
must_check int cow_tmpfile(struct cow *c, const struct cow_new *what, struct cow_inode **ret);
must_check int cow_link(struct cow *c, struct cow_inode *dir, struct cow_name name,
                        struct cow_inode *i, int64_t now_ns);
must_check int cow_unlink(struct cow *c, struct cow_inode *dir, struct cow_name name,
                          int64_t now_ns); /* directories too: -ENOTEMPTY */
/* The caller sees to it that no directory goes into itself. */
must_check int cow_rename(struct cow *c, struct cow_inode *from, struct cow_name old,
                          struct cow_inode *to, struct cow_name fresh, bool exchange,
                          int64_t now_ns);
struct cow_dirent {
    uint64_t ino, next; /* next: where to go on */
    unsigned type;      /* DT_* */
    char name[256];
    size_t name_size;
};
/* The entry at or behind pos: 1, or 0 at the end. */
must_check int cow_readdir(struct cow *c, struct cow_inode *dir, uint64_t pos,
                           struct cow_dirent *ret);

/* ---- extended attributes */
must_check long cow_xattr_get(struct cow *c, struct cow_inode *i, const char *name,
                              struct span buf);
must_check int cow_xattr_set(struct cow *c, struct cow_inode *i, const char *name,
                             struct cspan value, int flags); /* XATTR_CREATE 1, XATTR_REPLACE 2 */
must_check int cow_xattr_remove(struct cow *c, struct cow_inode *i, const char *name);
must_check long cow_xattr_list(struct cow *c, struct cow_inode *i, struct span buf);

/* Reads everything and checks that it fits together: the number of things wrong (each reported in the
 * log), or -errno. Commits first. */
must_check long cow_check(struct cow *c);
#endif
