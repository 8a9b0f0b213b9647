/* The inbox: what has been sent to a socket and not yet received.
 *
 * All bytes lie in one ring. Records say more about parts of it: for packets each is one message; for
 * streams only those bytes have one that came with files or identities, so that plain streams are
 * nothing but a ring, as pipes are. Positions count all bytes that ever went through, so a record
 * stays right when bytes before it go.
 */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/net/inflight.h"
#include "libos/net/unix.h"

void inbox_init(struct unix_inbox *b)
{
    mutex_init(&b->mutex);
    list_init(&b->records);
}

void unix_wake_readers(struct unix_sock *s)
{
    waitq_wake(&s->read_wait, POLL_IN | POLL_RDNORM);
}

void unix_wake_writers(struct unix_sock *s)
{
    const uint32_t events = POLL_OUT | POLL_WRNORM | POLL_WRBAND;
    if (!unix_is_dgram(s)) {
        if (s->peer)
            waitq_wake(&s->peer->write_wait, events);
        return;
    }
    waitq_wake(&s->room_wait, events);
    SPIN_GUARD(&s->senders_lock);
    struct unix_sock *from;
    list_for_each (from, &s->senders, sender_link)
        waitq_wake(&from->write_wait, events);
}

void inbox_close(struct unix_sock *s)
{
    mutex_lock(&s->in.mutex);
    atomic_store(&s->in.closed, true);
    mutex_unlock(&s->in.mutex);
}

void record_free(struct unix_record *r, bool later)
{
    inflight_remove(r->scm.files);
    if (later)
        scm_files_free_later(TAKE(r->scm.files));
    else
        scm_drop(&r->scm);
    if (r->from)
        unix_name_put(r->from);
    kfree(r);
}

bool inbox_purge(struct unix_inbox *b)
{
    struct list records = LIST_INIT(records);
    struct unix_record *r;
    mutex_lock(&b->mutex);
    bool any = !inbox_empty(b);
    list_for_each_safe (r, &b->records, link) {
        list_del(&r->link);
        list_add_tail(&records, &r->link);
    }
    b->count = 0;
    b->start += b->ring.used;
    ring_fini(&b->ring);
    mutex_unlock(&b->mutex);
    while ((r = list_first(&records, struct unix_record, link)) != NULL) {
        list_del(&r->link);
        record_free(r, true);
    }
    return any;
}

void inbox_mark(struct unix_inbox *b, struct unix_record *r, uint32_t size)
{
    r->start = b->start + b->ring.used - size;
    r->size = size;
    list_add_tail(&b->records, &r->link);
    atomic_store(&b->count, b->count + 1);
}

int record_take_scm(struct unix_record *r, bool peek, struct scm *ret)
{
    struct scm_files *files = NULL;
    if (r->scm.files && peek) {
        files = scm_files_dup(r->scm.files);
        if (!files)
            return -ENOMEM;
    } else if (r->scm.files) {
        files = TAKE(r->scm.files);
        inflight_remove(files);
    }
    *ret = r->scm;
    ret->files = files;
    return 0;
}

bool unix_wants_cred(const struct unix_sock *s, const struct unix_sock *to)
{
    uint32_t options = s->socket.options | to->socket.options;
    return (options & SOCK_OPT_PASSCRED) || atomic_load(&to->embryo);
}
