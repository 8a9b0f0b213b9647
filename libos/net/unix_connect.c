/* Connections of AF_UNIX: listen, connect, accept, and the peers of datagram sockets.
 *
 * connect makes the other end at once, an embryo: a connected socket without a file, which waits at
 * the listener for accept. Both ends can be written to from then on. If the listener goes first, the
 * embryos end as if they had been reset.
 */
#include "libos/base/atomic.h"
#include "libos/net/unix.h"
#include "libos/task/process.h"

#define BACKLOG_MAX 4096u

struct linux_ucred unix_own_cred(void)
{
    const struct cred *c = current_cred();
    return (struct linux_ucred){current_process()->pid, c->euid, c->egid};
}

int unix_listen(struct socket *socket, int backlog)
{
    struct unix_sock *s = unix_of(socket);
    MUTEX_GUARD(&s->mutex);
    if (!s->name || s->state == UNIX_CONNECTED)
        return -EINVAL;
    atomic_store(&s->backlog, MIN((uint32_t) backlog, BACKLOG_MAX));
    socket->peer_cred = unix_own_cred();
    atomic_store(&s->state, UNIX_LISTENING);
    waitq_wake(&s->room_wait, POLL_OUT);
    return 0;
}

/* ---- connect ---- */

static bool listener_full(const struct unix_sock *l)
{
    return atomic_load(&l->embryo_count) > atomic_load(&l->backlog);
}

static bool listener_gone(const struct unix_sock *l)
{
    return atomic_load(&l->dead) || atomic_load(&l->in.closed);
}

/* Makes s and e the ends of a connection and queues e. Both mutexes are held. */
static void join_locked(struct unix_sock *s, struct unix_sock *l, struct unix_sock *e)
{
    unix_get(s);
    e->peer = s;
    e->name = unix_name_get(l);
    e->socket.peer_cred = unix_own_cred();
    e->embryo = true;
    e->state = UNIX_CONNECTED;
    s->socket.peer_cred = l->socket.peer_cred;
    unix_get(e);
    s->peer = e;
    if (s->send_closed)
        inbox_close(e);
    atomic_store(&s->state, UNIX_CONNECTED);
    list_add_tail(&l->embryos, &e->embryo_link);
    atomic_store(&l->embryo_count, l->embryo_count + 1);
}

/* -EAGAIN: the queue is full. 0: e is used and belongs to the listener. */
static int try_connect(struct unix_sock *s, struct unix_sock *l, struct unix_sock *e)
{
    MUTEX_GUARD(&s->mutex);
    if (s->state != UNIX_IDLE)
        return s->state == UNIX_CONNECTED ? -EISCONN : -EINVAL;
    mutex_lock_nested(&l->mutex); /* first idle, then listening sockets, which stay so */
    int r = listener_gone(l) ? -ECONNREFUSED : listener_full(l) ? -EAGAIN : 0;
    if (r == 0)
        join_locked(s, l, e);
    mutex_unlock(&l->mutex);
    return r;
}

static int autobind_for_cred(struct unix_sock *s)
{
    return s->socket.options & SOCK_OPT_PASSCRED ? unix_autobind(s) : 0;
}

int unix_connect_stream(struct socket *socket, const struct sock_addr *a, bool nonblock)
{
    struct unix_sock *s = unix_of(socket);
    AUTO(unix_put) struct unix_sock *l = NULL;
    int64_t deadline = socket_deadline(socket->sndtimeo_ns);
    int r = autobind_for_cred(s);
    if (r == 0)
        r = unix_find(s, a, &l);
    if (r < 0)
        return r;
    if (atomic_load(&l->state) != UNIX_LISTENING)
        return s->state == UNIX_CONNECTED ? -EISCONN : -ECONNREFUSED;
    AUTO(unix_put) struct unix_sock *e = unix_alloc(socket->type);
    if (!e)
        return -ENOMEM;
    while ((r = try_connect(s, l, e)) == -EAGAIN && !nonblock) {
        r = wait_event(&l->room_wait, !listener_full(l) || listener_gone(l), SLEEP_INTERRUPTIBLE,
                       deadline);
        if (r < 0)
            return socket_sleep_error(r, deadline);
    }
    if (r < 0)
        return r;
    e = NULL;
    unix_wake_readers(l);
    waitq_wake(&s->write_wait, POLL_OUT | POLL_WRNORM);
    return 0;
}

/* ---- accept ---- */

static struct unix_sock *embryo_take(struct unix_sock *s)
{
    MUTEX_GUARD(&s->mutex);
    struct unix_sock *e = list_first(&s->embryos, struct unix_sock, embryo_link);
    if (!e)
        return NULL;
    list_del(&e->embryo_link);
    atomic_store(&s->embryo_count, s->embryo_count - 1);
    return e;
}

int unix_accept(struct socket *socket, bool nonblock, struct socket **ret)
{
    struct unix_sock *s = unix_of(socket), *e;
    int64_t deadline = socket_deadline(socket->rcvtimeo_ns);
    if (s->state != UNIX_LISTENING)
        return -EINVAL;
    while (!(e = embryo_take(s))) {
        if (atomic_load(&s->in.closed))
            return -EINVAL;
        if (nonblock)
            return -EAGAIN;
        int r =
            wait_event(&s->read_wait, atomic_load(&s->embryo_count) || atomic_load(&s->in.closed),
                       SLEEP_INTERRUPTIBLE, deadline);
        if (r < 0)
            return socket_sleep_error(r, deadline);
    }
    waitq_wake(&s->room_wait, POLL_OUT);
    atomic_store(&e->embryo, false);
    *ret = &e->socket;
    return 0;
}

void unix_release_embryos(struct unix_sock *s)
{
    struct unix_sock *e;
    while ((e = embryo_take(s)) != NULL) {
        unix_release(e, true);
        unix_put(e);
    }
}

/* ---- datagrams ---- */

struct unix_sock *unix_peer_get(struct unix_sock *s)
{
    MUTEX_GUARD(&s->mutex);
    if (s->peer)
        unix_get(s->peer);
    return s->peer;
}

void unix_set_peer_dgram(struct unix_sock *s, struct unix_sock *peer)
{
    if (peer)
        unix_get(peer);
    mutex_lock(&s->mutex);
    struct unix_sock *old = s->peer;
    s->peer = peer;
    if (old) {
        SPIN_GUARD(&old->senders_lock);
        list_del(&s->sender_link);
    }
    if (peer) {
        SPIN_GUARD(&peer->senders_lock);
        list_add_tail(&peer->senders, &s->sender_link);
    }
    mutex_unlock(&s->mutex);
    if (old)
        unix_put(old);
    waitq_wake(&s->write_wait, POLL_OUT | POLL_WRNORM);
}

/* What the old peer sent is lost, and if it is connected to s it is told. */
static void leave_peer(struct unix_sock *s, struct unix_sock *old)
{
    (void) inbox_purge(&s->in); /* messages may be lost */
    unix_wake_writers(s);
    AUTO(unix_put) struct unix_sock *back = unix_peer_get(old);
    if (back == s && !atomic_load(&old->dead))
        unix_fail(old, ECONNRESET);
}

int unix_connect_dgram(struct socket *socket, const struct sock_addr *a, bool nonblock)
{
    struct unix_sock *s = unix_of(socket);
    AUTO(unix_put) struct unix_sock *other = NULL;
    AUTO(unix_put) struct unix_sock *back = NULL;
    if (a->size < sizeof a->family)
        return -EINVAL;
    if (a->family != LINUX_AF_UNSPEC) {
        int r = autobind_for_cred(s);
        if (r == 0)
            r = unix_find(s, a, &other);
        if (r < 0)
            return r;
        back = unix_peer_get(other);
        if (back && back != s)
            return -EPERM;
        socket->peer_cred = unix_own_cred();
    }
    AUTO(unix_put) struct unix_sock *old = unix_peer_get(s);
    unix_set_peer_dgram(s, other);
    if (old && old != other)
        leave_peer(s, old);
    return 0;
}
