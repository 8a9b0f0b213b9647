/* The host's network interfaces and their addresses, for programs that ask for them. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "host/runtime.h"

static uint32_t mtu_of(int fd, const char *name)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return ioctl(fd, SIOCGIFMTU, &r) == 0 ? (uint32_t) r.ifr_mtu : 0;
}

static void add_link(struct host_interface *h, const struct ifaddrs *a, int fd)
{
    const struct sockaddr_ll *l = (const struct sockaddr_ll *) a->ifa_addr;
    h->family = 0;
    h->mtu = mtu_of(fd, a->ifa_name);
    h->hw_type = l->sll_hatype;
    h->hw_size = l->sll_halen <= sizeof h->hw ? l->sll_halen : 0;
    memcpy(h->hw, l->sll_addr, h->hw_size);
    l = (const struct sockaddr_ll *) a->ifa_broadaddr;
    if (l && l->sll_family == AF_PACKET)
        memcpy(h->hw_broadcast, l->sll_addr, h->hw_size);
}

static uint32_t prefix_of(const uint8_t *mask, size_t n)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits += (uint32_t) __builtin_popcount(mask[i]);
    return bits;
}

static void add_inet(struct host_interface *h, const struct ifaddrs *a)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *) a->ifa_addr;
    memcpy(h->addr, &in->sin_addr, 4);
    in = (const struct sockaddr_in *) a->ifa_netmask;
    h->prefix = in ? prefix_of((const uint8_t *) &in->sin_addr, 4) : 32;
    in = (const struct sockaddr_in *) a->ifa_broadaddr;
    if (in && (a->ifa_flags & IFF_BROADCAST))
        memcpy(h->broadcast, &in->sin_addr, 4);
}

static void add_inet6(struct host_interface *h, const struct ifaddrs *a)
{
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *) a->ifa_addr;
    memcpy(h->addr, &in->sin6_addr, 16);
    h->scope = in->sin6_scope_id;
    in = (const struct sockaddr_in6 *) a->ifa_netmask;
    h->prefix = in ? prefix_of((const uint8_t *) &in->sin6_addr, 16) : 128;
}

/* False: nothing the enclave knows what to do with. */
static bool convert(struct host_interface *h, const struct ifaddrs *a, int fd)
{
    *h = (struct host_interface){.index = if_nametoindex(a->ifa_name), .flags = a->ifa_flags};
    snprintf(h->name, sizeof h->name, "%s", a->ifa_name);
    if (!a->ifa_addr)
        return false;
    h->family = a->ifa_addr->sa_family;
    if (h->family == AF_PACKET)
        add_link(h, a, fd);
    else if (h->family == AF_INET)
        add_inet(h, a);
    else if (h->family == AF_INET6)
        add_inet6(h, a);
    else
        return false;
    return true;
}

int64_t host_call_net_interfaces(struct host_vcpu *v)
{
    struct ifaddrs *list = NULL;
    struct host_interface h;
    size_t n = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (getifaddrs(&list) < 0)
        list = NULL;
    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        if ((n + 1) * sizeof h > v->out_size || (n + 1) * sizeof h > HOST_DATA_MAX)
            break;
        if (convert(&h, a, fd))
            memcpy(v->data + n++ * sizeof h, &h, sizeof h);
    }
    freeifaddrs(list);
    if (fd >= 0)
        close(fd);
    return (int64_t) (n * sizeof h);
}
