/* Linux' file ABI on x86-64: constants and structures that cross the system-call boundary. */
#ifndef ABI_LINUX_FS_H
#define ABI_LINUX_FS_H
#include <stddef.h>
#include <stdint.h>
#include "abi/linux/time.h"

#ifndef S_IFMT
#define S_IFMT   0170000
#define S_IFSOCK 0140000
#define S_IFLNK  0120000
#define S_IFREG  0100000
#define S_IFBLK  0060000
#define S_IFDIR  0040000
#define S_IFCHR  0020000
#define S_IFIFO  0010000
#define S_ISUID  04000
#define S_ISGID  02000
#define S_ISVTX  01000
#endif
#ifndef S_ISDIR
#define S_ISLNK(m)  (((m) &S_IFMT) == S_IFLNK)
#define S_ISREG(m)  (((m) &S_IFMT) == S_IFREG)
#define S_ISDIR(m)  (((m) &S_IFMT) == S_IFDIR)
#define S_ISCHR(m)  (((m) &S_IFMT) == S_IFCHR)
#define S_ISBLK(m)  (((m) &S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m) &S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m) &S_IFMT) == S_IFSOCK)
#endif

#ifndef O_RDONLY
#define O_RDONLY    00000000
#define O_WRONLY    00000001
#define O_RDWR      00000002
#define O_ACCMODE   00000003
#define O_CREAT     00000100
#define O_EXCL      00000200
#define O_NOCTTY    00000400
#define O_TRUNC     00001000
#define O_APPEND    00002000
#define O_NONBLOCK  00004000
#define O_DSYNC     00010000
#define O_ASYNC     00020000
#define O_DIRECT    00040000
#define O_LARGEFILE 00100000
#define O_DIRECTORY 00200000
#define O_NOFOLLOW  00400000
#define O_NOATIME   01000000
#define O_CLOEXEC   02000000
#define O_SYNC      04010000
#define O_PATH      010000000
#define O_TMPFILE   020200000
#endif
#define O_TMPFILE_BIT 020000000

#define FD_AT_FDCWD            (-100)
#define FD_AT_SYMLINK_NOFOLLOW 0x100
#define FD_AT_REMOVEDIR        0x200
#define FD_AT_EACCESS          0x200
#define FD_AT_SYMLINK_FOLLOW   0x400
#define FD_AT_NO_AUTOMOUNT     0x800
#define FD_AT_EMPTY_PATH       0x1000
#define FD_AT_STATX_SYNC_TYPE  0x6000
#define FD_AT_RECURSIVE        0x8000

#define RESOLVE_NO_XDEV_BIT       0x01
#define RESOLVE_NO_MAGICLINKS_BIT 0x02
#define RESOLVE_NO_SYMLINKS_BIT   0x04
#define RESOLVE_BENEATH_BIT       0x08
#define RESOLVE_IN_ROOT_BIT       0x10
#define RESOLVE_CACHED_BIT        0x20

#define RENAME_NOREPLACE_BIT 1
#define RENAME_EXCHANGE_BIT  2
#define RENAME_WHITEOUT_BIT  4

#define MOUNT_RDONLY      1
#define MOUNT_NOSUID      2
#define MOUNT_NODEV       4
#define MOUNT_NOEXEC      8
#define MOUNT_REMOUNT     32
#define MOUNT_NOATIME     1024
#define MOUNT_NODIRATIME  2048
#define MOUNT_BIND        4096
#define MOUNT_MOVE        8192
#define MOUNT_REC         16384
#define MOUNT_SILENT      32768
#define MOUNT_PROPAGATION (0xf << 17)
#define MOUNT_RELATIME    (1 << 21)
#define UMOUNT_FORCE      1
#define UMOUNT_DETACH     2
#define UMOUNT_EXPIRE     4
#define UMOUNT_NO_FOLLOW  8

enum linux_dirent_type {
    LINUX_DT_UNKNOWN = 0,
    LINUX_DT_FIFO = 1,
    LINUX_DT_CHR = 2,
    LINUX_DT_DIR = 4,
    LINUX_DT_BLK = 6,
    LINUX_DT_REG = 8,
    LINUX_DT_LNK = 10,
    LINUX_DT_SOCK = 12,
};

#define LINUX_UTIME_NOW  0x3fffffff
#define LINUX_UTIME_OMIT 0x3ffffffe

struct linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad0;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    struct linux_timespec atime, mtime, ctime;
    int64_t unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "Linux ABI");
_Static_assert(offsetof(struct linux_stat, rdev) == 40, "Linux ABI");
_Static_assert(offsetof(struct linux_stat, atime) == 72, "Linux ABI");

struct linux_statfs {
    int64_t type, bsize;
    uint64_t blocks, bfree, bavail, files, ffree;
    int32_t fsid[2];
    int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "Linux ABI");

struct linux_statx_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};
struct linux_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, spare0;
    uint64_t ino, size, blocks, attributes_mask;
    struct linux_statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mnt_id;
    uint32_t dio_mem_align, dio_offset_align;
    uint64_t spare3[12];
};
_Static_assert(sizeof(struct linux_statx) == 256, "Linux ABI");
#define LINUX_STATX_BASIC  0x7ff
#define LINUX_STATX_BTIME  0x800
#define LINUX_STATX_MNT_ID 0x1000

#define LINUX_STATX_ATTR_MOUNT_ROOT 0x2000

struct linux_open_how {
    uint64_t flags, mode, resolve;
};

struct linux_flock {
    int16_t type, whence;
    uint32_t pad0;
    int64_t start, len;
    int32_t pid;
    uint32_t pad1;
};
_Static_assert(sizeof(struct linux_flock) == 32, "Linux ABI");

struct linux_pollfd {
    int32_t fd;
    int16_t events, revents;
};

struct linux_epoll_event { /* packed on x86-64 */
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct linux_epoll_event) == 12, "Linux ABI");

struct linux_winsize {
    uint16_t row, col, xpixel, ypixel;
};

struct linux_termios {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
};
_Static_assert(sizeof(struct linux_termios) == 36, "Linux ABI");

static inline uint64_t linux_makedev(uint32_t major, uint32_t minor)
{
    return ((uint64_t) (major & 0xfffff000u) << 32) | ((uint64_t) (major & 0xfffu) << 8) |
           ((uint64_t) (minor & 0xffffff00u) << 12) | (minor & 0xffu);
}
static inline uint32_t linux_major(uint64_t dev)
{
    return (uint32_t) ((dev >> 8) & 0xfff) | (uint32_t) ((dev >> 32) & 0xfffff000u);
}
static inline uint32_t linux_minor(uint64_t dev)
{
    return (uint32_t) (dev & 0xff) | (uint32_t) ((dev >> 12) & 0xffffff00u);
}
#endif
