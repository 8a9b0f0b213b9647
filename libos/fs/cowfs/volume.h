/* cowfs in the kernel: the volume's file at the host, and what VFS objects it is made of. */
#ifndef FS_COWFS_VOLUME_H
#define FS_COWFS_VOLUME_H
#include "libos/fs/cowfs/anchor.h"
#include "libos/fs/cowfs/cow.h"
#include "libos/fs/cowfs/service.h"
#include "libos/vfs/inode.h"

struct volume {
    struct cow_dev dev;
    uint32_t token;
    uint64_t map, map_blocks; /* where the host shows it; 0: nowhere */
    uint32_t unsent;          /* blocks since volume_start; atomic */
};
/* Opens the host's file for a volume of that name, beside others that read. *ret_create: it is a new
 * instance's, or order asked for it, and nothing was ever in it. -ENOENT: there is none; -EBUSY: somebody else changes it. */
#define VOLUME_ANCHOR                                                                              \
    ".anchor" /* behind a volume's name: its anchor's file, made empty if it is not there */
must_check int volume_open(struct volume *v, const char *name, bool order, bool *ret_create);
void volume_close(struct volume *v);
/* For a service_anchor: through the host. */
int volume_ask(struct service_anchor *s, const struct anchor_message *in,
               struct anchor_message *out);

/* From boot, before anything is mounted: the user's key, which the caller has compared with the measured
 * configuration; nothing: there is none. */
void cowfs_user_key(struct cspan key);
/* Before a mount with these parameters: sees to the volume's slots. Errors as of cow_mount. */
must_check int cowfs_keys(struct cow_params *sealed);
bool cowfs_has_user_key(void);
/* The secret of a key that a program gives as hexadecimal digits, dashes allowed between bytes; -EINVAL: it has less
 * than 16 bytes or more than 64, or is none. */
#define VOLUME_KEY_MIN 16u
#define VOLUME_KEY_MAX 64u
must_check int cowfs_key_of_text(const char *text, uint8_t ret[32]);
const uint8_t *cowfs_service_key(void); /* of the freshness service; NULL: without a user's key */

void volume_start(struct volume *v); /* the host begins to write what it was given */

#define COWFS_BUCKETS 256u

struct cowfs_together { /* together.c */
    struct spinlock lock;
    struct list requests; /* lock */
    struct waitq queue;
    bool busy;     /* somebody leads a round; atomic */
    unsigned last; /* how many were in the last round; the leader's */
};
void together_init(struct cowfs_together *t);
/* i and all that others want at the same time becomes durable. */
must_check int together_sync(struct cowfs_together *t, struct inode *i);

struct cowfs_super {
    struct super super;
    struct volume volume, anchor_file; /* the latter if anchored */
    struct file_anchor anchor;
    struct service_anchor service;
    enum { ANCHORED_NOT, ANCHORED_FILE, ANCHORED_SERVICE } anchored;
    char name[64];
    struct cow *cow;
    struct cowfs_together together;
    struct spinlock lock; /* the live inodes */
    struct list live[COWFS_BUCKETS];
    struct waitq gone; /* one of them has left */
};

struct cowfs_inode {
    struct inode inode;
    struct cow_inode *i; /* a reference */
    struct list link;
};

static inline struct cowfs_inode *cowfs_of(const struct inode *i)
{
    return container_of(i, struct cowfs_inode, inode);
}
static inline struct cow *cowfs_cow(const struct inode *i)
{
    return container_of(i->super, struct cowfs_super, super)->cow;
}
static inline struct cow_inode *cowfs_inner(const struct inode *i)
{
    return cowfs_of(i)->i;
}

/* Over a library that is mounted, which it takes over, also on failure. */
must_check int cowfs_super_over(struct cow *c, unsigned long flags, struct super **ret);

extern const struct inode_ops cowfs_dir_ops, cowfs_file_ops, cowfs_other_ops;

/* The VFS inode of ci; takes over the reference, also on failure. */
must_check int cowfs_wrap(struct super *s, struct cow_inode *ci, struct inode **ret);
void cowfs_refresh(struct inode *i);         /* links and times, after a change by name */
must_check int cowfs_store(struct inode *i); /* attributes that differ */
#endif
