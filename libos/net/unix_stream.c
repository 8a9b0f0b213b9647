/* Streams: bytes through the peer's ring.
 *
 * Plain bytes have no record. Bytes that came with files or with an identity have one, and a receive
 * stops behind files (their receiver must know which bytes they came with) and, if it wants
 * identities, where the identity changes.
 *
 * As in pipes, wake-ups are lazy: a sleeping writer goes on when half of the buffer, or all that it
 * still wants, is free, so that both sides work in large steps.
 */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/net/inflight.h"
#include "libos/net/unix.h"
#include "libos/task/signal.h"

/* ---- sending ---- */

static bool same_cred(const struct scm *a, const struct scm *b)
{
    return a->has_cred == b->has_cred && a->cred.pid == b->cred.pid && a->cred.uid == b->cred.uid &&
           a->cred.gid == b->cred.gid;
}

/* Identities of bytes that follow bytes with the same one need no new record. */
static bool extend_last(struct unix_inbox *b, const struct scm *scm, uint32_t size)
{
    struct unix_record *last = list_last(&b->records, struct unix_record, link);
    if (!last || scm->files || last->scm.files || !same_cred(&last->scm, scm) ||
        last->start + last->size != b->start + b->ring.used - size || last->size > INT32_MAX)
        return false;
    last->size += size;
    return true;
}

/* Bytes put into b, which is locked; 0: no room. fresh is used up if they need a record. */
static long put_some_locked(struct unix_inbox *b, uint32_t limit, struct sock_msg *m,
                            struct unix_record **fresh)
{
    uint32_t room = inbox_room(b, limit), n = (uint32_t) MIN(m->uio->left, (size_t) room);
    if (n == 0)
        return 0;
    long have = ring_reserve(&b->ring, n);
    if (have < 0)
        return -ENOBUFS;
    n = (uint32_t) MIN((long) n, have);
    int r = ring_put(&b->ring, m->uio, n);
    if (r < 0)
        return r;
    if (*fresh && !extend_last(b, &m->scm, n)) {
        (*fresh)->scm = m->scm;
        m->scm.files = NULL;
        inbox_mark(b, TAKE(*fresh), n);
    }
    return (long) n;
}

static bool stream_room(const struct unix_sock *s, uint32_t need)
{
    const struct unix_inbox *b = &s->peer->in;
    uint32_t used = atomic_load(&b->ring.used), limit = s->socket.sndbuf;
    return atomic_load(&b->closed) || (limit > used && limit - used >= need);
}

/* One turn: bytes moved, 0: wait, -EPIPE. */
static long send_step(struct unix_sock *s, struct sock_msg *m, uint32_t *ret_need)
{
    struct unix_sock *peer = s->peer;
    bool record = m->scm.files || m->scm.has_cred || unix_wants_cred(s, peer);
    struct unix_record *fresh = NULL;
    if (record) {
        fresh = new_zero(struct unix_record);
        if (!fresh)
            return -ENOMEM;
        scm_add_cred(&m->scm);
    }
    uint32_t limit = s->socket.sndbuf;
    mutex_lock(&peer->in.mutex);
    long n = peer->in.closed ? -EPIPE : put_some_locked(&peer->in, limit, m, &fresh);
    *ret_need = (uint32_t) MIN(m->uio->left, (size_t) limit / 2);
    atomic_store(&peer->in.want, *ret_need);
    mutex_unlock(&peer->in.mutex);
    kfree(fresh);
    if (n > 0)
        unix_wake_readers(peer);
    return n;
}

static long send_loop(struct unix_sock *s, struct sock_msg *m)
{
    size_t done = 0;
    int64_t deadline = socket_deadline(s->socket.sndtimeo_ns);
    while (m->uio->left > 0) {
        uint32_t need;
        long n = send_step(s, m, &need);
        if (n > 0) {
            done += (size_t) n;
            m->scm = (struct scm){0}; /* they go with the first bytes */
            continue;
        }
        if (n == 0 && m->nonblock)
            n = -EAGAIN;
        if (n == 0) {
            int r = wait_event(&s->write_wait, stream_room(s, need), SLEEP_INTERRUPTIBLE, deadline);
            n = r < 0 ? socket_sleep_error(r, deadline) : 0;
        }
        if (n < 0)
            return done ? (long) done : n;
    }
    return (long) done;
}

long unix_send_stream(struct socket *socket, struct sock_msg *m)
{
    struct unix_sock *s = unix_of(socket);
    bool connected = atomic_load(&s->state) == UNIX_CONNECTED;
    if (m->flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    if (m->name)
        return connected ? -EISCONN : -EOPNOTSUPP;
    if (!connected)
        return -ENOTCONN;
    struct scm_files *files = m->scm.files;
    long r = atomic_load(&s->send_closed) ? -EPIPE : inflight_add(files, &s->peer->socket);
    if (r == 0)
        r = send_loop(s, m);
    if (m->scm.files) /* they did not leave */
        inflight_remove(m->scm.files);
    if (r == -EPIPE && !(m->flags & LINUX_MSG_NOSIGNAL))
        signal_pipe_broken();
    return r;
}

bool unix_stream_writable(const struct unix_sock *s)
{
    const struct unix_sock *peer = s->peer;
    return !peer || atomic_load(&peer->in.closed) ||
           atomic_load(&peer->in.ring.used) <= s->socket.sndbuf / 4;
}

/* ---- receiving ---- */

struct receive { /* one recv call */
    struct sock_msg *m;
    size_t done, want; /* bytes so far; enough to return */
    uint64_t at;       /* position of the next byte */
    bool passcred, has_cred, stop;
};

/* The record that holds byte `at`, or the first one behind it. */
static struct unix_record *record_at(const struct unix_inbox *b, uint64_t at)
{
    struct unix_record *r;
    list_for_each (r, &b->records, link)
        if (r->start + r->size > at)
            return r;
    return NULL;
}

/* How many bytes from rc->at on go together, and what comes with them; stops where it has to. */
static int next_part(const struct unix_inbox *b, struct receive *rc, uint32_t *ret_n)
{
    static const struct scm nobody;
    struct unix_record *r = b->count ? record_at(b, rc->at) : NULL;
    bool inside = r && r->start <= rc->at;
    const struct scm *scm = inside ? &r->scm : &nobody;
    uint64_t end = inside ? r->start + r->size : r ? r->start : b->start + b->ring.used;
    *ret_n = 0;
    if (rc->passcred && rc->has_cred && !same_cred(scm, &rc->m->scm)) {
        rc->stop = true;
        return 0;
    }
    uint32_t n = (uint32_t) MIN(end - rc->at, (uint64_t) rc->m->uio->left);
    bool peek = rc->m->flags & LINUX_MSG_PEEK;
    uint32_t offset = (uint32_t) (rc->at - b->start);
    int e = ring_copy(&b->ring, rc->m->uio, offset, n);
    if (e < 0)
        return e;
    *ret_n = n;
    rc->stop = scm->files != NULL;
    if (inside && (!rc->has_cred || scm->files)) {
        e = record_take_scm(r, peek, &rc->m->scm);
        if (e < 0)
            return e;
    }
    rc->has_cred = true;
    return 0;
}

/* Frees records that lie wholly before the ring's first byte, whose files were taken. */
static void forget_records(struct unix_inbox *b)
{
    struct unix_record *r;
    list_for_each_safe (r, &b->records, link) {
        if (r->start + r->size > b->start)
            return;
        list_del(&r->link);
        b->count--;
        kfree(r);
    }
}

/* Moves what is there; 0 or an error that came before the first byte. The inbox is locked. */
static int take_some_locked(struct unix_inbox *b, struct receive *rc)
{
    bool peek = rc->m->flags & LINUX_MSG_PEEK;
    if (!peek)
        rc->at = b->start;
    rc->at = MAX(rc->at, b->start);
    while (rc->m->uio->left > 0 && rc->at < b->start + b->ring.used && !rc->stop) {
        uint32_t n;
        int r = next_part(b, rc, &n);
        if (r < 0 && n == 0)
            return rc->done ? 0 : r;
        rc->done += n;
        rc->at += n;
        if (!peek) {
            atomic_store(&b->start,
                         b->start + n); /* first: stream_ready may see too much, not too little */
            ring_drop(&b->ring, n);
        }
    }
    if (!peek && b->count)
        forget_records(b);
    return 0;
}

static bool writers_ready(const struct unix_sock *s)
{
    uint32_t limit = s->peer->socket.sndbuf, used = s->in.ring.used;
    return inbox_room(&s->in, limit) >= MIN(s->in.want, limit / 2) || used <= limit / 4;
}

static bool stream_ready(const struct unix_sock *s, uint64_t at)
{
    return atomic_load(&s->in.start) + atomic_load(&s->in.ring.used) > at ||
           atomic_load(&s->in.closed) || atomic_load(&s->error);
}

/* One turn: 1: the call is over, 0: wait for more, or an error. */
static int recv_step(struct unix_sock *s, struct receive *rc)
{
    size_t before = rc->done;
    mutex_lock(&s->in.mutex);
    int r = take_some_locked(&s->in, rc);
    bool closed = s->in.closed, ready = writers_ready(s);
    mutex_unlock(&s->in.mutex);
    if (rc->done > before && ready && !(rc->m->flags & LINUX_MSG_PEEK))
        unix_wake_writers(s);
    if (r < 0)
        return r;
    if (rc->done >= rc->want || rc->stop)
        return 1;
    if (rc->done == 0)
        r = unix_take_error(s);
    return r < 0 ? r : closed ? 1 : 0;
}

long unix_recv_stream(struct socket *socket, struct sock_msg *m)
{
    struct unix_sock *s = unix_of(socket);
    if (atomic_load(&s->state) != UNIX_CONNECTED)
        return -EINVAL;
    if (m->flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    int64_t deadline = socket_deadline(socket->rcvtimeo_ns);
    size_t size = m->uio->left;
    struct receive rc = {
        .m = m,
        .passcred = socket->options & SOCK_OPT_PASSCRED,
        .want = m->flags & LINUX_MSG_WAITALL ? size : MIN(size, (size_t) socket->rcvlowat)};
    int r;
    while ((r = recv_step(s, &rc)) == 0) {
        if (m->nonblock)
            r = -EAGAIN;
        else
            r = wait_event(&s->read_wait, stream_ready(s, rc.at), SLEEP_INTERRUPTIBLE, deadline);
        if (r < 0) {
            r = m->nonblock ? r : socket_sleep_error(r, deadline);
            break;
        }
    }
    if (r < 0 && rc.done == 0)
        return r;
    if (m->name && rc.done)
        (void) unix_name_of(socket, true, m->name); /* it has a peer */
    if (m->name && m->name->size <= sizeof m->name->family)
        m->name->size = 0;
    return (long) rc.done;
}
