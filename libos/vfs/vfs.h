/* Files as the rest of the kernel uses them: names, open files, descriptor tables. What a file system
 * implements is in vfs/inode.h and vfs/file.h.
 */
#ifndef VFS_VFS_H
#define VFS_VFS_H
#include "libos/base/span.h"
#include "libos/mm/uio.h"
#include "libos/vfs/poll.h"

struct file;
struct inode;
struct fdtable;
struct fs_ctx; /* cwd, root, umask; shared by CLONE_FS */

/* Open files. Paths are kernel strings, resolved against the calling process's fs_ctx. */
must_check int vfs_open(const char *path, int flags, uint32_t mode, struct file **ret_file);
/* For exec: a regular file, readable, with execute permission, not on a noexec mount, -EACCES ... */
must_check int vfs_open_exec(int dirfd, const char *path, int at_flags, struct file **ret_file);
/* What vfs_open_exec opened cannot be opened for writing (-ETXTBSY) until it is put, or this is called. */
void file_allow_write(struct file *f);
void file_get(struct file *f);
void file_put(struct file *f);
DEFINE_AUTO(struct file, file_put)
must_check long file_pread(struct file *f, struct span dst, uint64_t offset);
struct inode *file_inode(struct file *f);  /* borrowed */
unsigned file_flags(const struct file *f); /* O_* */
bool file_readable(const struct file *f);
bool file_writable(const struct file *f);
bool file_noexec(const struct file *f); /* its mount forbids PROT_EXEC */
/* Absolute path as the calling process sees it, " (deleted)" appended if so; length or -errno. */
must_check long file_path(struct file *f, char *buf, size_t size);

/* Inodes, for mappings and patch tables. */
void inode_get(struct inode *i);
void inode_put(struct inode *i);
DEFINE_AUTO(struct inode, inode_put)
uint64_t inode_size(struct inode *i);
uint64_t inode_ino(const struct inode *i);
uint64_t inode_dev(const struct inode *i);
/* A number never used before or after for another content owner: key of kept pages. */
uint64_t inode_unique(const struct inode *i);
bool inode_immutable(const struct inode *i); /* content can never change (root image) */
/* Fills dst (one page) with page index of the file, zeros beyond the end. -ENXIO: wholly beyond. */
must_check int inode_read_page(struct inode *i, uint64_t index, void *dst);
/* MAP_SHARED. The page of the page cache at its kernel address, kept there (pinned) until
 * inode_unpin_page; mm maps shared file pages through the shared window, see mm/shared.h. */
must_check int inode_write_page(struct inode *i, uint64_t index, const void *src, size_t len);

/* Descriptor tables. */
struct fdtable *fdtable_new(void);
struct fdtable *fdtable_dup(struct fdtable *t); /* a copy (fork); NULL: no memory */
void fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* the last one closes everything; may sleep */
void fdtable_close_on_exec(struct fdtable *t);
struct file *fd_get(int fd); /* of the calling process; a reference or NULL (EBADF) */
struct file *fdtable_lookup_get(struct fdtable *t, int fd);
must_check int fd_install(struct file *f,
                          unsigned o_flags);   /* takes over f on success; lowest fd */
int fdtable_next(struct fdtable *t, int from); /* next open descriptor >= from, or -1 (for /proc) */
bool fdtable_cloexec(struct fdtable *t, int fd);

struct fs_ctx *fs_ctx_new(void); /* at "/" */
struct fs_ctx *fs_ctx_dup(struct fs_ctx *c);
void fs_ctx_get(struct fs_ctx *c);
void fs_ctx_put(struct fs_ctx *c);

/* Boot. */
must_check int vfs_init(void);
must_check int vfs_mount(const char *source, const char *target, const char *type,
                         unsigned long flags, const char *options);
/* All mounted file systems: what was written is durable, as far as each can. */
void vfs_sync_all(void);
#endif
