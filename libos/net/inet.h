/* Sockets of AF_INET and AF_INET6: each is a socket of the host, which never blocks.
 *
 * The host is asked, and what it answers is checked where it enters (inet_io.c, inet_control.c).
 * Which socket is ready is kept here (inet_ready.c): `ready` has the POLL* bits that hold as far as we
 * know, `unsure` says that they have to be asked for again. The host's events set bits and count
 * in in_seq (something to receive, or the end) and out_seq (room to send, or the end). Who finds
 * nothing to do at the host clears a bit only if nothing was counted since before the call, and sleeps
 * until something is: so no event is lost, and no vCPU waits.
 *
 * Locks: the table's (which socket has which slot), then inet_sock.lock, both spin. Queues are woken
 * with only the table's held.
 */
#ifndef NET_INET_H
#define NET_INET_H
#include "abi/hostnet.h"
#include "libos/host/host.h"
#include "libos/net/socket.h"

struct inet_sock {
    struct socket socket;
    uint32_t token; /* 0: none; constant once it is set */
    bool listening;
    bool timestamps; /* a stream that has control messages to receive */

    struct spinlock lock; /* the next group; seqs are also read without it */
    uint32_t ready;
    bool unsure;
    bool connecting; /* the host has not yet said what became of it */
    bool urgent; /* there was urgent data: a short receive does not mean that all was received */
    uint32_t in_seq, out_seq;

    struct waitq read_wait, write_wait;
};

static inline struct inet_sock *inet_of(struct socket *s)
{
    return container_of(s, struct inet_sock, socket);
}

/* ---- inet_ready.c: tokens and readiness ---- */

/* Makes token the socket's own; -EIO: it cannot be, or another socket has it. */
must_check int inet_claim(struct inet_sock *s, long token);
/* Gives the token back and closes the host's socket. */
void inet_unclaim(struct inet_sock *s);
uint32_t inet_poll(struct socket *s, struct poll_table *pt);
void inet_unsure(struct inet_sock *s);
/* These bits did not hold in a call made at seq, a value of in_seq or out_seq from before it. */
void inet_not_ready(struct inet_sock *s, uint32_t bits, uint32_t seq);
/* Certainly not ready to receive, as of all events that came. */
bool inet_idle(struct inet_sock *s);

/* ---- inet_io.c: requests ---- */

/* One request to the host about a socket, that may have to wait for it. It is submitted, and
 * completed when the host has answered with something else than "not now". Buffers belong to the
 * kernel and stay where they are until then. */
struct inet_io {
    enum hostcall_nr nr;
    uint64_t a1, a2, a3;
    struct cspan in;
    struct span out;
    bool sends;   /* waits for room, not for data */
    uint32_t seq; /* at the last submission */
    long result;
};
/* -EAGAIN: it is not complete. */
must_check long inet_submit(struct inet_sock *s, struct inet_io *io);
/* Waits for the completion of what was submitted, and for the result. -EAGAIN (also if nonblock),
 * or as socket_sleep_error says. */
must_check long inet_complete(struct inet_sock *s, struct inet_io *io, bool nonblock,
                              int64_t deadline_ns);
static inline must_check long inet_run(struct inet_sock *s, struct inet_io *io, bool nonblock,
                                       int64_t deadline_ns)
{
    long r = inet_submit(s, io);
    return r == -EAGAIN ? inet_complete(s, io, nonblock, deadline_ns) : r;
}
/* What cannot have to wait. */
must_check long inet_call(struct inet_sock *s, enum hostcall_nr nr, struct cspan in,
                          struct span out, uint64_t a1, uint64_t a2);
/* The address as a program gets it; -EIO if it is none of this socket's family. */
must_check int inet_name_check(const struct inet_sock *s, const struct host_sockaddr *a,
                               struct sock_addr *ret);
/* A buffer for data on its way: in host memory if one is free there (host >= 0: its number), else of
 * the kernel; INET_CHUNK bytes. p NULL: no memory. */
#define INET_CHUNK HOST_NET_BUFFER_SIZE
struct inet_buffer {
    struct span bytes;
    int host;
};
struct inet_buffer inet_buffer_get(void);
void inet_buffer_put(struct inet_buffer b);
/* One of the kernel for a whole message, INET_MESSAGE bytes, not zeroed; NULL: no memory. */
#define INET_MESSAGE (INET_CHUNK + 4096)
must_check uint8_t *inet_message_buffer_get(void);
void inet_message_buffer_put(uint8_t *b);

/* ---- inet_stream.c, inet_message.c ---- */
must_check long inet_stream_send(struct socket *s, struct sock_msg *m);
must_check long inet_stream_recv(struct socket *s, struct sock_msg *m);
must_check long inet_message_send(struct socket *s, struct sock_msg *m);
must_check long inet_message_recv(struct socket *s, struct sock_msg *m);

/* ---- inet_control.c: control messages of the levels IP, IPV6, SOCKET ---- */
/* Those of a program that the host may see; -EINVAL: others. */
must_check int inet_control_check(struct cspan control);
/* Copies what is sound of the host's to a new buffer. Without memory there is none. */
void inet_control_take(struct cspan host, struct sock_msg *m);

/* ---- inet_option.c ---- */
must_check int inet_set_option(struct socket *s, int level, int name, struct cspan value);
must_check long inet_get_option(struct socket *s, int level, int name, struct span ret);
#endif
