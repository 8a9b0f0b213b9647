/* Inside cowfs. Everything here is called with the volume's lock held, unless it says otherwise.
 *
 * Metadata (pointer nodes, inode table, directories, bitmap) go through a cache of decrypted blocks that
 * belong to trees. A changed block stays in memory until the commit gives it a new place; the pointer in
 * its parent is the old one until then. File data are not cached: they are sealed at once and queued for
 * new places. Blocks are dropped from the cache only between operations, so pointers to them are good
 * for the rest of an operation. */
#ifndef FS_COWFS_PRIV_H
#define FS_COWFS_PRIV_H
#include "libos/base/errno.h"
#include "libos/base/list.h"
#include "libos/fs/cowfs/cow.h"
#include "libos/mm/heap.h"
#include "libos/mm/spare.h"
#include "libos/task/mutex.h"

struct cow_tree {
    uint64_t ino, generation;
    struct cow_ptr root;
    uint32_t depth;  /* 0: the root is the data block 0 itself */
    uint64_t blocks; /* data blocks that exist */
    struct list dirty, cached;
};

struct cow_blk {
    struct cow_blk *hash_next;
    struct list lru;     /* of clean ones */
    struct list dirty;   /* tree->dirty, when is_dirty */
    struct list in_tree; /* tree->cached */
    struct cow_tree *tree;
    uint64_t index;
    uint32_t level;
    bool is_dirty;
    struct cow_ptr at;  /* where it is on disk; addr 0: nowhere yet */
    uint64_t next_addr; /* bitmap blocks during a commit */
    uint8_t *data;
};

struct cow_inode {
    struct cow_tree tree;
    uint64_t ino;
    struct cow_inode_disk d; /* root, depth and blocks are the tree's until it is stored */
    uint32_t refs;
    bool changed; /* d differs from the inode table */
    struct cow_inode *hash_next;
    struct list changed_link;
    uint64_t orphan_slot; /* + 1; 0: none */
};

struct cow_epoch {
    uint8_t salt[32];
    struct gcm_key *key; /* NULL: not used yet */
};

#define COW_HASH      1024u
#define COW_BLK_HASH  4096u
#define COW_QUEUE     COW_IO_BLOCKS
#define COW_FLIGHTS   8u
#define COW_CHUNK     (COW_BLOCK * 8u) /* blocks that one block of the bitmap describes */
#define COW_WALK_MAX  4096u /* newborn blocks that a mount verifies; more are made durable first */
#define COW_DIRTY_MAX 1024u /* changed blocks and inodes; then an operation commits first */

struct cow {
    struct mutex lock;
    struct cow_dev *dev;
    const struct cow_cipher *cipher;
    struct cow_anchor *anchor;
    bool anchored;                   /* the superblock says that there was an anchor */
    uint8_t super_tag[GCM_TAG_SIZE]; /* of the last commit's superblock */
    int error;                       /* atomic */
    bool claimed;                  /* changes are possible: the device is ours, there is an epoch */
    struct cow_header_disk *birth; /* of a new volume of which nothing is written yet */
    uint32_t holds;
    struct waitq held; /* for the end of holds, and of syncing */
    uint8_t uuid[16], key[32];

    /* epochs.c */
    struct cow_epoch *epochs;
    uint32_t epoch_count, epoch; /* epoch: of this mount */
    bool epochs_changed;
    struct gcm_key super_key;
    uint64_t txg;            /* of the last superblock written */
    uint64_t ctr, ctr_start; /* next counter; the first since that */

    /* commit.c */
    uint64_t durable;     /* of the last superblock that a barrier came back for */
    uint64_t durable_ctr; /* blocks with smaller counters are durable, too */
    bool syncing;         /* somebody is in cow_sync, perhaps without the lock; atomic */

    /* alloc.c: bit per block; pending ones are free after the next commit, settling ones when the last is durable */
    uint8_t *used, *pending, *settling;
    uint8_t *chunk_dirty, *chunk_settling; /* per block of the bitmap */
    uint64_t block_count, blocks_max, free_count, pending_count, settling_count;
    uint64_t hint, row_hint; /* behind the last block, the last row that was given out */
    uint64_t high;           /* behind the highest block ever */
    bool rows_gone;          /* none was found since blocks became free */
    uint64_t lap_found;
    uint32_t lap_run;

    /* cache.c */
    struct cow_blk *hash[COW_BLK_HASH];
    struct list lru;
    uint32_t cached, dirty_count, cache_limit;
    uint8_t *queue; /* blocks on their way out: consecutive */
    uint64_t queue_addr;
    uint32_t queue_count;

    struct spare list_buf; /* cow_read_list */

    /* write.c: runs that their writers write without the lock. One begins with the lock held. */
    struct cow_flight {
        uint64_t first, end; /* end: atomic; 0: this one is free */
    } flights[COW_FLIGHTS];
    struct waitq landed;
    struct spare seal_buf;

    /* inode.c */
    struct cow_inode *inodes[COW_HASH];
    struct list changed;
    uint32_t changed_count, idle;
    struct cow_tree table, bitmap, epoch_tree;
    struct cow_inode *orphans;
    uint64_t next_ino, free_ino, next_generation, name_seed, inode_count;
    uint32_t slot_generations[COW_SLOT_KINDS];
    bool super_changed; /* one of the numbers above */
};

/* crypt.c */
must_check int cow_epoch_load(struct cow *c, uint32_t count);
must_check int cow_epoch_start(struct cow *c); /* a new one, for this mount */
void cow_epochs_free(struct cow *c);
void cow_anchor_key(const struct cow *c);
must_check int cow_anchor_advance(struct cow *c); /* to the last commit */
void cow_super_key(const struct cow *c, const uint8_t salt[32], struct gcm_key *ret);
must_check int cow_seal(struct cow *c, const struct cow_tree *t, uint32_t level, uint64_t index,
                        uint64_t addr, const uint8_t *in, uint8_t *out, struct cow_ptr *ret);
/* The same in two steps, the second without the volume's lock; ret has the nonce, and gets the tag. */
const struct gcm_key *cow_nonces(struct cow *c, uint32_t count,
                                 uint64_t *ret_first); /* NULL: no memory */
void cow_seal_with(const struct cow *c, const struct gcm_key *k, const struct cow_tree *t,
                   uint32_t level, uint64_t index, const uint8_t *in, uint8_t *out,
                   struct cow_ptr *ret);
/* Will a block with that nonce be verified by a mount, if it is put into the tree now? */
bool cow_nonce_young(const struct cow *c, uint64_t nonce);
/* Deciphers in place: -EUCLEAN for a pointer that cannot be, -EBADMSG for a block that is not it. */
must_check int cow_open(struct cow *c, const struct cow_tree *t, uint32_t level, uint64_t index,
                        const struct cow_ptr *p, uint8_t *data);
/* The same from one place to another in two steps, the second without the volume's lock; NULL: no memory. */
const struct gcm_key *cow_open_key(struct cow *c, const struct cow_ptr *p);
must_check int cow_open_with(const struct cow *c, const struct gcm_key *k, const struct cow_tree *t,
                             uint32_t level, uint64_t index, const struct cow_ptr *p,
                             const uint8_t *in, uint8_t *out);
bool cow_ptr_ok(const struct cow *c, const struct cow_ptr *p);
bool cow_newborn(const struct cow *c, const struct cow_ptr *p); /* since the last commit */
int cow_poison(struct cow *c, int r, const char *what);         /* returns r */

/* super.c */
struct cow_opened { /* wipe after use */
    uint8_t uuid[16], key[32];
    uint32_t generation; /* of the slot that opened */
};
/* The copy of the header that p opens; block: of COW_BLOCK bytes, for it. */
must_check int cow_header_find(const struct cow_params *p, uint8_t *block, struct cow_opened *ret);
/* Wraps the volume's key for the kind and secret of p. */
must_check int cow_slot_fill(const struct cow_params *p, const struct cow_header_disk *h,
                             uint32_t generation, struct cow_slot *s, const uint8_t key[32]);
/* A block (to be freed) with the header of a new volume. */
must_check int cow_header_new(const struct cow_params *p, const uint8_t uuid[16],
                              const uint8_t key[32], struct cow_header_disk **ret);
/* Authenticates and deciphers what was read from that slot of the ring. */
must_check int cow_super_open(struct cow *c, uint64_t slot, struct cow_super_disk *s);
must_check int cow_super_write(struct cow *c, uint32_t flags); /* without the barrier behind it */
must_check int cow_super_take(struct cow *c, const struct cow_super_body *b); /* -EUCLEAN */

/* cache.c */
void cow_tree_init(struct cow_tree *t, uint64_t ino, uint64_t generation);
/* *ret NULL: a hole. create: an empty, changed block instead. */
must_check int cow_blk_get(struct cow *c, struct cow_tree *t, uint32_t level, uint64_t index,
                           bool create, struct cow_blk **ret);
struct cow_blk *cow_blk_find(struct cow *c, const struct cow_tree *t, uint32_t level,
                             uint64_t index);
void cow_blk_change(struct cow *c, struct cow_blk *b);
void cow_blk_clean(struct cow *c, struct cow_blk *b);
void cow_blk_drop(struct cow *c, struct cow_blk *b); /* forgets it, changed or not */
void cow_tree_forget(struct cow *c, struct cow_tree *t);
void cow_cache_trim(struct cow *c, uint32_t limit);
must_check int cow_dev_read(struct cow *c, uint64_t addr, uint32_t count, void *dst);
must_check int cow_queue_block(struct cow *c, uint64_t addr, uint8_t **ret); /* fill it at once */
must_check int cow_queue_flush(struct cow *c);
must_check int cow_queue_yield(struct cow *c, uint64_t addr,
                               uint64_t count); /* if it has one of these */

/* write.c */
#define COW_SIZE_LIMIT (cow_tree_span(COW_DEPTH_MAX) * COW_BLOCK)
must_check int cow_write_one(struct cow *c, struct cow_inode *i, uint64_t block,
                             const uint8_t *src);
must_check int cow_land(struct cow *c); /* all that got a place is at the device, or in the queue */
void cow_land_those(struct cow *c, uint64_t first, uint64_t end); /* of blocks that may be there */

/* tree.c */
uint64_t cow_tree_span(uint32_t level); /* data blocks below a node of that level */
must_check int cow_tree_ptr(struct cow *c, struct cow_tree *t, uint64_t index, struct cow_ptr *ret);
must_check int cow_tree_reach(struct cow *c, struct cow_tree *t, uint64_t index); /* deep enough */
/* Puts a data block's pointer in, and frees what was there. NULL: a hole. */
must_check int cow_tree_set(struct cow *c, struct cow_tree *t, uint64_t index,
                            const struct cow_ptr *p);
must_check int cow_tree_cut(struct cow *c, struct cow_tree *t, uint64_t first, uint64_t end);
must_check int cow_tree_next(struct cow *c, struct cow_tree *t, uint64_t index, uint64_t *ret);
must_check int cow_tree_commit(struct cow *c, struct cow_tree *t);

/* alloc.c */
must_check int cow_alloc_init(struct cow *c);
must_check int cow_alloc_load(struct cow *c);
must_check int cow_alloc(struct cow *c, uint64_t *ret);
#define COW_ROW COW_IO_BLOCKS
bool cow_alloc_row(struct cow *c, uint64_t *ret); /* so many, aligned; false: there are none */
void cow_free(struct cow *c, const struct cow_ptr *p);
void cow_alloc_written(struct cow *c); /* the superblock is */
void cow_alloc_settle(struct cow *c);  /* it is durable */
must_check int cow_alloc_commit(struct cow *c);
bool cow_block_used(const struct cow *c, uint64_t addr);
/* May an operation begin that takes so many blocks at most? One that gives room back may use all of the reserve,
 * data that cow_room let in half of it: what was promised is written. */
enum cow_use { COW_ADDS, COW_ADMITTED, COW_REMOVES };
must_check int cow_begin(struct cow *c, uint64_t blocks, enum cow_use use);

/* mount.c */
must_check int cow_claim_locked(struct cow *c);

/* commit.c */
must_check int cow_commit(struct cow *c, uint32_t flags); /* durable when it returns */
/* Until nobody holds the volume and nobody else syncs (syncs: the caller does); the lock is given up meanwhile. */
void cow_wait_turn(struct cow *c, bool syncs);

/* inode.c */
must_check int cow_inode_load(struct cow *c, uint64_t ino, struct cow_inode **ret);
must_check int cow_inode_new(struct cow *c, const struct cow_new *what, struct cow_inode **ret);
void cow_inode_unref(struct cow *c, struct cow_inode *i);
void cow_inode_change(struct cow *c, struct cow_inode *i);
must_check int cow_inode_store(struct cow *c, struct cow_inode *i);
must_check int cow_inode_delete(struct cow *c, struct cow_inode *i);
must_check int cow_orphan_add(struct cow *c, struct cow_inode *i);
must_check int cow_orphan_remove(struct cow *c, struct cow_inode *i);
must_check int cow_orphans_clean(struct cow *c);
void cow_inodes_free(struct cow *c);
must_check int cow_inode_parse(const struct cow_inode_disk *d);

/* dir.c */
must_check int cow_dir_find(struct cow *c, struct cow_inode *dir, struct cow_name name,
                            struct cow_dirent_disk **ret, struct cow_blk **ret_blk);
must_check int cow_dir_add(struct cow *c, struct cow_inode *dir, struct cow_name name, uint64_t ino,
                           unsigned type);
must_check int cow_dir_remove(struct cow *c, struct cow_inode *dir, struct cow_name name);
/* Steps over the records of a block: NULL at the end; *ret_bad set by one that cannot be. */
struct cow_dirent_disk *cow_dirent_next(uint8_t *block, uint32_t *at, bool *ret_bad);

bool cow_name_ok(struct cow_name name); /* may a directory hold it? */
bool cow_dir_place_ok(const struct cow *c, struct cow_name name, uint32_t hash, uint64_t index);

/* walk.c: every pointer of the volume, without the cache */
struct cow_walk {
    /* 1: look at its children, 0: do not, or -errno */
    int (*ptr)(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
               const struct cow_ptr *p);
    /* NULL, or: a block that cannot be read or is not what p says (error r): 0, go on without it */
    int (*bad)(struct cow_walk *w, const struct cow_tree *t, uint32_t level, uint64_t index,
               const struct cow_ptr *p, int r);
    /* each inode in use whose block was looked at; 1: look into its tree */
    int (*inode)(struct cow_walk *w, uint64_t ino, const struct cow_inode_disk *d);
    /* each data block of a directory or private inode */
    int (*block)(struct cow_walk *w, uint64_t ino, const struct cow_inode_disk *d, uint64_t index,
                 uint8_t *data);
};
must_check int cow_walk_all(struct cow *c, struct cow_walk *w);

/* How many blocks the next superblock would leave to a mount to verify. */
static inline uint64_t cow_undurable(const struct cow *c)
{
    return c->ctr - MAX(c->ctr_start, c->durable_ctr);
}
static inline bool cow_hole(const struct cow_ptr *p)
{
    return p->addr == 0;
}
static inline struct cow_node *cow_node(struct cow_blk *b)
{
    return (struct cow_node *) b->data;
}
#endif
