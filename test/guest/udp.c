/* UDP over IPv4 and IPv6 on loopback: datagrams, addresses, control messages, errors, many at once. */
#include "guest_socket.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define ORIGIN_ICMP 2
struct extended_err { /* linux/errqueue.h, which musl's compiler does not find */
    uint32_t ee_errno;
    uint8_t ee_origin, ee_type, ee_code, ee_pad;
    uint32_t ee_info, ee_data;
};

static struct sockaddr_in where;

static int bound(void)
{
    int s = (int) OK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof where;
    OK(bind(s, (struct sockaddr *) &a, sizeof a));
    OK(getsockname(s, (struct sockaddr *) &where, &n));
    return s;
}

static int a, b;                 /* two sockets */
static struct sockaddr_in at[2]; /* and their addresses */

static void both(void)
{
    a = bound();
    at[0] = where;
    b = bound();
    at[1] = where;
}

static void drop(void)
{
    OK(close(a));
    OK(close(b));
}

static ssize_t to_b(const void *p, size_t n)
{
    return sendto(a, p, n, 0, (struct sockaddr *) &at[1], sizeof at[1]);
}

TEST_CASE(datagrams)
{
    char buf[16];
    struct sockaddr_in from = {0};
    socklen_t n = sizeof from;
    both();
    CHECK_EQ(ready(b, POLLIN | POLLOUT, 0), POLLOUT);
    CHECK_EQ(to_b("one", 3), 3);
    CHECK_EQ(to_b("three", 5), 5);
    CHECK_EQ(to_b("", 0), 0);
    CHECK_EQ(ready(b, POLLIN, 5000), POLLIN);
    CHECK_EQ(recvfrom(b, buf, sizeof buf, 0, (struct sockaddr *) &from, &n), 3);
    CHECK_EQ(memcmp(buf, "one", 3), 0);
    CHECK_EQ(n, sizeof from);
    CHECK_EQ(from.sin_port, at[0].sin_port);
    CHECK_EQ(from.sin_addr.s_addr, at[0].sin_addr.s_addr);
    CHECK_EQ(recv(b, buf, 2, MSG_PEEK), 2);
    CHECK_EQ(recv(b, buf, 2, MSG_PEEK | MSG_TRUNC), 5);
    CHECK_EQ(recv(b, buf, 2, MSG_TRUNC), 5); /* the rest is lost */
    CHECK_EQ(recv(b, buf, sizeof buf, 0), 0);
    CHECK_ERR(recv(b, buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(ready(b, POLLIN, 0), 0);
    drop();
}

TEST_CASE(cut_is_told)
{
    char buf[4];
    struct iovec v = {buf, 4};
    struct sockaddr_in from;
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = 100};
    both();
    CHECK_EQ(to_b("123456", 6), 6);
    CHECK_EQ(recvmsg(b, &m, 0), 4);
    CHECK_EQ(m.msg_flags, MSG_TRUNC);
    CHECK_EQ(m.msg_namelen, sizeof from);
    CHECK_EQ(to_b("12", 2), 2);
    m.msg_flags = -1;
    CHECK_EQ(recvmsg(b, &m, 0), 2);
    CHECK_EQ(m.msg_flags, 0);
    drop();
}

TEST_CASE(connected)
{
    char buf[8];
    struct sockaddr_in peer;
    socklen_t n = sizeof peer;
    both();
    CHECK_ERR(send(a, "x", 1, 0), EDESTADDRREQ);
    CHECK_ERR(getpeername(a, (struct sockaddr *) &peer, &n), ENOTCONN);
    OK(connect(a, (struct sockaddr *) &at[1], sizeof at[1]));
    OK(getpeername(a, (struct sockaddr *) &peer, &n));
    CHECK_EQ(peer.sin_port, at[1].sin_port);
    CHECK_EQ(send(a, "x", 1, 0), 1);
    CHECK_EQ(write(a, "yz", 2), 2);
    CHECK_EQ(read(b, buf, 8), 1);
    CHECK_EQ(read(b, buf, 8), 2);
    int c = bound();
    CHECK_EQ(sendto(c, "no", 2, 0, (struct sockaddr *) &at[0], sizeof at[0]), 2);
    CHECK_ERR(recv(a, buf, 8, MSG_DONTWAIT), EAGAIN); /* only the peer's */
    OK(close(c));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    OK(connect(a, &none, sizeof none));
    CHECK_ERR(send(a, "x", 1, 0), EDESTADDRREQ);
    drop();
}

TEST_CASE(port_unreachable)
{
    char c;
    both();
    OK(close(b));
    OK(connect(a, (struct sockaddr *) &at[1], sizeof at[1]));
    CHECK_EQ(send(a, "x", 1, 0), 1);
    CHECK(ready(a, POLLIN, 5000) & POLLERR);
    CHECK_ERR(recv(a, &c, 1, 0), ECONNREFUSED);
    CHECK_ERR(recv(a, &c, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(ready(a, POLLIN, 0), 0);
    OK(close(a));
}

TEST_CASE(error_queue)
{
    char buf[64];
    union {
        struct cmsghdr h;
        char space[512];
    } control;
    struct iovec v = {buf, sizeof buf};
    struct sockaddr_in from;
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    both();
    OK(close(b));
    CHECK_ERR(recvmsg(a, &m, MSG_ERRQUEUE), EAGAIN);
    set(a, IPPROTO_IP, IP_RECVERR, 1);
    CHECK_EQ(to_b("lost", 4), 4);
    CHECK(ready(a, 0, 5000) & POLLERR);
    CHECK_EQ(recvmsg(a, &m, MSG_ERRQUEUE), 4);
    CHECK(m.msg_flags & MSG_ERRQUEUE);
    CHECK_EQ(from.sin_port, at[1].sin_port);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h != NULL);
    CHECK(h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_RECVERR);
    struct extended_err e;
    memcpy(&e, CMSG_DATA(h), sizeof e);
    CHECK_EQ(e.ee_errno, ECONNREFUSED);
    CHECK_EQ(e.ee_origin, ORIGIN_ICMP);
    OK(close(a));
}

TEST_CASE(errors)
{
    static char big[70000];
    both();
    CHECK_ERR(to_b(big, sizeof big), EMSGSIZE);
    CHECK_ERR(to_b(big, 65508), EMSGSIZE);
    CHECK_EQ(to_b(big, 65507), 65507);
    CHECK_EQ(recv(b, big, sizeof big, 0), 65507);
    CHECK_ERR(sendto(a, "x", 1, 0, (struct sockaddr *) &at[1], 4), EINVAL);
    struct sockaddr_in bad = at[1];
    bad.sin_family = AF_UNIX;
    CHECK_ERR(sendto(a, "x", 1, 0, (struct sockaddr *) &bad, sizeof bad), EAFNOSUPPORT);
    bad = at[1];
    bad.sin_port = 0;
    CHECK_ERR(sendto(a, "x", 1, 0, (struct sockaddr *) &bad, sizeof bad), EINVAL);
    bad = at[1];
    bad.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    CHECK_ERR(sendto(a, "x", 1, 0, (struct sockaddr *) &bad, sizeof bad), EACCES);
    CHECK_ERR(listen(a, 1), EOPNOTSUPP);
    CHECK_ERR(accept(a, NULL, NULL), EOPNOTSUPP);
    CHECK_ERR(shutdown(a, SHUT_RD), ENOTCONN);
    CHECK_ERR(sendto(a, (void *) 8, 4, 0, (struct sockaddr *) &at[1], sizeof at[1]), EFAULT);
    drop();
}

TEST_CASE(packet_info)
{
    char buf[8];
    union {
        struct cmsghdr h;
        char space[256];
    } control;
    struct iovec v = {buf, sizeof buf};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    both();
    set(b, IPPROTO_IP, IP_PKTINFO, 1);
    set(b, IPPROTO_IP, IP_RECVTTL, 1);
    set(a, IPPROTO_IP, IP_TTL, 42);
    CHECK_EQ(to_b("i", 1), 1);
    CHECK_EQ(recvmsg(b, &m, 0), 1);
    bool info = false, ttl = false;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        CHECK_EQ(h->cmsg_level, IPPROTO_IP);
        if (h->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo p;
            memcpy(&p, CMSG_DATA(h), sizeof p);
            CHECK_EQ(p.ipi_addr.s_addr, at[1].sin_addr.s_addr);
            info = true;
        }
        if (h->cmsg_type == IP_TTL) {
            int t;
            memcpy(&t, CMSG_DATA(h), sizeof t);
            CHECK_EQ(t, 42);
            ttl = true;
        }
    }
    CHECK(info && ttl);
    m.msg_controllen = 20; /* no room for all */
    CHECK_EQ(to_b("j", 1), 1);
    CHECK_EQ(recvmsg(b, &m, 0), 1);
    CHECK(m.msg_flags & MSG_CTRUNC);
    drop();
}

TEST_CASE(source_by_control_message)
{
    char buf[8];
    struct sockaddr_in from;
    socklen_t n = sizeof from;
    int s = (int) OK(socket(AF_INET, SOCK_DGRAM, 0));
    both();
    union {
        struct cmsghdr h;
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.h = {.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)),
                       .cmsg_level = IPPROTO_IP,
                       .cmsg_type = IP_PKTINFO}};
    struct in_pktinfo p = {.ipi_spec_dst = {htonl(0x7f000002)}};
    memcpy(CMSG_DATA(&control.h), &p, sizeof p);
    struct iovec v = {(char *) "s", 1};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_name = &at[1],
                       .msg_namelen = sizeof at[1],
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    CHECK_EQ(sendmsg(s, &m, 0), 1);
    CHECK_EQ(recvfrom(b, buf, 8, 0, (struct sockaddr *) &from, &n), 1);
    CHECK_EQ(from.sin_addr.s_addr, htonl(0x7f000002));
    control.h.cmsg_len = 5;
    CHECK_ERR(sendmsg(s, &m, 0), EINVAL);
    OK(close(s));
    drop();
}

TEST_CASE(timestamps)
{
    char buf[8];
    union {
        struct cmsghdr h;
        char space[128];
    } control;
    struct iovec v = {buf, sizeof buf};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    both();
    set(b, SOL_SOCKET, SO_TIMESTAMP, 1);
    CHECK_EQ(to_b("t", 1), 1);
    CHECK_EQ(recvmsg(b, &m, 0), 1);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMP);
    drop();
}

TEST_CASE(many_at_once)
{
    char buf[4][8];
    struct mmsghdr m[4] = {0};
    struct iovec v[4];
    both();
    for (int i = 0; i < 3; i++) {
        v[i] = (struct iovec){(char *) "abcd", (size_t) i + 1};
        m[i].msg_hdr = (struct msghdr){
            .msg_iov = &v[i], .msg_iovlen = 1, .msg_name = &at[1], .msg_namelen = sizeof at[1]};
    }
    CHECK_EQ(sendmmsg(a, m, 3, 0), 3);
    CHECK_EQ(m[2].msg_len, 3);
    for (int i = 0; i < 4; i++) {
        v[i] = (struct iovec){buf[i], 8};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    }
    CHECK_EQ(recvmmsg(b, m, 4, MSG_WAITFORONE, NULL), 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(m[i].msg_len, i + 1);
    CHECK_ERR(recvmmsg(b, m, 4, MSG_DONTWAIT, NULL), EAGAIN);
    drop();
}

static void *send_later(UNUSED void *arg)
{
    sleep_ms(20);
    CHECK_EQ(to_b("late", 4), 4);
    return NULL;
}

TEST_CASE(receive_sleeps)
{
    char buf[8];
    pthread_t t;
    struct timeval tv = {0, 20000};
    both();
    ZERO(pthread_create(&t, NULL, send_later, NULL));
    CHECK_EQ(recv(b, buf, 8, 0), 4);
    ZERO(pthread_join(t, NULL));
    OK(setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    CHECK_ERR(recv(b, buf, 8, 0), EAGAIN);
    drop();
}

TEST_CASE(queue_length)
{
    int n = -1;
    both();
    OK(ioctl(b, FIONREAD, &n));
    CHECK_EQ(n, 0);
    CHECK_EQ(to_b("abc", 3), 3);
    CHECK_EQ(to_b("defgh", 5), 5);
    CHECK_EQ(ready(b, POLLIN, 5000), POLLIN);
    OK(ioctl(b, FIONREAD, &n));
    CHECK_EQ(n, 3); /* of the first */
    drop();
}

TEST_CASE(epoll_of_datagrams)
{
    char buf[8];
    struct epoll_event e;
    both();
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, b, &(struct epoll_event){.events = EPOLLIN | EPOLLET}));
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
    CHECK_EQ(to_b("1", 1), 1);
    CHECK_EQ(to_b("2", 1), 1);
    CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
    CHECK_EQ(recv(b, buf, 8, 0), 1);
    CHECK_EQ(recv(b, buf, 8, 0), 1);
    CHECK_ERR(recv(b, buf, 8, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
    CHECK_EQ(to_b("3", 1), 1);
    CHECK_EQ(epoll_wait(ep, &e, 1, 5000), 1);
    OK(close(ep));
    drop();
}

TEST_CASE(multicast)
{
    char buf[8];
    int s = bound();
    struct in_addr lo = {htonl(INADDR_LOOPBACK)};
    struct ip_mreq group = {.imr_multiaddr = {htonl(0xe0000165)}, .imr_interface = lo};
    int r = (int) socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = group.imr_multiaddr};
    set(r, SOL_SOCKET, SO_REUSEADDR, 1);
    OK(bind(r, (struct sockaddr *) &to, sizeof to));
    socklen_t n = sizeof to;
    OK(getsockname(r, (struct sockaddr *) &to, &n));
    OK(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    CHECK_ERR(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group), EADDRINUSE);
    CHECK_ERR(setsockopt(r, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, 2), EINVAL);
    OK(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo));
    uint8_t loop = 1;
    OK(setsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof loop));
    CHECK_EQ(sendto(s, "all", 3, 0, (struct sockaddr *) &to, sizeof to), 3);
    CHECK_EQ(ready(r, POLLIN, 5000), POLLIN);
    CHECK_EQ(recv(r, buf, 8, 0), 3);
    OK(setsockopt(r, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
    CHECK_ERR(setsockopt(r, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group), EADDRNOTAVAIL);
    OK(close(r));
    OK(close(s));
}

TEST_CASE(both_families)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6}, from;
    socklen_t n = sizeof any;
    char buf[8];
    int six = socket(AF_INET6, SOCK_DGRAM, 0), off = 0;
    SKIP_IF(six < 0, "no IPv6");
    OK(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    OK(bind(six, (struct sockaddr *) &any, sizeof any));
    OK(getsockname(six, (struct sockaddr *) &any, &n));
    CHECK_EQ(n, sizeof any);
    int four = bound();
    struct sockaddr_in to = where;
    to.sin_port = any.sin6_port;
    CHECK_EQ(sendto(four, "4", 1, 0, (struct sockaddr *) &to, sizeof to), 1);
    n = sizeof from;
    CHECK_EQ(recvfrom(six, buf, 8, 0, (struct sockaddr *) &from, &n), 1);
    CHECK_EQ(from.sin6_family, AF_INET6);
    CHECK(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
    OK(close(four));
    OK(close(six));
}
