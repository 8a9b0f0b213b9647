/* Host calls on sockets. They never block, whatever the enclave asks for, and know nothing of its
 * processes. Tokens are those of the table of files. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "host/files.h"
#include "host/net.h"
#include "host/runtime.h"

#define ALWAYS_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)
#define POST_SIZE    8192 /* a receive of so much may have made room for a sender */

static void end_use(struct open_file **f)
{
    if (*f)
        files_put(*f);
}
/* The socket of token a0, for the rest of the function. */
#define SOCKET_OF(v)                                                                               \
    __attribute__((cleanup(end_use))) struct open_file *f = files_get((v)->args[0]);               \
    if (!f)                                                                                        \
        return -EBADF;                                                                             \
    int fd = f->path_fd

static int64_t result(long r)
{
    return r < 0 ? -errno : r;
}

/* The result of a call that may have changed what other sockets of the enclave are ready for. */
static int64_t posted(long r)
{
    int64_t result_or_error = result(r);
    net_post();
    return result_or_error;
}

static int64_t token_of(int fd)
{
    if (fd < 0)
        return -errno;
    int64_t token = files_add(fd, 0);
    if (token < 0)
        return token;
    int r = net_watch(fd, (uint64_t) token);
    if (r < 0)
        files_close((uint64_t) token);
    return r < 0 ? r : token;
}

int64_t host_call_socket_new(struct host_vcpu *v)
{
    int family = (int) v->args[0];
    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    int type = (int) v->args[1] | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return token_of(socket(family, type, (int) v->args[2]));
}

/* With a time to linger close() waits, even here; the data leaves without it too. */
static void do_not_wait(int fd)
{
    struct linger l, off = {0, 0};
    socklen_t n = sizeof l;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff && l.l_linger > 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

int64_t host_call_socket_close(struct host_vcpu *v)
{
    struct open_file *f = files_get(v->args[0]);
    if (!f)
        return 0;
    do_not_wait(f->path_fd);
    net_forget(f->path_fd, v->args[0]);
    files_close(v->args[0]);
    files_put(f);
    net_post();
    return 0;
}

int64_t host_call_socket_bind(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->in_size > sizeof(struct sockaddr_storage))
        return -EINVAL;
    return result(bind(fd, (struct sockaddr *) v->data, (socklen_t) v->in_size));
}

int64_t host_call_socket_listen(struct host_vcpu *v)
{
    SOCKET_OF(v);
    return result(listen(fd, (int) v->args[1]));
}

int64_t host_call_socket_connect(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->in_size > sizeof(struct sockaddr_storage))
        return -EINVAL;
    return posted(connect(fd, (struct sockaddr *) v->data, (socklen_t) v->in_size));
}

static void put_name(void *to, const struct sockaddr_storage *a, socklen_t size)
{
    struct host_sockaddr s = {.size = size <= sizeof s.bytes ? size : 0};
    memcpy(s.bytes, a, s.size);
    memcpy(to, &s, sizeof s);
}

int64_t host_call_socket_accept(struct host_vcpu *v)
{
    SOCKET_OF(v);
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    int64_t token = token_of(accept4(fd, (struct sockaddr *) &a, &n, SOCK_NONBLOCK | SOCK_CLOEXEC));
    put_name(v->data, &a, n);
    return token;
}

int64_t host_call_socket_shutdown(struct host_vcpu *v)
{
    SOCKET_OF(v);
    return posted(shutdown(fd, (int) v->args[1]));
}

int64_t host_call_socket_name(struct host_vcpu *v)
{
    SOCKET_OF(v);
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    struct sockaddr *p = (struct sockaddr *) &a;
    int r = v->args[1] ? getpeername(fd, p, &n) : getsockname(fd, p, &n);
    put_name(v->data, &a, n);
    return result(r);
}

int64_t host_call_socket_poll(struct host_vcpu *v)
{
    SOCKET_OF(v);
    struct pollfd p = {.fd = fd,
                       .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM |
                                 POLLRDBAND | POLLWRBAND};
    return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

int64_t host_call_socket_events(struct host_vcpu *v)
{
    net_post();
    return 0;
}

int64_t host_call_socket_send(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->in_size > HOST_DATA_MAX)
        return -EINVAL;
    return posted(send(fd, v->data, v->in_size, (int) v->args[1] | ALWAYS_FLAGS));
}

int64_t host_call_socket_recv(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->out_size > HOST_DATA_MAX)
        return -EINVAL;
    ssize_t n = recv(fd, v->data, v->out_size, (int) v->args[1] | ALWAYS_FLAGS);
    return n >= POST_SIZE ? posted(n) : result(n);
}

/* The part of a shared buffer that a2 and a3 say; NULL: there is none. */
static uint8_t *buffer_of(const struct host_vcpu *v)
{
    uint64_t index = v->args[2] >> 32, offset = v->args[2] & UINT32_MAX, size = v->args[3];
    if (index >= HOST_NET_BUFFERS || offset > HOST_NET_BUFFER_SIZE ||
        size > HOST_NET_BUFFER_SIZE - offset)
        return NULL;
    return &host_net.buffer[index][offset];
}

int64_t host_call_socket_write(struct host_vcpu *v)
{
    SOCKET_OF(v);
    const uint8_t *p = buffer_of(v);
    return p ? posted(send(fd, p, v->args[3], (int) v->args[1] | ALWAYS_FLAGS)) : -EINVAL;
}

int64_t host_call_socket_read(struct host_vcpu *v)
{
    SOCKET_OF(v);
    uint8_t *p = buffer_of(v);
    if (!p)
        return -EINVAL;
    ssize_t n = recv(fd, p, v->args[3], (int) v->args[1] | ALWAYS_FLAGS);
    return n >= POST_SIZE ? posted(n) : result(n);
}

int64_t host_call_socket_sendmsg(struct host_vcpu *v)
{
    SOCKET_OF(v);
    struct host_msg h;
    if (v->in_size < sizeof h || v->in_size > HOST_DATA_MAX)
        return -EINVAL;
    memcpy(&h, v->data, sizeof h);
    size_t left = v->in_size - sizeof h;
    if (h.control_size > left || h.data_size > left - h.control_size ||
        h.name.size > sizeof h.name.bytes)
        return -EINVAL;
    uint8_t *control = v->data + sizeof h;
    struct iovec part = {control + h.control_size, h.data_size};
    struct msghdr m = {.msg_name = h.name.size ? h.name.bytes : NULL,
                       .msg_namelen = h.name.size,
                       .msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = h.control_size ? control : NULL,
                       .msg_controllen = h.control_size};
    return posted(sendmsg(fd, &m, (int) v->args[1] | ALWAYS_FLAGS));
}

/* Header, control messages, data: the data is received behind the room for control messages and then
 * moved up to the end of those that came. */
int64_t host_call_socket_recvmsg(struct host_vcpu *v)
{
    SOCKET_OF(v);
    size_t room = v->args[2];
    struct host_msg h = {0};
    if (v->out_size > HOST_DATA_MAX || room > HOST_CONTROL_MAX || v->out_size < sizeof h + room)
        return -EINVAL;
    uint8_t *control = v->data + sizeof h, *data = control + room;
    struct sockaddr_storage name = {0};
    struct iovec part = {data, v->out_size - sizeof h - room};
    struct msghdr m = {.msg_name = &name,
                       .msg_namelen = sizeof name,
                       .msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = room ? control : NULL,
                       .msg_controllen = room};
    ssize_t n = recvmsg(fd, &m, (int) v->args[1] | ALWAYS_FLAGS | MSG_TRUNC);
    if (n < 0)
        return -errno;
    h.flags = (uint32_t) m.msg_flags;
    h.control_size = (uint32_t) m.msg_controllen;
    h.full_size = (uint32_t) n;
    h.data_size = (uint32_t) ((size_t) n < part.iov_len ? (size_t) n : part.iov_len);
    put_name(&h.name, &name, m.msg_namelen);
    memmove(control + h.control_size, data, h.data_size);
    memcpy(v->data, &h, sizeof h);
    return (int64_t) (sizeof h + h.control_size + h.data_size);
}

int64_t host_call_socket_setopt(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->in_size > HOST_DATA_MAX)
        return -EINVAL;
    return posted(
        setsockopt(fd, (int) v->args[1], (int) v->args[2], v->data, (socklen_t) v->in_size));
}

int64_t host_call_socket_getopt(struct host_vcpu *v)
{
    SOCKET_OF(v);
    if (v->out_size > HOST_DATA_MAX)
        return -EINVAL;
    socklen_t n = (socklen_t) v->out_size;
    int r = getsockopt(fd, (int) v->args[1], (int) v->args[2], v->data, &n);
    return r < 0 ? -errno : (int64_t) n;
}

int64_t host_call_socket_ioctl(struct host_vcpu *v)
{
    SOCKET_OF(v);
    uint64_t request = v->args[1];
    if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCATMARK)
        return -ENOTTY;
    int value = 0, r = ioctl(fd, request, &value);
    memcpy(v->data, &value, sizeof value);
    return result(r);
}
