/* Sockets of any family: the object behind the descriptor, what a family implements, and what system
 * calls do with it.
 *
 * A socket is its inode: references are inode references, and the last one frees it. The open file
 * holds one; a family may hold more (a peer, a queue). socket_ops.release runs when the file goes,
 * which may be long before the end of the memory.
 *
 * Fields of struct socket are changed by single stores (options) or by the family, with its locks.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H
#include "abi/linux/socket.h"
#include "libos/base/errno.h"
#include "libos/net/scm.h"
#include "libos/vfs/file.h"

struct sock_addr { /* size 0: none */
    uint32_t size;
    union {
        uint16_t family;
        uint8_t bytes[128];
    };
};

/* One message on its way through send or recv. */
struct sock_msg {
    struct uio *uio;
    unsigned flags; /* MSG_* of the caller */
    bool nonblock;
    struct sock_addr
        *name; /* send: destination, NULL: the peer. recv: where the sender's name goes, or NULL */
    struct scm scm;       /* send: taken over when queued. recv: what came along */
    struct cspan control; /* send: all control messages, well-formed */
    bool wants_control;   /* recv: the caller has room for them */
    struct span
        ret_control;    /* recv: other control messages than scm's; allocated, the caller frees */
    unsigned ret_flags; /* recv: MSG_TRUNC, MSG_CTRUNC ... */
};

struct socket;
/* All may be NULL: -EOPNOTSUPP; poll: never ready. Errors as Linux'. */
struct socket_ops {
    void (*release)(struct socket *s);
    void (*free)(struct socket *s); /* the last reference is gone: frees the memory */
    int (*bind)(struct socket *s, const struct sock_addr *a);
    int (*listen)(struct socket *s, int backlog);
    int (*connect)(struct socket *s, const struct sock_addr *a, bool nonblock);
    int (*accept)(struct socket *s, bool nonblock, struct socket **ret); /* a reference */
    int (*shutdown)(struct socket *s, int how);
    int (*name)(struct socket *s, bool peer, struct sock_addr *ret);
    long (*send)(struct socket *s, struct sock_msg *m);
    long (*recv)(struct socket *s, struct sock_msg *m);
    uint32_t (*poll)(struct socket *s, struct poll_table *pt);
    long (*readable)(struct socket *s);  /* FIONREAD */
    int (*take_error)(struct socket *s); /* SO_ERROR: positive, or 0; cleared */
    bool (*listening)(struct socket *s);
    /* These may leave it to the common code: SOCKET_COMMON. NULL: they do. */
    int (*set_option)(struct socket *s, int level, int name, struct cspan value);
    long (*get_option)(struct socket *s, int level, int name, struct span ret);
    long (*ioctl)(struct socket *s, unsigned cmd, uint64_t arg);
};
#define SOCKET_COMMON (-ERESTARTSYS) /* no family means this */

/* A family of sockets; the list is in socket.c. pair NULL: no socketpair. */
struct socket_family {
    int family;
    int (*new)(int family, int type, int protocol, struct socket **ret);
    void (*pair)(struct socket *a, struct socket *b); /* joins two new ones */
};
extern const struct socket_family unix_family, inet_family, inet6_family, netlink_family;

enum { /* options that are bits */
       SOCK_OPT_REUSEADDR = 1u << 0,
       SOCK_OPT_KEEPALIVE = 1u << 1,
       SOCK_OPT_BROADCAST = 1u << 2,
       SOCK_OPT_PASSCRED = 1u << 3,
       SOCK_OPT_OOBINLINE = 1u << 4,
       SOCK_OPT_REUSEPORT = 1u << 5,
       SOCK_OPT_DONTROUTE = 1u << 6,
       SOCK_OPT_DEBUG = 1u << 7,
       SOCK_OPT_TIMESTAMP = 1u << 8,
};

struct socket {
    struct inode inode;
    const struct socket_ops *ops;
    int family, type, protocol;
    uint32_t options; /* SOCK_OPT_* */
    uint32_t sndbuf, rcvbuf, rcvlowat, priority;
    int64_t rcvtimeo_ns, sndtimeo_ns; /* 0: forever */
    struct linux_linger linger;
    struct linux_ucred peer_cred; /* SO_PEERCRED */
    struct list list_link;        /* socket_list.c */
};

/* A new socket, unconnected, one reference; type without SOCK_NONBLOCK and the like. */
must_check int socket_new(int family, int type, int protocol, struct socket **ret);
must_check int socket_pair(int family, int type, int protocol, struct socket *ret[2]);
/* For families: fills in what they all have. Takes over nothing. */
void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type);
/* An open file for s; takes over the reference on success. o_flags: O_NONBLOCK or 0. */
must_check struct file *socket_file_new(struct socket *s, unsigned o_flags);
struct socket *socket_of(const struct file *f); /* borrowed; NULL: not a socket */
void socket_discard(struct socket *s);          /* ends one that never got a file */

void socket_get(struct socket *s);
void socket_put(struct socket *s);
DEFINE_AUTO(struct socket, socket_put)

/* Sockets of a family that have a file, each with a reference; NULL: no memory. */
struct socket_list {
    size_t count;
    struct socket *at[];
};
must_check struct socket_list *socket_list(int family);
void socket_list_put(struct socket_list *l);
DEFINE_AUTO(struct socket_list, socket_list_put)
void socket_list_add(struct socket *s); /* when its file comes and goes */
void socket_list_del(struct socket *s);

/* Operations with the family's default answers. */
must_check long socket_send(struct socket *s, struct sock_msg *m);
must_check long socket_recv(struct socket *s, struct sock_msg *m);
must_check int socket_set_option(struct socket *s, int level, int name, struct cspan value);
/* The whole value is written to ret (128 bytes are enough for all); its size, or -errno. */
must_check long socket_get_option(struct socket *s, int level, int name, struct span ret);

/* When a call that may wait has to give up, by SO_RCVTIMEO or SO_SNDTIMEO (0: never). */
int64_t socket_deadline(int64_t timeout_ns);
/* What an interrupted or timed-out sleep returns: calls with a timeout are not restarted. */
int socket_sleep_error(int error, int64_t deadline_ns);
#endif
