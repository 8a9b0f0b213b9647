/* Requests to the host's sockets.
 *
 * A request is submitted and later completed. This back end makes a host call for each: the host tries at
 * once and answers, or it answers -EAGAIN, and completion waits for the socket's next event and submits
 * again. A back end with a ring would leave the request with the host instead and sleep until its
 * completion arrives; callers see no difference.
 *
 * Bytes of streams pass through buffers in host memory, which are neither read nor written by the kernel
 * but in one copy from or to the program's memory. They belong to calls, not to vCPUs: a call may
 * sleep with one. There are few, so the kernel's own memory has to do when all are in use.
 */
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/net/inet.h"

#define PAGES    (INET_CHUNK / 4096)
#define KEPT_MAX 4u

static uint32_t buffers_used; /* bit per buffer of the host; atomic */
_Static_assert(HOST_NET_BUFFERS == 32, "a bit each");

struct inet_buffer inet_buffer_get(void)
{
    uint32_t used = atomic_load(&buffers_used);
    while (~used) {
        unsigned i = (unsigned) __builtin_ctz(~used);
        if (atomic_cas(&buffers_used, &used, used | 1u << i))
            return (struct inet_buffer){host_net_buffer(i), (int) i};
    }
    return (struct inet_buffer){{kpages_alloc(PAGES), INET_CHUNK}, -1};
}

void inet_buffer_put(struct inet_buffer b)
{
    if (b.host >= 0)
        atomic_and(&buffers_used, ~(1u << b.host));
    else if (b.bytes.p)
        kpages_free(b.bytes.p, PAGES);
}

static struct {
    struct spinlock lock;
    uint8_t *kept[KEPT_MAX];
    unsigned count;
} messages;

uint8_t *inet_message_buffer_get(void)
{
    spin_lock(&messages.lock);
    uint8_t *b = messages.count > 0 ? messages.kept[--messages.count] : NULL;
    spin_unlock(&messages.lock);
    return b ? b : kpages_alloc(INET_MESSAGE / 4096);
}

void inet_message_buffer_put(uint8_t *b)
{
    spin_lock(&messages.lock);
    bool kept = messages.count < KEPT_MAX;
    if (kept)
        messages.kept[messages.count++] = b;
    spin_unlock(&messages.lock);
    if (!kept)
        kpages_free(b, INET_MESSAGE / 4096);
}

long inet_call(struct inet_sock *s, enum hostcall_nr nr, struct cspan in, struct span out,
               uint64_t a1, uint64_t a2)
{
    return hostcall_io(nr, in, out, s->token, a1, a2, 0);
}

long inet_submit(struct inet_sock *s, struct inet_io *io)
{
    io->seq = atomic_load(io->sends ? &s->out_seq : &s->in_seq);
    io->result = hostcall_io(io->nr, io->in, io->out, s->token, io->a1, io->a2, io->a3);
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
    bool ok = s->socket.family == LINUX_AF_INET ? a->size == 16 && family == LINUX_AF_INET
                                                : a->size == 28 && family == LINUX_AF_INET6;
    if (!ok)
        return -EIO;
    memcpy(ret->bytes, a->bytes, a->size);
    ret->size = a->size;
    return 0;
}
