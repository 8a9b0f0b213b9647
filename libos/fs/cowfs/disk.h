/* What a cowfs volume looks like on disk. Little-endian, without padding; blocks of 4096 bytes.
 *
 *   block 0, 1    header and its copy: identity and key slots, in the clear
 *   block 8..15   superblock ring, slot = txg % 8
 *   block 64..    everything else, each block sealed, anywhere
 *
 * Everything is a file, and a file is a radix tree of pointers with 128 children per node; the inode (for
 * the files that describe the others: the superblock) holds the root. A pointer says where its child is
 * and what it must be: nonce and tag of AES-256-GCM. So the superblock authenticates all. */
#ifndef FS_COWFS_DISK_H
#define FS_COWFS_DISK_H
#include "libos/crypto/gcm.h"
#include "libos/crypto/seal.h"

#define COW_BLOCK      4096u
#define COW_FAN_BITS   7u
#define COW_FAN        (1u << COW_FAN_BITS)
#define COW_DEPTH_MAX  5u
#define COW_RING_FIRST 8u
#define COW_RING       8u
#define COW_FIRST      64u /* first block for data */
#define COW_ADDR_MAX   ((uint64_t) 1 << 40)
#define COW_CTR_BITS   48u
#define COW_EPOCHS_MAX 65535u

struct cow_ptr {
    uint64_t addr;  /* 0: a hole */
    uint64_t nonce; /* epoch << 48 | counter of that epoch */
    uint8_t tag[GCM_TAG_SIZE];
};
_Static_assert(sizeof(struct cow_ptr) == 32, "on disk");

struct cow_node {
    struct cow_ptr slot[COW_FAN];
};
_Static_assert(sizeof(struct cow_node) == COW_BLOCK, "on disk");

enum { /* numbers of inodes with a meaning; the first three are described in the superblock */
       COW_INO_TABLE = 1,
       COW_INO_BITMAP = 2,
       COW_INO_EPOCHS = 3,
       COW_INO_ROOT = 4,
       COW_INO_ORPHANS = 5,
       COW_INO_FIRST = 6,
};

#define COW_INLINE_MAX 112u

enum {
    COW_FLAG_OPAQUE = 1u << 0,  /* union: nothing of the lower directory shows through */
    COW_FLAG_PRIVATE = 1u << 1, /* no name: orphan list, extended attributes */
};

struct cow_inode_disk {
    uint32_t mode, nlink, uid, gid; /* mode 0: free, size is the next free number then */
    uint64_t size, blocks, rdev, generation;
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
    uint32_t flags;
    uint8_t depth, inline_size;
    uint16_t reserved;
    uint64_t xattr_ino, entries, origin;
    struct cow_ptr root;
    uint8_t inline_data[COW_INLINE_MAX]; /* targets of short symbolic links */
};
_Static_assert(sizeof(struct cow_inode_disk) == 256, "on disk");
#define COW_INODES_PER_BLOCK (COW_BLOCK / sizeof(struct cow_inode_disk))

/* A directory is a tree of blocks by the hash of names: block (4^l - 1) / 3 + p at level l holds names
 * whose hash begins with the 2l bits p. A name lies in the first block on its way from the root that had
 * room, and never moves: its place is its readdir position. Records fill the block. */
struct cow_dirent_disk {
    uint64_t ino; /* 0: free */
    uint32_t hash;
    uint16_t size; /* of the record, to the next one */
    uint8_t type, name_size;
};
_Static_assert(sizeof(struct cow_dirent_disk) == 16, "on disk");
#define COW_DIR_LEVELS 12u

#define COW_SUPER_MAGIC  0x3142505553574f43ull /* "COWSUPB1" */
#define COW_HEADER_MAGIC 0x31305346574f4323ull
#define COW_VERSION      3u

enum {
    COW_SUPER_TWO_BARRIERS = 1u << 0, /* its blocks were durable before it was written */
    COW_SUPER_CLEAN = 1u << 1,
    COW_SUPER_ANCHORED =
        1u << 2, /* written with a freshness anchor: one that is missing is an attack */
};

enum cow_slot_kind { COW_SLOT_NONE, COW_SLOT_SEALED, COW_SLOT_USER, COW_SLOT_RECOVERY };
#define COW_SLOT_KINDS 4u

struct cow_root_disk {
    struct cow_ptr root;
    uint64_t blocks;
    uint32_t depth, reserved;
};

struct cow_super_body { /* sealed */
    uint8_t uuid[16];
    uint64_t txg;
    uint32_t flags, epoch; /* epoch: whose key sealed the blocks of this txg */
    uint64_t ctr_start;    /* first counter of this txg */
    uint64_t next_ino, free_ino, next_generation;
    uint64_t block_count, free_count, inode_count;
    uint32_t epoch_count, reserved;
    uint64_t name_seed;
    struct cow_root_disk table, bitmap, epochs;
    uint8_t lower_root[32]; /* hash of the image below, zero: none */
    uint32_t slot_generations
        [COW_SLOT_KINDS]; /* of each kind the last; a header with less is an old one */
};

struct cow_super_disk {
    uint64_t magic, txg;
    uint8_t salt[32]; /* of the mount that wrote it */
    uint8_t tag[GCM_TAG_SIZE];
    struct cow_super_body body;
    uint8_t unused[COW_BLOCK - 64 - sizeof(struct cow_super_body)]; /* sealed, too */
};
_Static_assert(sizeof(struct cow_super_disk) == COW_BLOCK, "on disk");

struct cow_slot {
    uint32_t kind;
    uint32_t generation;      /* one more with each change of a slot of that kind */
    uint16_t policy, isv_svn; /* sealed slots: struct seal_id */
    uint8_t cpu_svn[16];
    uint8_t key_id[32];
    uint8_t nonce[GCM_NONCE_SIZE];
    uint8_t wrapped[32]; /* the volume's key */
    uint8_t tag[GCM_TAG_SIZE];
};
#define COW_SLOTS 4u

struct cow_header_disk {
    uint64_t magic;
    uint32_t version, cipher; /* cipher 1: AES-256-GCM */
    uint8_t uuid[16];
    uint8_t kdf_salt[32];
    struct cow_slot slots[COW_SLOTS];
};
_Static_assert(sizeof(struct cow_header_disk) <= COW_BLOCK, "on disk");
#endif
