/* Options of Internet sockets. They are the host's: one that is in the table is handed on, value and
 * all. What decides how calls wait is kept inside (SO_RCVTIMEO and the like: option.c), and what says
 * what the socket is.
 */
#include "libos/base/log.h"
#include "libos/mm/uaccess.h"
#include "libos/net/inet.h"

#define SET 1u
#define GET 2u
#define RW  (SET | GET)

enum { SO_TIMESTAMPNS_ = 35, SO_TIMESTAMPING_ = 37 };

struct option {
    int level, name;
    uint32_t max; /* bytes of a value that is set */
    uint32_t ways;
};
static const struct option options[] = {
    {LINUX_SOL_SOCKET, LINUX_SO_REUSEADDR, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_ERROR, 0, GET},
    {LINUX_SOL_SOCKET, LINUX_SO_DONTROUTE, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_BROADCAST, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_RCVBUF, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_KEEPALIVE, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_OOBINLINE, 4, RW},
    {LINUX_SOL_SOCKET, 11 /* NO_CHECK */, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_PRIORITY, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_LINGER, 8, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_REUSEPORT, 4, RW},
    {LINUX_SOL_SOCKET, 25 /* BINDTODEVICE */, 16, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMP, 4, RW},
    {LINUX_SOL_SOCKET, LINUX_SO_ACCEPTCONN, 0, GET},
    {LINUX_SOL_SOCKET, LINUX_SO_SNDBUFFORCE, 4, SET},
    {LINUX_SOL_SOCKET, LINUX_SO_RCVBUFFORCE, 4, SET},
    {LINUX_SOL_SOCKET, SO_TIMESTAMPNS_, 4, RW},
    {LINUX_SOL_SOCKET, SO_TIMESTAMPING_, 8, RW},
    {LINUX_SOL_SOCKET, 40 /* RXQ_OVFL */, 4, RW},
    {LINUX_SOL_SOCKET, 46 /* BUSY_POLL */, 4, RW},
    {LINUX_SOL_SOCKET, 47 /* MAX_PACING_RATE */, 8, RW},
    {LINUX_SOL_SOCKET, 49 /* INCOMING_CPU */, 4, RW},
    {LINUX_SOL_SOCKET, 55 /* MEMINFO */, 0, GET},
    {LINUX_SOL_SOCKET, 56 /* INCOMING_NAPI_ID */, 0, GET},
    {LINUX_SOL_SOCKET, 57 /* COOKIE */, 0, GET},
    {LINUX_IPPROTO_IP, 1 /* TOS */, 4, RW},
    {LINUX_IPPROTO_IP, 2 /* TTL */, 4, RW},
    {LINUX_IPPROTO_IP, 6 /* RECVOPTS */, 4, RW},
    {LINUX_IPPROTO_IP, 8 /* PKTINFO */, 4, RW},
    {LINUX_IPPROTO_IP, 10 /* MTU_DISCOVER */, 4, RW},
    {LINUX_IPPROTO_IP, 11 /* RECVERR */, 4, RW},
    {LINUX_IPPROTO_IP, 12 /* RECVTTL */, 4, RW},
    {LINUX_IPPROTO_IP, 13 /* RECVTOS */, 4, RW},
    {LINUX_IPPROTO_IP, 14 /* MTU */, 0, GET},
    {LINUX_IPPROTO_IP, 15 /* FREEBIND */, 4, RW},
    {LINUX_IPPROTO_IP, 20 /* RECVORIGDSTADDR */, 4, RW},
    {LINUX_IPPROTO_IP, 21 /* MINTTL */, 4, RW},
    {LINUX_IPPROTO_IP, 24 /* BIND_ADDRESS_NO_PORT */, 4, RW},
    {LINUX_IPPROTO_IP, 32 /* MULTICAST_IF */, 12, RW},
    {LINUX_IPPROTO_IP, 33 /* MULTICAST_TTL */, 4, RW},
    {LINUX_IPPROTO_IP, 34 /* MULTICAST_LOOP */, 4, RW},
    {LINUX_IPPROTO_IP, 35 /* ADD_MEMBERSHIP */, 12, SET},
    {LINUX_IPPROTO_IP, 36 /* DROP_MEMBERSHIP */, 12, SET},
    {LINUX_IPPROTO_IP, 37 /* UNBLOCK_SOURCE */, 12, SET},
    {LINUX_IPPROTO_IP, 38 /* BLOCK_SOURCE */, 12, SET},
    {LINUX_IPPROTO_IP, 39 /* ADD_SOURCE_MEMBERSHIP */, 12, SET},
    {LINUX_IPPROTO_IP, 40 /* DROP_SOURCE_MEMBERSHIP */, 12, SET},
    {LINUX_IPPROTO_IP, 42 /* MCAST_JOIN_GROUP */, 136, SET},
    {LINUX_IPPROTO_IP, 45 /* MCAST_LEAVE_GROUP */, 136, SET},
    {LINUX_IPPROTO_IP, 46 /* MCAST_JOIN_SOURCE_GROUP */, 264, SET},
    {LINUX_IPPROTO_IP, 47 /* MCAST_LEAVE_SOURCE_GROUP */, 264, SET},
    {LINUX_IPPROTO_IP, 49 /* MULTICAST_ALL */, 4, RW},
    {LINUX_IPPROTO_IP, 50 /* UNICAST_IF */, 4, RW},
    {LINUX_IPPROTO_IP, 51 /* LOCAL_PORT_RANGE */, 4, RW},
    {LINUX_IPPROTO_TCP, 1 /* NODELAY */, 4, RW},
    {LINUX_IPPROTO_TCP, 2 /* MAXSEG */, 4, RW},
    {LINUX_IPPROTO_TCP, 3 /* CORK */, 4, RW},
    {LINUX_IPPROTO_TCP, 4 /* KEEPIDLE */, 4, RW},
    {LINUX_IPPROTO_TCP, 5 /* KEEPINTVL */, 4, RW},
    {LINUX_IPPROTO_TCP, 6 /* KEEPCNT */, 4, RW},
    {LINUX_IPPROTO_TCP, 7 /* SYNCNT */, 4, RW},
    {LINUX_IPPROTO_TCP, 8 /* LINGER2 */, 4, RW},
    {LINUX_IPPROTO_TCP, 9 /* DEFER_ACCEPT */, 4, RW},
    {LINUX_IPPROTO_TCP, 10 /* WINDOW_CLAMP */, 4, RW},
    {LINUX_IPPROTO_TCP, 11 /* INFO */, 0, GET},
    {LINUX_IPPROTO_TCP, 12 /* QUICKACK */, 4, RW},
    {LINUX_IPPROTO_TCP, 13 /* CONGESTION */, 16, RW},
    {LINUX_IPPROTO_TCP, 16 /* THIN_LINEAR_TIMEOUTS */, 4, RW},
    {LINUX_IPPROTO_TCP, 17 /* THIN_DUPACK */, 4, RW},
    {LINUX_IPPROTO_TCP, 18 /* USER_TIMEOUT */, 4, RW},
    {LINUX_IPPROTO_TCP, 23 /* FASTOPEN */, 4, RW},
    {LINUX_IPPROTO_TCP, 24 /* TIMESTAMP */, 4, RW},
    {LINUX_IPPROTO_TCP, 25 /* NOTSENT_LOWAT */, 4, RW},
    {LINUX_IPPROTO_TCP, 26 /* CC_INFO */, 0, GET},
    {LINUX_IPPROTO_TCP, 30 /* FASTOPEN_CONNECT */, 4, RW},
    {LINUX_IPPROTO_TCP, 34 /* FASTOPEN_NO_COOKIE */, 4, RW},
    {LINUX_IPPROTO_TCP, 37 /* TX_DELAY */, 4, RW},
    {LINUX_IPPROTO_UDP, 1 /* CORK */, 4, RW},
    {LINUX_IPPROTO_UDP, 103 /* SEGMENT */, 4, RW},
    {LINUX_IPPROTO_UDP, 104 /* GRO */, 4, RW},
    {LINUX_IPPROTO_UDPLITE, 10 /* SEND_CSCOV */, 4, RW},
    {LINUX_IPPROTO_UDPLITE, 11 /* RECV_CSCOV */, 4, RW},
    {LINUX_IPPROTO_IPV6, 16 /* UNICAST_HOPS */, 4, RW},
    {LINUX_IPPROTO_IPV6, 17 /* MULTICAST_IF */, 4, RW},
    {LINUX_IPPROTO_IPV6, 18 /* MULTICAST_HOPS */, 4, RW},
    {LINUX_IPPROTO_IPV6, 19 /* MULTICAST_LOOP */, 4, RW},
    {LINUX_IPPROTO_IPV6, 20 /* JOIN_GROUP */, 20, SET},
    {LINUX_IPPROTO_IPV6, 21 /* LEAVE_GROUP */, 20, SET},
    {LINUX_IPPROTO_IPV6, 23 /* MTU_DISCOVER */, 4, RW},
    {LINUX_IPPROTO_IPV6, 24 /* MTU */, 4, RW},
    {LINUX_IPPROTO_IPV6, 25 /* RECVERR */, 4, RW},
    {LINUX_IPPROTO_IPV6, 26 /* V6ONLY */, 4, RW},
    {LINUX_IPPROTO_IPV6, 29 /* MULTICAST_ALL */, 4, RW},
    {LINUX_IPPROTO_IPV6, 42 /* MCAST_JOIN_GROUP */, 136, SET},
    {LINUX_IPPROTO_IPV6, 45 /* MCAST_LEAVE_GROUP */, 136, SET},
    {LINUX_IPPROTO_IPV6, 46 /* MCAST_JOIN_SOURCE_GROUP */, 264, SET},
    {LINUX_IPPROTO_IPV6, 47 /* MCAST_LEAVE_SOURCE_GROUP */, 264, SET},
    {LINUX_IPPROTO_IPV6, 49 /* RECVPKTINFO */, 4, RW},
    {LINUX_IPPROTO_IPV6, 50 /* PKTINFO */, 20, RW},
    {LINUX_IPPROTO_IPV6, 51 /* RECVHOPLIMIT */, 4, RW},
    {LINUX_IPPROTO_IPV6, 52 /* HOPLIMIT */, 4, RW},
    {LINUX_IPPROTO_IPV6, 60 /* RECVPATHMTU */, 4, RW},
    {LINUX_IPPROTO_IPV6, 62 /* DONTFRAG */, 4, RW},
    {LINUX_IPPROTO_IPV6, 66 /* RECVTCLASS */, 4, RW},
    {LINUX_IPPROTO_IPV6, 67 /* TCLASS */, 4, RW},
    {LINUX_IPPROTO_IPV6, 70 /* AUTOFLOWLABEL */, 4, RW},
    {LINUX_IPPROTO_IPV6, 72 /* ADDR_PREFERENCES */, 4, RW},
    {LINUX_IPPROTO_IPV6, 73 /* MINHOPCOUNT */, 4, RW},
    {LINUX_IPPROTO_IPV6, 74 /* RECVORIGDSTADDR */, 4, RW},
    {LINUX_IPPROTO_IPV6, 76 /* UNICAST_IF */, 4, RW},
    {LINUX_IPPROTO_IPV6, 78 /* FREEBIND */, 4, RW},
};

static const struct option *find(int level, int name)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].level == level && options[i].name == name)
            return &options[i];
    return NULL;
}

/* Options of the socket level that are answered without the host. */
static bool is_ours(int level, int name)
{
    if (level != LINUX_SOL_SOCKET)
        return false;
    switch (name) {
    case LINUX_SO_DEBUG:
    case LINUX_SO_TYPE:
    case LINUX_SO_PASSCRED:
    case LINUX_SO_PEERCRED:
    case LINUX_SO_RCVTIMEO:
    case LINUX_SO_SNDTIMEO:
    case LINUX_SO_RCVTIMEO_NEW:
    case LINUX_SO_SNDTIMEO_NEW:
    case LINUX_SO_RCVLOWAT:
    case LINUX_SO_SNDLOWAT:
    case LINUX_SO_PEERNAME:
    case LINUX_SO_PROTOCOL:
    case LINUX_SO_DOMAIN:
        return true;
    default:
        return false;
    }
}

/* What Linux says to levels and options that a socket does not have. */
static int absent(const struct socket *s, int level, int name)
{
    bool known = level == LINUX_SOL_SOCKET || level == LINUX_IPPROTO_IP ||
                 (level == LINUX_IPPROTO_IPV6 && s->family == LINUX_AF_INET6) ||
                 level == s->protocol;
    if (known)
        log_once(LOG_WARN, "net: option %d of level %d is absent\n", name, level);
    return known || level == LINUX_IPPROTO_UDP ? -ENOPROTOOPT : -EOPNOTSUPP;
}

static bool is_timestamp(int level, int name)
{
    return level == LINUX_SOL_SOCKET &&
           (name == LINUX_SO_TIMESTAMP || name == SO_TIMESTAMPNS_ || name == SO_TIMESTAMPING_);
}

/* A descriptor's low-water mark has to be the host's too: it decides when the socket is ready. */
static void tell_lowat(struct inet_sock *s, struct cspan value)
{
    (void) inet_call(s, HOSTCALL_socket_setopt, value, (struct span){0}, LINUX_SOL_SOCKET,
                     LINUX_SO_RCVLOWAT); /* calls wait for the mark themselves */
}

int inet_set_option(struct socket *s, int level, int name, struct cspan value)
{
    if (is_ours(level, name)) {
        if (level == LINUX_SOL_SOCKET && name == LINUX_SO_RCVLOWAT && value.n >= sizeof(int))
            tell_lowat(inet_of(s), value);
        return SOCKET_COMMON;
    }
    const struct option *o = find(level, name);
    if (!o || !(o->ways & SET))
        return absent(s, level, name);
    value.n = MIN(value.n, (size_t) o->max);
    if (is_timestamp(level, name))
        inet_of(s)->timestamps = true;
    return (int) inet_call(inet_of(s), HOSTCALL_socket_setopt, value, (struct span){0},
                           (uint64_t) (int64_t) level, (uint64_t) (int64_t) name);
}

/* A pending error is believed to be one only if it can be one. */
static long error_of(struct inet_sock *s, struct span ret)
{
    int error;
    long r = inet_call(s, HOSTCALL_socket_getopt, (struct cspan){0}, SPAN_OF(error),
                       LINUX_SOL_SOCKET, LINUX_SO_ERROR);
    if (r < 0)
        return r;
    inet_unsure(s);
    if (r != sizeof error || error < 0 || error > 133)
        error = EIO;
    memcpy(ret.p, &error, sizeof error);
    return sizeof error;
}

long inet_get_option(struct socket *s, int level, int name, struct span ret)
{
    if (is_ours(level, name))
        return SOCKET_COMMON;
    const struct option *o = find(level, name);
    if (!o || !(o->ways & GET))
        return absent(s, level, name);
    if (level == LINUX_SOL_SOCKET && name == LINUX_SO_ERROR)
        return error_of(inet_of(s), ret);
    return inet_call(inet_of(s), HOSTCALL_socket_getopt, (struct cspan){0}, ret,
                     (uint64_t) (int64_t) level, (uint64_t) (int64_t) name);
}
