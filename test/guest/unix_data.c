/* Unix sockets: peeking, timeouts, options, full buffers, limits and peers of datagrams. */
#include "guest_unix.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>

static void *writes_late(void *arg)
{
    for (int i = 0; i < 4; i++) {
        usleep(3000);
        CHECK_EQ(write(*(int *) arg, "abcd" + i, 1), 1);
    }
    return NULL;
}

TEST_CASE(whole_and_peeked)
{
    char b[8] = {0};
    pthread_t t;
    make(SOCK_STREAM);
    CHECK_EQ(pthread_create(&t, NULL, writes_late, &pair[1]), 0);
    CHECK_EQ(recv(pair[0], b, 4, MSG_WAITALL), 4);
    CHECK_STR(b, "abcd");
    pthread_join(t, NULL);
    CHECK_EQ(write(pair[1], "peek", 4), 4);
    CHECK_EQ(recv(pair[0], b, 2, MSG_PEEK), 2);
    CHECK_EQ(recv(pair[0], b, 8, MSG_PEEK), 4);
    CHECK_EQ(recv(pair[0], b, 3, 0), 3);
    CHECK_EQ(recv(pair[0], b, 8, MSG_WAITALL | MSG_DONTWAIT), 1);
    drop();
}

TEST_CASE(timeouts)
{
    char c;
    struct timeval tv = {.tv_usec = 20000}, got;
    socklen_t n = sizeof got;
    make(SOCK_STREAM);
    OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    OK(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n));
    CHECK_EQ(n, sizeof got);
    CHECK_EQ(got.tv_usec, 20000);
    CHECK_ERR(read(pair[0], &c, 1), EAGAIN);
    tv.tv_usec = 1000000;
    CHECK_ERR(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), EDOM);
    drop();
}

TEST_CASE(options)
{
    make(SOCK_STREAM);
    int v = 10000;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    CHECK_EQ(option(pair[0], SOL_SOCKET, SO_SNDBUF), 20000);
    v = 0;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    CHECK_EQ(option(pair[0], SOL_SOCKET, SO_SNDBUF), 4608);
    v = 7;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
    CHECK_EQ(option(pair[0], SOL_SOCKET, SO_REUSEADDR), 1);
    OK(setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v));
    CHECK_ERR(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &v, 3), EINVAL);
    CHECK_ERR(setsockopt(pair[0], SOL_SOCKET, 9999, &v, sizeof v), ENOPROTOOPT);
    CHECK_ERR(setsockopt(pair[0], SOL_SOCKET, SO_TYPE, &v, sizeof v), ENOPROTOOPT);
    CHECK_ERR(setsockopt(pair[0], 6, 1, &v, sizeof v), EOPNOTSUPP);
    struct linger l = {1, 5}, m;
    socklen_t n = sizeof m;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &l, sizeof l));
    OK(getsockopt(pair[0], SOL_SOCKET, SO_LINGER, &m, &n));
    CHECK(m.l_onoff == 1 && m.l_linger == 5);
    drop();
}

static ssize_t fill(int fd, size_t step)
{
    static char b[70000];
    ssize_t sum = 0, n;
    while ((n = send(fd, b, step, MSG_DONTWAIT)) > 0)
        sum += n;
    CHECK(n == -1 && errno == EAGAIN);
    return sum;
}

TEST_CASE(full_buffer)
{
    static char b[70000];
    make(SOCK_STREAM);
    ssize_t n = fill(pair[0], sizeof b);
    CHECK(n >= 100000);
    CHECK_EQ(events(pair[0]) & POLLOUT, 0);
    int ep = (int) OK(epoll_create1(0)), left = 0;
    struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &ev));
    CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
    OK(ioctl(pair[1], FIONREAD, &left));
    CHECK_EQ(left, n);
    for (ssize_t got = 0; got < n;)
        got += OK(read(pair[1], b, sizeof b));
    CHECK_EQ(epoll_wait(ep, &ev, 1, 1000), 1);
    CHECK_EQ(ev.events, EPOLLOUT);
    close(ep);
    drop();
}

TEST_CASE(datagram_limits)
{
    char b[8] = {0};
    static char large[300000];
    make(SOCK_DGRAM);
    CHECK_ERR(send(pair[0], large, sizeof large, 0), EMSGSIZE);
    CHECK_EQ(send(pair[0], large, 200000, 0), 200000);
    CHECK_EQ(recv(pair[1], large, sizeof large, 0), 200000);
    CHECK_EQ(send(pair[0], "", 0, 0), 0);
    CHECK_EQ(events(pair[1]) & POLLIN, POLLIN);
    CHECK_EQ(recv(pair[1], b, 8, 0), 0);
    CHECK_EQ(send(pair[0], "truncated", 9, 0), 9);
    CHECK_EQ(recv(pair[1], b, 4, MSG_PEEK | MSG_TRUNC), 9);
    struct iovec iov = {b, 4};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(pair[1], &m, 0), 4);
    CHECK_EQ(m.msg_flags, MSG_TRUNC);
    CHECK(fill(pair[0], 1000) >= 10000);
    CHECK_EQ(events(pair[0]) & POLLOUT, 0);
    while (recv(pair[1], b, 8, MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(events(pair[0]) & POLLOUT, POLLOUT);
    close(pair[1]);
    CHECK_ERR(send(pair[0], "x", 1, 0), ECONNREFUSED);
    CHECK_ERR(send(pair[0], "x", 1, 0), ENOTCONN);
    close(pair[0]);
}

TEST_CASE(datagram_peers)
{
    struct sockaddr_un a;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    char b[8];
    int s = bound(SOCK_DGRAM, "a"), c = bound(SOCK_DGRAM, "b"), d = socket_of(SOCK_DGRAM);
    OK(join(s, "b"));
    OK(join(d, "b"));
    CHECK_ERR(join(d, "a"), EPERM); /* a listens to b only */
    CHECK_ERR(sendto(d, "x", 1, 0, (struct sockaddr *) &a, name(&a, "a")), EPERM);
    CHECK_EQ(send(d, "from d", 6, 0), 6);
    socklen_t n = sizeof a;
    CHECK_EQ(recvfrom(c, b, 8, 0, (struct sockaddr *) &a, &n), 6);
    CHECK_EQ(n, 0); /* no name */
    OK(connect(s, &none, sizeof none));
    CHECK_ERR(send(s, "x", 1, 0), ENOTCONN);
    close(c);
    CHECK_ERR(send(d, "x", 1, 0), ECONNREFUSED);
    close(s), close(d);
}

TEST_CASE(many_messages)
{
    char b[3][8] = {{0}};
    struct iovec out[3] = {{"a", 1}, {"bc", 2}, {"def", 3}}, in[3];
    struct mmsghdr v[3] = {0}, w[3] = {0};
    make(SOCK_DGRAM);
    for (int i = 0; i < 3; i++) {
        in[i] = (struct iovec){b[i], 8};
        v[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
        w[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
    }
    CHECK_EQ(sendmmsg(pair[0], v, 3, 0), 3);
    CHECK_EQ(v[2].msg_len, 3);
    CHECK_EQ(recvmmsg(pair[1], w, 2, 0, NULL), 2);
    CHECK_EQ(w[1].msg_len, 2);
    CHECK_EQ(recvmmsg(pair[1], w, 3, MSG_WAITFORONE, NULL), 1);
    CHECK_STR(b[0], "def");
    CHECK_ERR(recvmmsg(pair[1], w, 3, MSG_DONTWAIT, NULL), EAGAIN);
    drop();
}
