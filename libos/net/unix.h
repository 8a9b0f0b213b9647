/* Sockets of AF_UNIX, shared by the files libos/net/unix_*.c.
 *
 * A socket owns the inbox of what was sent to it. A connection is two sockets that point at each other;
 * the two directions are the two inboxes, and "closed" of an inbox is everything that ends a
 * direction: the reader's shutdown or end, the writer's shutdown or end. So the reader sees the end of
 * the stream where the writer sees a broken pipe.
 *
 * States: UNIX_IDLE -> UNIX_LISTENING, or -> UNIX_CONNECTED (stream and seqpacket). There is no way
 * back. The peer of a connected socket stays, as a reference, until the socket itself is released, so
 * reading s->peer needs no lock in calls on s. Datagram sockets stay IDLE; their peer may change, under
 * s->mutex.
 *
 * Locks: s->mutex (state, name, peer of datagram sockets, the queue of connections), then
 * inbox.mutex, then the spin locks senders_lock and that of the table of names. Two sockets' mutexes
 * of one kind are never held together, but that of an IDLE socket and then that of a LISTENING one
 * (connect; no state leads back). User memory is copied under inbox.mutex.
 */
#ifndef NET_UNIX_H
#define NET_UNIX_H
#include "libos/mm/ring.h"
#include "libos/net/socket.h"

enum unix_state { UNIX_IDLE, UNIX_LISTENING, UNIX_CONNECTED };

/* A bound name; never changes, freed with the last reference. */
struct unix_name {
    struct ref ref;
    struct sock_addr addr;
    struct path path;   /* names in the file system: references */
    uint64_t inode_key; /* the same: inode_unique */
};

/* A datagram, or bytes of a stream that belong to more than their neighbours do. */
struct unix_record {
    struct list link;
    uint64_t start; /* position of its first byte */
    uint32_t size;
    struct scm scm;
    struct unix_name *from; /* datagrams: a reference or NULL */
};

struct unix_inbox {
    struct mutex mutex; /* everything here; used, count and closed are also read without it */
    struct ring ring;
    uint64_t start;      /* position of the ring's first byte */
    struct list records; /* struct unix_record, by start */
    uint32_t count;      /* of records */
    uint32_t want;       /* what the writers who sleep need */
    bool closed;
};

struct unix_sock {
    struct socket socket;
    struct mutex mutex;
    enum unix_state state;  /* mutex; read without it */
    struct unix_name *name; /* mutex; set once */
    struct list name_link;  /* the table of names, its lock */
    struct unix_sock *peer; /* see above; a reference */
    struct unix_inbox in;
    int error;        /* positive; atomic. Given to the next call or SO_ERROR */
    bool send_closed; /* shutdown before or without a connection; one store */
    bool dead;        /* released; mutex, read without it */

    struct waitq read_wait;  /* something arrived, a connection too; or the end */
    struct waitq write_wait; /* the peer made room; or the end */
    struct waitq
        room_wait; /* datagrams: senders sleep here for room in our inbox. Listeners: connecters */

    struct spinlock senders_lock; /* the list */
    struct list senders;          /* datagram sockets whose peer we are */
    struct list sender_link;      /* in peer->senders */

    struct list embryos; /* listeners: connections to accept, by embryo_link; mutex */
    struct list embryo_link;
    uint32_t embryo_count, backlog; /* mutex; read without it */
    bool embryo; /* not yet accepted: who accepts may want what we do not know yet */

    /* inflight.c, its lock */
    uint32_t in_flight;     /* references to our file that queues hold */
    struct list queued;     /* struct scm_files with sockets among them, in our inbox */
    struct list owner_link; /* all sockets where that list is not empty */
    struct list work_link;  /* of a collection */
    bool reachable;
};

static inline struct unix_sock *unix_of(struct socket *s)
{
    return container_of(s, struct unix_sock, socket);
}
static inline bool unix_is_stream(const struct unix_sock *s)
{
    return s->socket.type == LINUX_SOCK_STREAM;
}
static inline bool unix_is_dgram(const struct unix_sock *s)
{
    return s->socket.type == LINUX_SOCK_DGRAM;
}
static inline void unix_get(struct unix_sock *s)
{
    socket_get(&s->socket);
}
static inline void unix_put(struct unix_sock *s)
{
    socket_put(&s->socket);
}
DEFINE_AUTO(struct unix_sock, unix_put)

/* unix.c */
must_check struct unix_sock *unix_alloc(int type);
void unix_fail(struct unix_sock *s, int error); /* for the next call; wakes everybody */
int unix_take_error(struct unix_sock *s);       /* negative, or 0 */
/* Ends a socket that never had a file (or whose file goes). reset: the peer learns it. */
void unix_release(struct unix_sock *s, bool reset);

/* unix_name.c */
must_check int unix_bind(struct socket *s, const struct sock_addr *a);
must_check int unix_autobind(struct unix_sock *s); /* a name that is free; 0 if it has one */
void unix_unbind(struct unix_sock *s);             /* its end: nobody finds it any more */
/* The socket with that name, a reference; as Linux: -ECONNREFUSED, -EPROTOTYPE, errors of paths. */
must_check int unix_find(const struct unix_sock *s, const struct sock_addr *a,
                         struct unix_sock **ret);
must_check int unix_name_of(struct socket *s, bool peer, struct sock_addr *ret);
struct unix_name *unix_name_get(struct unix_sock *s); /* a reference, or NULL */
void unix_name_put(struct unix_name *n);
DEFINE_AUTO(struct unix_name, unix_name_put)

/* unix_connect.c */
must_check int unix_listen(struct socket *s, int backlog);
must_check int unix_connect_stream(struct socket *s, const struct sock_addr *a, bool nonblock);
must_check int unix_connect_dgram(struct socket *s, const struct sock_addr *a, bool nonblock);
must_check int unix_accept(struct socket *s, bool nonblock, struct socket **ret);
void unix_release_embryos(struct unix_sock *s);
/* The peer of a datagram socket, a reference; NULL: none. */
struct unix_sock *unix_peer_get(struct unix_sock *s);
/* Sets or (NULL) removes it; takes its own reference. */
void unix_set_peer_dgram(struct unix_sock *s, struct unix_sock *peer);

/* unix_inbox.c */
void inbox_init(struct unix_inbox *b);
void inbox_close(struct unix_sock *s);
/* Takes everything out, for the end of the socket; true: there was something. */
bool inbox_purge(struct unix_inbox *b);
static inline bool inbox_empty(const struct unix_inbox *b)
{
    return b->ring.used == 0 && b->count == 0;
}
static inline uint32_t inbox_room(const struct unix_inbox *b, uint32_t limit)
{
    return limit > b->ring.used ? limit - b->ring.used : 0;
}
void unix_wake_readers(struct unix_sock *s);
/* There is room in s's inbox again. */
void unix_wake_writers(struct unix_sock *s);
void record_free(struct unix_record *r, bool later);
/* Marks the last `size` bytes put into b; takes over scm and from. The record is allocated before. */
void inbox_mark(struct unix_inbox *b, struct unix_record *r, uint32_t size);
/* The files of a message for the receiver: taken, or with peek copied. -ENOMEM */
must_check int record_take_scm(struct unix_record *r, bool peek, struct scm *ret);
/* Does either side want messages from s to `to` to carry identities (SO_PASSCRED)? */
struct linux_ucred unix_own_cred(void); /* the caller's, as SO_PEERCRED tells it */
bool unix_wants_cred(const struct unix_sock *s, const struct unix_sock *to);

/* unix_stream.c, unix_dgram.c */
must_check long unix_send_stream(struct socket *s, struct sock_msg *m);
must_check long unix_recv_stream(struct socket *s, struct sock_msg *m);
must_check long unix_send_packet(struct socket *s, struct sock_msg *m);
must_check long unix_recv_packet(struct socket *s, struct sock_msg *m);
/* Is there room for more from s, as poll sees it? */
bool unix_stream_writable(const struct unix_sock *s);
bool unix_packet_writable(struct unix_sock *s);
#endif
