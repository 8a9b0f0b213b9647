/* Control messages of Internet sockets. In both directions only kinds pass that are known, with sizes
 * they can have; what the host sends is taken apart and put together anew.
 */
#include "abi/hostnet.h"
#include "libos/mm/heap.h"
#include "libos/net/inet.h"

#define HEADER    sizeof(struct linux_cmsghdr)
#define ALIGN8(n) ROUND_UP((size_t) (n), (size_t) 8)

struct kind {
    int level, type;
    uint32_t min, max; /* bytes of data */
    bool send, receive;
};
static const struct kind kinds[] = {
    {LINUX_SOL_SOCKET, 29, 16, 16, false, true},   /* SO_TIMESTAMP */
    {LINUX_SOL_SOCKET, 35, 16, 16, false, true},   /* SO_TIMESTAMPNS */
    {LINUX_SOL_SOCKET, 37, 4, 48, true, true},     /* SO_TIMESTAMPING */
    {LINUX_SOL_SOCKET, 40, 4, 4, false, true},     /* SO_RXQ_OVFL */
    {LINUX_SOL_SOCKET, 63, 16, 16, false, true},   /* SO_TIMESTAMP_NEW */
    {LINUX_SOL_SOCKET, 64, 16, 16, false, true},   /* SO_TIMESTAMPNS_NEW */
    {LINUX_IPPROTO_IP, 1, 1, 4, true, true},       /* IP_TOS */
    {LINUX_IPPROTO_IP, 2, 4, 4, true, true},       /* IP_TTL */
    {LINUX_IPPROTO_IP, 8, 12, 12, true, true},     /* IP_PKTINFO */
    {LINUX_IPPROTO_IP, 11, 16, 48, false, true},   /* IP_RECVERR */
    {LINUX_IPPROTO_IP, 20, 16, 16, false, true},   /* IP_ORIGDSTADDR */
    {LINUX_IPPROTO_UDP, 103, 2, 2, true, false},   /* UDP_SEGMENT */
    {LINUX_IPPROTO_UDP, 104, 4, 4, false, true},   /* UDP_GRO */
    {LINUX_IPPROTO_IPV6, 25, 16, 48, false, true}, /* IPV6_RECVERR */
    {LINUX_IPPROTO_IPV6, 50, 20, 20, true, true},  /* IPV6_PKTINFO */
    {LINUX_IPPROTO_IPV6, 52, 4, 4, true, true},    /* IPV6_HOPLIMIT */
    {LINUX_IPPROTO_IPV6, 67, 4, 4, true, true},    /* IPV6_TCLASS */
    {LINUX_IPPROTO_IPV6, 74, 28, 28, false, true}, /* IPV6_ORIGDSTADDR */
};

static const struct kind *kind_of(const struct linux_cmsghdr *h)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].level == h->level && kinds[i].type == h->type)
            return &kinds[i];
    return NULL;
}

/* The message at *at, which moves on. False: the end, or nonsense. */
static bool next(struct cspan all, size_t *at, struct linux_cmsghdr *h, struct cspan *data)
{
    if (!cspan_get(all, *at, h, HEADER) || h->len < HEADER || h->len > all.n ||
        !cspan_sub(all, *at + HEADER, h->len - HEADER, data))
        return false;
    *at += ALIGN8(h->len);
    return true;
}

/* Levels that Internet sockets do not have are ignored, as are AF_UNIX' own messages: by Linux, so by
 * the host too. */
static bool ignored(const struct linux_cmsghdr *h)
{
    if (h->level == LINUX_SOL_SOCKET)
        return h->type == LINUX_SCM_RIGHTS || h->type == LINUX_SCM_CREDENTIALS;
    return h->level != LINUX_IPPROTO_IP && h->level != LINUX_IPPROTO_IPV6 &&
           h->level != LINUX_IPPROTO_UDP;
}

int inet_control_check(struct cspan control)
{
    struct linux_cmsghdr h;
    struct cspan data;
    for (size_t at = 0; next(control, &at, &h, &data);) {
        const struct kind *k = kind_of(&h);
        if (ignored(&h))
            continue;
        if (!k || !k->send || data.n < k->min || data.n > k->max)
            return -EINVAL;
    }
    return 0;
}

void inet_control_take(struct cspan host, struct sock_msg *m)
{
    struct linux_cmsghdr h;
    struct cspan data;
    if (host.n == 0)
        return;
    struct span out = {kzalloc(ALIGN8(host.n)), 0};
    if (!out.p) {
        m->ret_flags |= LINUX_MSG_CTRUNC;
        return;
    }
    for (size_t at = 0; next(host, &at, &h, &data);) {
        const struct kind *k = kind_of(&h);
        if (!k || !k->receive || data.n < k->min || data.n > k->max)
            continue;
        memcpy(out.p + out.n, &h, HEADER);
        memcpy(out.p + out.n + HEADER, data.p, data.n);
        out.n += ALIGN8(h.len);
    }
    m->ret_control = out;
}
