/* Options at the level SOL_SOCKET. Those without a meaning here (keepalive, linger, priority ...) are
 * stored and given back, because programs for any family set them. */
#include "abi/linux/time.h"
#include "libos/base/atomic.h"
#include "libos/base/ckmath.h"
#include "libos/net/socket.h"
#include "libos/task/process.h"

#define BUFFER_MAX 212992u /* net.core.[rw]mem_max; twice that is used, as Linux does */
#define SNDBUF_MIN 4608u
#define RCVBUF_MIN 2304u

struct option_bit {
    int name;
    uint32_t bit;
};
static const struct option_bit bits[] = {
    {LINUX_SO_REUSEADDR, SOCK_OPT_REUSEADDR}, {LINUX_SO_KEEPALIVE, SOCK_OPT_KEEPALIVE},
    {LINUX_SO_BROADCAST, SOCK_OPT_BROADCAST}, {LINUX_SO_PASSCRED, SOCK_OPT_PASSCRED},
    {LINUX_SO_OOBINLINE, SOCK_OPT_OOBINLINE}, {LINUX_SO_REUSEPORT, SOCK_OPT_REUSEPORT},
    {LINUX_SO_DONTROUTE, SOCK_OPT_DONTROUTE}, {LINUX_SO_DEBUG, SOCK_OPT_DEBUG},
    {LINUX_SO_TIMESTAMP, SOCK_OPT_TIMESTAMP},
};

static uint32_t bit_of(int name)
{
    for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
        if (bits[i].name == name)
            return bits[i].bit;
    return 0;
}

/* A struct timeval: 0 is "forever", a negative time is "at once". */
static int set_timeout(int64_t *timeout_ns, struct cspan value)
{
    struct linux_timeval tv;
    if (!cspan_get(value, 0, &tv, sizeof tv))
        return -EINVAL;
    if (tv.tv_usec < 0 || tv.tv_usec >= NSEC_PER_SEC / NSEC_PER_US)
        return -EDOM;
    int64_t ns;
    if (tv.tv_sec < 0)
        ns = 1;
    else if (ck_mul(&ns, (int64_t) tv.tv_sec, NSEC_PER_SEC) || ns > INT64_MAX / 4)
        ns = 0;
    else
        ns += tv.tv_usec * NSEC_PER_US;
    *timeout_ns = ns;
    return 0;
}

static uint32_t buffer_size(int value, uint32_t min)
{
    return MAX(MIN((uint32_t) value, BUFFER_MAX) * 2, min);
}

static int set_int(struct socket *s, int name, int v)
{
    uint32_t bit = bit_of(name);
    if (bit && v)
        atomic_or(&s->options, bit);
    else if (bit)
        atomic_and(&s->options, ~bit);
    if (bit)
        return 0;
    switch (name) {
    case LINUX_SO_SNDBUF:
    case LINUX_SO_SNDBUFFORCE:
        s->sndbuf = buffer_size(v, SNDBUF_MIN);
        return 0;
    case LINUX_SO_RCVBUF:
    case LINUX_SO_RCVBUFFORCE:
        s->rcvbuf = buffer_size(v, RCVBUF_MIN);
        return 0;
    case LINUX_SO_RCVLOWAT:
        s->rcvlowat = v < 0 ? INT32_MAX : v ? (uint32_t) v : 1;
        return 0;
    case LINUX_SO_PRIORITY:
        s->priority = (uint32_t) v;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int socket_set_option(struct socket *s, int level, int name, struct cspan value)
{
    int v;
    int r = s->ops->set_option ? s->ops->set_option(s, level, name, value) : SOCKET_COMMON;
    if (r != SOCKET_COMMON)
        return r;
    if (level != LINUX_SOL_SOCKET)
        return -EOPNOTSUPP;
    if (!cspan_get(value, 0, &v, sizeof v))
        return -EINVAL;
    switch (name) {
    case LINUX_SO_RCVTIMEO:
    case LINUX_SO_RCVTIMEO_NEW:
        return set_timeout(&s->rcvtimeo_ns, value);
    case LINUX_SO_SNDTIMEO:
    case LINUX_SO_SNDTIMEO_NEW:
        return set_timeout(&s->sndtimeo_ns, value);
    case LINUX_SO_LINGER:
        return cspan_get(value, 0, &s->linger, sizeof s->linger) ? 0 : -EINVAL;
    default:
        return set_int(s, name, v);
    }
}

static bool get_int(struct socket *s, int name, int *ret)
{
    uint32_t bit = bit_of(name);
    if (bit) {
        *ret = (s->options & bit) != 0;
        return true;
    }
    switch (name) {
    case LINUX_SO_TYPE:
        *ret = s->type;
        return true;
    case LINUX_SO_DOMAIN:
        *ret = s->family;
        return true;
    case LINUX_SO_PROTOCOL:
        *ret = s->protocol;
        return true;
    case LINUX_SO_ERROR:
        *ret = s->ops->take_error ? s->ops->take_error(s) : 0;
        return true;
    case LINUX_SO_SNDBUF:
        *ret = (int) s->sndbuf;
        return true;
    case LINUX_SO_RCVBUF:
        *ret = (int) s->rcvbuf;
        return true;
    case LINUX_SO_RCVLOWAT:
        *ret = (int) s->rcvlowat;
        return true;
    case LINUX_SO_SNDLOWAT:
        *ret = 1;
        return true;
    case LINUX_SO_PRIORITY:
        *ret = (int) s->priority;
        return true;
    case LINUX_SO_ACCEPTCONN:
        *ret = s->ops->listening && s->ops->listening(s);
        return true;
    default:
        return false;
    }
}

static long give(struct span ret, const void *p, size_t n)
{
    memcpy(ret.p, p, MIN(n, ret.n));
    return (long) n;
}

static long give_timeout(struct span ret, int64_t ns)
{
    const struct linux_timeval tv = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_US};
    return give(ret, &tv, sizeof tv);
}

long socket_get_option(struct socket *s, int level, int name, struct span ret)
{
    int v;
    long r = s->ops->get_option ? s->ops->get_option(s, level, name, ret) : SOCKET_COMMON;
    if (r != SOCKET_COMMON)
        return r;
    if (level != LINUX_SOL_SOCKET)
        return -EOPNOTSUPP;
    if (get_int(s, name, &v))
        return give(ret, &v, sizeof v);
    switch (name) {
    case LINUX_SO_RCVTIMEO:
    case LINUX_SO_RCVTIMEO_NEW:
        return give_timeout(ret, s->rcvtimeo_ns);
    case LINUX_SO_SNDTIMEO:
    case LINUX_SO_SNDTIMEO_NEW:
        return give_timeout(ret, s->sndtimeo_ns);
    case LINUX_SO_LINGER:
        return give(ret, &s->linger, sizeof s->linger);
    case LINUX_SO_PEERCRED:
        return give(ret, &s->peer_cred, sizeof s->peer_cred);
    case LINUX_SO_PEERNAME: {
        struct sock_addr a = {0};
        r = s->ops->name ? s->ops->name(s, true, &a) : -EOPNOTSUPP;
        return r < 0 ? r : give(ret, a.bytes, a.size);
    }
    default:
        return -ENOPROTOOPT;
    }
}
