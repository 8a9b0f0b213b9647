/* Union: what "/" is made of. Rules as in overlayfs: a name of the upper tree hides the lower one; a
 * whiteout (character device 0:0) hides it without showing anything; an opaque directory shows nothing
 * of the lower one; changing a lower file copies it up first; a directory that has a lower half cannot
 * be renamed (-EXDEV, so that mv copies).
 *
 * A union inode wraps the inode that has the data now (inode.real). Its number is the lower inode's, or
 * for files born above the upper one's with a mark.
 */
#include "libos/base/atomic.h"
#include "libos/fs/union/union.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/vfs/mount_option.h"
#include "libos/vfs/registry.h"

static const struct inode_ops union_dir_ops, union_file_ops;

static void union_inode_free(struct inode *i)
{
    struct union_inode *u = union_of(i);
    inode_fini(i);
    if (u->upper)
        inode_put(u->upper);
    if (u->lower)
        inode_put(u->lower);
    if (u->dir)
        inode_put(&u->dir->inode);
    kfree(u->name);
    kfree(u);
}

/* The inode that has that number already. A number that was kept from an earlier start (origin) is given up where
 * something else has it: two inodes are never taken for one. */
static struct inode *known_get(struct super *s, const struct inode *up, const struct inode *low,
                               uint64_t *ino)
{
    struct inode *known = inode_by_ino_get(s, *ino);
    bool kept_up = up && !low && up->origin;
    bool clash = known && (kept_up ? union_of(known)->upper != up
                                   : low && union_of(known)->upper &&
                                         union_of(known)->upper->origin && !union_of(known)->lower);
    if (!clash)
        return known;
    inode_put(known);
    *ino = kept_up ? up->ino | union_upper_ino(container_of(s, struct union_super, super))
                   : *ino | UNION_CLASH;
    return inode_by_ino_get(s, *ino);
}

/* The union inode for what was found; takes over the references, also on failure. */
static int wrap(struct super *s, struct union_inode *dir, struct qname name, struct inode *up,
                struct inode *low, struct inode **ret)
{
    AUTO(inode_put) struct inode *upper = up;
    AUTO(inode_put) struct inode *lower = low;
    uint64_t ino = union_number(s, up, low);
    struct inode *known = up && up->above ? up->above : NULL;
    if (known)
        inode_get(known);
    else
        known = known_get(s, up, low, &ino);
    if (known) {
        *ret = known;
        return 0;
    }
    struct inode *real = inode_real(up ? up : low); /* below a union is what it shows */
    struct union_inode *u = new_zero(struct union_inode);
    if (!u)
        return -ENOMEM;
    inode_init(&u->inode, s, real->mode);
    u->inode.ino = ino;
    u->inode.rdev = real->rdev;
    u->inode.real = real;
    u->inode.ops = S_ISDIR(real->mode) ? &union_dir_ops : &union_file_ops;
    u->upper = TAKE(upper);
    u->lower = TAKE(lower);
    if (dir && !u->upper) {
        inode_get(&dir->inode);
        u->dir = dir;
        if ((u->name = kzalloc(name.n + 1)))
            memcpy(u->name, name.p, name.n);
    }
    if (real->link)
        u->inode.link = kstrdup(real->link);
    if ((u->dir && !u->name) || (real->link && !u->inode.link)) {
        inode_put(&u->inode);
        return -ENOMEM;
    }
    *ret = inode_by_ino_insert(&u->inode);
    return 0;
}

static int union_lookup(struct inode *dir, struct qname name, struct inode **ret)
{
    UNION_GUARD(dir);
    struct inode *up, *low;
    int r = union_find_locked(union_of(dir), name, &up, &low);
    return r < 0 ? r : wrap(dir->super, union_of(dir), name, up, low, ret);
}

/* Makes room for a new name in the upper directory; *ret_covered: something lower was covered there. */
static int prepare_name(struct union_inode *dir, struct qname name, bool *ret_covered)
{
    int r = union_copy_up_locked(dir);
    if (r < 0)
        return r;
    struct inode *old = NULL;
    r = dir->upper->ops->lookup(dir->upper, name, &old);
    if (r == 0) {
        r = union_is_whiteout(old) ? dir->upper->ops->unlink(dir->upper, name, old) : -EEXIST;
        inode_put(old);
        *ret_covered = true;
        return r;
    }
    *ret_covered = false;
    return r == -ENOENT ? 0 : r;
}

static int whiteout(struct union_inode *dir, struct qname name)
{
    struct inode *i;
    int r = dir->upper->ops->create(dir->upper, name, S_IFCHR, 0, &i);
    if (r == 0)
        inode_put(i);
    return r;
}

enum born { BORN_NODE, BORN_DIR, BORN_LINK };

static int make(struct inode *dir, struct qname name, enum born what, uint32_t mode, uint64_t rdev,
                const char *target, struct inode **ret)
{
    UNION_CHANGE(dir);
    struct union_inode *u = union_of(dir);
    bool covered;
    int r = prepare_name(u, name, &covered);
    if (r < 0)
        return r;
    struct inode *up, *upper = u->upper;
    if (what == BORN_DIR)
        r = upper->ops->mkdir(upper, name, mode, &up);
    else if (what == BORN_LINK)
        r = upper->ops->symlink(upper, name, target, &up);
    else
        r = upper->ops->create(upper, name, mode, rdev, &up);
    if (r < 0) {
        if (covered && whiteout(u, name) < 0)
            log_error("union: a deleted file may show again: out of memory");
        return r;
    }
    if (what == BORN_DIR && covered && (r = union_set_opaque(up)) < 0) {
        inode_put(up);
        return r;
    }
    return wrap(dir->super, u, name, up, NULL, ret);
}

static int union_create(struct inode *dir, struct qname name, uint32_t mode, uint64_t rdev,
                        struct inode **ret)
{
    if (S_ISCHR(mode) && rdev == 0)
        return -EPERM; /* would be a whiteout */
    return make(dir, name, BORN_NODE, mode, rdev, NULL, ret);
}

static int union_mkdir(struct inode *dir, struct qname name, uint32_t mode, struct inode **ret)
{
    return make(dir, name, BORN_DIR, mode, 0, NULL, ret);
}

static int union_symlink(struct inode *dir, struct qname name, const char *target,
                         struct inode **ret)
{
    return make(dir, name, BORN_LINK, 0, 0, target, ret);
}

static int union_tmpfile(struct inode *dir, uint32_t mode, struct inode **ret)
{
    UNION_CHANGE(dir);
    struct union_inode *u = union_of(dir);
    struct inode *up;
    int r = union_copy_up_locked(u);
    if (r == 0)
        r = u->upper->ops->tmpfile ? u->upper->ops->tmpfile(u->upper, mode, &up) : -EOPNOTSUPP;
    return r < 0 ? r : wrap(dir->super, u, QNAME(""), up, NULL, ret);
}

static int union_link(struct inode *dir, struct qname name, struct inode *target)
{
    UNION_CHANGE(dir);
    struct union_inode *u = union_of(dir), *t = union_of(target);
    bool covered;
    int r = union_copy_up_locked(t);
    if (r == 0)
        r = prepare_name(u, name, &covered);
    if (r < 0)
        return r;
    r = u->upper->ops->link(u->upper, name, t->upper);
    if (r < 0 && covered && whiteout(u, name) < 0)
        log_error("union: a deleted file may show again: out of memory");
    return r;
}

/* Takes the upper name away, if there is one, and hides the lower one. */
static int hide(struct union_inode *dir, struct qname name, bool directory)
{
    int r = union_copy_up_locked(dir);
    if (r < 0)
        return r;
    struct inode *up = dir->upper, *old = NULL;
    r = up->ops->lookup(up, name, &old);
    if (r == 0) {
        r = directory ? up->ops->rmdir(up, name, old) : up->ops->unlink(up, name, old);
        inode_put(old);
    } else if (r == -ENOENT) {
        r = 0;
    }
    return r == 0 && union_lower_has(dir, name) ? whiteout(dir, name) : r;
}

static int union_unlink(struct inode *dir, struct qname name, struct inode *victim)
{
    UNION_CHANGE(dir);
    return hide(union_of(dir), name, false);
}

static int union_rmdir(struct inode *dir, struct qname name, struct inode *victim)
{
    UNION_CHANGE(dir);
    int r = union_empty_locked(union_of(victim));
    return r < 0 ? r : hide(union_of(dir), name, true);
}

static bool has_lower_half(const struct inode *i)
{
    return i && inode_is_dir(i) && union_of(i)->lower;
}

static int rename_prepare(struct inode *old_dir, struct inode *moved, struct inode *new_dir,
                          struct inode *victim, bool exchange)
{
    if (has_lower_half(moved) || (exchange && has_lower_half(victim)))
        return -EXDEV;
    int r = union_copy_up_locked(union_of(old_dir));
    if (r == 0)
        r = union_copy_up_locked(union_of(new_dir));
    if (r == 0)
        r = union_copy_up_locked(union_of(moved));
    if (r == 0 && exchange)
        r = union_copy_up_locked(union_of(victim));
    if (r == 0 && !exchange && victim && inode_is_dir(victim))
        r = union_empty_locked(union_of(victim));
    return r;
}

static int union_rename(struct inode *old_dir, struct qname old_name, struct inode *moved,
                        struct inode *new_dir, struct qname new_name, struct inode *victim,
                        unsigned flags)
{
    UNION_CHANGE(old_dir);
    bool exchange = flags & RENAME_EXCHANGE_BIT;
    struct union_inode *od = union_of(old_dir), *nd = union_of(new_dir);
    int r = rename_prepare(old_dir, moved, new_dir, victim, exchange);
    if (r < 0)
        return r;
    bool over_lower = union_lower_has(nd, new_name);
    r = od->upper->ops->rename(od->upper, old_name, union_of(moved)->upper, nd->upper, new_name,
                               victim ? union_of(victim)->upper : NULL, flags);
    if (r < 0)
        return r;
    if (inode_is_dir(moved) && over_lower)
        r = union_set_opaque(union_of(moved)->upper);
    if (r == 0 && exchange && inode_is_dir(victim) && union_lower_has(od, old_name))
        r = union_set_opaque(union_of(victim)->upper);
    if (r < 0)
        log_error("union: files below a renamed directory may show again: error %d", -r);
    if (!exchange && union_lower_has(od, old_name) && whiteout(od, old_name) < 0)
        log_error("union: a renamed file may show again: out of memory");
    return 0;
}

static int union_sync(struct super *s)
{
    const struct union_super *u = container_of(s, struct union_super, super);
    return u->upper->ops->sync ? u->upper->ops->sync(u->upper) : 0;
}

static int union_sync_dir(struct inode *dir)
{
    return union_sync(dir->super);
}

/* ---- files ---- */

static int union_prepare_write(struct inode *i)
{
    struct inode *upper = atomic_load(&union_of(i)->upper);
    if (upper)
        return upper->ops->prepare_write ? upper->ops->prepare_write(upper) : 0;
    UNION_CHANGE(i);
    return union_copy_up_locked(union_of(i));
}

static int union_setattr(struct inode *i, const struct iattr *a)
{
    struct inode *real = inode_real(i);
    return real->ops->setattr ? real->ops->setattr(real, a) : inode_setattr_simple(real, a);
}

static long union_getxattr(struct inode *i, const char *name, struct span buf)
{
    struct inode *real = inode_real(i);
    return real->ops->getxattr ? real->ops->getxattr(real, name, buf) : -ENODATA;
}

static long union_listxattr(struct inode *i, struct span buf)
{
    struct inode *real = inode_real(i);
    return real->ops->listxattr ? real->ops->listxattr(real, buf) : 0;
}

static int union_setxattr(struct inode *i, const char *name, struct cspan value, int flags)
{
    int r = union_prepare_write(i);
    struct inode *real = inode_real(i);
    if (r < 0)
        return r;
    return real->ops->setxattr ? real->ops->setxattr(real, name, value, flags) : -EOPNOTSUPP;
}

static int union_removexattr(struct inode *i, const char *name)
{
    int r = union_prepare_write(i);
    struct inode *real = inode_real(i);
    if (r < 0)
        return r;
    return real->ops->removexattr ? real->ops->removexattr(real, name) : -EOPNOTSUPP;
}

#define FILE_OPS                                                                                   \
    .prepare_write = union_prepare_write, .setattr = union_setattr, .getxattr = union_getxattr,    \
    .listxattr = union_listxattr, .setxattr = union_setxattr, .removexattr = union_removexattr

static const struct inode_ops union_file_ops = {FILE_OPS};
static const struct inode_ops union_dir_ops = {
    .lookup = union_lookup,
    .create = union_create,
    .mkdir = union_mkdir,
    .symlink = union_symlink,
    .link = union_link,
    .unlink = union_unlink,
    .rmdir = union_rmdir,
    .rename = union_rename,
    .tmpfile = union_tmpfile,
    .readdir = union_readdir,
    .sync_dir = union_sync_dir,
    FILE_OPS,
};

/* ---- super ---- */

static void union_put(struct super *s)
{
    struct union_super *u = container_of(s, struct union_super, super);
    if (u->upper)
        super_put(u->upper);
    if (u->lower)
        super_put(u->lower);
    kfree(u);
}

static int union_statfs(struct super *s, struct linux_statfs *ret)
{
    const struct union_super *u = container_of(s, struct union_super, super);
    int r = u->upper->ops->statfs ? u->upper->ops->statfs(u->upper, ret) : 0;
    ret->type = 0x794c7630; /* OVERLAYFS_SUPER_MAGIC */
    return r;
}

static const struct super_ops union_super_ops = {
    .inode_free = union_inode_free,
    .put = union_put,
    .statfs = union_statfs,
    .sync = union_sync,
};

const struct super *union_lower_super(const struct super *s)
{
    return s->ops == &union_super_ops ? container_of(s, const struct union_super, super)->lower
                                      : NULL;
}

#define LAYER_SIZE 160u

/* The value of the option at o, which begins with key; what is behind it. Cut where it is longer. */
static const char *value_of(const char *o, const char *key, char buf[LAYER_SIZE])
{
    size_t n = 0;
    for (o += strlen(key); o[n] && o[n] != ','; n++)
        if (n + 1 < LAYER_SIZE)
            buf[n] = o[n];
    buf[MIN(n, (size_t) LAYER_SIZE - 1)] = 0;
    return o[n] ? o + n + 1 : o + n;
}

/* layer: "TYPE" or "TYPE:SOURCE". */
static int mount_layer(char *layer, const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    for (char *p = layer; *p; p++)
        if (*p == ':') {
            *p = 0;
            source = p + 1;
            break;
        }
    for (const struct fs_type *const *t = fs_type_table; *t; t++)
        if (str_eq((*t)->name, layer))
            return (*t)->mount(source, options, flags, ret);
    return -ENODEV;
}

/* A new upper layer's root looks like the lower one's; one that was kept stays as its programs left it. */
static int root_like(struct inode *up, const struct inode *low)
{
    const struct iattr a = {ATTR_MODE | ATTR_UID | ATTR_GID, low->mode, low->uid, low->gid,
                            .atime_ns = 0};
    if (up->super->ops->hold && up->ctime_ns)
        return 0;
    return up->ops->setattr ? up->ops->setattr(up, &a) : inode_setattr_simple(up, &a);
}

static const struct super_ops union_super_ops;

/* The marks of all unions below move down by one. -ELOOP: too many. */
static int sink(struct super *s)
{
    for (; s->ops == &union_super_ops; s = container_of(s, struct union_super, super)->lower)
        if (++container_of(s, struct union_super, super)->level >= UNION_LEVELS)
            return -ELOOP;
    return 0;
}

/* Takes over both, also on failure. written: by this union, which may make the upper root look right. */
static int stack(struct super *lower, struct super *upper, bool written, struct super **ret)
{
    struct union_super *u = sink(lower) == 0 ? new_zero(struct union_super) : NULL;
    if (!u) {
        super_put(lower);
        super_put(upper);
        return -ENOMEM;
    }
    super_init(&u->super, &union_super_ops, "overlay");
    mutex_init(&u->lock);
    u->lower = lower;
    u->upper = upper;
    struct inode *up = upper->root, *low = lower->root;
    inode_get(up);
    inode_get(low);
    int r = written ? root_like(up, inode_real(low)) : 0;
    if (r < 0) {
        inode_put(up);
        inode_put(low);
        super_put(&u->super);
        return r;
    }
    r = wrap(&u->super, NULL, QNAME(""), up, low, &u->super.root);
    if (r < 0) {
        super_put(&u->super);
        return r;
    }
    *ret = &u->super;
    return 0;
}

int union_super_new(struct super *lower, struct super *upper, struct super **ret)
{
    return stack(lower, upper, true, ret);
}

/* One more layer, read only, on top of what is there (NULL: nothing), which is taken over also on failure. */
static int add_lower(char *layer, const char *source, const char *options, unsigned long flags,
                     struct super **below)
{
    struct super *next;
    int r = mount_layer(layer, source, options, flags | MOUNT_RDONLY, &next);
    if (r < 0 && *below)
        super_put(*below);
    else if (r == 0 && *below)
        r = stack(*below, next, false, &next);
    *below = r == 0 ? next : NULL;
    return r;
}

/* Occlum's form, for mounts that programs make: volumes instead of layers, the highest lower one first. They get all
 * the options. */
static int union_of_volumes(const char *options, unsigned long flags, struct super **ret)
{
    char list[LAYER_SIZE], upper[LAYER_SIZE], layer[LAYER_SIZE + 8];
    struct super *below = NULL, *top;
    long r = mount_option(options, "lowerdir", list, sizeof list);
    if (r >= 0)
        r = mount_option(options, "upperdir", upper, sizeof upper);
    if (r < 0)
        return r == -ENOENT ? -EINVAL : (int) r;
    while (r >= 0 && list[0]) {
        char *colon = strrchr(list, ':');
        fmt_str(layer, sizeof layer, "cowfs:%s", colon ? colon + 1 : list);
        *(colon ? colon : list) = 0;
        r = add_lower(layer, "", options, flags, &below);
    }
    if (!below)
        return r < 0 ? (int) r : -EINVAL;
    fmt_str(layer, sizeof layer, "cowfs:%s", upper);
    r = mount_layer(layer, "", options, flags, &top);
    if (r == 0)
        return union_super_new(below, top, ret);
    super_put(below);
    return (int) r;
}

/* options: "lower=LAYER,lower=LAYER,...,upper=LAYER,..."; a layer is TYPE or TYPE:SOURCE, the lowest first, and what
 * follows the upper one are its options. Layers without a source get the union's. Or Occlum's form. */
static int union_mount(const char *source, const char *options, unsigned long flags,
                       struct super **ret)
{
    char layer[LAYER_SIZE];
    struct super *below = NULL, *next;
    const char *o = options;
    int r = 0;
    if (str_starts(o, "lowerdir=") || str_starts(o, "upperdir="))
        return union_of_volumes(options, flags, ret);
    while (r == 0 && str_starts(o, "lower=")) {
        o = value_of(o, "lower=", layer);
        r = add_lower(layer, source, "", flags, &below);
    }
    if (r == 0)
        r = below && str_starts(o, "upper=") ? 0 : -EINVAL;
    if (r == 0) {
        o = value_of(o, "upper=", layer);
        r = mount_layer(layer, source, o, flags, &next);
    }
    if (r == 0)
        return union_super_new(below, next, ret);
    if (below)
        super_put(below);
    return r;
}

FILESYSTEM(unionfs, unionfs_type);
const struct fs_type unionfs_type = {.name = "unionfs", .mount = union_mount};
