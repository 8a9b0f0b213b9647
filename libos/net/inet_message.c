/* UDP and ICMP: one message per call, with an address and control messages. What is rare with streams
 * (control messages, the error queue, fast open) goes this way too.
 *
 * The host is sent, and answers with, a struct host_msg, control messages and data in one buffer.
 */
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/net/inet.h"
#include "libos/task/signal.h"

#define DATAGRAM_MAX 65535u
#define SEND_FLAGS                                                                                 \
    (LINUX_MSG_OOB | LINUX_MSG_DONTROUTE | LINUX_MSG_EOR | LINUX_MSG_MORE | LINUX_MSG_CONFIRM |    \
     LINUX_MSG_FASTOPEN)
#define RECV_FLAGS (LINUX_MSG_OOB | LINUX_MSG_PEEK | LINUX_MSG_ERRQUEUE)
#define TOLD_FLAGS                                                                                 \
    (LINUX_MSG_TRUNC | LINUX_MSG_CTRUNC | LINUX_MSG_OOB | LINUX_MSG_EOR | LINUX_MSG_ERRQUEUE)
#define SMALL 2048u

struct packet { /* header, control messages, data; on the stack if it is small */
    uint8_t small[SMALL], *large;
    struct span bytes;
};

static int packet_init(struct packet *p, size_t size)
{
    p->large = NULL;
    p->bytes = (struct span){p->small, size};
    if (size <= SMALL)
        return 0;
    check(size <= INET_MESSAGE);
    p->large = inet_message_buffer_get();
    p->bytes.p = p->large;
    return p->large ? 0 : -ENOBUFS;
}

static void packet_fini(struct packet *p)
{
    if (p->large)
        inet_message_buffer_put(p->large);
}

/* ---- sending ---- */

static int fill(struct packet *p, struct sock_msg *m, size_t size)
{
    struct host_msg h = {.control_size = (uint32_t) m->control.n, .data_size = (uint32_t) size};
    if (m->name) {
        h.name.size = m->name->size;
        memcpy(h.name.bytes, m->name->bytes, m->name->size);
    }
    memcpy(p->bytes.p, &h, sizeof h);
    if (m->control.n)
        memcpy(p->bytes.p + sizeof h, m->control.p, m->control.n);
    return uio_take(m->uio, p->bytes.p + sizeof h + m->control.n, size);
}

static long send_packet(struct inet_sock *s, struct sock_msg *m, struct packet *p, size_t size)
{
    struct inet_io io = {.nr = HOSTCALL_socket_sendmsg,
                         .a1 = m->flags & SEND_FLAGS,
                         .in = cspan(p->bytes),
                         .sends = true};
    long r = fill(p, m, size);
    if (r == 0)
        r = inet_run(s, &io, m->nonblock, socket_deadline(s->socket.sndtimeo_ns));
    return r > (long) size ? -EIO : r;
}

long inet_message_send(struct socket *socket, struct sock_msg *m)
{
    struct inet_sock *s = inet_of(socket);
    bool stream = socket->type == LINUX_SOCK_STREAM;
    size_t size = m->uio->left;
    if (size > DATAGRAM_MAX && !stream)
        return -EMSGSIZE;
    size = MIN(size, (size_t) DATAGRAM_MAX);
    if (m->name && m->name->size > sizeof((struct host_sockaddr *) 0)->bytes)
        m->name->size = sizeof((struct host_sockaddr *) 0)->bytes; /* all there is of in6 */
    if (m->control.n > HOST_CONTROL_MAX)
        return -ENOBUFS;
    long r = inet_control_check(m->control);
    if (r < 0)
        return r;
    UNINIT struct packet p;
    r = packet_init(&p, sizeof(struct host_msg) + m->control.n + size);
    if (r == 0)
        r = send_packet(s, m, &p, size);
    packet_fini(&p);
    if (r < 0)
        inet_unsure(s);
    if (r == -EPIPE && stream && !(m->flags & LINUX_MSG_NOSIGNAL))
        signal_pipe_broken();
    return r;
}

/* ---- receiving ---- */

struct answer { /* the parts of what the host sent; sound */
    struct host_msg h;
    struct cspan control, data;
};

/* What came must be exactly what its header says, and not more than was asked for. */
static int dissect(const struct inet_sock *s, struct cspan bytes, size_t room, struct answer *ret,
                   struct sock_addr *ret_name)
{
    size_t at = sizeof ret->h;
    if (!cspan_get(bytes, 0, &ret->h, sizeof ret->h) || ret->h.control_size > HOST_CONTROL_MAX ||
        !cspan_sub(bytes, at, ret->h.control_size, &ret->control))
        return -EIO;
    at += ret->h.control_size;
    if (ret->h.data_size > room || ret->h.data_size != bytes.n - at ||
        !cspan_sub(bytes, at, ret->h.data_size, &ret->data))
        return -EIO;
    if (ret->h.full_size < ret->h.data_size || ret->h.full_size > INT32_MAX)
        return -EIO;
    return inet_name_check(s, &ret->h.name, ret_name);
}

/* Hands the parts on; the number of bytes, or of the whole message if the caller asked for that. */
static long deliver(struct inet_sock *s, struct sock_msg *m, struct cspan bytes, size_t room)
{
    struct answer a;
    struct sock_addr name;
    int r = dissect(s, bytes, room, &a, &name);
    if (r < 0)
        return r;
    if (uio_put(m->uio, a.data.p, a.data.n) < 0)
        return -EFAULT;
    if (m->name)
        *m->name = name;
    m->ret_flags |= a.h.flags & TOLD_FLAGS;
    if (a.h.full_size > a.h.data_size && s->socket.type != LINUX_SOCK_STREAM)
        m->ret_flags |= LINUX_MSG_TRUNC;
    inet_control_take(a.control, m);
    bool whole = (m->flags & LINUX_MSG_TRUNC) && s->socket.type != LINUX_SOCK_STREAM;
    return (long) (whole ? a.h.full_size : a.h.data_size);
}

static long receive_packet(struct inet_sock *s, struct sock_msg *m, struct packet *p, size_t room,
                           size_t control)
{
    struct inet_io io = {.nr = HOSTCALL_socket_recvmsg,
                         .a1 = m->flags & RECV_FLAGS,
                         .a2 = control,
                         .out = p->bytes,
                         .seq = atomic_load(&s->in_seq),
                         .result = -EAGAIN};
    bool nonblock = m->nonblock || (m->flags & LINUX_MSG_ERRQUEUE);
    int64_t deadline = socket_deadline(s->socket.rcvtimeo_ns);
    long r = !nonblock && inet_idle(s) ? inet_complete(s, &io, false, deadline)
                                       : inet_run(s, &io, nonblock, deadline);
    inet_unsure(s); /* there may be more */
    return r < 0 ? r : deliver(s, m, (struct cspan){p->bytes.p, (size_t) r}, room);
}

long inet_message_recv(struct socket *socket, struct sock_msg *m)
{
    struct inet_sock *s = inet_of(socket);
    size_t room = MIN(m->uio->left, (size_t) DATAGRAM_MAX);
    size_t control = m->wants_control ? HOST_CONTROL_MAX : 0;
    UNINIT struct packet p;
    long r = packet_init(&p, sizeof(struct host_msg) + control + room);
    if (r == 0)
        r = receive_packet(s, m, &p, room, control);
    packet_fini(&p);
    return r;
}
