/* Inodes: life, attributes, permission checks. */
#include "libos/vfs/inode.h"
#include "libos/vfs/writeback.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"
#include "libos/vfs/notify.h"
#include "abi/layout.h"

#define INO_BUCKETS 1024u

static struct {
    struct spinlock lock;
    struct inode *bucket[INO_BUCKETS];
} inode_table;

static uint64_t next_unique = 1;
static uint64_t next_dev = 1;

void super_init(struct super *s, const struct super_ops *ops, const char *type_name)
{
    ref_init(&s->ref);
    s->inodes = 1;
    s->ops = ops;
    s->type_name = type_name;
    s->dev = linux_makedev(0, (uint32_t) atomic_add(&next_dev, 1) + 20);
    mutex_init(&s->rename_mutex);
}

void super_put(struct super *s)
{
    if (!ref_put_last(&s->ref))
        return;
    if (atomic_load(&notify_watchers))
        notify_unmount(s);
    writeback_end(s);
    if (s->root)
        inode_put(s->root);
    super_inode_gone(s);
}

void super_inode_gone(struct super *s)
{
    if (atomic_sub_new(&s->inodes, 1) > 0)
        return;
    writeback_free(s);
    if (s->ops->put)
        s->ops->put(s);
}

void inode_init(struct inode *i, struct super *s, uint32_t mode)
{
    ref_init(&i->ref);
    i->mode = mode;
    i->nlink = 1;
    i->super = s;
    atomic_add(&s->inodes, 1);
    i->real = i;
    i->unique = atomic_add(&next_unique, 1);
    mutex_init(&i->mutex);
    pages_init(&i->pages);
    i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns = inode_now();
}

void inode_fini(struct inode *i)
{
    pages_fini(i);
    kfree(i->link);
    i->link = NULL;
    lock_fini(i);
    kfree(i->watches);
}

void inode_get(struct inode *i)
{
    ref_get(&i->ref);
}

static struct inode **ino_bucket(const struct super *s, uint64_t ino)
{
    uint64_t k = (ino ^ ((uintptr_t) s >> 6)) * 0x9e3779b97f4a7c15ull;
    return &inode_table.bucket[(k >> 32) % INO_BUCKETS];
}

static void table_remove(struct inode *i)
{
    SPIN_GUARD(&inode_table.lock);
    struct inode **b = ino_bucket(i->super, i->ino);
    while (*b && *b != i)
        b = &(*b)->hash_next;
    if (*b)
        *b = i->hash_next;
}

void inode_put(struct inode *i)
{
    if (!ref_put_last(&i->ref))
        return;
    if (i->flags & INODE_HASHED)
        table_remove(i);
    struct super *s = i->super;
    s->ops->inode_free(i);
    super_inode_gone(s);
}

struct inode *inode_by_ino_get(struct super *s, uint64_t ino)
{
    SPIN_GUARD(&inode_table.lock);
    for (struct inode *i = *ino_bucket(s, ino); i; i = i->hash_next)
        if (i->super == s && i->ino == ino && ref_get_unless_zero(&i->ref))
            return i;
    return NULL;
}

struct inode *inode_by_ino_insert(struct inode *i)
{
    struct inode *other = NULL;
    spin_lock(&inode_table.lock);
    struct inode **b = ino_bucket(i->super, i->ino);
    for (struct inode *o = *b; o && !other; o = o->hash_next)
        if (o->super == i->super && o->ino == i->ino && ref_get_unless_zero(&o->ref))
            other = o;
    if (!other) {
        i->hash_next = *b;
        *b = i;
        i->flags |= INODE_HASHED;
    }
    spin_unlock(&inode_table.lock);
    if (!other)
        return i;
    inode_put(i);
    return other;
}

uint64_t inode_size(struct inode *i)
{
    return atomic_load(&inode_real(i)->size);
}

uint64_t inode_ino(const struct inode *i)
{
    return i->ino;
}

uint64_t inode_dev(const struct inode *i)
{
    return i->super->dev;
}

uint64_t inode_unique(const struct inode *i)
{
    return inode_real(i)->unique;
}

bool inode_immutable(const struct inode *i)
{
    return inode_real(i)->flags & INODE_IMMUTABLE;
}

int64_t inode_now(void)
{
    return clock_realtime_ns();
}

void inode_touch(struct inode *i, unsigned attr)
{
    int64_t now = inode_now();
    if (attr & ATTR_ATIME)
        i->atime_ns = now;
    if (attr & ATTR_MTIME)
        i->mtime_ns = now;
    if (attr & ATTR_CTIME)
        i->ctime_ns = now;
}

static bool in_group(const struct cred *c, uint32_t gid)
{
    return c->fsgid == gid || cred_in_groups(c, gid);
}

int inode_permission_cred(const struct inode *inode, int mask, const struct cred *c)
{
    const struct inode *i = inode_real(inode);
    uint32_t mode = i->mode;
    int bits = c->fsuid == i->uid ? mode >> 6 : in_group(c, i->gid) ? mode >> 3 : mode;
    if ((bits & mask) == mask)
        return 0;
    bool exec = S_ISDIR(mode) || (mode & 0111);
    if (cred_capable(c, CAP_DAC_OVERRIDE) && (!(mask & MAY_EXEC) || exec))
        return 0;
    bool search = S_ISDIR(mode) ? !(mask & MAY_WRITE) : mask == MAY_READ;
    return search && cred_capable(c, CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
}

int inode_permission(const struct inode *i, int mask)
{
    return inode_permission_cred(i, mask, current_cred());
}

bool inode_owner_or_capable(const struct inode *i)
{
    const struct cred *c = current_cred();
    return c->fsuid == inode_real(i)->uid || cred_capable(c, CAP_FOWNER);
}

void inode_owner_init(struct inode *i, const struct inode *dir, uint32_t mode)
{
    if (!current_process())
        return; /* the boot thread: everything is root's */
    const struct cred *c = current_cred();
    i->uid = c->fsuid;
    i->gid = c->fsgid;
    if (dir && (dir->mode & S_ISGID)) {
        i->gid = dir->gid;
        if (S_ISDIR(mode))
            i->mode |= S_ISGID;
    }
}

/* A file system with contents of its own stores whole pages; elsewhere the page cache is the file. */
static uint64_t file_pages(const struct inode *i)
{
    uint64_t whole = ROUND_UP(i->size, PAGE_SIZE) / PAGE_SIZE;
    if (i->ops->read_page)
        return whole;
    return MAX(i->pages.count, MIN(whole, i->pages.home_pages)); /* who knows which were written */
}

void inode_stat(struct inode *inode, struct kstat *st)
{
    const struct inode *i = inode_real(inode);
    *st = (struct kstat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .rdev = i->rdev,
        .size = i->size,
        .mode = i->mode,
        .nlink = i->nlink,
        .uid = i->uid,
        .gid = i->gid,
        .blksize = 4096,
        .blocks = S_ISREG(i->mode) ? file_pages(i) * (PAGE_SIZE / 512) : 0,
        .atime_ns = i->atime_ns,
        .mtime_ns = i->mtime_ns,
        .ctime_ns = i->ctime_ns,
        .btime_ns = i->btime_ns,
    };
    if (i->ops->getattr)
        (void) i->ops->getattr(inode_real(inode), st); /* what it cannot tell stays as above */
}

int inode_setattr_simple(struct inode *i, const struct iattr *a)
{
    if (a->valid & ATTR_SIZE) {
        uint64_t old = i->size;
        atomic_store(&i->size, a->size);
        if (a->size < old) {
            pages_drop(i, (a->size + 4095) / 4096, UINT64_MAX);
            pages_close_behind(i, (a->size + 4095) / 4096);
            if (a->size % 4096)
                pages_zero_part(i, a->size / 4096, a->size % 4096, 4096 - a->size % 4096);
        }
        inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    }
    if (a->valid & ATTR_MODE)
        i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
    if (a->valid & ATTR_UID)
        i->uid = a->uid;
    if (a->valid & ATTR_GID)
        i->gid = a->gid;
    if (a->valid & ATTR_ATIME)
        i->atime_ns = a->atime_ns;
    if (a->valid & ATTR_MTIME)
        i->mtime_ns = a->mtime_ns;
    if (a->valid & ATTR_OPAQUE)
        i->flags |= INODE_OPAQUE;
    if (a->valid & ~(unsigned) ATTR_OPAQUE)
        i->ctime_ns = inode_now();
    return 0;
}

/* What chmod and chown may do, and which bits they clear. */
static int change_owner_mode(const struct inode *i, struct iattr *a, const struct cred *c)
{
    bool chown_cap = cred_capable(c, CAP_CHOWN);
    if ((a->valid & ATTR_UID) && !chown_cap && (c->fsuid != i->uid || a->uid != i->uid))
        return -EPERM;
    if ((a->valid & ATTR_GID) && !chown_cap &&
        (c->fsuid != i->uid || (a->gid != i->gid && !in_group(c, a->gid))))
        return -EPERM;
    uint32_t set_id = i->mode & S_ISUID;
    if ((i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
        set_id |= S_ISGID;
    bool chowned = a->valid & (ATTR_UID | ATTR_GID);
    bool resized = (a->valid & ATTR_SIZE) && !cred_capable(c, CAP_FSETID);
    if (a->valid & ATTR_MODE) {
        if (!inode_owner_or_capable(i))
            return -EPERM;
        if (!in_group(c, i->gid) && !cred_capable(c, CAP_FSETID))
            a->mode &= ~(uint32_t) S_ISGID;
    } else if ((chowned || resized) && !S_ISDIR(i->mode) && set_id) {
        a->valid |= ATTR_MODE;
        a->mode = i->mode & ~set_id;
    }
    return 0;
}

int inode_change(struct inode *inode, struct iattr *a)
{
    MUTEX_GUARD(&inode->mutex);
    struct inode *i = inode_real(inode);
    int r = change_owner_mode(i, a, current_cred());
    if (r < 0)
        return r;
    if (inode->ops->prepare_write) {
        r = inode->ops->prepare_write(inode);
        if (r < 0)
            return r;
    }
    return inode->ops->setattr ? inode->ops->setattr(inode, a) : inode_setattr_simple(inode, a);
}

long inode_readlink(struct inode *i, char *buf, size_t size)
{
    if (!S_ISLNK(i->mode))
        return -EINVAL;
    if (i->link) {
        size_t n = MIN(strlen(i->link), size);
        memcpy(buf, i->link, n);
        return (long) n;
    }
    return i->ops->readlink ? i->ops->readlink(i, buf, size) : -EINVAL;
}
