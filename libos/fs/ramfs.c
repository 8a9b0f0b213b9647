/* The RAM file system. An entry of a directory is hashed per directory by name and listed in order of
 * its cookie, which is the position of readdir and never reused, so positions stay stable. All
 * changes happen under the directory's mutex (taken by the VFS); link counts under the inode's spin
 * lock.
 *
 * A regular file may have a backing inode (copy-up): a page that is not in the cache is read from it
 * below backing_size; truncation lowers backing_size, so that regrown ranges are zero.
 */
#include "libos/fs/ramfs.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/fs/xattr_list.h"
#include "libos/mm/heap.h"
#include "libos/vfs/dcache.h"
#include "libos/vfs/memfd.h"
#include "libos/vfs/registry.h"
#include "abi/layout.h"

#define RAMFS_MAGIC 0x858458f6u
#define TMPFS_MAGIC 0x01021994u

struct ram_entry {
    struct ram_entry *hash_next;
    struct list link;
    struct inode *inode; /* a reference */
    uint64_t cookie;
    uint32_t hash, len;
    char name[] counted_by(len);
};

struct ram_inode {
    struct inode inode;
    /* directories */
    struct list entries;
    struct ram_entry **bucket;
    uint32_t bucket_count, entry_count;
    uint64_t next_cookie;
    struct inode *parent; /* for nothing but link counts */
    /* files */
    struct inode *backing;
    uint64_t backing_size;
    struct xattr_list xattrs; /* inode mutex */
};

struct ram_super {
    struct super super;
    uint64_t next_ino, inodes; /* atomic */
    uint64_t inodes_max;       /* 0: no limit */
};

static const struct inode_ops dir_ops, file_inode_ops, backed_inode_ops, special_inode_ops;
static const struct super_ops ram_super_ops;

static struct ram_inode *ram(const struct inode *i)
{
    return container_of(i, struct ram_inode, inode);
}

static struct ram_super *ram_super(const struct super *s)
{
    return container_of(s, struct ram_super, super);
}

bool ramfs_is(const struct super *s)
{
    return s->ops == &ram_super_ops;
}

static struct inode *ram_inode_new(struct super *s, const struct inode *dir, uint32_t mode,
                                   uint64_t rdev)
{
    uint64_t most = ram_super(s)->inodes_max;
    struct ram_inode *r =
        most && atomic_load(&ram_super(s)->inodes) >= most ? NULL : new_zero(struct ram_inode);
    if (!r)
        return NULL;
    struct inode *i = &r->inode;
    inode_init(i, s, mode);
    i->ino = atomic_add(&ram_super(s)->next_ino, 1);
    i->rdev = rdev;
    i->ops = S_ISREG(mode) ? &file_inode_ops : S_ISDIR(mode) ? &dir_ops : &special_inode_ops;
    list_init(&r->entries);
    xattr_list_init(&r->xattrs);
    r->next_cookie = 2;
    if (S_ISDIR(mode)) {
        i->nlink = 2;
        i->size = 4096;
    }
    atomic_add(&ram_super(s)->inodes, 1);
    inode_owner_init(i, dir, mode);
    return i;
}

/* ---- entries ---- */

static struct ram_entry *entry_find(const struct ram_inode *d, struct qname name, uint32_t hash)
{
    if (!d->bucket_count)
        return NULL;
    for (struct ram_entry *e = d->bucket[hash % d->bucket_count]; e; e = e->hash_next)
        if (e->hash == hash && e->len == name.n && memcmp(e->name, name.p, name.n) == 0)
            return e;
    return NULL;
}

static int buckets_grow(struct ram_inode *d)
{
    uint32_t count = d->bucket_count ? d->bucket_count * 4 : 8;
    struct ram_entry **fresh = kzalloc(count * sizeof *fresh);
    if (!fresh)
        return d->bucket_count ? 0 : -ENOSPC; /* longer chains will do */
    struct ram_entry *e;
    list_for_each (e, &d->entries, link) {
        e->hash_next = fresh[e->hash % count];
        fresh[e->hash % count] = e;
    }
    kfree(d->bucket);
    d->bucket = fresh;
    d->bucket_count = count;
    return 0;
}

/* Adds a name for inode; takes a reference on it. */
static int entry_add(struct ram_inode *d, struct qname name, struct inode *i)
{
    if (d->entry_count >= d->bucket_count) {
        int r = buckets_grow(d);
        if (r < 0)
            return r;
    }
    struct ram_entry *e = alloc_flex(struct ram_entry, name, name.n);
    if (!e)
        return -ENOSPC;
    e->len = (uint32_t) name.n;
    e->hash = dcache_hash(name);
    memcpy(e->name, name.p, name.n);
    inode_get(i);
    e->inode = i;
    e->cookie = d->next_cookie++;
    struct ram_entry **b = &d->bucket[e->hash % d->bucket_count];
    e->hash_next = *b;
    *b = e;
    list_add_tail(&d->entries, &e->link);
    d->entry_count++;
    inode_touch(&d->inode, ATTR_MTIME | ATTR_CTIME);
    return 0;
}

static void entry_unchain(struct ram_inode *d, struct ram_entry *e)
{
    struct ram_entry **b = &d->bucket[e->hash % d->bucket_count];
    while (*b != e)
        b = &(*b)->hash_next;
    *b = e->hash_next;
    list_del(&e->link);
    d->entry_count--;
}

static void entry_remove(struct ram_inode *d, struct ram_entry *e)
{
    entry_unchain(d, e);
    inode_put(e->inode);
    kfree(e);
    inode_touch(&d->inode, ATTR_MTIME | ATTR_CTIME);
}

static void nlink_add(struct inode *i, int n)
{
    atomic_add(&i->nlink, (uint32_t) n);
    inode_touch(i, ATTR_CTIME);
}

/* ---- directory operations ---- */

static int ram_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    const struct ram_entry *e = entry_find(ram(dir), name, dcache_hash(name));
    if (!e)
        return -ENOENT;
    inode_get(e->inode);
    *ret = e->inode;
    return 0;
}

static int ram_make(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                    const char *target, struct inode **ret)
{
    AUTO(inode_put) struct inode *i = ram_inode_new(dir->super, dir, mode, rdev);
    if (!i)
        return -ENOSPC;
    if (target) {
        if (!(i->link = kstrdup(target)))
            return -ENOSPC;
        i->size = strlen(target);
    }
    int r = entry_add(ram(dir), name, i);
    if (r < 0)
        return r;
    if (S_ISDIR(mode))
        nlink_add(dir, 1);
    *ret = TAKE(i);
    return 0;
}

static int ram_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                      struct inode **ret)
{
    return ram_make(dir, name, mode, rdev, NULL, ret);
}

static int ram_mkdir(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret)
{
    return ram_make(dir, name, mode, 0, NULL, ret);
}

static int ram_symlink(struct inode *dir, struct qname name, const char *target, struct inode **ret)
{
    return ram_make(dir, name, S_IFLNK | 0777, 0, target, ret);
}

static int ram_tmpfile(struct inode *dir, uint32_t mode, struct inode **ret)
{
    struct inode *i = ram_inode_new(dir->super, dir, mode, 0);
    if (!i)
        return -ENOSPC;
    i->nlink = 0;
    *ret = i;
    return 0;
}

static int ram_link(struct inode *dir, struct qname name, struct inode *target)
{
    int r = entry_add(ram(dir), name, target);
    if (r == 0)
        nlink_add(target, 1);
    return r;
}

static int ram_unlink(struct inode *dir, struct qname name, struct inode *victim)
{
    struct ram_entry *e = entry_find(ram(dir), name, dcache_hash(name));
    if (!e)
        return -ENOENT;
    nlink_add(e->inode, -1);
    entry_remove(ram(dir), e);
    return 0;
}

static int ram_rmdir(struct inode *dir, struct qname name, struct inode *victim)
{
    struct ram_entry *e = entry_find(ram(dir), name, dcache_hash(name));
    if (!e)
        return -ENOENT;
    struct inode *i = e->inode;
    if (!S_ISDIR(i->mode))
        return -ENOTDIR;
    if (ram(i)->entry_count)
        return -ENOTEMPTY;
    i->nlink = 0;
    nlink_add(dir, -1);
    entry_remove(ram(dir), e);
    return 0;
}

static int ram_exchange(struct inode *od, struct ram_entry *a, struct inode *nd,
                        struct ram_entry *b)
{
    struct inode *t = a->inode;
    a->inode = b->inode;
    b->inode = t;
    if (od != nd) {
        int delta = S_ISDIR(a->inode->mode) - S_ISDIR(b->inode->mode);
        if (delta) {
            nlink_add(od, delta);
            nlink_add(nd, -delta);
        }
    }
    inode_touch(od, ATTR_MTIME | ATTR_CTIME);
    inode_touch(nd, ATTR_MTIME | ATTR_CTIME);
    inode_touch(a->inode, ATTR_CTIME);
    inode_touch(b->inode, ATTR_CTIME);
    return 0;
}

static int ram_rename(struct inode *od, struct qname on, struct inode *moved, struct inode *nd,
                      struct qname nn, struct inode *victim, unsigned flags)
{
    struct ram_entry *from = entry_find(ram(od), on, dcache_hash(on));
    struct ram_entry *to = entry_find(ram(nd), nn, dcache_hash(nn));
    if (!from)
        return -ENOENT;
    if (flags & RENAME_EXCHANGE_BIT)
        return to ? ram_exchange(od, from, nd, to) : -ENOENT;
    if (to && S_ISDIR(to->inode->mode) && ram(to->inode)->entry_count)
        return -ENOTEMPTY;
    AUTO(inode_put) struct inode *i = from->inode;
    inode_get(i);
    if (to) { /* the name stays, so there is no moment without it */
        inode_get(i);
        struct inode *old = to->inode;
        to->inode = i;
        if (S_ISDIR(old->mode)) {
            old->nlink = 0;
            nlink_add(nd, -1);
        } else {
            nlink_add(old, -1);
        }
        inode_put(old);
    } else {
        int r = entry_add(ram(nd), nn, i);
        if (r < 0)
            return r;
    }
    entry_remove(ram(od), from);
    inode_touch(nd, ATTR_MTIME | ATTR_CTIME);
    if (S_ISDIR(i->mode)) {
        nlink_add(od, -1);
        nlink_add(nd, 1);
    }
    inode_touch(i, ATTR_CTIME);
    return 0;
}

static int ram_readdir(struct inode *dir, struct dir_ctx *ctx)
{
    struct ram_entry *e;
    list_for_each (e, &ram(dir)->entries, link) {
        if (e->cookie < ctx->pos)
            continue;
        struct qname name = {e->name, e->len};
        if (!ctx->emit(ctx, name, e->inode->ino, (e->inode->mode & S_IFMT) >> 12, e->cookie + 1))
            return 0;
        ctx->pos = e->cookie + 1;
    }
    return 0;
}

/* ---- extended attributes: user.*, trusted.* and security.* as opaque values ---- */

static long ram_getxattr(struct inode *i, const char *name, struct span buf)
{
    return xattr_list_get(&ram(i)->xattrs, name, buf);
}

static int ram_setxattr(struct inode *i, const char *name, struct cspan value, int flags)
{
    int r = xattr_list_set(&ram(i)->xattrs, name, value, flags);
    if (r == 0)
        inode_touch(i, ATTR_CTIME);
    return r;
}

static int ram_removexattr(struct inode *i, const char *name)
{
    int r = xattr_list_remove(&ram(i)->xattrs, name);
    if (r == 0)
        inode_touch(i, ATTR_CTIME);
    return r;
}

static long ram_listxattr(struct inode *i, struct span buf)
{
    return xattr_list_names(&ram(i)->xattrs, buf);
}

/* ---- backed files ---- */

static int backed_read_page(struct inode *i, uint64_t index, void *dst)
{
    const struct ram_inode *r = ram(i);
    uint64_t size = r->backing_size;
    if (index >= (size + PAGE_SIZE - 1) / PAGE_SIZE)
        return 0; /* dst is zero */
    int e = inode_read_page(r->backing, index, dst);
    if (e < 0)
        return e;
    if ((index + 1) * PAGE_SIZE > size)
        memset((uint8_t *) dst + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
    return 0;
}

static int backed_setattr(struct inode *i, const struct iattr *a)
{
    if ((a->valid & ATTR_SIZE) && a->size < ram(i)->backing_size)
        ram(i)->backing_size = a->size;
    return inode_setattr_simple(i, a);
}

void ramfs_set_backing(struct inode *i, struct inode *backing, uint64_t size)
{
    inode_get(backing);
    ram(i)->backing = backing;
    ram(i)->backing_size = size;
    i->size = size;
    i->ops = &backed_inode_ops;
}

#define XATTR_OPS                                                                                  \
    .getxattr = ram_getxattr, .setxattr = ram_setxattr, .removexattr = ram_removexattr,            \
    .listxattr = ram_listxattr

static const struct inode_ops dir_ops = {
    .lookup = ram_lookup,
    .create = ram_create,
    .mkdir = ram_mkdir,
    .symlink = ram_symlink,
    .link = ram_link,
    .unlink = ram_unlink,
    .rmdir = ram_rmdir,
    .rename = ram_rename,
    .tmpfile = ram_tmpfile,
    .readdir = ram_readdir,
    XATTR_OPS,
};
static const struct inode_ops file_inode_ops = {XATTR_OPS};
static const struct inode_ops special_inode_ops = {XATTR_OPS};
static const struct inode_ops backed_inode_ops = {
    .read_page = backed_read_page,
    .setattr = backed_setattr,
    XATTR_OPS,
};

/* ---- super ---- */

/* A tree may be deep: children are handed to a list instead of recursing. */
static void ram_inode_free(struct inode *i)
{
    struct ram_inode *r = ram(i);
    struct ram_entry *e;
    while ((e = list_first(&r->entries, struct ram_entry, link)) != NULL) {
        struct inode *child = e->inode;
        list_del(&e->link);
        struct ram_inode *c = ram(child);
        if (child->ref.n == 1 && S_ISDIR(child->mode)) { /* flatten: its entries become ours */
            struct ram_entry *ce;
            while ((ce = list_first(&c->entries, struct ram_entry, link)) != NULL) {
                list_del(&ce->link);
                list_add_tail(&r->entries, &ce->link);
            }
        }
        kfree(e);
        inode_put(child);
    }
    xattr_list_fini(&r->xattrs);
    kfree(r->bucket);
    if (r->backing)
        inode_put(r->backing);
    inode_fini(i);
    atomic_sub(&ram_super(i->super)->inodes, 1);
    kfree(r);
}

static void ram_put(struct super *s)
{
    kfree(ram_super(s));
}

static int ram_statfs(struct super *s, struct linux_statfs *ret)
{
    struct heap_stats h;
    heap_stats(&h);
    uint64_t limit = h.limit, used = MIN(h.used_pages, limit), inodes = ram_super(s)->inodes_max;
    if (s->pages_max) {
        limit = s->pages_max;
        used = MIN(atomic_load(&s->pages), limit);
    }
    inodes = inodes ? inodes : h.limit;
    *ret = (struct linux_statfs){
        .type = str_eq(s->type_name, "ramfs") ? (int64_t) RAMFS_MAGIC : TMPFS_MAGIC,
        .bsize = PAGE_SIZE,
        .blocks = limit,
        .bfree = limit - used,
        .bavail = limit - used,
        .files = inodes,
        .ffree = inodes - MIN(ram_super(s)->inodes, inodes),
        .namelen = NAME_LIMIT,
        .frsize = PAGE_SIZE,
    };
    return 0;
}

static void ram_options(const struct super *s, struct text *t)
{
    if (s->pages_max)
        text_add(t, ",size=%luk", (unsigned long) (s->pages_max * (PAGE_SIZE / 1024)));
    if (ram_super(s)->inodes_max)
        text_add(t, ",nr_inodes=%lu", (unsigned long) ram_super(s)->inodes_max);
}

static const struct super_ops ram_super_ops = {
    .options = ram_options,
    .inode_free = ram_inode_free,
    .put = ram_put,
    .statfs = ram_statfs,
};

int ramfs_super_new(const char *type_name, struct super **ret)
{
    struct ram_super *s = new_zero(struct ram_super);
    if (!s)
        return -ENOMEM;
    super_init(&s->super, &ram_super_ops, type_name);
    s->next_ino = 1;
    s->super.root = ram_inode_new(&s->super, NULL, S_IFDIR | 0755, 0);
    if (!s->super.root) {
        kfree(s);
        return -ENOMEM;
    }
    *ret = &s->super;
    return 0;
}

int ramfs_add(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
              const char *link_target, struct inode **ret)
{
    return ram_make(dir, QNAME(name), mode, rdev, link_target, ret);
}

static int mount_as(const char *name, const char *options, uint32_t mode, struct super **ret)
{
    struct ramfs_options o = {.mode = mode};
    int r = ramfs_options_parse(options, str_eq(name, "tmpfs"), &o);
    if (r == 0)
        r = ramfs_super_new(name, ret);
    if (r < 0)
        return r;
    struct inode *root = (*ret)->root;
    root->mode = S_IFDIR | o.mode;
    root->uid = o.uid;
    root->gid = o.gid;
    (*ret)->pages_max = o.size / PAGE_SIZE + (o.size % PAGE_SIZE != 0);
    ram_super(*ret)->inodes_max = o.inodes;
    return 0;
}

static int ramfs_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    return mount_as("ramfs", options, 0755, ret);
}

static int tmpfs_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    return mount_as("tmpfs", options, 01777, ret);
}

FILESYSTEM(ramfs, ramfs_type);
const struct fs_type ramfs_type = {.name = "ramfs", .mount = ramfs_mount};
FILESYSTEM(tmpfs, tmpfs_type);
const struct fs_type tmpfs_type = {.name = "tmpfs", .mount = tmpfs_mount};
