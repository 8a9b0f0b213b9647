/* The host's directories as a file system. Boot allows sources before FILESYSTEM hostfs is mounted; the
 * rest of this header is between the files of this folder.
 *
 * An inode holds a token: the host's handle of one file, which stays that file whatever happens to its
 * names. Regular files with equal device and inode numbers share an inode, so that locks on them meet;
 * each lookup of a directory makes one of its own, as names are never cached (SUPER_UNCACHED).
 */
#ifndef FS_HOSTFS_HOSTFS_H
#define FS_HOSTFS_HOSTFS_H
#include "abi/hostcall.h"
#include "libos/base/lock.h"
#include "libos/vfs/file.h"

/* Mounts may use this source of the measured configuration from now on (a reference to it is kept). */
must_check int hostfs_allow(const char *source, bool read_only);

#define HOSTFS_DEVICES 64

struct hostfs_positions { /* positions.c; the directory's mutex */
    uint64_t *cookie;     /* the host's, by number */
    uint32_t *slot;       /* hash table of numbers + 1 */
    uint32_t count, room;
};

struct hostfs_inode {
    struct inode inode;
    struct hostfs_positions positions;
    uint32_t token;
    uint32_t opened; /* HOST_FILE_*: what the host has opened already; atomic */
};

struct hostfs_super {
    struct super super;
    struct spinlock lock; /* the two below */
    uint64_t devices[HOSTFS_DEVICES];
    unsigned device_count;
};

static inline struct hostfs_inode *hostfs_of(const struct inode *i)
{
    return container_of(i, struct hostfs_inode, inode);
}

/* ---- answer.c: what of an answer is believed; pure */

/* Checks and cleans: set-id bits go, odd block sizes too. -EIO: no such file can be. */
must_check int hostfs_stat_check(struct host_stat *st);
int hostfs_statfs_check(const struct host_statfs *h, struct linux_statfs *ret);
bool hostfs_link_ok(struct cspan text);

struct hostfs_dirent {
    struct qname name; /* in the buffer parsed */
    uint64_t ino, next;
    unsigned type;
};
/* Takes the next record off *rest, a copy of what the host sent. 1; 0 at the end; -EIO. */
must_check int hostfs_dirent_next(struct cspan *rest, struct hostfs_dirent *ret);

/* ---- call.c: host calls that may be interrupted a few times, and tokens */

must_check long hostfs_call_io(enum hostcall_nr nr, struct cspan in, struct span out, uint64_t a0,
                               uint64_t a1, uint64_t a2);
must_check int hostfs_call(enum hostcall_nr nr, uint64_t a0, uint64_t a1);
must_check int hostfs_call_name(enum hostcall_nr nr, struct qname name, uint64_t a0, uint64_t a1);
/* A call that answers with a token and a struct host_stat, checked; the token is the caller's. */
must_check int hostfs_call_token(enum hostcall_nr nr, struct cspan in, uint64_t a0, uint64_t a1,
                                 struct host_stat *ret_stat, uint32_t *ret_token);
void hostfs_token_close(uint32_t token);
/* Two names for one call: first, NUL, second, in a buffer that the caller frees. */
must_check int hostfs_join(struct cspan first, struct cspan second, struct span *ret);

/* ---- positions.c */

/* What the VFS gets for a position of the host's. -ENOMEM. */
must_check int hostfs_position(struct hostfs_positions *p, uint64_t cookie, uint64_t *ret);
/* And back. false: nobody was ever given that one. */
bool hostfs_cookie(const struct hostfs_positions *p, uint64_t position, uint64_t *ret);
void hostfs_positions_free(struct hostfs_positions *p);

/* ---- hostfs.c */

/* The inode of a token, which it takes over. */
must_check int hostfs_wrap(struct super *s, uint32_t token, const struct host_stat *st,
                           struct inode **ret);
/* Asks the host for the attributes. -EIO also if the file has become something else. */
must_check int hostfs_refresh(struct inode *i, struct host_stat *ret);

extern const struct inode_ops hostfs_dir_ops, hostfs_file_inode_ops; /* names.c, attr.c */
int hostfs_getattr(struct inode *i, struct kstat *st);
int hostfs_setattr(struct inode *i, const struct iattr *a);
extern const struct file_ops hostfs_file_ops, hostfs_refused_ops; /* file.c */
int hostfs_read_page(struct inode *i, uint64_t index, void *dst);
#endif
