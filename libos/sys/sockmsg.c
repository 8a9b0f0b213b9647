/* The send and recv families. All forms become one struct sock_msg; the vector, the address and the
 * control part are copied and checked before anything is sent or received. */
#include "libos/mm/heap.h"
#include "libos/sys/sock.h"
#include "libos/sys/timespec.h"
#include "libos/task/clock.h"

#define RW_MAX       0x7ffff000ul
#define VEC_INLINE   8u
#define CONTROL_MAX  20480u /* net.core.optmem_max */
#define MESSAGES_MAX 1024u

/* ---- one buffer ---- */

/* full */
SYSCALL(sendto, int, fd, uaddr_t, buf, size_t, n, int, flags, uaddr_t, addr, int, addr_size)
{
    AUTO_SOCK struct sock_fd s = {0};
    struct sock_addr to;
    struct user_iovec v;
    int r = sock_fd_get(fd, &s);
    bool named = !uaddr_null(addr);
    if (r == 0 && named)
        r = sock_addr_from_user(addr, addr_size, &to);
    if (r < 0)
        return r;
    struct uio uio = uio_user(&v, buf, MIN(n, RW_MAX));
    struct sock_msg m = {
        .uio = &uio, .flags = (unsigned) flags, .nonblock = s.nonblock, .name = named ? &to : NULL};
    return socket_send(s.socket, &m);
}

/* full */
SYSCALL(recvfrom, int, fd, uaddr_t, buf, size_t, n, int, flags, uaddr_t, addr, uaddr_t, addr_size)
{
    AUTO_SOCK struct sock_fd s = {0};
    struct sock_addr from = {0};
    struct user_iovec v;
    int r = sock_fd_get(fd, &s);
    if (r < 0)
        return r;
    struct uio uio = uio_user(&v, buf, MIN(n, RW_MAX));
    struct sock_msg m = {.uio = &uio,
                         .flags = (unsigned) flags,
                         .nonblock = s.nonblock,
                         .name = uaddr_null(addr) ? NULL : &from};
    long got = socket_recv(s.socket, &m);
    scm_drop(&m.scm);
    if (got >= 0 && m.name && sock_addr_to_user(&from, addr, addr_size) < 0)
        return -EFAULT;
    return got;
}

/* ---- struct msghdr ---- */

struct decoded { /* a message header in the kernel */
    struct linux_msghdr h;
    struct user_iovec few[VEC_INLINE], *vec;
    struct sock_addr name;
    uint8_t *control; /* sending only */
    struct uio uio;
};

static void decoded_fini(struct decoded *d)
{
    if (d->vec != d->few)
        kfree(d->vec);
    kfree(d->control);
}

static int decode_vector(struct decoded *d)
{
    size_t count = d->h.iovlen;
    d->vec = d->few;
    if (count > IOV_LIMIT)
        return -EMSGSIZE;
    if (count > VEC_INLINE && !(d->vec = kzalloc(count * sizeof *d->vec)))
        return -ENOMEM;
    struct span bytes = {(uint8_t *) d->vec, count * sizeof *d->vec};
    if (copy_from_user(bytes, UADDR(d->h.iov)) < 0)
        return -EFAULT;
    uint64_t left = RW_MAX;
    for (size_t i = 0; i < count; i++) {
        if ((int64_t) d->vec[i].len < 0)
            return -EINVAL;
        d->vec[i].len = MIN(d->vec[i].len, left);
        left -= d->vec[i].len;
    }
    d->uio = uio_user_vec(d->vec, count);
    return 0;
}

static int decode(struct decoded *d, uaddr_t ua)
{
    d->vec = d->few;
    d->control = NULL;
    if (get_user(&d->h, ua) < 0)
        return -EFAULT;
    if (!d->h.name)
        d->h.namelen = 0;
    if (d->h.namelen < 0)
        return -EINVAL;
    return decode_vector(d);
}

static int decode_control(struct decoded *d, struct scm *ret)
{
    size_t n = d->h.controllen;
    *ret = (struct scm){0};
    if (n == 0)
        return 0;
    if (n > CONTROL_MAX)
        return -ENOBUFS;
    d->control = kzalloc(n);
    if (!d->control)
        return -ENOMEM;
    int r = copy_from_user((struct span){d->control, n}, UADDR(d->h.control));
    return r < 0 ? r : scm_from_control((struct cspan){d->control, n}, ret);
}

static long send_decoded(const struct sock_fd *s, struct decoded *d, unsigned flags)
{
    struct sock_msg m = {.uio = &d->uio, .flags = flags, .nonblock = s->nonblock};
    if (d->h.namelen) {
        int size = (int) MIN((size_t) d->h.namelen, sizeof d->name.bytes);
        int r = sock_addr_from_user(UADDR(d->h.name), size, &d->name);
        if (r < 0)
            return r;
        m.name = &d->name;
    }
    int r = decode_control(d, &m.scm);
    if (r < 0)
        return r;
    if (d->control)
        m.control = (struct cspan){d->control, d->h.controllen};
    long sent = socket_send(s->socket, &m);
    scm_drop(&m.scm); /* what was not sent */
    return sent;
}

static long send_one(const struct sock_fd *s, uaddr_t ua, unsigned flags)
{
    UNINIT struct decoded d;
    long r = decode(&d, ua);
    if (r == 0)
        r = send_decoded(s, &d, flags);
    decoded_fini(&d);
    return r;
}

/* full */
SYSCALL(sendmsg, int, fd, uaddr_t, msg, int, flags)
{
    AUTO_SOCK struct sock_fd s = {0};
    int r = sock_fd_get(fd, &s);
    return r < 0 ? r : send_one(&s, msg, (unsigned) flags);
}

/* The family's own control messages, as far as there is room; how much of it they took. */
static size_t give_control(const struct sock_msg *m, uaddr_t ua, size_t room, unsigned *flags)
{
    size_t n = MIN(m->ret_control.n, room);
    if (n < m->ret_control.n)
        *flags |= LINUX_MSG_CTRUNC;
    return n && copy_to_user(ua, (struct cspan){m->ret_control.p, n}) < 0 ? 0 : n;
}

/* What recvmsg tells besides the bytes: address, control messages, flags. */
static int give_back(const struct sock_fd *s, struct decoded *d, struct sock_msg *m, uaddr_t ua)
{
    bool passcred = s->socket->options & SOCK_OPT_PASSCRED;
    bool cloexec = m->flags & LINUX_MSG_CMSG_CLOEXEC;
    if (d->h.name) {
        size_t n = MIN((size_t) d->h.namelen, (size_t) d->name.size);
        if (copy_to_user(UADDR(d->h.name), (struct cspan){d->name.bytes, n}) < 0)
            return -EFAULT;
        d->h.namelen = (int32_t) d->name.size;
    }
    unsigned flags = m->ret_flags | (cloexec ? (unsigned) LINUX_MSG_CMSG_CLOEXEC : 0);
    size_t room = d->h.control ? d->h.controllen : 0;
    size_t other = give_control(m, UADDR(d->h.control), room, &flags);
    long n =
        scm_to_user(&m->scm, passcred, UADDR(d->h.control + other), room - other, cloexec, &flags);
    if (n < 0)
        return (int) n;
    n += (long) other;
    d->h.controllen = (uint64_t) n;
    d->h.flags = flags;
    if (put_user(uaddr_add(ua, offsetof(struct linux_msghdr, flags)), d->h.flags) < 0 ||
        put_user(uaddr_add(ua, offsetof(struct linux_msghdr, controllen)), d->h.controllen) < 0 ||
        (d->h.name &&
         put_user(uaddr_add(ua, offsetof(struct linux_msghdr, namelen)), d->h.namelen) < 0))
        return -EFAULT;
    return 0;
}

static long recv_one(const struct sock_fd *s, uaddr_t ua, unsigned flags)
{
    UNINIT struct decoded d;
    long r = decode(&d, ua);
    if (r == 0) {
        d.name.size = 0;
        struct sock_msg m = {.uio = &d.uio,
                             .flags = flags,
                             .nonblock = s->nonblock,
                             .wants_control = d.h.control && d.h.controllen,
                             .name = d.h.name ? &d.name : NULL};
        r = socket_recv(s->socket, &m);
        if (r >= 0) {
            int e = give_back(s, &d, &m, ua);
            r = e < 0 ? e : r;
        }
        scm_drop(&m.scm);
        kfree(m.ret_control.p);
    }
    decoded_fini(&d);
    return r;
}

/* full */
SYSCALL(recvmsg, int, fd, uaddr_t, msg, int, flags)
{
    AUTO_SOCK struct sock_fd s = {0};
    int r = sock_fd_get(fd, &s);
    return r < 0 ? r : recv_one(&s, msg, (unsigned) flags);
}

/* ---- several messages ---- */

static uaddr_t message_at(uaddr_t vec, unsigned i)
{
    return uaddr_add(vec, i * sizeof(struct linux_mmsghdr));
}

static int put_length(uaddr_t msg, long n)
{
    return put_user(uaddr_add(msg, offsetof(struct linux_mmsghdr, len)), (uint32_t) n);
}

/* full */
SYSCALL(sendmmsg, int, fd, uaddr_t, vec, unsigned, count, int, flags)
{
    AUTO_SOCK struct sock_fd s = {0};
    int e = sock_fd_get(fd, &s);
    if (e < 0)
        return e;
    unsigned done = 0;
    long r = 0;
    while (done < MIN(count, MESSAGES_MAX)) {
        uaddr_t msg = message_at(vec, done);
        r = send_one(&s, msg, (unsigned) flags);
        if (r >= 0)
            r = put_length(msg, r);
        if (r < 0)
            break;
        done++;
    }
    return done ? (long) done : r;
}

/* Like Linux, the deadline is only looked at between messages. */
/* full */
SYSCALL(recvmmsg, int, fd, uaddr_t, vec, unsigned, count, int, flags, uaddr_t, timeout)
{
    AUTO_SOCK struct sock_fd s = {0};
    int64_t deadline = FOREVER, ns;
    int e = sock_fd_get(fd, &s);
    if (e == 0 && !uaddr_null(timeout) && (e = timespec_from_user(timeout, &ns)) == 0)
        deadline = ns < FOREVER / 2 ? clock_mono_ns() + ns : FOREVER;
    if (e < 0)
        return e;
    unsigned done = 0, f = (unsigned) flags & ~(unsigned) LINUX_MSG_WAITFORONE;
    long r = 0;
    while (done < MIN(count, MESSAGES_MAX)) {
        uaddr_t msg = message_at(vec, done);
        r = recv_one(&s, msg, f);
        if (r >= 0)
            r = put_length(msg, r);
        if (r < 0)
            break;
        done++;
        if (flags & LINUX_MSG_WAITFORONE)
            f |= LINUX_MSG_DONTWAIT;
        if (deadline != FOREVER && clock_mono_ns() >= deadline)
            break;
    }
    if (!uaddr_null(timeout) && done)
        (void) timespec_to_user(timeout, MAX(deadline - clock_mono_ns(), (int64_t) 0)); /* a hint */
    return done ? (long) done : r;
}
