/* Network interfaces: getifaddrs and route netlink, if_nameindex, the requests of ioctl, getaddrinfo. */
#include "guest_test.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* linux/netlink.h, which musl's compiler does not find */
struct nl_address {
    uint16_t family, pad;
    uint32_t pid, groups;
};
struct nl_header {
    uint32_t len;
    uint16_t type, flags;
    uint32_t seq, pid;
};
enum { GETLINK = 18, GETADDR = 22, NEWADDR = 20, DELADDR = 21, REQUEST = 1, DUMP = 0x300 };

static struct {
    struct nl_header h;
    uint8_t body[16];
} request;

static int netlink(void)
{
    return (int) OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void ask(int s, uint16_t type, uint16_t flags)
{
    request.h = (struct nl_header){sizeof request, type, flags, 77, 0};
    memset(request.body, 0, sizeof request.body);
    CHECK_EQ(send(s, &request, sizeof request, 0), sizeof request);
}

TEST_CASE(netlink_dump)
{
    static char buf[16384] __attribute__((aligned(8)));
    int s = netlink(), links = 0;
    struct nl_address from;
    socklen_t n = sizeof from;
    bool done = false;
    ask(s, GETLINK, REQUEST | DUMP);
    while (!done) {
        ssize_t got = OK(recvfrom(s, buf, sizeof buf, 0, (struct sockaddr *) &from, &n));
        CHECK_EQ(from.family, AF_NETLINK);
        CHECK_EQ(from.pid, 0);
        for (ssize_t at = 0; at < got && !done;) {
            struct nl_header *h = (struct nl_header *) (buf + at);
            CHECK(h->len >= sizeof *h && (ssize_t) h->len <= got - at);
            CHECK_EQ(h->seq, 77);
            done = h->type == 3;
            links += h->type == 16;
            at += (h->len + 3) & ~3u;
        }
    }
    CHECK(links >= 1);
    struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    CHECK_ERR(recv(s, buf, 1, MSG_DONTWAIT), EAGAIN);
    OK(close(s));
}

TEST_CASE(netlink_errors)
{
    char buf[4096] __attribute__((aligned(8)));
    int s = netlink(), error;
    CHECK_ERR(socket(AF_NETLINK, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
    CHECK_ERR(socket(AF_NETLINK, SOCK_RAW, 31), EPROTONOSUPPORT);
    ask(s, GETLINK, REQUEST); /* which? */
    ssize_t n = OK(recv(s, buf, sizeof buf, 0));
    struct nl_header *h = (struct nl_header *) buf;
    CHECK((size_t) n >= sizeof *h + sizeof error);
    CHECK_EQ(h->type, 2);
    memcpy(&error, h + 1, sizeof error);
    CHECK(error == -EINVAL || error == -ENODEV);
    ask(s, GETADDR, REQUEST | DUMP);
    n = OK(recv(s, buf, 0, MSG_PEEK | MSG_TRUNC));
    CHECK(n > (ssize_t) sizeof *h);
    CHECK_EQ(recv(s, buf, sizeof buf, MSG_TRUNC), n);
    OK(close(s));
}

TEST_CASE(netlink_names)
{
    struct nl_address a = {.family = AF_NETLINK};
    socklen_t n = sizeof a;
    int s = netlink();
    CHECK_ERR(bind(s, (struct sockaddr *) &a, 4), EINVAL);
    OK(bind(s, (struct sockaddr *) &a, sizeof a));
    OK(getsockname(s, (struct sockaddr *) &a, &n));
    CHECK_EQ(n, sizeof a);
    CHECK_EQ(a.family, AF_NETLINK);
    CHECK(a.pid != 0);
    OK(close(s));
}

TEST_CASE(addresses)
{
    struct ifaddrs *list, *i;
    bool lo = false;
    OK(getifaddrs(&list));
    for (i = list; i; i = i->ifa_next) {
        CHECK(i->ifa_name != NULL);
        CHECK(if_nametoindex(i->ifa_name) != 0);
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        struct sockaddr_in *in = (struct sockaddr_in *) i->ifa_addr;
        if (in->sin_addr.s_addr != htonl(INADDR_LOOPBACK))
            continue;
        lo = true;
        CHECK_STR(i->ifa_name, "lo");
        CHECK(i->ifa_flags & IFF_LOOPBACK);
        CHECK(i->ifa_flags & IFF_UP);
        in = (struct sockaddr_in *) i->ifa_netmask;
        CHECK_EQ(in->sin_addr.s_addr, htonl(0xff000000));
    }
    CHECK(lo);
    freeifaddrs(list);
}

TEST_CASE(names_and_indices)
{
    char name[IF_NAMESIZE] = "";
    struct if_nameindex *all = if_nameindex();
    bool lo = false;
    CHECK(all != NULL);
    for (struct if_nameindex *i = all; i->if_index; i++) {
        CHECK_EQ(if_nametoindex(i->if_name), i->if_index);
        CHECK(if_indextoname(i->if_index, name) != NULL);
        CHECK_STR(name, i->if_name);
        lo |= strcmp(name, "lo") == 0;
    }
    CHECK(lo);
    if_freenameindex(all);
    CHECK_EQ(if_nametoindex("absent0"), 0);
    CHECK_EQ(errno, ENODEV);
    CHECK(if_indextoname(99999, name) == NULL);
    CHECK_EQ(errno, ENXIO);
}

static int ask_ioctl(int s, unsigned long what, const char *name, struct ifreq *r)
{
    memset(r, 0, sizeof *r);
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
    return ioctl(s, what, r);
}

TEST_CASE(requests)
{
    struct ifreq r, many[32];
    struct ifconf c = {.ifc_len = sizeof many, .ifc_req = many};
    int s = (int) OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(ask_ioctl(s, SIOCGIFFLAGS, "lo", &r));
    CHECK((r.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
    OK(ask_ioctl(s, SIOCGIFADDR, "lo", &r));
    CHECK_EQ(((struct sockaddr_in *) &r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    OK(ask_ioctl(s, SIOCGIFNETMASK, "lo", &r));
    CHECK_EQ(((struct sockaddr_in *) &r.ifr_netmask)->sin_addr.s_addr, htonl(0xff000000));
    OK(ask_ioctl(s, SIOCGIFMTU, "lo", &r));
    CHECK(r.ifr_mtu >= 1280);
    OK(ask_ioctl(s, SIOCGIFHWADDR, "lo", &r));
    CHECK_EQ(r.ifr_hwaddr.sa_family, 772); /* ARPHRD_LOOPBACK */
    OK(ask_ioctl(s, SIOCGIFINDEX, "lo", &r));
    CHECK_EQ(r.ifr_ifindex, if_nametoindex("lo"));
    CHECK_ERR(ask_ioctl(s, SIOCGIFFLAGS, "absent0", &r), ENODEV);
    CHECK_ERR(ioctl(s, SIOCGIFFLAGS, 8), EFAULT);
    OK(ioctl(s, SIOCGIFCONF, &c));
    CHECK(c.ifc_len >= (int) sizeof r && c.ifc_len % sizeof r == 0);
    int all = c.ifc_len;
    c = (struct ifconf){.ifc_len = 0, .ifc_req = NULL};
    OK(ioctl(s, SIOCGIFCONF, &c));
    CHECK_EQ(c.ifc_len, all);
    c = (struct ifconf){.ifc_len = sizeof r - 1, .ifc_req = many};
    OK(ioctl(s, SIOCGIFCONF, &c));
    CHECK_EQ(c.ifc_len, 0);
    OK(close(s));
    s = (int) OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(ask_ioctl(s, SIOCGIFFLAGS, "lo", &r)); /* any socket will do */
    OK(close(s));
}

TEST_CASE(numeric_names)
{
    struct addrinfo *r,
        hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &r), 0);
    CHECK_EQ(r->ai_family, AF_INET);
    CHECK_EQ(((struct sockaddr_in *) r->ai_addr)->sin_port, htons(80));
    freeaddrinfo(r);
    CHECK_EQ(getaddrinfo("::1", "80", &hints, &r), 0);
    CHECK_EQ(r->ai_family, AF_INET6);
    freeaddrinfo(r);
    hints.ai_flags |= AI_ADDRCONFIG;
    CHECK_EQ(getaddrinfo("127.0.0.1", NULL, &hints, &r), 0);
    freeaddrinfo(r);
}
