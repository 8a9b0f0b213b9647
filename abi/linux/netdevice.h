/* Linux' ABI of network interfaces: requests of ioctl, and route netlink. */
#ifndef ABI_LINUX_NETDEVICE_H
#define ABI_LINUX_NETDEVICE_H
#include <stdint.h>

enum {
    LINUX_SIOCGIFNAME = 0x8910,
    LINUX_SIOCGIFCONF = 0x8912,
    LINUX_SIOCGIFFLAGS = 0x8913,
    LINUX_SIOCGIFADDR = 0x8915,
    LINUX_SIOCGIFDSTADDR = 0x8917,
    LINUX_SIOCGIFBRDADDR = 0x8919,
    LINUX_SIOCGIFNETMASK = 0x891b,
    LINUX_SIOCGIFMETRIC = 0x891d,
    LINUX_SIOCGIFMTU = 0x8921,
    LINUX_SIOCGIFHWADDR = 0x8927,
    LINUX_SIOCGIFINDEX = 0x8933,
    LINUX_SIOCGIFTXQLEN = 0x8942,
};

struct linux_ifreq {
    char name[16];
    union {
        uint8_t bytes[24];
        int32_t value;
        int16_t flags;
    };
};
_Static_assert(sizeof(struct linux_ifreq) == 40, "Linux ABI");

struct linux_ifconf {
    int32_t size, pad0;
    uint64_t buf;
};

struct linux_sockaddr_in {
    uint16_t family, port; /* port and address in network order */
    uint8_t addr[4], zero[8];
};
_Static_assert(sizeof(struct linux_sockaddr_in) == 16, "Linux ABI");

/* ---- netlink ---- */

struct linux_sockaddr_nl {
    uint16_t family, pad;
    uint32_t pid, groups;
};
_Static_assert(sizeof(struct linux_sockaddr_nl) == 12, "Linux ABI");

struct linux_nlmsghdr {
    uint32_t len; /* with the header */
    uint16_t type, flags;
    uint32_t seq, pid;
};
_Static_assert(sizeof(struct linux_nlmsghdr) == 16, "Linux ABI");

enum { LINUX_NETLINK_ROUTE = 0, LINUX_NETLINK_LIMIT = 32 };
enum {
    LINUX_NLMSG_NOOP = 1,
    LINUX_NLMSG_ERROR = 2,
    LINUX_NLMSG_DONE = 3,
    LINUX_NLMSG_MIN_TYPE = 16
};
enum {
    LINUX_NLM_F_REQUEST = 1,
    LINUX_NLM_F_MULTI = 2,
    LINUX_NLM_F_ACK = 4,
    LINUX_NLM_F_DUMP = 0x300,
};
enum {
    LINUX_RTM_NEWLINK = 16,
    LINUX_RTM_GETLINK = 18,
    LINUX_RTM_NEWADDR = 20,
    LINUX_RTM_GETADDR = 22,
    LINUX_RTM_GETROUTE = 26,
};

struct linux_ifinfomsg {
    uint8_t family, pad;
    uint16_t type;
    int32_t index;
    uint32_t flags, change;
};
_Static_assert(sizeof(struct linux_ifinfomsg) == 16, "Linux ABI");
enum {
    LINUX_IFLA_ADDRESS = 1,
    LINUX_IFLA_BROADCAST = 2,
    LINUX_IFLA_IFNAME = 3,
    LINUX_IFLA_MTU = 4
};

struct linux_ifaddrmsg {
    uint8_t family, prefix, flags, scope;
    uint32_t index;
};
_Static_assert(sizeof(struct linux_ifaddrmsg) == 8, "Linux ABI");
enum { LINUX_IFA_ADDRESS = 1, LINUX_IFA_LOCAL = 2, LINUX_IFA_LABEL = 3, LINUX_IFA_BROADCAST = 4 };
enum { LINUX_RT_SCOPE_UNIVERSE = 0, LINUX_RT_SCOPE_LINK = 253, LINUX_RT_SCOPE_HOST = 254 };
enum { LINUX_IFA_F_PERMANENT = 0x80 };

enum { LINUX_IFF_LOOPBACK = 0x8 };

struct linux_rtattr {
    uint16_t len, type; /* len: with the header, without padding */
};
#endif
