/* EROFS on disk, as far as uncompressed images use it. Little endian. */
#ifndef FS_ROOTIMG_EROFS_DISK_H
#define FS_ROOTIMG_EROFS_DISK_H
#include <stddef.h>
#include <stdint.h>

#define EROFS_MAGIC        0xE0F5E1E2u
#define EROFS_SUPER_OFFSET 1024u
#define EROFS_SLOT         32u /* inode numbers count these */
enum { EROFS_FEATURE_ZERO_PADDING = 1, EROFS_FEATURE_CHUNKED = 4 };
enum { EROFS_LAYOUT_PLAIN = 0, EROFS_LAYOUT_INLINE = 2, EROFS_LAYOUT_CHUNK = 4 };
enum { EROFS_CHUNK_BITS = 0x1f, EROFS_CHUNK_INDEXES = 0x20 };
#define EROFS_HOLE 0xffffffffu

struct erofs_super_disk {
    uint32_t magic, checksum, feature_compat;
    uint8_t blkszbits, sb_extslots;
    uint16_t root_nid;
    uint64_t inos, build_time;
    uint32_t build_time_nsec, blocks, meta_blkaddr, xattr_blkaddr;
    uint8_t uuid[16], volume_name[16];
    uint32_t feature_incompat;
    uint16_t compression, extra_devices, devt_slotoff;
    uint8_t dirblkbits, xattr_prefix_count;
    uint32_t xattr_prefix_start;
    uint64_t packed_nid;
    uint8_t reserved[24];
};
_Static_assert(sizeof(struct erofs_super_disk) == 128, "EROFS");
_Static_assert(offsetof(struct erofs_super_disk, feature_incompat) == 80, "EROFS");
_Static_assert(offsetof(struct erofs_super_disk, dirblkbits) == 90, "EROFS");

struct erofs_inode_compact {
    uint16_t format, xattr_icount, mode, nlink;
    uint32_t size, reserved, u, ino;
    uint16_t uid, gid;
    uint32_t reserved2;
};
_Static_assert(sizeof(struct erofs_inode_compact) == 32, "EROFS");

struct erofs_inode_extended {
    uint16_t format, xattr_icount, mode, reserved;
    uint64_t size;
    uint32_t u, ino, uid, gid;
    uint64_t mtime;
    uint32_t mtime_nsec, nlink;
    uint8_t reserved2[16];
};
_Static_assert(sizeof(struct erofs_inode_extended) == 64, "EROFS");

struct erofs_dirent {
    uint64_t nid;
    uint16_t nameoff;
    uint8_t type, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "EROFS");

struct erofs_chunk_index {
    uint16_t advise, device_id;
    uint32_t blkaddr;
};
#endif
