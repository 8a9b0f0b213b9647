/* The path walk. While `at` is borrowed the dcache lock is held; before the lock is dropped the walk
 * takes references on it (held), which stay until the next time or the end. */
#include "libos/vfs/namei.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/file.h"
#include "libos/vfs/fs_ctx.h"

#define LINK_LIMIT 40

struct walk_link {       /* a text being parsed that came from a symlink */
    const char *rest;    /* where to go on afterwards, or NULL */
    struct inode *inode; /* owns the text, or */
    char *buf;           /* does */
    uint32_t confined;   /* id of the mount that the text may not lead out of; 0: anywhere */
};

struct walk {
    struct path at, root;
    struct path held;
    struct dentry *held_child;
    struct file *magic; /* a reference: the walk ended on a pathless file */
    struct path start;  /* for RESOLVE_BENEATH */
    unsigned flags;
    unsigned depth, links;
    struct qname last;
    uint32_t last_hash;
    bool slash, last_none;
    struct walk_link stack[LINK_LIMIT];
};

static void walk_unlock(struct walk *w)
{
    struct path old = w->held;
    struct dentry *old_child = w->held_child;
    w->held = w->at;
    w->held_child = NULL;
    path_get(&w->held);
    dcache_unlock();
    path_put(&old);
    if (old_child)
        dentry_put(old_child);
}

static void walk_end(struct walk *w)
{
    path_put(&w->held);
    if (w->held_child)
        dentry_put(w->held_child);
    while (w->depth > 0) {
        struct walk_link *l = &w->stack[--w->depth];
        if (l->inode)
            inode_put(l->inode);
        kfree(l->buf);
    }
}

/* May the walk be where it is, having followed the links it is still in? */
static int walk_confined(const struct walk *w, unsigned from)
{
    for (unsigned i = from; i < w->depth; i++)
        if (w->stack[i].confined && w->stack[i].confined != w->at.mnt->id)
            return -ELOOP;
    return 0;
}

/* The next text after the current one ended: NULL at the end of all. -ELOOP in *ret_error: a link led out
 * of where it may lead. */
static const char *walk_pop(struct walk *w, int *ret_error)
{
    while (w->depth > 0) {
        *ret_error = walk_confined(w, w->depth - 1);
        if (*ret_error < 0)
            return NULL;
        struct walk_link *l = &w->stack[--w->depth];
        const char *rest = l->rest;
        if (l->inode || l->buf) { /* releasing may sleep */
            struct walk_link old = *l;
            walk_unlock(w);
            if (old.inode)
                inode_put(old.inode);
            kfree(old.buf);
            dcache_lock();
        }
        if (rest)
            return rest;
    }
    return NULL;
}

static bool walk_rest_empty(const struct walk *w)
{
    for (unsigned i = 0; i < w->depth; i++)
        if (w->stack[i].rest)
            return false;
    return true;
}

static bool at_root(const struct walk *w)
{
    return w->at.dentry == w->root.dentry && w->at.mnt == w->root.mnt;
}

static int walk_dotdot(struct walk *w)
{
    if ((w->flags & RESOLVE_BENEATH_BIT) && w->at.dentry == w->start.dentry &&
        w->at.mnt == w->start.mnt)
        return -EXDEV;
    if (at_root(w))
        return 0;
    while (w->at.dentry == w->at.mnt->root && w->at.mnt->parent != w->at.mnt) {
        if (w->flags & RESOLVE_NO_XDEV_BIT)
            return -EXDEV;
        w->at = (struct path){w->at.mnt->parent, w->at.mnt->mountpoint};
        if (at_root(w))
            break;
    }
    if (!at_root(w))
        w->at.dentry = w->at.dentry->parent;
    mount_follow_down_locked(&w->at);
    return 0;
}

/* An absolute symlink or path. */
static int walk_to_root(struct walk *w)
{
    if (w->flags & RESOLVE_BENEATH_BIT)
        return -EXDEV;
    if ((w->flags & RESOLVE_NO_XDEV_BIT) && w->at.mnt != w->root.mnt)
        return -EXDEV;
    w->at = w->root;
    mount_follow_down_locked(&w->at);
    return 0;
}

static int walk_cross(struct walk *w)
{
    struct path p = w->at;
    mount_follow_down_locked(&p);
    if (p.mnt != w->at.mnt && (w->flags & RESOLVE_NO_XDEV_BIT))
        return -EXDEV;
    w->at = p;
    return 0;
}

/* The dcache lock is held; returns with it held. */
static int walk_lookup(struct walk *w, struct qname name, uint32_t hash, struct dentry **ret)
{
    struct dentry *dir = w->at.dentry, *d = NULL;
    if (!(dir->super->flags & SUPER_UNCACHED))
        d = dcache_peek_locked(dir, name, hash);
    if (d) {
        *ret = d;
        return 0;
    }
    if (w->flags & RESOLVE_CACHED_BIT)
        return -EAGAIN;
    walk_unlock(w);
    int r = dcache_lookup(dir, name, hash, &d);
    dcache_lock();
    if (r < 0)
        return r;
    w->held_child = d;
    *ret = d;
    return 0;
}

/* Text of a symlink inode: its own for good, or a buffer. The lock is not held. */
static int link_text(struct inode *i, struct walk_link *l, const char **ret)
{
    char *known = atomic_load(&i->link);
    if (known) {
        inode_get(i);
        l->inode = i;
        *ret = known;
        return 0;
    }
    char *buf = kzalloc(PATH_LIMIT);
    if (!buf)
        return -ENOMEM;
    long n = inode_readlink(i, buf, PATH_LIMIT - 1);
    if (n < 0) {
        kfree(buf);
        return (int) n;
    }
    buf[n] = 0;
    l->buf = buf;
    *ret = buf;
    return 0;
}

static int walk_magic(struct walk *w, struct inode *i)
{
    if (w->flags & (RESOLVE_NO_MAGICLINKS_BIT | RESOLVE_NO_SYMLINKS_BIT))
        return -ELOOP;
    if (w->flags & (RESOLVE_BENEATH_BIT | RESOLVE_IN_ROOT_BIT))
        return -EXDEV;
    struct path to = {0};
    inode_get(i);
    walk_unlock(w);
    int r = i->ops->get_link(i, &to, &w->magic);
    inode_put(i);
    if (r == 0 && to.dentry) {
        struct path old = w->held;
        w->held = w->at = to;
        path_put(&old);
    }
    dcache_lock();
    return r;
}

/* Goes on with the text of symlink d; *text is set to it, or NULL after a magic link. */
static int walk_follow(struct walk *w, struct dentry *d, const char *rest, const char **text)
{
    if (++w->links > LINK_LIMIT || w->depth == LINK_LIMIT)
        return -ELOOP;
    if (w->flags & RESOLVE_NO_SYMLINKS_BIT)
        return -ELOOP;
    *text = NULL;
    struct inode *i = d->inode;
    if (i->ops->get_link)
        return walk_magic(w, i);
    struct walk_link l = {.rest = *rest ? rest : NULL};
    if (i->super->flags & SUPER_UNTRUSTED)
        l.confined = w->at.mnt->id;
    int r = 0;
    if (i->link) { /* the usual case keeps the lock */
        inode_get(i);
        l.inode = i;
        *text = i->link;
    } else {
        inode_get(i);
        walk_unlock(w);
        r = link_text(i, &l, text);
        inode_put(i);
        dcache_lock();
    }
    if (r < 0)
        return r;
    w->stack[w->depth++] = l;
    if (!**text)
        return -ENOENT;
    return **text == '/' ? walk_to_root(w) : 0;
}

static const char *scan(const char *p, struct qname *name, uint32_t *hash)
{
    uint32_t h = DCACHE_HASH_START;
    name->p = p;
    for (; *p && *p != '/'; p++)
        h = dcache_hash_step(h, *p);
    name->n = (size_t) (p - name->p);
    *hash = h;
    while (*p == '/')
        p++;
    return p;
}

/* One component. 1: a symlink text was entered, *p is it (or NULL after a magic link). */
static int walk_component(struct walk *w, struct qname name, uint32_t hash, bool final,
                          const char **p)
{
    struct dentry *d;
    int r = walk_lookup(w, name, hash, &d);
    if (r < 0)
        return r;
    if (!d->inode)
        return -ENOENT;
    if (S_ISLNK(d->inode->mode) && (!final || (w->flags & LOOKUP_FOLLOW))) {
        const char *rest = *p;
        r = walk_follow(w, d, rest, p);
        if (r == 0 && !*p) { /* magic: already there */
            *p = rest;
            return w->magic && *rest ? -ENOTDIR : 0;
        }
        return r < 0 ? r : 1;
    }
    w->at.dentry = d;
    return walk_cross(w);
}

static int walk_dir_check(const struct walk *w)
{
    const struct inode *i = w->at.dentry->inode;
    if (!inode_is_dir(i))
        return -ENOTDIR;
    return inode_permission(i, MAY_EXEC);
}

/* Resolves text from `at`. With LOOKUP_PARENT it stops with the last component in w->last
 * (last_none: there is none). The dcache lock is held on entry and return. */
static int walk_text(struct walk *w, const char *p)
{
    while (*p == '/')
        p++;
    for (;;) {
        int r = 0;
        while (!p || !*p)
            if (!(p = walk_pop(w, &r))) {
                w->last_none = true;
                return r;
            }
        if (w->magic)
            return -ENOTDIR;
        struct qname name;
        uint32_t hash;
        r = walk_dir_check(w);
        if (r < 0)
            return r;
        p = scan(p, &name, &hash);
        if (name.n > NAME_LIMIT)
            return -ENAMETOOLONG;
        bool final = !*p && walk_rest_empty(w);
        if (final && name.p[name.n] == '/') {
            w->slash = true;
            if (!(w->flags & LOOKUP_PARENT))
                w->flags |= LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
        }
        if (final && (w->flags & LOOKUP_PARENT)) {
            w->last = name;
            w->last_hash = hash;
            return walk_confined(w, 0);
        }
        if (name.n == 1 && name.p[0] == '.')
            continue;
        if (name.n == 2 && name.p[0] == '.' && name.p[1] == '.') {
            r = walk_dotdot(w);
        } else {
            r = walk_component(w, name, hash, final, &p);
            while (r == 1 && *p == '/')
                p++;
        }
        if (r < 0)
            return r;
    }
}

/* Sets the start; leaves the dcache lock held unless it fails. dir is the caller's reference. */
static int walk_start(struct walk *w, const struct file *dir, const char *path, unsigned flags)
{
    struct fs_ctx *fs = current_fs();
    w->at = w->root = w->held = w->start = (struct path){0};
    w->held_child = NULL;
    w->magic = NULL;
    w->flags = flags;
    w->depth = w->links = 0;
    w->slash = w->last_none = false;
    w->last = (struct qname){0};
    dcache_lock();
    w->root = fs->root;
    w->at = dir ? dir->path : fs->cwd;
    w->start = w->at;
    if (flags & RESOLVE_IN_ROOT_BIT)
        w->root = w->at;
    int r = 0;
    if (*path == '/')
        r = walk_to_root(w);
    else if (dir && !dir->path.dentry)
        r = *path ? -ENOTDIR : -EBADF;
    if (r < 0)
        dcache_unlock();
    return r;
}

/* dirfd's file, or NULL where it is not needed; a reference. */
static int dir_file(int dirfd, const char *path, unsigned flags, struct file **ret)
{
    *ret = NULL;
    if ((*path == '/' && !(flags & RESOLVE_IN_ROOT_BIT)) || dirfd == FD_AT_FDCWD)
        return 0;
    *ret = fd_get(dirfd);
    return *ret ? 0 : -EBADF;
}

static int walk_result(struct walk *w, int r, struct path *ret, struct file **ret_file)
{
    if (r == 0 && w->magic) {
        if (!ret_file || (w->flags & LOOKUP_DIRECTORY)) {
            dcache_unlock();
            file_put(w->magic);
            return w->flags & LOOKUP_DIRECTORY ? -ENOTDIR : -ENXIO;
        }
        *ret_file = w->magic;
        *ret = (struct path){0};
    } else if (r == 0 && (w->flags & LOOKUP_DIRECTORY) && !inode_is_dir(w->at.dentry->inode)) {
        r = -ENOTDIR;
    } else if (r == 0) {
        *ret = w->at;
        path_get(ret);
    } else if (w->magic) {
        dcache_unlock();
        file_put(w->magic);
        return r;
    }
    dcache_unlock();
    return r;
}

int path_at(int dirfd, const char *path, unsigned flags, struct path *ret, struct file **ret_file)
{
    if (!*path && !(flags & LOOKUP_EMPTY))
        return -ENOENT;
    AUTO(file_put) struct file *dir = NULL;
    int r = dir_file(dirfd, path, flags, &dir);
    if (r < 0)
        return r;
    if (!*path && dir && !dir->path.dentry) { /* fstat of a pipe by AT_EMPTY_PATH */
        if (!ret_file)
            return -EBADF;
        *ret_file = TAKE(dir);
        *ret = (struct path){0};
        return 0;
    }
    UNINIT struct walk w;
    r = walk_start(&w, dir, path, flags);
    if (r < 0)
        return r;
    r = walk_result(&w, walk_text(&w, path), ret, ret_file);
    walk_end(&w);
    return r;
}

static void parent_fill(struct parent *ret, const struct walk *w)
{
    ret->dir = w->at;
    path_get(&ret->dir);
    ret->slash = w->slash;
    ret->root = w->last_none;
    ret->dotdot = w->last.n == 2 && w->last.p[0] == '.' && w->last.p[1] == '.';
    ret->dot = w->last_none || ret->dotdot || (w->last.n == 1 && w->last.p[0] == '.');
    ret->name_len = w->last.n;
    if (w->last.n)
        memcpy(ret->name, w->last.p, w->last.n);
    ret->name[w->last.n] = 0;
}

int path_parent(int dirfd, const char *path, unsigned flags, struct parent *ret)
{
    if (!*path)
        return -ENOENT;
    AUTO(file_put) struct file *dir = NULL;
    int r = dir_file(dirfd, path, flags, &dir);
    if (r < 0)
        return r;
    UNINIT struct walk w;
    r = walk_start(&w, dir, path, flags | LOOKUP_PARENT);
    if (r < 0)
        return r;
    r = walk_text(&w, path);
    if (r == 0)
        parent_fill(ret, &w);
    dcache_unlock();
    walk_end(&w);
    return r;
}

/* Creates dir/last if it is missing. d: the dentry found, positive or not; replaced. */
static int open_create(const struct path *dir, struct walk *w, unsigned o_flags, uint32_t mode,
                       struct dentry **d, bool *created)
{
    struct inode *parent = dir->dentry->inode;
    MUTEX_GUARD(&parent->mutex);
    struct dentry *found;
    int r = dcache_lookup_mutex(dir->dentry, w->last, w->last_hash, &found);
    if (r < 0)
        return r;
    *d = found;
    if (found->inode)
        return 0;
    if (w->slash)
        return -EISDIR;
    r = mount_want_write(dir);
    if (r == 0)
        r = inode_permission(parent, MAY_WRITE | MAY_EXEC);
    if (r < 0)
        return r;
    if (parent->flags & INODE_DEAD)
        return -ENOENT;
    if (!parent->ops->create)
        return -EACCES;
    struct inode *i;
    mode = S_IFREG | (mode & 07777 & ~atomic_peek(&current_fs()->umask));
    r = parent->ops->create(parent, w->last, mode, 0, &i);
    if (r < 0)
        return r;
    dcache_instantiate(found, i);
    *created = true;
    return 0;
}

/* The last component of an O_CREAT open; the dcache lock is held on entry and on return 0 or 1 (a
 * symlink is to be followed: *p is its text). */
static int open_last(struct walk *w, unsigned o_flags, uint32_t mode, struct open_result *res,
                     const char **p)
{
    struct dentry *d = NULL;
    if (!(w->at.dentry->super->flags & SUPER_UNCACHED))
        d = dcache_peek_locked(w->at.dentry, w->last, w->last_hash);
    if (!d || !d->inode) {
        walk_unlock(w);
        struct path dir = w->at;
        struct dentry *found = NULL;
        int r = open_create(&dir, w, o_flags, mode, &found, &res->created);
        dcache_lock();
        if (found) {
            check(!w->held_child);
            w->held_child = found;
        }
        if (r < 0)
            return r;
        d = found;
    }
    if (res->created) {
        w->at.dentry = d;
        return 0;
    }
    if (o_flags & O_EXCL)
        return -EEXIST;
    if (S_ISLNK(d->inode->mode)) {
        if (o_flags & O_NOFOLLOW)
            return -ELOOP;
        int r = walk_follow(w, d, "", p);
        return r < 0 ? r : *p ? 1 : 0;
    }
    if (w->slash && !inode_is_dir(d->inode))
        return -ENOTDIR;
    w->at.dentry = d;
    return walk_cross(w);
}

static int open_creating(struct walk *w, const char *path, unsigned o_flags, uint32_t mode,
                         struct open_result *res)
{
    for (const char *p = path;;) {
        int r = walk_text(w, p);
        if (r < 0)
            return r;
        if (w->last_none || w->last.p[0] == '.') {
            bool dot = w->last_none || w->last.n == 1 || (w->last.n == 2 && w->last.p[1] == '.');
            if (dot)
                return o_flags & O_EXCL ? -EEXIST : -EISDIR;
        }
        r = open_last(w, o_flags, mode, res, &p);
        if (r != 1)
            return r;
    }
}

int path_open(int dirfd, const char *path, unsigned o_flags, uint32_t mode, unsigned resolve,
              struct open_result *ret)
{
    if (!*path)
        return -ENOENT;
    *ret = (struct open_result){0};
    AUTO(file_put) struct file *dir = NULL;
    int r = dir_file(dirfd, path, resolve, &dir);
    if (r < 0)
        return r;
    unsigned flags = resolve;
    bool creating = (o_flags & O_CREAT) && !(o_flags & O_PATH);
    if (!(o_flags & O_NOFOLLOW))
        flags |= LOOKUP_FOLLOW;
    if ((o_flags & O_DIRECTORY) && !creating)
        flags |= LOOKUP_DIRECTORY;
    if (creating)
        flags |= LOOKUP_PARENT;
    UNINIT struct walk w;
    r = walk_start(&w, dir, path, flags);
    if (r < 0)
        return r;
    r = creating ? open_creating(&w, path, o_flags, mode, ret) : walk_text(&w, path);
    r = walk_result(&w, r, &ret->path, &ret->file);
    walk_end(&w);
    return r;
}
