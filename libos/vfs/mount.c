/* Mounts: attaching and detaching supers, and paths from dentries up. */
#include "libos/vfs/mount.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/vfs/file.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/registry.h"

#define MOUNT_KEPT                                                                                 \
    (MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_NOATIME | MOUNT_NODIRATIME | \
     MOUNT_RELATIME)

static struct {
    struct list all; /* dcache lock */
    struct mount *root;
    uint32_t next_id;
} mounts = {.all = LIST_INIT(mounts.all), .next_id = 20};

void mount_get(struct mount *m)
{
    ref_get(&m->ref);
}

static void mount_free(struct mount *m)
{
    dentry_put(m->root);
    dcache_purge(m->super);
    super_put(m->super);
    kfree(m->source);
    kfree(m->options);
    kfree(m);
}

void mount_put(struct mount *m)
{
    if (ref_put_last(&m->ref))
        mount_free(m);
}

void path_get(const struct path *p)
{
    if (p->mnt)
        mount_get(p->mnt);
    if (p->dentry)
        dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
    if (p->dentry)
        dentry_put(p->dentry);
    if (p->mnt)
        mount_put(p->mnt);
}

struct mount *mount_root(void)
{
    return mounts.root;
}

static struct mount *mount_on_locked(const struct path *p)
{
    struct mount *m;
    list_for_each (m, &mounts.all, link)
        if (m->mountpoint == p->dentry && m->parent == p->mnt)
            return m;
    return NULL;
}

void mount_follow_down_locked(struct path *p)
{
    while (p->dentry->flags & DENTRY_MOUNTPOINT) {
        struct mount *m = mount_on_locked(p);
        if (!m)
            return;
        *p = (struct path){m, m->root};
    }
}

static const struct fs_type *type_lookup(const char *name)
{
    for (const struct fs_type *const *t = fs_type_table; *t; t++)
        if (str_eq((*t)->name, name))
            return *t;
    return NULL;
}

static struct mount *mount_new(const char *type, const char *source, const char *options)
{
    struct mount *m = new_zero(struct mount);
    if (!m)
        return NULL;
    ref_init(&m->ref);
    list_init(&m->link);
    m->source = kstrdup(*source ? source : type);
    m->options = kstrdup(options);
    if (m->source && m->options)
        return m;
    kfree(m->source);
    kfree(m->options);
    kfree(m);
    return NULL;
}

static uint32_t flags_for(const struct super *s, unsigned long flags)
{
    uint32_t forced = s->flags & SUPER_UNTRUSTED ? MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC : 0;
    return ((uint32_t) flags & MOUNT_KEPT) | forced;
}

/* Puts m, which is nowhere, on top of what is on `at`. The tree takes a reference on the place. */
static void attach_locked(struct mount *m, const struct path *at)
{
    m->attached = true;
    m->parent = at ? at->mnt : m;
    m->mountpoint = at ? at->dentry : NULL;
    if (at) {
        path_get(at);
        at->dentry->flags |= DENTRY_MOUNTPOINT;
    } else {
        mounts.root = m;
    }
    list_add_tail(&mounts.all, &m->link);
}

static int attach(struct mount *m, const struct path *on)
{
    dcache_lock();
    struct path at = on ? *on : (struct path){0};
    if (on)
        mount_follow_down_locked(&at);
    int r = !on && mounts.root ? -EBUSY : 0;
    if (on && (at.dentry->flags & DENTRY_DELETED))
        r = -ENOENT;
    if (r == 0)
        attach_locked(m, on ? &at : NULL);
    dcache_unlock();
    return r;
}

/* Takes m out of the tree; *ret_on is where it was, its references are the caller's. */
static void detach_locked(struct mount *m, struct path *ret_on)
{
    *ret_on = (struct path){m->parent, m->mountpoint};
    list_del(&m->link);
    m->attached = false;
    m->parent = m;
    m->mountpoint = NULL;
    if (!mount_is_point_locked(ret_on->dentry))
        ret_on->dentry->flags &= ~DENTRY_MOUNTPOINT;
}

static void mount_discard(struct mount *m) /* one that never had a root */
{
    kfree(m->source);
    kfree(m->options);
    kfree(m);
}

/* Completes a mount of s, of which a reference is taken over, with root as its top. */
static int complete(struct mount *m, struct super *s, struct dentry *root, unsigned long flags)
{
    if (!root) {
        super_put(s);
        mount_discard(m);
        return -ENOMEM;
    }
    m->super = s;
    m->root = root;
    m->flags = flags_for(s, flags);
    m->parent = m;
    dcache_lock();
    m->id = mounts.next_id++;
    dcache_unlock();
    return 0;
}

int mount_make(const char *source, const char *type, unsigned long flags, const char *options,
               struct mount **ret)
{
    const struct fs_type *t = type_lookup(type);
    if (!t)
        return -ENODEV;
    struct mount *m = mount_new(t->name, source, options);
    if (!m)
        return -ENOMEM;
    struct super *s;
    int r = t->mount(source, options, flags, &s);
    if (r < 0) {
        mount_discard(m);
        return r;
    }
    inode_get(s->root);
    struct dentry *root = dentry_new_root(s, s->root);
    if (!root)
        inode_put(s->root);
    r = complete(m, s, root, flags);
    if (r == 0)
        *ret = m;
    return r;
}

int mount_clone(const struct path *p, struct mount **ret)
{
    struct mount *from = p->mnt,
                 *m = mount_new(from->super->type_name, from->source, from->options);
    if (!m)
        return -ENOMEM;
    ref_get(&from->super->ref);
    dentry_get(p->dentry);
    int r = complete(m, from->super, p->dentry, from->flags);
    if (r == 0)
        *ret = m;
    return r;
}

bool mount_type_exists(const char *type)
{
    return type_lookup(type) != NULL;
}

int mount_add(const char *source, const struct path *on, const char *type, unsigned long flags,
              const char *options)
{
    if (!type_lookup(type))
        return -ENODEV;
    if (on && !inode_is_dir(on->dentry->inode))
        return -ENOTDIR;
    struct mount *m;
    int r = mount_make(source, type, flags, options, &m);
    if (r < 0)
        return r;
    r = attach(m, on);
    if (r < 0)
        mount_put(m);
    return r;
}

static bool same_kind(const struct dentry *a, const struct dentry *b)
{
    return inode_is_dir(a->inode) == inode_is_dir(b->inode);
}

int mount_bind(const struct path *from, const struct path *on)
{
    if (!same_kind(from->dentry, on->dentry))
        return -ENOTDIR;
    struct mount *m;
    int r = mount_clone(from, &m);
    if (r < 0)
        return r;
    r = attach(m, on);
    if (r < 0)
        mount_put(m);
    return r;
}

/* Would m be below itself on p? */
static bool inside_locked(const struct mount *m, const struct path *p)
{
    const struct mount *at = p->mnt;
    while (at != m && at->parent != at)
        at = at->parent;
    return at == m;
}

int mount_move(const struct path *from, const struct path *on)
{
    struct mount *m = from->mnt;
    if (!m || !on->mnt || from->dentry != m->root || !same_kind(from->dentry, on->dentry))
        return -EINVAL;
    struct path old = {0}, at = *on;
    dcache_lock();
    mount_follow_down_locked(&at);
    bool was_attached = m->attached;
    int r = was_attached && m->parent == m        ? -EINVAL
            : (at.dentry->flags & DENTRY_DELETED) ? -ENOENT
            : inside_locked(m, &at)               ? -ELOOP
            : !at.mnt->attached                   ? -EINVAL
                                                  : 0;
    if (r == 0 && was_attached)
        detach_locked(m, &old);
    if (r == 0)
        attach_locked(m, &at);
    dcache_unlock();
    if (r == 0 && !was_attached)
        mount_get(m); /* the tree's */
    path_put(&old);
    return r;
}

int mount_change_flags(const struct path *p, unsigned long flags)
{
    if (p->dentry != p->mnt->root)
        return -EINVAL;
    atomic_store(&p->mnt->flags, flags_for(p->mnt->super, flags));
    return 0;
}

bool mount_is_point_locked(const struct dentry *d)
{
    struct mount *m;
    list_for_each (m, &mounts.all, link)
        if (m->mountpoint == d)
            return true;
    return false;
}

static bool has_children_locked(const struct mount *m)
{
    struct mount *c;
    list_for_each (c, &mounts.all, link)
        if (c->parent == m && c != m)
            return true;
    return false;
}

/* p holds one reference on the mount besides the tree's. */
int mount_remove(const struct path *p, int flags)
{
    struct mount *m = p->mnt;
    if (p->dentry != m->root)
        return -EINVAL;
    dcache_lock();
    bool busy = m->ref.n > 2 || has_children_locked(m);
    int r = !m->attached                       ? -EINVAL
            : m->parent == m                   ? -EBUSY
            : busy && !(flags & UMOUNT_DETACH) ? -EBUSY
            : has_children_locked(m)           ? -EBUSY
                                               : 0;
    struct path on = {0};
    if (r == 0)
        detach_locked(m, &on);
    dcache_unlock();
    if (r < 0)
        return r;
    path_put(&on);
    mount_put(m);
    return 0;
}

int mount_want_write(const struct path *p)
{
    if (!p->mnt)
        return 0;
    return (p->mnt->flags & MOUNT_RDONLY) || (p->mnt->super->flags & SUPER_READONLY) ? -EROFS : 0;
}

/* The nth mounted super, with a reference. */
static struct super *nth_super_get(unsigned n)
{
    struct super *found = NULL;
    dcache_lock();
    struct mount *m;
    list_for_each (m, &mounts.all, link)
        if (n-- == 0) {
            found = m->super;
            ref_get(&found->ref);
            break;
        }
    dcache_unlock();
    return found;
}

void vfs_sync_all(void)
{
    struct super *s;
    for (unsigned n = 0; (s = nth_super_get(n)) != NULL; n++) {
        if (s->ops->sync)
            (void) s->ops->sync(s); /* sync() tells nobody; fsync of the file would */
        super_put(s);
    }
}

static char *prepend(char *buf, char *at, const char *s, size_t n)
{
    if (!at || (size_t) (at - buf) < n)
        return NULL;
    return memcpy(at - n, s, n);
}

char *mount_path_locked(const struct path *p, const struct path *root, char *buf, size_t size,
                        bool *ret_outside)
{
    static const char gone[] = " (deleted)";
    *ret_outside = false;
    char *at = buf + size - 1;
    *at = 0;
    const struct dentry *d = p->dentry;
    const struct mount *m = p->mnt;
    if (d->flags & DENTRY_DELETED)
        at = prepend(buf, at, gone, sizeof gone - 1);
    char *end = at;
    while (at && !(d == root->dentry && m == root->mnt)) {
        if (d == m->root || d->parent == d) {
            if (m->parent == m) {
                *ret_outside = d != root->dentry;
                break;
            }
            d = m->mountpoint;
            m = m->parent;
            continue;
        }
        at = prepend(buf, at, d->name, d->name_len);
        at = prepend(buf, at, "/", 1);
        d = d->parent;
    }
    return at == end ? prepend(buf, at, "/", 1) : at;
}

struct mount *mount_by_dev_get(uint64_t dev)
{
    struct mount *m, *found = NULL;
    dcache_lock();
    list_for_each (m, &mounts.all, link)
        if (m->super->dev == dev && !found) {
            found = m;
            mount_get(m);
        }
    dcache_unlock();
    return found;
}

static void put_flags(struct text *t, const struct mount *m)
{
    bool ro = (m->flags & MOUNT_RDONLY) || (m->super->flags & SUPER_READONLY);
    text_add(t, "%s%s%s%s%s", ro ? "ro" : "rw", m->flags & MOUNT_NOSUID ? ",nosuid" : "",
             m->flags & MOUNT_NODEV ? ",nodev" : "", m->flags & MOUNT_NOEXEC ? ",noexec" : "",
             m->flags & MOUNT_NOATIME ? ",noatime" : ",relatime");
}

/* What of the file system is mounted, as a path in it: not "/" for bind mounts. */
static void put_root_locked(struct text *t, const struct dentry *d)
{
    const struct dentry *chain[32];
    size_t n = 0;
    for (; d->parent != d && n < ARRAY_SIZE(chain); d = d->parent)
        chain[n++] = d;
    text_add(t, n == 0 ? "/" : "");
    while (n-- > 0)
        text_add(t, "/%s", chain[n]->name);
}

static void put_options(struct text *t, const struct super *s)
{
    if (s->ops->options)
        s->ops->options(s, t);
}

static void list_one_locked(struct text *t, const struct mount *m, const char *where,
                            enum mount_format format)
{
    if (format == MOUNT_TEXT_MOUNTS) {
        text_add(t, "%s %s %s ", m->source, where, m->super->type_name);
        put_flags(t, m);
        put_options(t, m->super);
        text_add(t, " 0 0\n");
        return;
    }
    text_add(t, "%u %u %u:%u ", m->id, m->parent == m ? 1 : m->parent->id,
             linux_major(m->super->dev), linux_minor(m->super->dev));
    put_root_locked(t, m->root);
    text_add(t, " %s ", where);
    put_flags(t, m);
    text_add(t, " - %s %s %s", m->super->type_name, m->source,
             m->super->flags & SUPER_READONLY ? "ro" : "rw");
    put_options(t, m->super);
    text_add(t, "\n");
}

void mount_list(struct text *t, enum mount_format format)
{
    char *buf = kzalloc(PATH_LIMIT);
    if (!buf)
        return;
    AUTO_PATH struct path root = fs_ctx_root(current_fs());
    dcache_lock();
    struct mount *m;
    list_for_each (m, &mounts.all, link) {
        struct path p = {m, m->root};
        bool outside;
        char *where = mount_path_locked(&p, &root, buf, PATH_LIMIT, &outside);
        if (where && !outside)
            list_one_locked(t, m, where, format);
    }
    dcache_unlock();
    kfree(buf);
}
