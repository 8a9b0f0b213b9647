/* AF_INET and AF_INET6: the life of a socket, names and connections. Sending and receiving is in
 * inet_stream.c and inet_message.c, readiness in inet_ready.c, options in inet_option.c.
 *
 * The host's socket has nearly all the state; addresses go to it as the program gave them, and its
 * errors come back. What is kept here is what must not depend on it: type and family, timeouts, and
 * who waits.
 */
#include "libos/net/inet.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"

static const struct socket_ops stream_ops, message_ops;

static struct inet_sock *inet_alloc(int family, int type, int protocol)
{
    struct inet_sock *s = new_zero(struct inet_sock);
    if (!s)
        return NULL;
    socket_init(&s->socket, type == LINUX_SOCK_STREAM ? &stream_ops : &message_ops, family, type);
    s->socket.protocol = protocol;
    s->unsure = true;
    waitq_init(&s->read_wait);
    waitq_init(&s->write_wait);
    return s;
}

static void inet_free(struct socket *s)
{
    kfree(inet_of(s));
}

static void inet_release(struct socket *s)
{
    inet_unclaim(inet_of(s));
}

/* The protocol that a type has if it is not said; -errno as Linux. */
static int protocol_of(int family, int type, int protocol)
{
    if (protocol < 0 || protocol >= LINUX_IPPROTO_LIMIT)
        return -EINVAL;
    if (type == LINUX_SOCK_RAW) {
        log_once(LOG_WARN, "net: raw sockets are absent\n");
        return protocol ? -EPERM : -EPROTONOSUPPORT;
    }
    if (type != LINUX_SOCK_STREAM && type != LINUX_SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    int usual = type == LINUX_SOCK_STREAM ? LINUX_IPPROTO_TCP : LINUX_IPPROTO_UDP;
    int icmp = family == LINUX_AF_INET ? LINUX_IPPROTO_ICMP : LINUX_IPPROTO_ICMPV6;
    if (protocol == 0 || protocol == usual)
        return usual;
    bool other = protocol == icmp || protocol == LINUX_IPPROTO_UDPLITE;
    return type == LINUX_SOCK_DGRAM && other ? protocol : -EPROTONOSUPPORT;
}

static int inet_new(int family, int type, int protocol, struct socket **ret)
{
    protocol = protocol_of(family, type, protocol);
    if (protocol < 0)
        return protocol;
    struct inet_sock *s = inet_alloc(family, type, protocol);
    if (!s)
        return -ENOBUFS;
    AUTO(socket_put) struct socket *socket = &s->socket;
    long token =
        hostcall(HOSTCALL_socket_new, (uint64_t) family, (uint64_t) type, (uint64_t) protocol);
    int r = token < 0 ? (int) token : inet_claim(s, token);
    if (r == 0)
        *ret = TAKE(socket);
    return r;
}

/* ---- names and connections ---- */

static struct cspan address(const struct sock_addr *a)
{
    return (struct cspan){a->bytes, a->size};
}

static int call(struct socket *s, enum hostcall_nr nr, struct cspan in, uint64_t a1)
{
    return (int) inet_call(inet_of(s), nr, in, (struct span){0}, a1, 0);
}

static int inet_bind(struct socket *s, const struct sock_addr *a)
{
    return call(s, HOSTCALL_socket_bind, address(a), 0);
}

static int inet_listen(struct socket *s, int backlog)
{
    int r = call(s, HOSTCALL_socket_listen, (struct cspan){0}, (uint64_t) (int64_t) backlog);
    if (r == 0)
        inet_of(s)->listening = true;
    inet_unsure(inet_of(s));
    return r;
}

static int inet_shutdown(struct socket *s, int how)
{
    if (how < LINUX_SHUT_RD || how > LINUX_SHUT_RDWR)
        return -EINVAL;
    int r = call(s, HOSTCALL_socket_shutdown, (struct cspan){0}, (uint64_t) how);
    inet_unsure(inet_of(s));
    return r;
}

static int inet_name(struct socket *socket, bool peer, struct sock_addr *ret)
{
    struct inet_sock *s = inet_of(socket);
    struct host_sockaddr a;
    long r = inet_call(s, HOSTCALL_socket_name, (struct cspan){0}, SPAN_OF(a), peer, 0);
    if (r < 0)
        return (int) r;
    return a.size ? inet_name_check(s, &a, ret) : -EIO;
}

static void connecting(struct inet_sock *s, bool on)
{
    SPIN_GUARD(&s->lock);
    s->connecting = on;
    atomic_post(&s->unsure, true);
    if (on)
        atomic_post(&s->ready, 0);
}

static bool in_progress(long r)
{
    return r == -EINPROGRESS || r == -EALREADY;
}

/* The host's connect is asked again for what has become of the first. */
static int inet_connect(struct socket *socket, const struct sock_addr *a, bool nonblock)
{
    struct inet_sock *s = inet_of(socket);
    int64_t deadline = socket_deadline(socket->sndtimeo_ns);
    connecting(s, true);
    for (;;) {
        uint32_t seq = atomic_load(&s->out_seq);
        int r = call(socket, HOSTCALL_socket_connect, address(a), 0);
        if (!in_progress(r))
            connecting(s, false);
        if (nonblock || !in_progress(r))
            return r;
        r = wait_event(&s->write_wait, atomic_load(&s->out_seq) != seq, SLEEP_INTERRUPTIBLE,
                       deadline);
        if (r < 0)
            return r == -ETIMEDOUT ? -EINPROGRESS : socket_sleep_error(r, deadline);
    }
}

static int inet_accept(struct socket *socket, bool nonblock, struct socket **ret)
{
    struct inet_sock *s = inet_of(socket);
    struct inet_sock *n = inet_alloc(socket->family, socket->type, socket->protocol);
    if (!n)
        return -ENOBUFS;
    AUTO(socket_put) struct socket *fresh = &n->socket;
    struct host_sockaddr a;
    struct sock_addr checked;
    struct inet_io io = {.nr = HOSTCALL_socket_accept, .out = SPAN_OF(a)};
    fresh->rcvtimeo_ns = socket->rcvtimeo_ns;
    fresh->sndtimeo_ns = socket->sndtimeo_ns;
    fresh->rcvlowat = socket->rcvlowat;
    long token = inet_run(s, &io, nonblock, socket_deadline(socket->rcvtimeo_ns));
    inet_unsure(s); /* there may be more */
    int r = token < 0 ? (int) token : inet_claim(n, token);
    if (r < 0)
        return r;
    *ret = TAKE(fresh);
    if (inet_name_check(s, &a, &checked) == 0)
        return 0;
    socket_discard(*ret);
    return -EIO;
}

/* ---- questions ---- */

static long ask_int(struct socket *s, unsigned cmd)
{
    int32_t value;
    long r =
        inet_call(inet_of(s), HOSTCALL_socket_ioctl, (struct cspan){0}, SPAN_OF(value), cmd, 0);
    if (r < 0)
        return r;
    return value < 0 ? -EIO : value;
}

static long inet_readable(struct socket *s)
{
    return ask_int(s, LINUX_SIOCINQ);
}

static long inet_ioctl(struct socket *s, unsigned cmd, uint64_t arg)
{
    if (cmd != LINUX_SIOCOUTQ && cmd != LINUX_SIOCATMARK)
        return SOCKET_COMMON;
    long n = ask_int(s, cmd);
    return n < 0 ? n : put_user(UADDR(arg), (int) n);
}

static bool inet_listening(struct socket *s)
{
    return inet_of(s)->listening;
}

#define INET_COMMON                                                                                \
    .release = inet_release, .free = inet_free, .bind = inet_bind, .connect = inet_connect,        \
    .shutdown = inet_shutdown, .name = inet_name, .poll = inet_poll, .readable = inet_readable,    \
    .ioctl = inet_ioctl, .set_option = inet_set_option, .get_option = inet_get_option,             \
    .listening = inet_listening

static const struct socket_ops stream_ops = {
    INET_COMMON,
    .listen = inet_listen,
    .accept = inet_accept,
    .send = inet_stream_send,
    .recv = inet_stream_recv,
};
static const struct socket_ops message_ops = {
    INET_COMMON,
    .send = inet_message_send,
    .recv = inet_message_recv,
};

const struct socket_family inet_family = {.family = LINUX_AF_INET, .new = inet_new};
const struct socket_family inet6_family = {.family = LINUX_AF_INET6, .new = inet_new};
