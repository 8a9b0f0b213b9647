/* Requests to the host's sockets.
 *
 * A request is submitted and later completed. This back end makes a host call for each: the host tries at
 * once and answers, or it answers -EAGAIN, and completion waits for the socket's next event and submits
 * again. A back end with a ring would leave the request with the host instead and sleep until its
 * completion arrives; callers see no difference.
 *
 * Data passes through kernel buffers, so that no user page is touched while the host is at work and
 * the host never sees more than what is sent. A few large ones are kept.
 */
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/net/inet.h"

#define KEPT_MAX   8
#define FAMILY_IN  2
#define FAMILY_IN6 10

static struct {
    struct spinlock lock;
    uint8_t *kept[KEPT_MAX];
    unsigned count;
} buffers;

uint8_t *inet_buffer_get(void)
{
    spin_lock(&buffers.lock);
    uint8_t *b = buffers.count > 0 ? buffers.kept[--buffers.count] : NULL;
    spin_unlock(&buffers.lock);
    return b ? b : kpages_alloc(INET_CHUNK / 4096);
}

void inet_buffer_put(uint8_t *b)
{
    spin_lock(&buffers.lock);
    bool kept = buffers.count < KEPT_MAX;
    if (kept)
        buffers.kept[buffers.count++] = b;
    spin_unlock(&buffers.lock);
    if (!kept)
        kpages_free(b, INET_CHUNK / 4096);
}

long inet_call(struct inet_sock *s, enum hostcall_nr nr, struct cspan in, struct span out,
               uint64_t a1, uint64_t a2)
{
    return hostcall_io(nr, in, out, s->token, a1, a2, 0);
}

long inet_submit(struct inet_sock *s, struct inet_io *io)
{
    io->seq = atomic_load(io->sends ? &s->out_seq : &s->in_seq);
    io->result = inet_call(s, io->nr, io->in, io->out, io->a1, io->a2);
    if (io->result == -EAGAIN)
        inet_not_ready(s, io->sends ? POLL_OUT : POLL_IN, io->seq);
    return io->result;
}

static int wait_for_event(struct inet_sock *s, const struct inet_io *io, int64_t deadline_ns)
{
    const uint32_t *seq = io->sends ? &s->out_seq : &s->in_seq;
    struct waitq *q = io->sends ? &s->write_wait : &s->read_wait;
    int r = wait_event(q, atomic_load(seq) != io->seq, SLEEP_INTERRUPTIBLE, deadline_ns);
    return r < 0 ? socket_sleep_error(r, deadline_ns) : 0;
}

long inet_complete(struct inet_sock *s, struct inet_io *io, bool nonblock, int64_t deadline_ns)
{
    while (io->result == -EAGAIN && !nonblock) {
        int r = wait_for_event(s, io, deadline_ns);
        if (r < 0)
            return r;
        (void) inet_submit(s, io); /* the loop looks at it */
    }
    return io->result;
}

int inet_name_check(const struct inet_sock *s, const struct host_sockaddr *a, struct sock_addr *ret)
{
    uint16_t family;
    *ret = (struct sock_addr){0};
    if (a->size == 0)
        return 0;
    memcpy(&family, a->bytes, sizeof family);
    bool ok = s->socket.family == FAMILY_IN ? a->size == 16 && family == FAMILY_IN
                                            : a->size == 28 && family == FAMILY_IN6;
    if (!ok)
        return -EIO;
    memcpy(ret->bytes, a->bytes, a->size);
    ret->size = a->size;
    return 0;
}
