/* AF_NETLINK, as much as C libraries need: NETLINK_ROUTE answers what links and addresses there are.
 * Requests that would change something are EPERM, other families EPROTONOSUPPORT.
 *
 * A request is answered while it is sent: the answers wait in the socket's list, one packet per
 * message (programs see several messages in a packet as well, and must not care).
 */
#include "abi/linux/netdevice.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/net/netif.h"
#include "libos/net/netlink.h"
#include "libos/net/socket.h"
#include "libos/task/mutex.h"
#include "libos/task/process.h"

#define PACKETS_MAX 2048u
#define REQUEST_MAX 4096u
#define ALIGN4(n)   ROUND_UP((uint32_t) (n), 4u)

struct packet {
    struct list link;
    uint32_t size;
    uint8_t bytes[] counted_by(size);
};

struct netlink_sock {
    struct socket socket;
    struct mutex mutex; /* packets, count, pid */
    struct list packets;
    uint32_t count; /* also read without the mutex */
    uint32_t pid, groups;
    struct waitq wait;
};

static struct netlink_sock *netlink_of(struct socket *s)
{
    return container_of(s, struct netlink_sock, socket);
}

/* ---- building answers ---- */

struct message { /* one that is being written */
    struct linux_nlmsghdr h;
    uint32_t size;
    uint8_t bytes[512];
};

static void add_bytes(struct message *m, const void *p, uint32_t n)
{
    check(m->size + ALIGN4(n) <= sizeof m->bytes);
    memcpy(m->bytes + m->size, p, n);
    m->size += ALIGN4(n);
}

static void add_attribute(struct message *m, uint16_t type, const void *p, size_t n)
{
    struct linux_rtattr a = {(uint16_t) (sizeof a + n), type};
    add_bytes(m, &a, sizeof a);
    add_bytes(m, p, (uint32_t) n);
}

static int queue(struct netlink_sock *s, struct message *m, const struct linux_nlmsghdr *request,
                 uint16_t type, uint16_t flags)
{
    m->h = (struct linux_nlmsghdr){(uint32_t) sizeof m->h + m->size, type, flags, request->seq,
                                   s->pid};
    if (s->count >= PACKETS_MAX)
        return -ENOBUFS;
    struct packet *p = alloc_flex(struct packet, bytes, sizeof m->h + m->size);
    if (!p)
        return -ENOBUFS;
    p->size = m->h.len;
    memcpy(p->bytes, &m->h, sizeof m->h);
    memcpy(p->bytes + sizeof m->h, m->bytes, m->size);
    list_add_tail(&s->packets, &p->link);
    atomic_store(&s->count, s->count + 1);
    return 0;
}

static int answer_status(struct netlink_sock *s, const struct linux_nlmsghdr *request, int error,
                         bool done)
{
    struct message m = {0};
    add_bytes(&m, &error, sizeof error);
    if (!done)
        add_bytes(&m, request, sizeof *request);
    return queue(s, &m, request, done ? LINUX_NLMSG_DONE : LINUX_NLMSG_ERROR,
                 done ? LINUX_NLM_F_MULTI : 0);
}

static void describe_link(struct message *m, const struct host_interface *h)
{
    struct linux_ifinfomsg info = {
        .type = (uint16_t) h->hw_type, .index = (int32_t) h->index, .flags = h->flags};
    add_bytes(m, &info, sizeof info);
    add_attribute(m, LINUX_IFLA_IFNAME, h->name, strlen(h->name) + 1);
    add_attribute(m, LINUX_IFLA_MTU, &h->mtu, sizeof h->mtu);
    if (h->hw_size) {
        add_attribute(m, LINUX_IFLA_ADDRESS, h->hw, h->hw_size);
        add_attribute(m, LINUX_IFLA_BROADCAST, h->hw_broadcast, h->hw_size);
    }
}

static uint8_t scope_of(const struct host_interface *h)
{
    if (h->flags & LINUX_IFF_LOOPBACK)
        return LINUX_RT_SCOPE_HOST;
    bool link_local = h->family == LINUX_AF_INET6 && h->addr[0] == 0xfe && h->addr[1] == 0x80;
    return link_local ? LINUX_RT_SCOPE_LINK : LINUX_RT_SCOPE_UNIVERSE;
}

static void describe_address(struct message *m, const struct host_interface *h)
{
    struct linux_ifaddrmsg info = {.family = (uint8_t) h->family,
                                   .prefix = (uint8_t) h->prefix,
                                   .flags = LINUX_IFA_F_PERMANENT,
                                   .scope = scope_of(h),
                                   .index = h->index};
    size_t n = h->family == LINUX_AF_INET ? 4 : 16;
    static const uint8_t none[16];
    add_bytes(m, &info, sizeof info);
    add_attribute(m, LINUX_IFA_ADDRESS, h->addr, n);
    if (h->family != LINUX_AF_INET)
        return;
    add_attribute(m, LINUX_IFA_LOCAL, h->addr, n);
    if (memcmp(h->broadcast, none, n) != 0)
        add_attribute(m, LINUX_IFA_BROADCAST, h->broadcast, n);
    add_attribute(m, LINUX_IFA_LABEL, h->name, strlen(h->name) + 1);
}

/* ---- requests ---- */

struct request {
    struct linux_nlmsghdr h;
    uint8_t family; /* first byte of the body */
    int32_t index;  /* of GETLINK; 0: not said */
    char name[16];  /* IFLA_IFNAME; empty: not said */
};

static bool wanted(const struct request *r, const struct host_interface *h)
{
    bool links = r->h.type == LINUX_RTM_GETLINK;
    if (links != (h->family == 0))
        return false;
    if ((r->h.flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP)
        return links || r->family == LINUX_AF_UNSPEC || r->family == h->family;
    return (r->index && r->index == (int32_t) h->index) ||
           (r->name[0] && strcmp(r->name, h->name) == 0);
}

static int answer_list(struct netlink_sock *s, const struct request *r)
{
    bool dump = (r->h.flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP;
    struct netif_list *l = netif_list();
    if (!l)
        return -ENOMEM;
    int e = 0;
    unsigned found = 0;
    for (size_t i = 0; e == 0 && i < l->count; i++) {
        struct message m = {0};
        if (!wanted(r, &l->at[i]))
            continue;
        found++;
        bool link = l->at[i].family == 0;
        if (link)
            describe_link(&m, &l->at[i]);
        else
            describe_address(&m, &l->at[i]);
        e = queue(s, &m, &r->h, link ? LINUX_RTM_NEWLINK : LINUX_RTM_NEWADDR,
                  dump ? LINUX_NLM_F_MULTI : 0);
    }
    kfree(l);
    if (e < 0)
        return e;
    if (dump)
        return answer_status(s, &r->h, 0, true);
    return found ? 0 : answer_status(s, &r->h, -ENODEV, false);
}

static int answer(struct netlink_sock *s, const struct request *r)
{
    bool dump = (r->h.flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP;
    switch (r->h.type) {
    case LINUX_RTM_GETLINK:
        return answer_list(s, r);
    case LINUX_RTM_GETADDR:
        return dump ? answer_list(s, r) : answer_status(s, &r->h, -EOPNOTSUPP, false);
    case LINUX_RTM_GETROUTE: /* routes are the host's affair: none is known */
        return dump ? answer_status(s, &r->h, 0, true)
                    : answer_status(s, &r->h, -EOPNOTSUPP, false);
    default:
        log_once(LOG_WARN, "net: route netlink request %u is absent\n", r->h.type);
        bool asks = (r->h.type - LINUX_NLMSG_MIN_TYPE) % 4 == 2;
        return answer_status(s, &r->h, asks ? -EOPNOTSUPP : -EPERM, false);
    }
}

/* The interface's name, where a GETLINK asks by it. */
static void read_name(struct request *r, struct cspan body)
{
    struct linux_rtattr a;
    for (size_t at = sizeof(struct linux_ifinfomsg); cspan_get(body, at, &a, sizeof a);) {
        struct cspan value;
        if (a.len < sizeof a || !cspan_sub(body, at + sizeof a, a.len - sizeof a, &value))
            return;
        if (a.type == LINUX_IFLA_IFNAME && value.n <= sizeof r->name) {
            memcpy(r->name, value.p, value.n);
            r->name[sizeof r->name - 1] = 0;
        }
        at += ALIGN4(a.len);
    }
}

/* Several requests may come in one message; one that is cut off ends it. */
static int answer_all(struct netlink_sock *s, struct cspan bytes)
{
    struct request r = {0};
    for (size_t at = 0; cspan_get(bytes, at, &r.h, sizeof r.h);) {
        struct cspan body;
        if (r.h.len < sizeof r.h || !cspan_sub(bytes, at + sizeof r.h, r.h.len - sizeof r.h, &body))
            break;
        at += ALIGN4(r.h.len);
        struct linux_ifinfomsg info = {0};
        memcpy(&info, body.p, MIN(body.n, sizeof info));
        r.family = info.family;
        r.index = info.index;
        read_name(&r, body);
        if (!(r.h.flags & LINUX_NLM_F_REQUEST) || r.h.type < LINUX_NLMSG_MIN_TYPE)
            continue;
        int e = answer(s, &r);
        if (e < 0)
            return e;
    }
    return 0;
}

/* ---- the socket ---- */

/* The address of one that did not choose. Nobody sends to it, so it only has to look right. */
static void name_it(struct netlink_sock *s)
{
    if (s->pid == 0)
        s->pid = (uint32_t) current_process()->pid;
}

static long netlink_send(struct socket *socket, struct sock_msg *m)
{
    struct netlink_sock *s = netlink_of(socket);
    UNINIT uint8_t buf[REQUEST_MAX];
    size_t n = m->uio->left;
    if (m->flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    if (n > sizeof buf)
        return -EMSGSIZE;
    if (uio_take(m->uio, buf, n) < 0)
        return -EFAULT;
    mutex_lock(&s->mutex);
    name_it(s);
    int r = answer_all(s, (struct cspan){buf, n});
    mutex_unlock(&s->mutex);
    waitq_wake(&s->wait, POLL_IN | POLL_RDNORM);
    return r < 0 ? r : (long) n;
}

/* Bytes of the first packet, which is used up unless the caller peeks; -EAGAIN: there is none. */
static long take(struct netlink_sock *s, struct sock_msg *m)
{
    MUTEX_GUARD(&s->mutex);
    struct packet *p = list_first(&s->packets, struct packet, link);
    if (!p)
        return -EAGAIN;
    size_t n = MIN(m->uio->left, (size_t) p->size);
    int r = uio_put(m->uio, p->bytes, n);
    if (r < 0)
        return r;
    if (n < p->size)
        m->ret_flags |= LINUX_MSG_TRUNC;
    n = m->flags & LINUX_MSG_TRUNC ? p->size : n;
    if (!(m->flags & LINUX_MSG_PEEK)) {
        list_del(&p->link);
        atomic_store(&s->count, s->count - 1);
        kfree(p);
    }
    return (long) n;
}

static long netlink_recv(struct socket *socket, struct sock_msg *m)
{
    struct netlink_sock *s = netlink_of(socket);
    int64_t deadline = socket_deadline(socket->rcvtimeo_ns);
    long r;
    while ((r = take(s, m)) == -EAGAIN && !m->nonblock) {
        int e = wait_event(&s->wait, atomic_load(&s->count), SLEEP_INTERRUPTIBLE, deadline);
        if (e < 0)
            return socket_sleep_error(e, deadline);
    }
    if (r >= 0 && m->name) {
        struct linux_sockaddr_nl from = {.family = LINUX_AF_NETLINK}; /* the kernel: pid 0 */
        *m->name = (struct sock_addr){.size = sizeof from};
        memcpy(m->name->bytes, &from, sizeof from);
    }
    return r;
}

bool netlink_is(const struct file *f)
{
    const struct socket *s = socket_of(f);
    return s && s->family == LINUX_AF_NETLINK;
}

int netlink_deliver(struct file *f, struct cspan bytes)
{
    check(netlink_is(f));
    struct netlink_sock *s = netlink_of(socket_of(f));
    struct packet *p = alloc_flex(struct packet, bytes, bytes.n);
    if (!p)
        return -ENOBUFS;
    p->size = (uint32_t) bytes.n;
    memcpy(p->bytes, bytes.p, bytes.n);
    mutex_lock(&s->mutex);
    bool full = s->count >= PACKETS_MAX;
    if (!full) {
        list_add_tail(&s->packets, &p->link);
        atomic_store(&s->count, s->count + 1);
    }
    mutex_unlock(&s->mutex);
    if (full) {
        kfree(p);
        return -ENOBUFS;
    }
    waitq_wake(&s->wait, POLL_IN | POLL_RDNORM);
    return 0;
}

static int netlink_bind(struct socket *socket, const struct sock_addr *a)
{
    struct netlink_sock *s = netlink_of(socket);
    struct linux_sockaddr_nl nl;
    if (a->size < sizeof nl)
        return -EINVAL;
    memcpy(&nl, a->bytes, sizeof nl);
    if (nl.family != LINUX_AF_NETLINK)
        return -EINVAL;
    MUTEX_GUARD(&s->mutex);
    if (s->pid && nl.pid && nl.pid != s->pid)
        return -EINVAL;
    s->pid = nl.pid ? nl.pid : s->pid;
    s->groups = nl.groups; /* nothing is ever announced */
    name_it(s);
    return 0;
}

static int netlink_connect(struct socket *socket, const struct sock_addr *a, bool nonblock)
{
    struct netlink_sock *s = netlink_of(socket);
    if (a->size < sizeof a->family)
        return -EINVAL;
    MUTEX_GUARD(&s->mutex);
    name_it(s);
    return 0; /* the kernel is the only peer there is */
}

static int netlink_name(struct socket *socket, bool peer, struct sock_addr *ret)
{
    struct netlink_sock *s = netlink_of(socket);
    struct linux_sockaddr_nl nl = {
        .family = LINUX_AF_NETLINK, .pid = peer ? 0 : s->pid, .groups = peer ? 0 : s->groups};
    *ret = (struct sock_addr){.size = sizeof nl};
    memcpy(ret->bytes, &nl, sizeof nl);
    return 0;
}

static uint32_t netlink_poll(struct socket *socket, struct poll_table *pt)
{
    struct netlink_sock *s = netlink_of(socket);
    poll_wait(pt, &s->wait);
    atomic_fence();
    uint32_t in = atomic_load(&s->count) ? POLL_IN | POLL_RDNORM : 0;
    return in | POLL_OUT | POLL_WRNORM | POLL_WRBAND;
}

/* Options of netlink's own level say how errors are told in detail; they may all be set. */
static int netlink_set_option(struct socket *s, int level, int name, struct cspan value)
{
    const int sol_netlink = 270;
    if (level != sol_netlink)
        return SOCKET_COMMON;
    return value.n < sizeof(int) ? -EINVAL : 0;
}

static void netlink_free(struct socket *socket)
{
    struct netlink_sock *s = netlink_of(socket);
    struct packet *p;
    while ((p = list_first(&s->packets, struct packet, link)) != NULL) {
        list_del(&p->link);
        kfree(p);
    }
    kfree(s);
}

static const struct socket_ops netlink_ops = {
    .free = netlink_free,
    .bind = netlink_bind,
    .connect = netlink_connect,
    .name = netlink_name,
    .send = netlink_send,
    .recv = netlink_recv,
    .poll = netlink_poll,
    .set_option = netlink_set_option,
};

static int netlink_new(int family, int type, int protocol, struct socket **ret)
{
    if (type != LINUX_SOCK_RAW && type != LINUX_SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != LINUX_NETLINK_ROUTE) {
        log_once(LOG_WARN, "net: netlink protocol %d is absent\n", protocol);
        return -EPROTONOSUPPORT;
    }
    struct netlink_sock *s = new_zero(struct netlink_sock);
    if (!s)
        return -ENOBUFS;
    socket_init(&s->socket, &netlink_ops, family, type);
    mutex_init(&s->mutex);
    list_init(&s->packets);
    waitq_init(&s->wait);
    *ret = &s->socket;
    return 0;
}

const struct socket_family netlink_family = {.family = LINUX_AF_NETLINK, .new = netlink_new};
