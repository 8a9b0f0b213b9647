/* Linux' socket ABI on x86-64: constants and structures that cross the system-call boundary. */
#ifndef ABI_LINUX_SOCKET_H
#define ABI_LINUX_SOCKET_H
#include <stddef.h>
#include <stdint.h>

enum {
    LINUX_AF_UNSPEC = 0,
    LINUX_AF_UNIX = 1,
    LINUX_AF_INET = 2,
    LINUX_AF_INET6 = 10,
    LINUX_AF_NETLINK = 16,
    LINUX_AF_LIMIT = 46
};
enum {
    LINUX_SOCK_STREAM = 1,
    LINUX_SOCK_DGRAM = 2,
    LINUX_SOCK_RAW = 3,
    LINUX_SOCK_SEQPACKET = 5,
    LINUX_SOCK_LIMIT = 11,
    LINUX_SOCK_TYPE_MASK = 0xf,
    LINUX_SOCK_NONBLOCK = 00004000,
    LINUX_SOCK_CLOEXEC = 02000000,
};
enum { LINUX_SHUT_RD = 0, LINUX_SHUT_WR = 1, LINUX_SHUT_RDWR = 2 };

enum {
    LINUX_MSG_OOB = 0x1,
    LINUX_MSG_PEEK = 0x2,
    LINUX_MSG_DONTROUTE = 0x4,
    LINUX_MSG_CTRUNC = 0x8,
    LINUX_MSG_TRUNC = 0x20,
    LINUX_MSG_DONTWAIT = 0x40,
    LINUX_MSG_EOR = 0x80,
    LINUX_MSG_WAITALL = 0x100,
    LINUX_MSG_ERRQUEUE = 0x2000,
    LINUX_MSG_CONFIRM = 0x800,
    LINUX_MSG_NOSIGNAL = 0x4000,
    LINUX_MSG_MORE = 0x8000,
    LINUX_MSG_WAITFORONE = 0x10000,
    LINUX_MSG_FASTOPEN = 0x20000000,
    LINUX_MSG_CMSG_CLOEXEC = 0x40000000,
};

#define LINUX_SOL_SOCKET 1
enum {
    LINUX_SO_DEBUG = 1,
    LINUX_SO_REUSEADDR = 2,
    LINUX_SO_TYPE = 3,
    LINUX_SO_ERROR = 4,
    LINUX_SO_DONTROUTE = 5,
    LINUX_SO_BROADCAST = 6,
    LINUX_SO_SNDBUF = 7,
    LINUX_SO_RCVBUF = 8,
    LINUX_SO_KEEPALIVE = 9,
    LINUX_SO_OOBINLINE = 10,
    LINUX_SO_PRIORITY = 12,
    LINUX_SO_LINGER = 13,
    LINUX_SO_REUSEPORT = 15,
    LINUX_SO_PASSCRED = 16,
    LINUX_SO_PEERCRED = 17,
    LINUX_SO_RCVLOWAT = 18,
    LINUX_SO_SNDLOWAT = 19,
    LINUX_SO_RCVTIMEO = 20,
    LINUX_SO_SNDTIMEO = 21,
    LINUX_SO_PEERNAME = 28,
    LINUX_SO_TIMESTAMP = 29,
    LINUX_SO_ACCEPTCONN = 30,
    LINUX_SO_PEERSEC = 31,
    LINUX_SO_SNDBUFFORCE = 32,
    LINUX_SO_RCVBUFFORCE = 33,
    LINUX_SO_PROTOCOL = 38,
    LINUX_SO_DOMAIN = 39,
    LINUX_SO_PEERGROUPS = 59,
    LINUX_SO_RCVTIMEO_NEW = 66,
    LINUX_SO_SNDTIMEO_NEW = 67,
};
enum { LINUX_SCM_RIGHTS = 1, LINUX_SCM_CREDENTIALS = 2, LINUX_SCM_MAX_FD = 253 };

enum {
    LINUX_IPPROTO_IP = 0,
    LINUX_IPPROTO_ICMP = 1,
    LINUX_IPPROTO_TCP = 6,
    LINUX_IPPROTO_UDP = 17,
    LINUX_IPPROTO_IPV6 = 41,
    LINUX_IPPROTO_ICMPV6 = 58,
    LINUX_IPPROTO_UDPLITE = 136,
    LINUX_IPPROTO_LIMIT = 263,
};
enum { LINUX_SIOCINQ = 0x541b, LINUX_SIOCOUTQ = 0x5411, LINUX_SIOCATMARK = 0x8905 };

struct linux_sockaddr_un {
    uint16_t family;
    char path[108];
};
_Static_assert(sizeof(struct linux_sockaddr_un) == 110, "Linux ABI");

struct linux_msghdr {
    uint64_t name;
    int32_t namelen;
    uint32_t pad0;
    uint64_t iov, iovlen, control, controllen;
    uint32_t flags, pad1;
};
_Static_assert(sizeof(struct linux_msghdr) == 56, "Linux ABI");

struct linux_mmsghdr {
    struct linux_msghdr hdr;
    uint32_t len, pad0;
};
_Static_assert(sizeof(struct linux_mmsghdr) == 64, "Linux ABI");

struct linux_cmsghdr {
    uint64_t len; /* of header and data, without padding */
    int32_t level, type;
};
_Static_assert(sizeof(struct linux_cmsghdr) == 16, "Linux ABI");

struct linux_ucred {
    int32_t pid;
    uint32_t uid, gid;
};

struct linux_linger {
    int32_t onoff, linger;
};
#endif
