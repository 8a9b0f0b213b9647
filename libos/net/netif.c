/* Network interfaces: asking the host, checking what it says, and the requests of ioctl about them.
 * Nothing can be changed from inside.
 */
#include "libos/net/netif.h"
#include "abi/linux/netdevice.h"
#include "abi/linux/socket.h"
#include "libos/host/host.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"

#define SIOC_FIRST 0x8910u
#define SIOC_LAST  0x894fu
#define LINKS_ONLY 0u

/* An entry that does not hold together is left out. */
static bool sound(const struct host_interface *h)
{
    const uint8_t *end = memchr(h->name, 0, sizeof h->name);
    uint32_t bits = h->family == LINUX_AF_INET ? 32 : h->family == LINUX_AF_INET6 ? 128 : 0;
    bool family = h->family == LINKS_ONLY || bits;
    return end && h->name[0] && h->index > 0 && h->index <= INT32_MAX && family &&
           h->prefix <= bits && h->hw_size <= sizeof h->hw;
}

struct netif_list *netif_list(void)
{
    struct netif_list *l = new_zero(struct netif_list);
    if (!l)
        return NULL;
    long r = hostcall_io(HOSTCALL_net_interfaces, (struct cspan){0}, SPAN_OF(l->at), 0, 0, 0, 0);
    size_t count = r < 0 ? 0 : (size_t) r / sizeof l->at[0];
    for (size_t i = 0; i < count; i++)
        if (sound(&l->at[i]))
            l->at[l->count++] = l->at[i];
    return l;
}

/* ---- ioctl ---- */

static const struct host_interface *find(const struct netif_list *l, const char *name,
                                         uint32_t family)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].family == family && strcmp(l->at[i].name, name) == 0)
            return &l->at[i];
    return NULL;
}

static void put_address(uint8_t to[24], const uint8_t addr[4])
{
    struct linux_sockaddr_in in = {.family = LINUX_AF_INET};
    memcpy(in.addr, addr, sizeof in.addr);
    memcpy(to, &in, sizeof in);
}

static void put_mask(uint8_t to[24], uint32_t prefix)
{
    uint32_t mask = prefix ? ~0u << (32 - prefix) : 0;
    uint8_t bytes[4] = {(uint8_t) (mask >> 24), (uint8_t) (mask >> 16), (uint8_t) (mask >> 8),
                        (uint8_t) mask};
    put_address(to, bytes);
}

static long conf(const struct netif_list *l, uint64_t arg)
{
    struct linux_ifconf c;
    if (get_user(&c, UADDR(arg)) < 0)
        return -EFAULT;
    if (c.size < 0)
        return -EINVAL;
    size_t done = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct linux_ifreq r = {0};
        if (l->at[i].family != LINUX_AF_INET)
            continue;
        memcpy(r.name, l->at[i].name, sizeof r.name);
        put_address(r.bytes, l->at[i].addr);
        if (c.buf && done + sizeof r > (size_t) c.size)
            break;
        if (c.buf && put_user(UADDR(c.buf + done), r) < 0)
            return -EFAULT;
        done += sizeof r;
    }
    c.size = (int32_t) done;
    return put_user(UADDR(arg), c);
}

static long name_of(const struct netif_list *l, struct linux_ifreq *r)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].family == LINKS_ONLY && (int32_t) l->at[i].index == r->value) {
            memcpy(r->name, l->at[i].name, sizeof r->name);
            return 0;
        }
    return -ENODEV;
}

/* What is asked of an address of the interface. */
static long ask_address(const struct netif_list *l, unsigned cmd, struct linux_ifreq *r)
{
    const struct host_interface *a = find(l, r->name, LINUX_AF_INET);
    if (!a)
        return -EADDRNOTAVAIL;
    memset(r->bytes, 0, sizeof r->bytes);
    if (cmd == LINUX_SIOCGIFNETMASK)
        put_mask(r->bytes, a->prefix);
    else
        put_address(r->bytes, cmd == LINUX_SIOCGIFBRDADDR ? a->broadcast : a->addr);
    return 0;
}

static long ask(const struct netif_list *l, unsigned cmd, struct linux_ifreq *r)
{
    r->name[sizeof r->name - 1] = 0;
    const struct host_interface *h = find(l, r->name, LINKS_ONLY);
    if (!h)
        return -ENODEV;
    switch (cmd) {
    case LINUX_SIOCGIFFLAGS:
        r->flags = (int16_t) h->flags;
        return 0;
    case LINUX_SIOCGIFINDEX:
        r->value = (int32_t) h->index;
        return 0;
    case LINUX_SIOCGIFMTU:
        r->value = (int32_t) h->mtu;
        return 0;
    case LINUX_SIOCGIFMETRIC:
    case LINUX_SIOCGIFTXQLEN:
        r->value = 0;
        return 0;
    case LINUX_SIOCGIFHWADDR: {
        uint16_t type = (uint16_t) h->hw_type;
        memset(r->bytes, 0, sizeof r->bytes);
        memcpy(r->bytes, &type, sizeof type);
        memcpy(r->bytes + 2, h->hw, sizeof h->hw);
        return 0;
    }
    default:
        return ask_address(l, cmd, r);
    }
}

static bool is_question(unsigned cmd)
{
    static const unsigned known[] = {
        LINUX_SIOCGIFNAME,    LINUX_SIOCGIFFLAGS,   LINUX_SIOCGIFADDR,   LINUX_SIOCGIFDSTADDR,
        LINUX_SIOCGIFBRDADDR, LINUX_SIOCGIFNETMASK, LINUX_SIOCGIFMETRIC, LINUX_SIOCGIFMTU,
        LINUX_SIOCGIFHWADDR,  LINUX_SIOCGIFINDEX,   LINUX_SIOCGIFTXQLEN,
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i] == cmd)
            return true;
    return false;
}

long netif_ioctl(unsigned cmd, uint64_t arg)
{
    struct linux_ifreq r;
    if (cmd < SIOC_FIRST || cmd > SIOC_LAST)
        return -ENOTTY;
    if (cmd != LINUX_SIOCGIFCONF && !is_question(cmd))
        return -EPERM; /* those that change something */
    if (cmd != LINUX_SIOCGIFCONF && get_user(&r, UADDR(arg)) < 0)
        return -EFAULT;
    struct netif_list *l = netif_list();
    if (!l)
        return -ENOMEM;
    long e = cmd == LINUX_SIOCGIFCONF   ? conf(l, arg)
             : cmd == LINUX_SIOCGIFNAME ? name_of(l, &r)
                                        : ask(l, cmd, &r);
    kfree(l);
    return e < 0 || cmd == LINUX_SIOCGIFCONF ? e : put_user(UADDR(arg), r);
}
