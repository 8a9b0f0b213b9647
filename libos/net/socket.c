/* Sockets as open files, and the part of a socket that every family has. */
#include "libos/net/socket.h"
#include "libos/base/atomic.h"
#include "libos/mm/uaccess.h"
#include "libos/net/netif.h"
#include "libos/task/process.h"

#define BUFFER_DEFAULT   212992u
#define FIONREAD_REQUEST 0x541bu
#define TIOCOUTQ_REQUEST 0x5411u

static const struct file_ops socket_file_ops;

static struct socket *socket_of_inode(struct inode *i)
{
    return container_of(i, struct socket, inode);
}

static void socket_inode_free(struct inode *i)
{
    struct socket *s = socket_of_inode(i);
    inode_fini(i);
    s->ops->free(s);
}

static const struct super_ops socket_super_ops = {.inode_free = socket_inode_free};
static const struct inode_ops socket_inode_ops = {0};

static struct super *socket_super(void)
{
    static struct super super = {.magic = 0x534f434b};
    static struct spinlock once;
    static bool ready;
    SPIN_GUARD(&once);
    if (!ready)
        super_init(&super, &socket_super_ops, "sockfs");
    ready = true;
    return &super;
}

void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type)
{
    static uint64_t next_ino = 1;
    inode_init(&s->inode, socket_super(), S_IFSOCK | 0777);
    s->inode.ops = &socket_inode_ops;
    s->inode.ino = atomic_add(&next_ino, 1);
    inode_owner_init(&s->inode, NULL, S_IFSOCK);
    s->ops = ops;
    s->family = family;
    s->type = type;
    s->sndbuf = s->rcvbuf = BUFFER_DEFAULT;
    s->rcvlowat = 1;
    s->peer_cred = (struct linux_ucred){0, UINT32_MAX, UINT32_MAX};
}

void socket_get(struct socket *s)
{
    inode_get(&s->inode);
}

void socket_put(struct socket *s)
{
    inode_put(&s->inode);
}

void socket_discard(struct socket *s)
{
    if (s->ops->release)
        s->ops->release(s);
    socket_put(s);
}

static const struct socket_family *const families[] = {
    &unix_family,
    &inet_family,
    &inet6_family,
    &netlink_family,
};

/* Checks in Linux' order; NULL: absent. */
static int find_family(int family, int type, const struct socket_family **ret)
{
    if (family < 0 || family >= LINUX_AF_LIMIT)
        return -EAFNOSUPPORT;
    if (type < 0 || type >= LINUX_SOCK_LIMIT)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (families[i]->family == family) {
            *ret = families[i];
            return 0;
        }
    return -EAFNOSUPPORT;
}

int socket_new(int family, int type, int protocol, struct socket **ret)
{
    const struct socket_family *f;
    int r = find_family(family, type, &f);
    return r < 0 ? r : f->new (family, type, protocol, ret);
}

int socket_pair(int family, int type, int protocol, struct socket *ret[2])
{
    AUTO(socket_put) struct socket *a = NULL;
    AUTO(socket_put) struct socket *b = NULL;
    const struct socket_family *f;
    int r = find_family(family, type, &f);
    if (r == 0 && !f->pair)
        r = -EOPNOTSUPP;
    if (r == 0)
        r = f->new (family, type, protocol, &a);
    if (r == 0)
        r = f->new (family, type, protocol, &b);
    if (r < 0)
        return r;
    f->pair(a, b);
    ret[0] = TAKE(a);
    ret[1] = TAKE(b);
    return 0;
}

/* ---- the open file ---- */

struct file *socket_file_new(struct socket *s, unsigned o_flags)
{
    struct file *f = file_new_pathless(&s->inode, &socket_file_ops, s,
                                       O_RDWR | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (f)
        socket_list_add(s);
    return f;
}

struct socket *socket_of(const struct file *f)
{
    return f->ops == &socket_file_ops ? f->priv : NULL;
}

long socket_send(struct socket *s, struct sock_msg *m)
{
    if (m->flags & LINUX_MSG_DONTWAIT)
        m->nonblock = true;
    return s->ops->send ? s->ops->send(s, m) : -EOPNOTSUPP;
}

long socket_recv(struct socket *s, struct sock_msg *m)
{
    if (m->flags & LINUX_MSG_DONTWAIT)
        m->nonblock = true;
    return s->ops->recv ? s->ops->recv(s, m) : -EOPNOTSUPP;
}

static long file_ops_read(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct sock_msg m = {.uio = uio, .nonblock = (f->flags & O_NONBLOCK) || uio->nowait};
    if (uio->left == 0)
        return 0;
    long r = socket_recv(f->priv, &m);
    scm_drop(&m.scm);
    return r;
}

static long file_ops_write(struct file *f, struct uio *uio, uint64_t *pos)
{
    struct sock_msg m = {.uio = uio, .nonblock = (f->flags & O_NONBLOCK) || uio->nowait};
    return socket_send(f->priv, &m);
}

static uint32_t file_ops_poll(struct file *f, struct poll_table *pt)
{
    struct socket *s = f->priv;
    return s->ops->poll ? s->ops->poll(s, pt) : 0;
}

static long file_ops_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    struct socket *s = f->priv;
    long r = s->ops->ioctl ? s->ops->ioctl(s, cmd, arg) : SOCKET_COMMON;
    if (r != SOCKET_COMMON)
        return r;
    if (cmd == TIOCOUTQ_REQUEST)
        return put_user(UADDR(arg), 0); /* what is sent has arrived */
    if (cmd != FIONREAD_REQUEST || !s->ops->readable)
        return netif_ioctl(cmd, arg);
    long n = s->ops->readable(s);
    return n < 0 ? n : put_user(UADDR(arg), (int) n);
}

static void file_ops_release(struct file *f)
{
    struct socket *s = f->priv;
    socket_list_del(s);
    if (s->ops->release)
        s->ops->release(s);
}

static const struct file_ops socket_file_ops = {
    .read = file_ops_read,
    .write = file_ops_write,
    .poll = file_ops_poll,
    .ioctl = file_ops_ioctl,
    .release = file_ops_release,
    .name = "socket",
};

/* ---- waiting ---- */

int64_t socket_deadline(int64_t timeout_ns)
{
    return timeout_ns ? clock_mono_ns() + timeout_ns : FOREVER;
}

int socket_sleep_error(int error, int64_t deadline_ns)
{
    if (error == -ETIMEDOUT)
        return -EAGAIN;
    if (error == -EINTR && deadline_ns == FOREVER)
        return -ERESTARTSYS;
    return error;
}
