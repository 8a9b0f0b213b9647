/* /proc and /sys: trees of entries whose content is made when it is read.
 *
 * Directories are static tables (struct proc_entry), plus, where names come and go, a pair of functions
 * (struct proc_dynamic). An inode is an entry and what it speaks of (struct proc_ref); nothing is cached.
 */
#ifndef FS_PROC_PROC_H
#define FS_PROC_PROC_H
#include "libos/base/printf.h"
#include "libos/vfs/file.h"

struct process;

struct proc_ref { /* what a node is about; 0, 0, -1: the system */
    int pid, tid, fd;
};

struct proc_entry;
struct proc_dynamic {
    /* A name that is not in the table: 0, *ref completed and *ret_entry set; -ENOENT. */
    int (*lookup)(struct proc_ref *ref, const char *name, const struct proc_entry **ret_entry);
    /* Emits names from ctx->pos on, which counts from 0 here; -errno, or 0. */
    int (*readdir)(const struct proc_ref *ref, struct dir_ctx *ctx);
};

struct proc_entry {
    const char *name;                                                      /* NULL ends a table */
    uint32_t mode;                                                         /* with the type */
    int (*text)(const struct proc_ref *ref, struct text *t);               /* files */
    long (*write)(const struct proc_ref *ref, const char *s, size_t n);    /* count or -errno */
    int (*raw)(const struct proc_ref *ref, struct uio *uio, uint64_t pos); /* instead of text */
    long (*link_text)(const struct proc_ref *ref, char *buf, size_t size); /* links */
    int (*link)(const struct proc_ref *ref, struct path *ret, struct file **ret_file);
    const struct proc_entry *children; /* directories */
    const struct proc_dynamic *dynamic;
    bool own; /* belongs to the process of the ref, not to root */
};

#define PROC_FILE(n, fn)                                                                           \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | 0444, .text = (fn)                                          \
    }
#define PROC_DIR(n, c)                                                                             \
    {                                                                                              \
        .name = (n), .mode = S_IFDIR | 0555, .children = (c)                                       \
    }
#define PROC_LINK(n, fn)                                                                           \
    {                                                                                              \
        .name = (n), .mode = S_IFLNK | 0777, .link_text = (fn)                                     \
    }

must_check int proc_super_new(const struct proc_entry *root, const char *type_name, uint32_t magic,
                              struct super **ret);
/* "123" as a number; -1: it is not one. */
int proc_number(const char *s);

extern const struct proc_entry proc_pid_children[], proc_sys_children[], proc_system_children[];
extern const struct proc_dynamic proc_pids;
extern const struct proc_entry sysfs_children[];
#endif
