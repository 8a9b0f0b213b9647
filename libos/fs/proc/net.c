/* /proc/PID/net: the sockets of the enclave and the interfaces of the host, in the formats of Linux
 * (proc(5)), for netstat, ss, ifconfig and the like.
 *
 * Only what is known is shown: an internet socket is the host's, which tells its addresses; that it
 * listens or is connected is known here. Queues, timers and retransmissions are not asked for, counters of
 * interfaces neither: they are 0. Routes and neighbours are the host's alone: those tables are empty. */
#include "libos/fs/proc/net.h"
#include "abi/hostnet.h"
#include "libos/mm/heap.h"
#include "libos/net/netif.h"
#include "libos/net/socket.h"

enum { TCP_ESTABLISHED = 1, TCP_CLOSE = 7, TCP_LISTEN = 10 };
enum { UNIX_UNCONNECTED = 1, UNIX_CONNECTED = 3 };
#define UNIX_FLAG_LISTENING 0x10000u
#define PORT_OFFSET         2u
#define ADDR4_OFFSET        4u
#define ADDR6_OFFSET        8u

static bool listens(struct socket *s)
{
    return s->ops->listening && s->ops->listening(s);
}

static struct sock_addr name_of(struct socket *s, bool peer)
{
    struct sock_addr a = {0};
    if (!s->ops->name || s->ops->name(s, peer, &a) < 0)
        a.size = 0;
    return a;
}

/* ---- internet sockets ------------------------------------------------------------------------- */
/* Words of the address as they lie in memory, printed as numbers, and the port. */
static void add_address(struct text *t, const struct sock_addr *a, int family)
{
    bool v6 = family == LINUX_AF_INET6;
    size_t words = v6 ? 4 : 1, at = v6 ? ADDR6_OFFSET : ADDR4_OFFSET;
    uint8_t port[2] = {0};
    bool known = a->size >= at + words * 4;
    text_add(t, " ");
    for (size_t i = 0; i < words; i++) {
        uint32_t w = 0;
        if (known)
            memcpy(&w, a->bytes + at + i * 4, sizeof w);
        text_add(t, "%08X", w);
    }
    if (known)
        memcpy(port, a->bytes + PORT_OFFSET, sizeof port);
    text_add(t, ":%02X%02X", port[0], port[1]);
}

static unsigned state_of(struct socket *s, const struct sock_addr *peer)
{
    if (listens(s))
        return TCP_LISTEN;
    return peer->size > 0 ? TCP_ESTABLISHED : TCP_CLOSE;
}

static int inet_text(struct text *t, int family, int type)
{
    AUTO(socket_list_put) struct socket_list *l = socket_list(family);
    if (!l)
        return -ENOMEM;
    bool tcp = type == LINUX_SOCK_STREAM;
    text_add(t,
             "  sl  local_address %srem_address   %sst tx_queue rx_queue tr tm->when retrnsmt"
             "   uid  timeout inode%s\n",
             family == LINUX_AF_INET6 ? "                        " : "",
             family == LINUX_AF_INET6 ? "                        " : "",
             tcp ? "" : " ref pointer drops");
    unsigned n = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct socket *s = l->at[i];
        if (s->type != type)
            continue;
        struct sock_addr own = name_of(s, false), peer = name_of(s, true);
        unsigned state = state_of(s, &peer);
        if (tcp && state == TCP_CLOSE)
            continue; /* not in Linux' tables either */
        text_add(t, "%4u:", n++);
        add_address(t, &own, family);
        add_address(t, &peer, family);
        text_add(t, " %02X 00000000:00000000 00:00000000 00000000 %5u        0 %lu 2 0%s\n", state,
                 s->inode.uid, (unsigned long) s->inode.ino, tcp ? " 20 4 30 10 -1" : " 0");
    }
    return 0;
}

#define INET_TEXT(name, family, type)                                                              \
    static int name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        return inet_text(t, (family), (type));                                                     \
    }
INET_TEXT(tcp, LINUX_AF_INET, LINUX_SOCK_STREAM)
INET_TEXT(tcp6, LINUX_AF_INET6, LINUX_SOCK_STREAM)
INET_TEXT(udp, LINUX_AF_INET, LINUX_SOCK_DGRAM)
INET_TEXT(udp6, LINUX_AF_INET6, LINUX_SOCK_DGRAM)
INET_TEXT(raw, LINUX_AF_INET, LINUX_SOCK_RAW)
INET_TEXT(raw6, LINUX_AF_INET6, LINUX_SOCK_RAW)

/* ---- local sockets ---------------------------------------------------------------------------- */
static void add_path(struct text *t, const struct sock_addr *a)
{
    size_t at = sizeof a->family;
    if (a->size <= at)
        return;
    bool abstract = a->bytes[at] == 0;
    text_add(t, " ");
    for (; at < a->size && (abstract || a->bytes[at]); at++)
        text_add(t, "%c", a->bytes[at] ? a->bytes[at] : '@');
}

static int unix_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(socket_list_put) struct socket_list *l = socket_list(LINUX_AF_UNIX);
    if (!l)
        return -ENOMEM;
    text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for (size_t i = 0; i < l->count; i++) {
        struct socket *s = l->at[i];
        struct sock_addr own = name_of(s, false), peer = name_of(s, true);
        text_add(t, "0000000000000000: 00000002 00000000 %08X %04X %02X %5lu",
                 listens(s) ? UNIX_FLAG_LISTENING : 0, (unsigned) s->type,
                 peer.size > 0 ? UNIX_CONNECTED : UNIX_UNCONNECTED, (unsigned long) s->inode.ino);
        add_path(t, &own);
        text_add(t, "\n");
    }
    return 0;
}

static int netlink_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(socket_list_put) struct socket_list *l = socket_list(LINUX_AF_NETLINK);
    if (!l)
        return -ENOMEM;
    text_add(t, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops"
                "    Inode\n");
    for (size_t i = 0; i < l->count; i++) {
        struct sock_addr own = name_of(l->at[i], false);
        uint32_t port = 0;
        if (own.size >= 8)
            memcpy(&port, own.bytes + 4, sizeof port);
        text_add(t,
                 "0000000000000000 %-3d %-10u 00000000 0        0        0     2        0        "
                 "%lu\n",
                 l->at[i]->protocol, port, (unsigned long) l->at[i]->inode.ino);
    }
    return 0;
}

/* How many sockets a family has of a type; 0: of all. */
static unsigned sockets_of(int family, int type)
{
    AUTO(socket_list_put) struct socket_list *l = socket_list(family);
    unsigned n = 0;
    for (size_t i = 0; l && i < l->count; i++)
        n += type == 0 || l->at[i]->type == type;
    return n;
}

static int sockstat_text(const struct proc_ref *ref, struct text *t)
{
    static const int all[] = {LINUX_AF_UNIX, LINUX_AF_INET, LINUX_AF_INET6, LINUX_AF_NETLINK};
    unsigned used = 0, tcp = sockets_of(LINUX_AF_INET, LINUX_SOCK_STREAM);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        used += sockets_of(all[i], 0);
    text_add(t,
             "sockets: used %u\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\nUDP: inuse %u mem 0\n"
             "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
             used, tcp, tcp, sockets_of(LINUX_AF_INET, LINUX_SOCK_DGRAM));
    return 0;
}

static int sockstat6_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t,
             "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse 0\nRAW6: inuse 0\n"
             "FRAG6: inuse 0 memory 0\n",
             sockets_of(LINUX_AF_INET6, LINUX_SOCK_STREAM),
             sockets_of(LINUX_AF_INET6, LINUX_SOCK_DGRAM));
    return 0;
}

/* ---- interfaces ------------------------------------------------------------------------------- */
static int dev_text(const struct proc_ref *ref, struct text *t)
{
    struct netif_list *l = netif_list();
    if (!l)
        return -ENOMEM;
    text_add(t, "Inter-|   Receive                                                |  Transmit\n"
                " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets"
                " errs drop fifo colls carrier compressed\n");
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].family == 0)
            text_add(t,
                     "%6s:       0       0    0    0    0     0          0         0        0"
                     "       0    0    0    0     0       0          0\n",
                     l->at[i].name);
    kfree(l);
    return 0;
}

static int if_inet6_text(const struct proc_ref *ref, struct text *t)
{
    struct netif_list *l = netif_list();
    if (!l)
        return -ENOMEM;
    for (size_t i = 0; i < l->count; i++) {
        const struct host_interface *a = &l->at[i];
        if (a->family != LINUX_AF_INET6)
            continue;
        for (size_t b = 0; b < sizeof a->addr; b++)
            text_add(t, "%02x", a->addr[b]);
        text_add(t, " %02x %02x %02x 80 %8s\n", a->index, a->prefix, a->scope, a->name);
    }
    kfree(l);
    return 0;
}

#define HEADER_TEXT(name, text_)                                                                   \
    static int name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        text_add(t, "%s", (text_));                                                                \
        return 0;                                                                                  \
    }
HEADER_TEXT(route, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow"
                   "\tIRTT                                                       \n")
HEADER_TEXT(arp, "IP address       HW type     Flags       HW address            Mask     Device\n")
HEADER_TEXT(packet, "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n")
HEADER_TEXT(nothing, "")

const struct proc_entry proc_net_children[] = {
    PROC_FILE("tcp", tcp_text),
    PROC_FILE("tcp6", tcp6_text),
    PROC_FILE("udp", udp_text),
    PROC_FILE("udp6", udp6_text),
    PROC_FILE("udplite", nothing_text),
    PROC_FILE("udplite6", nothing_text),
    PROC_FILE("raw", raw_text),
    PROC_FILE("raw6", raw6_text),
    PROC_FILE("unix", unix_text),
    PROC_FILE("netlink", netlink_text),
    PROC_FILE("packet", packet_text),
    PROC_FILE("sockstat", sockstat_text),
    PROC_FILE("sockstat6", sockstat6_text),
    PROC_FILE("dev", dev_text),
    PROC_FILE("if_inet6", if_inet6_text),
    PROC_FILE("route", route_text),
    PROC_FILE("ipv6_route", nothing_text),
    PROC_FILE("arp", arp_text),
    {.name = NULL},
};
