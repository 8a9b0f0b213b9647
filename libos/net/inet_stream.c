/* TCP: bytes through the host's connection, a chunk at a time.
 *
 * A receive that got less than it asked for has emptied the host's queue, unless urgent data or the
 * end stopped it; then nobody asks again before the next event.
 */
#include "libos/base/atomic.h"
#include "libos/net/inet.h"
#include "libos/task/signal.h"

#define SMALL 1024u
#define SEND_FLAGS                                                                                 \
    (LINUX_MSG_OOB | LINUX_MSG_DONTROUTE | LINUX_MSG_EOR | LINUX_MSG_MORE | LINUX_MSG_FASTOPEN)
#define RECV_FLAGS (LINUX_MSG_OOB | LINUX_MSG_PEEK | LINUX_MSG_TRUNC)

struct transfer { /* one call; the buffer is on the stack if it is small */
    uint8_t small[SMALL];
    struct inet_buffer buf;
    bool is_small;
};

static int transfer_init(struct transfer *t, size_t size)
{
    t->is_small = size <= SMALL;
    t->buf = t->is_small ? (struct inet_buffer){SPAN_OF(t->small), -1} : inet_buffer_get();
    return t->buf.bytes.p ? 0 : -ENOBUFS;
}

static void transfer_fini(struct transfer *t)
{
    if (!t->is_small)
        inet_buffer_put(t->buf);
}

/* ---- sending ---- */

static struct inet_io request_to_send(const struct transfer *t, size_t from, size_t n,
                                      unsigned flags)
{
    struct inet_io io = {.nr = HOSTCALL_socket_send, .a1 = flags, .sends = true};
    if (t->buf.host >= 0) {
        io.nr = HOSTCALL_socket_write;
        io.a2 = (uint64_t) t->buf.host << 32 | from;
        io.a3 = n;
    } else {
        io.in = (struct cspan){t->buf.bytes.p + from, n};
    }
    return io;
}

/* Sends the first n bytes of the buffer; the number of bytes sent, or an error if none. */
static long send_all(struct inet_sock *s, const struct transfer *t, size_t n, unsigned flags,
                     bool nonblock, int64_t deadline)
{
    size_t done = 0;
    do {
        struct inet_io io = request_to_send(t, done, n - done, flags);
        long r = inet_run(s, &io, nonblock, deadline);
        if (r > (long) (n - done))
            r = -EIO;
        if (r < 0)
            return done ? (long) done : r;
        done += (size_t) r;
        if (done < n)
            inet_not_ready(s, POLL_OUT, io.seq);
    } while (done < n);
    return (long) done;
}

static long send_bytes(struct inet_sock *s, struct sock_msg *m, struct transfer *t)
{
    int64_t deadline = socket_deadline(s->socket.sndtimeo_ns);
    size_t done = 0;
    do {
        size_t n = MIN(m->uio->left, t->buf.bytes.n);
        unsigned flags = m->flags & SEND_FLAGS;
        long r = uio_take(m->uio, t->buf.bytes.p, n);
        if (m->uio->left > 0)
            flags |= LINUX_MSG_MORE;
        if (r == 0)
            r = send_all(s, t, n, flags, m->nonblock, deadline);
        if (r < 0)
            return done ? (long) done : r;
        done += (size_t) r;
        if ((size_t) r < n)
            break;
    } while (m->uio->left > 0);
    return (long) done;
}

static long send_stream(struct inet_sock *s, struct sock_msg *m)
{
    UNINIT struct transfer t;
    long r = transfer_init(&t, m->uio->left);
    if (r == 0)
        r = send_bytes(s, m, &t);
    transfer_fini(&t);
    if (r < 0)
        inet_unsure(s);
    if (r == -EPIPE && !(m->flags & LINUX_MSG_NOSIGNAL))
        signal_pipe_broken();
    return r;
}

/* Control messages and the address of a fast open go with the first part. */
long inet_stream_send(struct socket *socket, struct sock_msg *m)
{
    struct inet_sock *s = inet_of(socket);
    bool plain = !m->control.n && !(m->name && (m->flags & LINUX_MSG_FASTOPEN));
    if (plain)
        return send_stream(s, m);
    size_t before = m->uio->left;
    long first = inet_message_send(socket, m);
    if (first < 0 || m->uio->left == 0 || (size_t) first < before - m->uio->left)
        return first;
    m->flags &= ~(unsigned) LINUX_MSG_FASTOPEN;
    long rest = send_stream(s, m);
    return rest < 0 ? first : first + rest;
}

/* ---- receiving ---- */

static struct inet_io request_to_receive(struct inet_sock *s, const struct transfer *t, size_t n,
                                         unsigned flags)
{
    struct inet_io io = {
        .nr = HOSTCALL_socket_recv, .a1 = flags, .seq = atomic_load(&s->in_seq), .result = -EAGAIN};
    if (t->buf.host >= 0) {
        io.nr = HOSTCALL_socket_read;
        io.a2 = (uint64_t) t->buf.host << 32;
        io.a3 = n;
    } else {
        io.out = (struct span){t->buf.bytes.p, n};
    }
    return io;
}

static long receive_chunk(struct inet_sock *s, struct sock_msg *m, struct transfer *t, size_t n,
                          bool nonblock, int64_t deadline)
{
    struct inet_io io = request_to_receive(s, t, n, m->flags & RECV_FLAGS);
    bool wait_first = !nonblock && !(m->flags & LINUX_MSG_OOB) && inet_idle(s);
    long r =
        wait_first ? inet_complete(s, &io, false, deadline) : inet_run(s, &io, nonblock, deadline);
    if (r > (long) n)
        r = -EIO;
    bool drained = r > 0 && (size_t) r < n && !(m->flags & (LINUX_MSG_PEEK | LINUX_MSG_OOB));
    if (drained)
        inet_not_ready(s, POLL_IN, io.seq);
    else
        inet_unsure(s);
    if (r <= 0)
        return r;
    if (m->flags & LINUX_MSG_TRUNC) /* thrown away by the host */
        return r;
    return uio_put(m->uio, t->buf.bytes.p, (size_t) r) < 0 ? -EFAULT : r;
}

/* Takes what there is, a chunk at a time, and waits while it is less than `want`. */
static long receive_bytes(struct inet_sock *s, struct sock_msg *m, struct transfer *t, size_t size,
                          size_t want)
{
    int64_t deadline = socket_deadline(s->socket.rcvtimeo_ns);
    size_t done = 0;
    do {
        size_t n = MIN(size - done, t->buf.bytes.n);
        long r = receive_chunk(s, m, t, n, m->nonblock || done >= want, deadline);
        if (r <= 0)
            return done ? (long) done : r;
        done += (size_t) r;
        if ((size_t) r < n && done >= want)
            break;
    } while (done < size && !(m->flags & (LINUX_MSG_PEEK | LINUX_MSG_OOB)));
    return (long) done;
}

long inet_stream_recv(struct socket *socket, struct sock_msg *m)
{
    struct inet_sock *s = inet_of(socket);
    if ((m->flags & LINUX_MSG_ERRQUEUE) || (m->wants_control && s->timestamps))
        return inet_message_recv(socket, m);
    size_t size = m->uio->left;
    size_t want = m->flags & LINUX_MSG_WAITALL ? size : MIN(size, (size_t) socket->rcvlowat);
    UNINIT struct transfer t;
    long r = transfer_init(&t, size);
    if (r == 0)
        r = receive_bytes(s, m, &t, size, MAX(want, (size_t) 1));
    transfer_fini(&t);
    if (m->name)
        m->name->size = 0; /* a stream's peer is not told */
    return r;
}
