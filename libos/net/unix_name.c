/* Names of AF_UNIX sockets: in the file system, where the inode is the name, and abstract ones, which
 * are bytes. Both are in one hash table under one spin lock; a socket leaves it when it is released,
 * so a name that is found belongs to a socket that was open a moment ago. Sockets of different types
 * do not share abstract names.
 */
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/mm/heap.h"
#include "libos/net/unix.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/namei.h"

#define BUCKETS        256u
#define PATH_OFFSET    offsetof(struct linux_sockaddr_un, path)
#define AUTOBIND_TRIES 0x100000u

static struct {
    struct spinlock lock;
    struct list bucket[BUCKETS]; /* unix_sock.name_link; zero: not yet a list */
} names;

void unix_name_put(struct unix_name *n)
{
    if (!ref_put_last(&n->ref))
        return;
    path_put(&n->path);
    kfree(n);
}

struct unix_name *unix_name_get(struct unix_sock *s)
{
    struct unix_name *n = atomic_load(&s->name);
    if (n)
        ref_get(&n->ref);
    return n;
}

static bool is_abstract(const struct sock_addr *a)
{
    return a->bytes[PATH_OFFSET] == 0;
}

static struct list *bucket(uint64_t hash)
{
    struct list *b = &names.bucket[(hash * 0x9e3779b97f4a7c15ull) >> 56];
    if (!b->next)
        list_init(b);
    return b;
}

static struct list *bucket_of(const struct sock_addr *a, uint64_t inode_key)
{
    if (!is_abstract(a))
        return bucket(inode_key);
    uint64_t hash = 5381;
    for (uint32_t i = PATH_OFFSET; i < a->size; i++)
        hash = hash * 33 + a->bytes[i];
    return bucket(hash);
}

static struct unix_sock *find_abstract_locked(const struct sock_addr *a, int type)
{
    struct unix_sock *s;
    list_for_each (s, bucket_of(a, 0), name_link) {
        const struct unix_name *n = s->name;
        if (s->socket.type == type && !n->path.dentry && n->addr.size == a->size &&
            memcmp(n->addr.bytes, a->bytes, a->size) == 0)
            return s;
    }
    return NULL;
}

static struct unix_sock *find_inode_locked(uint64_t key)
{
    struct unix_sock *s;
    list_for_each (s, bucket(key), name_link)
        if (s->name->path.dentry && s->name->inode_key == key)
            return s;
    return NULL;
}

/* ---- addresses ---- */

/* Checks an address of the guest and makes path names end where the string does. */
static int normalise(const struct sock_addr *a, struct sock_addr *ret)
{
    if (a->size <= PATH_OFFSET || a->size > sizeof(struct linux_sockaddr_un) ||
        a->family != LINUX_AF_UNIX)
        return -EINVAL;
    *ret = *a;
    if (!is_abstract(a)) {
        size_t n = strnlen((const char *) a->bytes + PATH_OFFSET, a->size - PATH_OFFSET);
        ret->size = (uint32_t) (PATH_OFFSET + n + 1);
        ret->bytes[ret->size - 1] = 0;
    }
    return 0;
}

static const char *path_of(const struct sock_addr *a)
{
    return (const char *) a->bytes + PATH_OFFSET;
}

static struct unix_name *name_new(const struct sock_addr *a)
{
    struct unix_name *n = new_zero(struct unix_name);
    if (!n)
        return NULL;
    ref_init(&n->ref);
    n->addr = *a;
    return n;
}

/* ---- binding ---- */

/* s->mutex is held; -EADDRINUSE for abstract names somebody has. Takes over n. */
static int publish_locked(struct unix_sock *s, struct unix_name *n)
{
    SPIN_GUARD(&names.lock);
    if (!n->path.dentry && find_abstract_locked(&n->addr, s->socket.type))
        return -EADDRINUSE;
    atomic_store(&s->name, n);
    list_add(bucket_of(&n->addr, n->inode_key), &s->name_link);
    return 0;
}

static int bind_abstract(struct unix_sock *s, const struct sock_addr *a)
{
    AUTO(unix_name_put) struct unix_name *n = name_new(a);
    if (!n)
        return -ENOMEM;
    MUTEX_GUARD(&s->mutex);
    int r = s->name ? -EINVAL : publish_locked(s, n);
    if (r == 0)
        n = NULL;
    return r;
}

static int bind_path(struct unix_sock *s, const struct sock_addr *a)
{
    AUTO(unix_name_put) struct unix_name *n = name_new(a);
    if (!n)
        return -ENOMEM;
    int r = vfs_mknod(FD_AT_FDCWD, path_of(a), S_IFSOCK | 0777, 0, &n->path);
    if (r < 0)
        return r == -EEXIST ? -EADDRINUSE : r;
    n->inode_key = inode_unique(n->path.dentry->inode);
    MUTEX_GUARD(&s->mutex);
    if (s->name) { /* it has one already; as on Linux the file is gone again */
        (void) vfs_unlink(FD_AT_FDCWD, path_of(a));
        return -EINVAL;
    }
    r = publish_locked(s, n);
    if (r == 0)
        n = NULL;
    return r;
}

int unix_autobind(struct unix_sock *s)
{
    static uint32_t next;
    for (uint32_t i = 0; i < AUTOBIND_TRIES; i++) {
        if (atomic_load(&s->name))
            return 0;
        struct sock_addr a = {.family = LINUX_AF_UNIX};
        char text[8];
        size_t n = fmt_str(text, sizeof text, "%05x", atomic_add(&next, 1) % AUTOBIND_TRIES);
        memcpy(a.bytes + PATH_OFFSET + 1, text, n);
        a.size = (uint32_t) (PATH_OFFSET + 1 + n);
        int r = bind_abstract(s, &a);
        if (r != -EADDRINUSE)
            return r == -EINVAL ? 0 : r; /* another thread gave it a name */
    }
    return -ENOSPC;
}

int unix_bind(struct socket *socket, const struct sock_addr *addr)
{
    struct unix_sock *s = unix_of(socket);
    if (addr->size == PATH_OFFSET && addr->family == LINUX_AF_UNIX)
        return unix_autobind(s);
    struct sock_addr a;
    int r = normalise(addr, &a);
    if (r < 0)
        return r;
    return is_abstract(&a) ? bind_abstract(s, &a) : bind_path(s, &a);
}

void unix_unbind(struct unix_sock *s)
{
    SPIN_GUARD(&names.lock);
    list_del(&s->name_link);
}

/* ---- finding ---- */

static struct unix_sock *get_locked(struct unix_sock *s)
{
    return s && ref_get_unless_zero(&s->socket.inode.ref) ? s : NULL;
}

static int find_path(const struct sock_addr *a, struct unix_sock **ret)
{
    AUTO_PATH struct path p = {0};
    int r = path_at(FD_AT_FDCWD, path_of(a), LOOKUP_FOLLOW, &p, NULL);
    if (r < 0)
        return r;
    struct inode *i = p.dentry->inode;
    r = inode_permission(i, MAY_WRITE);
    if (r < 0)
        return r;
    if (!S_ISSOCK(inode_mode(i)))
        return -ECONNREFUSED;
    SPIN_GUARD(&names.lock);
    *ret = get_locked(find_inode_locked(inode_unique(i)));
    return 0;
}

int unix_find(const struct unix_sock *s, const struct sock_addr *addr, struct unix_sock **ret)
{
    struct sock_addr a;
    AUTO(unix_put) struct unix_sock *found = NULL;
    int r = normalise(addr, &a);
    if (r < 0)
        return r;
    if (!is_abstract(&a)) {
        r = find_path(&a, &found);
    } else {
        SPIN_GUARD(&names.lock);
        found = get_locked(find_abstract_locked(&a, s->socket.type));
    }
    if (r < 0)
        return r;
    if (!found)
        return -ECONNREFUSED;
    if (found->socket.type != s->socket.type)
        return -EPROTOTYPE;
    *ret = TAKE(found);
    return 0;
}

int unix_name_of(struct socket *socket, bool peer, struct sock_addr *ret)
{
    AUTO(unix_put) struct unix_sock *other = NULL;
    struct unix_sock *s = unix_of(socket);
    if (peer) {
        other = unix_peer_get(s);
        if (!other)
            return -ENOTCONN;
        s = other;
    }
    AUTO(unix_name_put) struct unix_name *n = unix_name_get(s);
    if (n)
        *ret = n->addr;
    else
        *ret = (struct sock_addr){.size = PATH_OFFSET, .family = LINUX_AF_UNIX};
    return 0;
}
