/* Change notification (inotify). Places that change something call these; without watchers they cost
 * one load. */
#ifndef VFS_NOTIFY_H
#define VFS_NOTIFY_H
#include "libos/base/atomic.h"
#include "libos/vfs/file.h"

enum {
    NOTIFY_ACCESS = 0x1,
    NOTIFY_MODIFY = 0x2,
    NOTIFY_ATTRIB = 0x4,
    NOTIFY_CLOSE_WRITE = 0x8,
    NOTIFY_CLOSE_NOWRITE = 0x10,
    NOTIFY_OPEN = 0x20,
    NOTIFY_MOVED_FROM = 0x40,
    NOTIFY_MOVED_TO = 0x80,
    NOTIFY_CREATE = 0x100,
    NOTIFY_DELETE = 0x200,
    NOTIFY_DELETE_SELF = 0x400,
    NOTIFY_MOVE_SELF = 0x800,
    NOTIFY_UNLINKED = 0x1000, /* the name is gone already; never reported */
};

extern uint32_t notify_watchers; /* watches in existence; 0: nobody looks */

void notify_emit(struct inode *dir, uint32_t mask, struct qname name, const struct inode *what,
                 uint32_t cookie);
/* Something happened to name in dir. */
static inline void notify_name(struct inode *dir, uint32_t mask, struct qname name,
                               const struct inode *what, uint32_t cookie)
{
    if (unlikely(atomic_load(&notify_watchers)))
        notify_emit(dir, mask, name, what, cookie);
}
static inline void notify_self(struct inode *i, uint32_t mask)
{
    if (unlikely(atomic_load(&notify_watchers)))
        notify_emit(i, mask, (struct qname){0}, i, 0);
}
/* An inode, and its name in the parent. d NULL: it has none, nobody watches it. */
void notify_dentry_emit(struct dentry *d, struct inode *i, uint32_t mask);
static inline void notify_dentry(struct dentry *d, struct inode *i, uint32_t mask)
{
    if (unlikely(atomic_load(&notify_watchers)))
        notify_dentry_emit(d, i, mask);
}
static inline void notify_file(struct file *f, uint32_t mask)
{
    notify_dentry(f->path.dentry, f->inode, mask);
}
/* What a change of these attributes (ATTR_*) is called. */
static inline uint32_t notify_mask_of(unsigned valid)
{
    uint32_t mask = valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? NOTIFY_ATTRIB : 0;
    bool atime = valid & ATTR_ATIME, mtime = valid & ATTR_MTIME;
    mask |= valid & ATTR_SIZE ? NOTIFY_MODIFY : 0;
    mask |= atime && mtime ? NOTIFY_ATTRIB : atime ? NOTIFY_ACCESS : mtime ? NOTIFY_MODIFY : 0;
    return mask;
}
uint32_t notify_cookie(void);
struct super;
void notify_unmount(const struct super *s); /* its last mount is gone */
#endif
