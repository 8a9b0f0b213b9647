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

static struct mount *mount_new(const struct fs_type *type, const char *source, const char *options)
{
    struct mount *m = new_zero(struct mount);
    if (!m)
        return NULL;
    ref_init(&m->ref);
    list_init(&m->link);
    m->source = kstrdup(*source ? source : type->name);
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

static int attach(struct mount *m, const struct path *on)
{
    dcache_lock();
    struct path at = on ? *on : (struct path){0};
    if (on)
        mount_follow_down_locked(&at);
    int r = !on && mounts.root ? -EBUSY : 0;
    if (on && (at.dentry->flags & DENTRY_DELETED))
        r = -ENOENT;
    if (r == 0) {
        m->id = mounts.next_id++;
        m->attached = true;
        m->parent = on ? at.mnt : m;
        m->mountpoint = on ? at.dentry : NULL;
        if (on) {
            path_get(&at);
            at.dentry->flags |= DENTRY_MOUNTPOINT;
        } else {
            mounts.root = m;
        }
        list_add_tail(&mounts.all, &m->link);
    }
    dcache_unlock();
    return r;
}

int mount_add(const char *source, const struct path *on, const char *type, unsigned long flags,
              const char *options)
{
    const struct fs_type *t = type_lookup(type);
    if (!t)
        return -ENODEV;
    if (on && !inode_is_dir(on->dentry->inode))
        return -ENOTDIR;
    struct mount *m = mount_new(t, source, options);
    if (!m)
        return -ENOMEM;
    struct super *s;
    int r = t->mount(source, options, flags, &s);
    if (r < 0) {
        kfree(m->source);
        kfree(m->options);
        kfree(m);
        return r;
    }
    m->super = s;
    m->flags = flags_for(s, flags);
    inode_get(s->root);
    m->root = dentry_new_root(s, s->root);
    if (!m->root) {
        inode_put(s->root);
        super_put(s);
        kfree(m->source);
        kfree(m->options);
        kfree(m);
        return -ENOMEM;
    }
    r = attach(m, on);
    if (r < 0)
        mount_put(m);
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
    struct path on = {m->parent, m->mountpoint};
    if (r == 0) {
        list_del(&m->link);
        m->attached = false;
        m->parent = m;
        m->mountpoint = NULL;
        if (!mount_is_point_locked(on.dentry))
            on.dentry->flags &= ~DENTRY_MOUNTPOINT;
    }
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

static void list_one_locked(struct text *t, const struct mount *m, const char *where,
                            enum mount_format format)
{
    if (format == MOUNT_TEXT_MOUNTS) {
        text_add(t, "%s %s %s ", m->source, where, m->super->type_name);
        put_flags(t, m);
        text_add(t, " 0 0\n");
        return;
    }
    text_add(t, "%u %u %u:%u / %s ", m->id, m->parent == m ? 1 : m->parent->id,
             linux_major(m->super->dev), linux_minor(m->super->dev), where);
    put_flags(t, m);
    text_add(t, " - %s %s %s\n", m->super->type_name, m->source,
             m->super->flags & SUPER_READONLY ? "ro" : "rw");
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
