/* AF_UNIX: the life of a socket, its readiness, and the tables of what each type can do. */
#include "libos/net/unix.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/net/inflight.h"
#include "libos/task/process.h"

static const struct socket_ops stream_ops, packet_ops, dgram_ops;

struct unix_sock *unix_alloc(int type)
{
    struct unix_sock *s = new_zero(struct unix_sock);
    if (!s)
        return NULL;
    socket_init(&s->socket,
                type == LINUX_SOCK_STREAM  ? &stream_ops
                : type == LINUX_SOCK_DGRAM ? &dgram_ops
                                           : &packet_ops,
                LINUX_AF_UNIX, type);
    mutex_init(&s->mutex);
    inbox_init(&s->in);
    waitq_init(&s->read_wait);
    waitq_init(&s->write_wait);
    waitq_init(&s->room_wait);
    struct list *lists[] = {&s->name_link,   &s->senders, &s->sender_link, &s->embryos,
                            &s->embryo_link, &s->queued,  &s->owner_link,  &s->work_link};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        list_init(lists[i]);
    return s;
}

static int unix_socket_new(int family, int type, int protocol, struct socket **ret)
{
    if (protocol && protocol != LINUX_AF_UNIX)
        return -EPROTONOSUPPORT;
    if (type == LINUX_SOCK_RAW)
        type = LINUX_SOCK_DGRAM;
    if (type != LINUX_SOCK_STREAM && type != LINUX_SOCK_DGRAM && type != LINUX_SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    struct unix_sock *s = unix_alloc(type);
    if (!s)
        return -ENOMEM;
    *ret = &s->socket;
    return 0;
}

static void unix_socket_pair(struct socket *sa, struct socket *sb)
{
    struct unix_sock *a = unix_of(sa), *b = unix_of(sb);
    sa->peer_cred = sb->peer_cred = unix_own_cred();
    if (unix_is_dgram(a)) {
        unix_set_peer_dgram(a, b);
        unix_set_peer_dgram(b, a);
        return;
    }
    unix_get(a);
    unix_get(b);
    a->peer = b;
    b->peer = a;
    a->state = b->state = UNIX_CONNECTED;
}

static void unix_free(struct socket *socket)
{
    struct unix_sock *s = unix_of(socket);
    (void) inbox_purge(&s->in); /* of one that was never released, because it never had a file */
    if (s->name)
        unix_name_put(s->name);
    if (s->peer)
        unix_put(s->peer);
    kfree(s);
}

void unix_fail(struct unix_sock *s, int error)
{
    atomic_store(&s->error, error);
    waitq_wake(&s->read_wait, POLL_IN | POLL_ERR | POLL_HUP);
    waitq_wake(&s->write_wait, POLL_OUT | POLL_ERR | POLL_HUP);
}

int unix_take_error(struct unix_sock *s)
{
    return atomic_load(&s->error) ? -(int) atomic_swap(&s->error, 0) : 0;
}

/* Tells those who wait on s that a direction, or all, has ended. */
static void wake_all(struct unix_sock *s)
{
    const uint32_t end = POLL_IN | POLL_OUT | POLL_RDNORM | POLL_WRNORM | POLL_HUP | POLL_RDHUP;
    waitq_wake(&s->read_wait, end);
    waitq_wake(&s->write_wait, end);
    waitq_wake(&s->room_wait, end);
}

void unix_release(struct unix_sock *s, bool reset)
{
    unix_unbind(s);
    mutex_lock(&s->mutex);
    atomic_store(&s->dead, true);
    mutex_unlock(&s->mutex);
    inbox_close(s);
    reset |= inbox_purge(&s->in);
    if (unix_is_dgram(s)) {
        unix_set_peer_dgram(s, NULL);
    } else if (s->peer) {
        inbox_close(s->peer);
        if (reset)
            unix_fail(s->peer, ECONNRESET);
        wake_all(s->peer);
    }
    unix_release_embryos(s);
    unix_wake_writers(s);
    wake_all(s);
    struct unix_sock *peer = TAKE(s->peer);
    if (peer)
        unix_put(peer);
    inflight_collect();
}

static void unix_close(struct socket *s)
{
    unix_release(unix_of(s), false);
}

static int unix_shutdown(struct socket *socket, int how)
{
    struct unix_sock *s = unix_of(socket);
    if (how < LINUX_SHUT_RD || how > LINUX_SHUT_RDWR)
        return -EINVAL;
    struct unix_sock *peer = unix_is_dgram(s) ? NULL : s->peer;
    if (how != LINUX_SHUT_WR)
        inbox_close(s);
    if (how != LINUX_SHUT_RD) {
        atomic_store(&s->send_closed, true);
        if (peer)
            inbox_close(peer);
    }
    if (peer)
        wake_all(peer);
    unix_wake_writers(s);
    wake_all(s);
    return 0;
}

static bool send_closed(const struct unix_sock *s)
{
    const struct unix_sock *peer = unix_is_dgram(s) ? NULL : s->peer;
    return atomic_load(&s->send_closed) || (peer && atomic_load(&peer->in.closed));
}

static uint32_t unix_poll(struct socket *socket, struct poll_table *pt)
{
    struct unix_sock *s = unix_of(socket);
    poll_wait(pt, &s->read_wait);
    poll_wait(pt, &s->write_wait);
    atomic_fence();
    enum unix_state state = atomic_load(&s->state);
    bool closed = atomic_load(&s->in.closed);
    uint32_t events = atomic_load(&s->error) ? POLL_ERR : 0;
    if (closed)
        events |= POLL_RDHUP | POLL_IN | POLL_RDNORM;
    if (closed && send_closed(s))
        events |= POLL_HUP;
    if (atomic_load(&s->in.ring.used) || atomic_load(&s->in.count) || atomic_load(&s->embryo_count))
        events |= POLL_IN | POLL_RDNORM;
    if (state == UNIX_IDLE && !unix_is_dgram(s))
        events |= POLL_HUP;
    if (state != UNIX_LISTENING &&
        (unix_is_stream(s) ? unix_stream_writable(s) : unix_packet_writable(s)))
        events |= POLL_OUT | POLL_WRNORM | POLL_WRBAND;
    return events;
}

/* All bytes of a stream, the first message of the others. */
static long unix_readable(struct socket *socket)
{
    struct unix_sock *s = unix_of(socket);
    if (s->state == UNIX_LISTENING)
        return -EINVAL;
    MUTEX_GUARD(&s->in.mutex);
    if (unix_is_stream(s))
        return (long) s->in.ring.used;
    const struct unix_record *r = list_first(&s->in.records, struct unix_record, link);
    return r ? (long) r->size : 0;
}

static int unix_so_error(struct socket *s)
{
    return -unix_take_error(unix_of(s));
}

static bool unix_listening(struct socket *s)
{
    return unix_of(s)->state == UNIX_LISTENING;
}

#define UNIX_COMMON                                                                                \
    .release = unix_close, .free = unix_free, .bind = unix_bind, .shutdown = unix_shutdown,        \
    .name = unix_name_of, .poll = unix_poll, .readable = unix_readable,                            \
    .take_error = unix_so_error, .listening = unix_listening

static const struct socket_ops stream_ops = {
    UNIX_COMMON,           .listen = unix_listen,    .connect = unix_connect_stream,
    .accept = unix_accept, .send = unix_send_stream, .recv = unix_recv_stream,
};
static const struct socket_ops packet_ops = {
    UNIX_COMMON,           .listen = unix_listen,    .connect = unix_connect_stream,
    .accept = unix_accept, .send = unix_send_packet, .recv = unix_recv_packet,
};
static const struct socket_ops dgram_ops = {
    UNIX_COMMON,
    .connect = unix_connect_dgram,
    .send = unix_send_packet,
    .recv = unix_recv_packet,
};

const struct socket_family unix_family = {
    .family = LINUX_AF_UNIX,
    .new = unix_socket_new,
    .pair = unix_socket_pair,
};
