/* Readiness of Internet sockets, and the table of tokens. See inet.h for the protocol.
 *
 * The host reports edges. Bits that are set here may have become false by what we did ourselves; then
 * either we know it (inet_not_ready) or the socket is marked unsure, and poll asks the host. A bit that
 * is clear is right up to the events that are on their way, and the host posts what our own calls
 * caused before they return.
 */
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/net/inet.h"

#define IN_BITS  (POLL_IN | POLL_RDNORM | POLL_RDBAND | POLL_PRI)
#define OUT_BITS (POLL_OUT | POLL_WRNORM | POLL_WRBAND)
#define END_BITS (POLL_ERR | POLL_HUP | POLL_RDHUP)
#define ALL_BITS (IN_BITS | OUT_BITS | END_BITS)

#define TABLE_PAGES (HOST_SOCKET_SLOTS * sizeof(struct inet_sock *) / 4096)

static struct {
    struct spinlock lock;
    struct inet_sock **by_slot; /* HOST_SOCKET_SLOTS; NULL until the first socket */
} table;

/* The host's bits come in both spellings of "in" and "out". */
static uint32_t spelled_out(uint32_t events)
{
    events &= ALL_BITS;
    if (events & (POLL_IN | POLL_RDNORM))
        events |= POLL_IN | POLL_RDNORM;
    if (events & (POLL_OUT | POLL_WRNORM))
        events |= POLL_OUT | POLL_WRNORM;
    return events;
}

/* Room to send that was there already is no news: the host tells of it with every edge. But while a
 * connection is made, what was there belongs to the time before. */
static void deliver(struct inet_sock *s, uint32_t events)
{
    spin_lock(&s->lock);
    uint32_t news = s->connecting ? events : events & ~(s->ready & OUT_BITS);
    atomic_post(&s->ready, s->ready | events);
    s->urgent |= (events & POLL_PRI) != 0;
    bool in = news & (IN_BITS | END_BITS), out = news & (OUT_BITS | POLL_ERR | POLL_HUP);
    if (in)
        atomic_store(&s->in_seq, s->in_seq + 1);
    if (out)
        atomic_store(&s->out_seq, s->out_seq + 1);
    spin_unlock(&s->lock);
    if (in)
        waitq_wake(&s->read_wait, news & (IN_BITS | END_BITS));
    if (out)
        waitq_wake(&s->write_wait, news & (OUT_BITS | END_BITS));
}

static void socket_event(unsigned slot)
{
    SPIN_GUARD(&table.lock);
    uint32_t events = spelled_out(host_socket_events(slot));
    if (table.by_slot && table.by_slot[slot] && events)
        deliver(table.by_slot[slot], events);
}

static int table_make(void)
{
    if (atomic_load(&table.by_slot))
        return 0;
    struct inet_sock **t = kpages_alloc(TABLE_PAGES);
    if (!t)
        return -ENOBUFS;
    spin_lock(&table.lock);
    bool mine = !table.by_slot;
    if (mine)
        atomic_store(&table.by_slot, t);
    spin_unlock(&table.lock);
    if (!mine)
        kpages_free(t, TABLE_PAGES);
    host_socket_hook = socket_event;
    return 0;
}

int inet_claim(struct inet_sock *s, long token)
{
    uint32_t slot = (uint32_t) token & 0xffff;
    if (slot >= HOST_SOCKET_SLOTS || token >> 16 == 0)
        return -EIO;
    int r = table_make();
    if (r < 0)
        return r;
    SPIN_GUARD(&table.lock);
    if (table.by_slot[slot])
        return -EIO;
    table.by_slot[slot] = s;
    s->token = (uint32_t) token;
    return 0;
}

/* The slot is free first: from the call on the host may give it away. */
void inet_unclaim(struct inet_sock *s)
{
    if (!s->token)
        return;
    spin_lock(&table.lock);
    table.by_slot[s->token & 0xffff] = NULL;
    spin_unlock(&table.lock);
    (void) hostcall(HOSTCALL_socket_close, s->token, 0, 0); /* a host that keeps it harms itself */
}

void inet_unsure(struct inet_sock *s)
{
    SPIN_GUARD(&s->lock);
    atomic_post(&s->unsure, true);
}

void inet_not_ready(struct inet_sock *s, uint32_t bits, uint32_t seq)
{
    SPIN_GUARD(&s->lock);
    bool in = bits & IN_BITS;
    if (seq != (in ? s->in_seq : s->out_seq))
        return;
    if ((s->ready & END_BITS) || (in && s->urgent))
        atomic_post(&s->unsure, true);
    else
        atomic_post(&s->ready, s->ready & ~(in ? IN_BITS : OUT_BITS));
}

bool inet_idle(struct inet_sock *s)
{
    SPIN_GUARD(&s->lock);
    return !s->unsure && !(s->ready & (IN_BITS | END_BITS));
}

/* Asks the host. Events that come meanwhile stay. */
static void ask(struct inet_sock *s)
{
    spin_lock(&s->lock);
    uint32_t in = s->in_seq, out = s->out_seq;
    atomic_post(&s->unsure, false);
    spin_unlock(&s->lock);
    long r = hostcall(HOSTCALL_socket_poll, s->token, 0, 0);
    uint32_t now = r < 0 ? POLL_ERR : spelled_out((uint32_t) r);
    SPIN_GUARD(&s->lock);
    bool same = in == s->in_seq && out == s->out_seq;
    atomic_post(&s->ready, same ? now : s->ready | now);
}

uint32_t inet_poll(struct socket *socket, struct poll_table *pt)
{
    struct inet_sock *s = inet_of(socket);
    poll_wait(pt, &s->read_wait);
    poll_wait(pt, &s->write_wait);
    atomic_fence();
    if (atomic_load(&s->unsure))
        ask(s);
    return atomic_load(&s->ready);
}
