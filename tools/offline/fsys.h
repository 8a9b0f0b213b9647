/* A file system of an instance, opened outside the enclave with the very objects of the kernel: the root
 * image (libos/fs/rootimg) or a volume (libos/fs/cowfs). Functions return 0, a count or -errno; one thread. */
#ifndef TOOLS_OFFLINE_FSYS_H
#define TOOLS_OFFLINE_FSYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fsys_stat {
    uint64_t ino, size, blocks, rdev; /* blocks of 512 bytes */
    uint32_t mode, nlink, uid, gid;
    int64_t atime_ns, mtime_ns, ctime_ns;
};

struct fsys_entry {
    uint64_t ino, next; /* next: where to go on */
    unsigned type;      /* DT_* */
    char name[256];
};

struct fsys;
struct fsys_node; /* a reference to an inode */

struct fsys_ops {
    void (*close)(struct fsys *f);
    int (*root)(struct fsys *f, struct fsys_node **ret);
    int (*lookup)(struct fsys *f, struct fsys_node *dir, const char *name, struct fsys_node **ret);
    void (*put)(struct fsys *f, struct fsys_node *n);
    void (*stat)(struct fsys *f, struct fsys_node *n, struct fsys_stat *ret);
    /* The entry at or behind pos (0 at first), without "." and "..": 1, or 0 at the end. */
    int (*readdir)(struct fsys *f, struct fsys_node *dir, uint64_t pos, struct fsys_entry *ret);
    int (*read_block)(struct fsys *f, struct fsys_node *n, uint64_t block, uint8_t *dst);
    long (*readlink)(struct fsys *f, struct fsys_node *n, char *buf, size_t size);
    /* NULL: it has none. Sizes, or -errno; -ERANGE. */
    long (*getxattr)(struct fsys *f, struct fsys_node *n, const char *name, char *buf, size_t size);
    long (*listxattr)(struct fsys *f, struct fsys_node *n, char *buf, size_t size);
    /* Everything in it: 0, or how many things are wrong; each is reported. */
    long (*check)(struct fsys *f);
};

struct fsys {
    const struct fsys_ops *ops;
};

#define FSYS_ROOT "@" /* what a program sees as "/"; no volume has that name */

struct fsys_options {
    const char *volume; /* its name; NULL: the root image; FSYS_ROOT: both together */
    const char *key;    /* the user's key file, or NULL */
    bool writable;      /* a volume: changes reach its file; else they are forgotten */
};

/* The rows of a command's argp_option table that name the key; they arrive as 'k'. */
#define FSYS_KEY_OPTIONS                                                                           \
    {"key", 'k', "FILE", 0, "the user's key: of an encrypted image, or of volumes", 0},            \
        {"image-key", 'k', NULL, OPTION_ALIAS, NULL, 0},                                           \
    {                                                                                              \
        "volume-key", 'k', NULL, OPTION_ALIAS, NULL, 0                                             \
    }

#define FSYS_BLOCK 4096u

/* Of the instance that is the current directory. Prints its own errors. */
int fsys_open(const struct fsys_options *options, struct fsys **ret);
int fsys_open_image(const struct fsys_options *options, struct fsys **ret);
int fsys_open_volume(const struct fsys_options *options, struct fsys **ret);
int fsys_open_root(const struct fsys_options *options, struct fsys **ret);
bool fsys_is_root(const struct fsys *f);
void fsys_close(struct fsys *f);

/* Follows the path from the root, links in the middle and, if follow, at the end; they lead nowhere else. */
int fsys_find(struct fsys *f, const char *path, bool follow, struct fsys_node **ret);
/* Up to size bytes at off; fewer at the end of the file. */
long fsys_read(struct fsys *f, struct fsys_node *n, void *buf, size_t size, uint64_t off);

/* "NAME:PATH" is a path on a volume, "@:PATH" one of both, everything else one in the image. Changes text. */
void fsys_split(char *text, const char **ret_volume, const char **ret_path);

/* The commands: argv[0] is the name to show. */
int offline_ls(int argc, char **argv);
int offline_cat(int argc, char **argv);
int offline_cp(int argc, char **argv);
int offline_fsck(int argc, char **argv);
int offline_mount(int argc, char **argv);
int offline_key(int argc, char **argv);
#endif
