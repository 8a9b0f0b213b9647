/* Sockets: making, naming, connecting, options. Sending and receiving is in sockmsg.c. */
#include "libos/sys/sock.h"

#define OPTION_MAX 512u

int sock_fd_get(int fd, struct sock_fd *ret)
{
    struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH)) {
        if (f)
            file_put(f);
        return -EBADF;
    }
    struct socket *s = socket_of(f);
    if (!s) {
        file_put(f);
        return -ENOTSOCK;
    }
    *ret = (struct sock_fd){f, s, f->flags & O_NONBLOCK};
    return 0;
}

int sock_addr_from_user(uaddr_t ua, int size, struct sock_addr *ret)
{
    if (size < 0 || (size_t) size > sizeof ret->bytes)
        return -EINVAL;
    *ret = (struct sock_addr){.size = (uint32_t) size};
    return copy_from_user((struct span){ret->bytes, (size_t) size}, ua);
}

int sock_addr_to_user(const struct sock_addr *a, uaddr_t ua, uaddr_t size_ua)
{
    int room;
    if (uaddr_null(ua))
        return 0;
    if (get_user(&room, size_ua) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    size_t n = MIN((size_t) room, (size_t) a->size);
    if (copy_to_user(ua, (struct cspan){a->bytes, n}) < 0)
        return -EFAULT;
    return put_user(size_ua, a->size);
}

/* Gives s a descriptor; s is used up in any case. */
static int install(struct socket *s, unsigned flags)
{
    AUTO(file_put) struct file *f = socket_file_new(s, flags);
    if (!f) {
        socket_discard(s);
        return -ENFILE;
    }
    int fd = fd_install(f, flags);
    if (fd >= 0)
        f = NULL;
    return fd;
}

#define TYPE_FLAGS (LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)
_Static_assert(LINUX_SOCK_NONBLOCK == O_NONBLOCK && LINUX_SOCK_CLOEXEC == O_CLOEXEC,
               "one set of flags");

static bool bad_type(int type)
{
    return type & ~(LINUX_SOCK_TYPE_MASK | TYPE_FLAGS);
}

/* partial: AF_UNIX, AF_INET and AF_INET6 without raw sockets, NETLINK_ROUTE */
SYSCALL(socket, int, family, int, type, int, protocol)
{
    if (bad_type(type))
        return -EINVAL;
    struct socket *s;
    int r = socket_new(family, type & LINUX_SOCK_TYPE_MASK, protocol, &s);
    return r < 0 ? r : install(s, (unsigned) type);
}

/* partial: AF_UNIX */
SYSCALL(socketpair, int, family, int, type, int, protocol, uaddr_t, ret_fds)
{
    if (bad_type(type))
        return -EINVAL;
    struct socket *s[2];
    int r = socket_pair(family, type & LINUX_SOCK_TYPE_MASK, protocol, s);
    if (r < 0)
        return r;
    int fd[2] = {install(s[0], (unsigned) type), install(s[1], (unsigned) type)};
    r = fd[0] < 0 ? fd[0] : fd[1] < 0 ? fd[1] : copy_to_user(ret_fds, CSPAN_OF(fd));
    for (int i = 0; r < 0 && i < 2; i++)
        if (fd[i] >= 0)
            (void) fdtable_close(current_fds(), fd[i]); /* just installed */
    return r;
}

/* full */
SYSCALL(bind, int, fd, uaddr_t, addr, int, size)
{
    AUTO_SOCK struct sock_fd s = {0};
    struct sock_addr a;
    int r = sock_fd_get(fd, &s);
    if (r == 0)
        r = sock_addr_from_user(addr, size, &a);
    if (r < 0)
        return r;
    return s.socket->ops->bind ? s.socket->ops->bind(s.socket, &a) : -EOPNOTSUPP;
}

/* full */
SYSCALL(listen, int, fd, int, backlog)
{
    AUTO_SOCK struct sock_fd s = {0};
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    return s.socket->ops->listen ? s.socket->ops->listen(s.socket, backlog) : -EOPNOTSUPP;
}

/* full */
SYSCALL(connect, int, fd, uaddr_t, addr, int, size)
{
    AUTO_SOCK struct sock_fd s = {0};
    struct sock_addr a;
    int r = sock_fd_get(fd, &s);
    if (r == 0)
        r = sock_addr_from_user(addr, size, &a);
    if (r < 0)
        return r;
    return s.socket->ops->connect ? s.socket->ops->connect(s.socket, &a, s.nonblock) : -EOPNOTSUPP;
}

static int give_peer_name(struct socket *s, uaddr_t addr, uaddr_t size)
{
    struct sock_addr a = {0};
    if (uaddr_null(addr))
        return 0;
    if (s->ops->name && s->ops->name(s, true, &a) < 0)
        return -ECONNABORTED;
    return sock_addr_to_user(&a, addr, size);
}

static long do_accept_flags(int fd, uaddr_t addr, uaddr_t size, int flags)
{
    AUTO_SOCK struct sock_fd s = {0};
    if (flags & ~TYPE_FLAGS)
        return -EINVAL;
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    if (!s.socket->ops->accept)
        return -EOPNOTSUPP;
    struct socket *new;
    r = s.socket->ops->accept(s.socket, s.nonblock, &new);
    if (r < 0)
        return r;
    r = give_peer_name(new, addr, size);
    if (r == 0)
        return install(new, (unsigned) flags);
    socket_discard(new);
    return r;
}

/* full */
SYSCALL(accept, int, fd, uaddr_t, addr, uaddr_t, size)
{
    return do_accept_flags(fd, addr, size, 0);
}

/* full */
SYSCALL(accept4, int, fd, uaddr_t, addr, uaddr_t, size, int, flags)
{
    return do_accept_flags(fd, addr, size, flags);
}

/* full */
SYSCALL(shutdown, int, fd, int, how)
{
    AUTO_SOCK struct sock_fd s = {0};
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    return s.socket->ops->shutdown ? s.socket->ops->shutdown(s.socket, how) : -EOPNOTSUPP;
}

static long name_to_user(int fd, bool peer, uaddr_t addr, uaddr_t size)
{
    AUTO_SOCK struct sock_fd s = {0};
    struct sock_addr a = {0};
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    r = s.socket->ops->name ? s.socket->ops->name(s.socket, peer, &a) : -EOPNOTSUPP;
    if (r < 0)
        return r;
    return uaddr_null(addr) ? -EFAULT : sock_addr_to_user(&a, addr, size);
}

/* full */
SYSCALL(getsockname, int, fd, uaddr_t, addr, uaddr_t, size)
{
    return name_to_user(fd, false, addr, size);
}

/* full */
SYSCALL(getpeername, int, fd, uaddr_t, addr, uaddr_t, size)
{
    return name_to_user(fd, true, addr, size);
}

/* partial: no filters, marks, busy polling; see limits.md */
SYSCALL(setsockopt, int, fd, int, level, int, name, uaddr_t, value, int, size)
{
    AUTO_SOCK struct sock_fd s = {0};
    uint8_t buf[OPTION_MAX];
    if (size < 0)
        return -EINVAL;
    size_t n = MIN((size_t) size, sizeof buf);
    int r = sock_fd_get(fd, &s);
    if (r == 0)
        r = copy_from_user((struct span){buf, n}, value);
    return r < 0 ? r : socket_set_option(s.socket, level, name, (struct cspan){buf, n});
}

/* partial: no filters, marks, busy polling; see limits.md */
SYSCALL(getsockopt, int, fd, int, level, int, name, uaddr_t, value, uaddr_t, size_ua)
{
    AUTO_SOCK struct sock_fd s = {0};
    uint8_t buf[OPTION_MAX];
    int room;
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    if (get_user(&room, size_ua) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    long n = socket_get_option(s.socket, level, name, (struct span){buf, sizeof buf});
    if (n < 0)
        return n;
    int give = (int) MIN((long) room, n);
    if (copy_to_user(value, (struct cspan){buf, (size_t) give}) < 0)
        return -EFAULT;
    return put_user(size_ua, give);
}
