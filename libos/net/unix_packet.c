/* Datagrams and sequenced packets: each message is a record in the receiver's inbox.
 *
 * A message is accepted if the inbox is empty or if, with it, no more than the sender's buffer size
 * and PACKETS_MAX messages are in it; so a message that is allowed at all always gets through once.
 */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/net/inflight.h"
#include "libos/net/unix.h"

#define PACKETS_MAX 512u
#define SIZE_SPARE  32u /* of the send buffer a message cannot use, as on Linux */

static bool packet_fits(const struct unix_inbox *b, uint32_t limit, size_t size)
{
    uint32_t count = atomic_load(&b->count);
    return count == 0 || (count < PACKETS_MAX && inbox_room(b, limit) >= size);
}

/* ---- sending ---- */

static int put_locked(struct unix_sock *to, uint32_t limit, struct uio *uio, struct unix_record *r)
{
    struct unix_inbox *b = &to->in;
    uint32_t size = (uint32_t) uio->left;
    if (b->closed)
        return -EPIPE;
    if (!packet_fits(b, limit, size))
        return -EAGAIN;
    if (size) {
        long have = ring_reserve(&b->ring, size);
        if (have < 0 || have < (long) size)
            return -ENOBUFS;
        int e = ring_put(&b->ring, uio, size);
        if (e < 0)
            return e;
    }
    inbox_mark(b, r, size);
    return 0;
}

/* Whether s may send to `to` at all; a dead peer is forgotten. */
static int check_receiver(struct unix_sock *s, struct unix_sock *to)
{
    if (!unix_is_dgram(s))
        return 0;
    const struct unix_sock *theirs = atomic_load(&to->peer);
    if (atomic_load(&to->dead)) {
        if (atomic_load(&s->peer) == to)
            unix_set_peer_dgram(s, NULL);
        return -ECONNREFUSED;
    }
    return theirs && theirs != s ? -EPERM : 0;
}

/* Sleeps until the message may fit; the caller tries again. */
static int wait_for_room(struct unix_sock *s, struct unix_sock *to, size_t size, int64_t deadline)
{
    struct waitq *q = unix_is_dgram(s) ? &to->room_wait : &s->write_wait;
    int r =
        wait_event(q, packet_fits(&to->in, s->socket.sndbuf, size) || atomic_load(&to->in.closed),
                   SLEEP_INTERRUPTIBLE, deadline);
    return r < 0 ? socket_sleep_error(r, deadline) : 0;
}

/* Sends r with the bytes of m; 0 and r belongs to the receiver. */
static int deliver(struct unix_sock *s, struct unix_sock *to, struct sock_msg *m,
                   struct unix_record *r)
{
    int64_t deadline = socket_deadline(s->socket.sndtimeo_ns);
    for (;;) {
        int e = check_receiver(s, to);
        if (e < 0)
            return e;
        mutex_lock(&to->in.mutex);
        e = put_locked(to, s->socket.sndbuf, m->uio, r);
        mutex_unlock(&to->in.mutex);
        if (e == -EPIPE && unix_is_dgram(s) && atomic_load(&to->dead))
            continue;
        if (e != -EAGAIN || m->nonblock)
            return e;
        e = wait_for_room(s, to, m->uio->left, deadline);
        if (e < 0)
            return e;
    }
}

static int send_to(struct unix_sock *s, struct unix_sock *to, struct sock_msg *m)
{
    struct unix_record *r = new_zero(struct unix_record);
    if (!r)
        return -ENOBUFS;
    if (unix_wants_cred(s, to))
        scm_add_cred(&m->scm);
    int e = inflight_add(m->scm.files, &to->socket);
    r->scm = m->scm;
    m->scm.files = NULL;
    r->from = unix_name_get(s);
    if (e == 0)
        e = deliver(s, to, m, r);
    if (e < 0)
        record_free(r, false);
    else
        unix_wake_readers(to);
    return e;
}

/* The receiver of a message without a name in it, or with one (datagrams only). */
static int receiver_get(struct unix_sock *s, const struct sock_addr *name, struct unix_sock **ret)
{
    if (name && unix_is_dgram(s))
        return unix_find(s, name, ret);
    if (!unix_is_dgram(s) && atomic_load(&s->state) != UNIX_CONNECTED)
        return -ENOTCONN;
    *ret = unix_peer_get(s);
    return *ret ? 0 : -ENOTCONN;
}

long unix_send_packet(struct socket *socket, struct sock_msg *m)
{
    struct unix_sock *s = unix_of(socket);
    AUTO(unix_put) struct unix_sock *to = NULL;
    size_t size = m->uio->left;
    if (m->flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    int r = receiver_get(s, m->name, &to);
    if (r < 0)
        return r;
    if ((socket->options & SOCK_OPT_PASSCRED) && (r = unix_autobind(s)) < 0)
        return r;
    if (size > socket->sndbuf - SIZE_SPARE)
        return -EMSGSIZE;
    r = unix_take_error(s);
    if (r < 0)
        return r;
    if (atomic_load(&s->send_closed))
        return -EPIPE;
    r = send_to(s, to, m);
    return r < 0 ? r : (long) size;
}

bool unix_packet_writable(struct unix_sock *s)
{
    AUTO(unix_put) struct unix_sock *to = unix_peer_get(s);
    return !to || atomic_load(&to->in.closed) ||
           packet_fits(&to->in, s->socket.sndbuf, s->socket.sndbuf / 4);
}

/* ---- receiving ---- */

/* The first message's bytes and files; the record too, unless it is only peeked at. */
static long take_locked(struct unix_inbox *b, struct sock_msg *m, struct unix_record **ret)
{
    bool peek = m->flags & LINUX_MSG_PEEK;
    struct unix_record *r = list_first(&b->records, struct unix_record, link);
    if (!r)
        return -EAGAIN;
    uint32_t n = (uint32_t) MIN((size_t) r->size, m->uio->left);
    int e = ring_copy(&b->ring, m->uio, 0, n);
    if (e == 0)
        e = record_take_scm(r, peek, &m->scm);
    if (e < 0)
        return e;
    if (n < r->size)
        m->ret_flags |= LINUX_MSG_TRUNC;
    if (m->name && r->from)
        *m->name = r->from->addr;
    long result = m->flags & LINUX_MSG_TRUNC ? (long) r->size : (long) n;
    if (peek)
        return result;
    b->start += r->size;
    ring_drop(&b->ring, r->size);
    list_del(&r->link);
    atomic_store(&b->count, b->count - 1);
    *ret = r;
    return result;
}

static bool roomy(const struct unix_sock *s)
{
    return s->in.count <= PACKETS_MAX / 2 && s->in.ring.used <= s->socket.sndbuf / 2;
}

/* One turn; -EAGAIN: nothing there. */
static long recv_step(struct unix_sock *s, struct sock_msg *m)
{
    struct unix_record *r = NULL;
    long n = unix_take_error(s);
    if (n < 0)
        return n;
    mutex_lock(&s->in.mutex);
    n = take_locked(&s->in, m, &r);
    bool wake = r && roomy(s);
    mutex_unlock(&s->in.mutex);
    if (wake)
        unix_wake_writers(s);
    if (r)
        record_free(r, false);
    return n;
}

long unix_recv_packet(struct socket *socket, struct sock_msg *m)
{
    struct unix_sock *s = unix_of(socket);
    if (!unix_is_dgram(s) && atomic_load(&s->state) != UNIX_CONNECTED)
        return -ENOTCONN;
    if (m->flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    int64_t deadline = socket_deadline(socket->rcvtimeo_ns);
    for (;;) {
        bool closed = atomic_load(&s->in.closed);
        long n = recv_step(s, m);
        if (n != -EAGAIN)
            return n;
        if (closed && !(unix_is_dgram(s) && m->nonblock))
            return 0;
        if (m->nonblock)
            return -EAGAIN;
        int r = wait_event(&s->read_wait,
                           atomic_load(&s->in.count) || atomic_load(&s->in.closed) ||
                               atomic_load(&s->error),
                           SLEEP_INTERRUPTIBLE, deadline);
        if (r < 0)
            return socket_sleep_error(r, deadline);
    }
}
