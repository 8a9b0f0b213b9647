/* TCP: options of sockets, requests of ioctl, urgent data, ports that are used again. */
#include "guest_tcp.h"
#include <netinet/tcp.h>
#include <sys/ioctl.h>

TEST_CASE(options)
{
    int s = socket_of(SOCK_STREAM);
    CHECK_EQ(option(s, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    CHECK_EQ(option(s, SOL_SOCKET, SO_DOMAIN), AF_INET);
    CHECK_EQ(option(s, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ACCEPTCONN), 0);
    static const int flags[][2] = {
        {SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_REUSEPORT}, {SOL_SOCKET, SO_KEEPALIVE},
        {SOL_SOCKET, SO_BROADCAST}, {SOL_SOCKET, SO_OOBINLINE}, {IPPROTO_TCP, TCP_NODELAY},
        {IPPROTO_TCP, TCP_CORK},    {IPPROTO_IP, IP_RECVERR},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        CHECK_EQ(option(s, flags[i][0], flags[i][1]), 0);
        set(s, flags[i][0], flags[i][1], 1);
        CHECK_EQ(option(s, flags[i][0], flags[i][1]), 1);
        set(s, flags[i][0], flags[i][1], 0);
        CHECK_EQ(option(s, flags[i][0], flags[i][1]), 0);
    }
    set(s, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    CHECK_EQ(option(s, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    set(s, IPPROTO_TCP, TCP_KEEPINTVL, 7);
    CHECK_EQ(option(s, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    set(s, IPPROTO_TCP, TCP_KEEPCNT, 3);
    CHECK_EQ(option(s, IPPROTO_TCP, TCP_KEEPCNT), 3);
    set(s, IPPROTO_IP, IP_TTL, 33);
    CHECK_EQ(option(s, IPPROTO_IP, IP_TTL), 33);
    set(s, IPPROTO_IP, IP_TOS, 0x10);
    CHECK_EQ(option(s, IPPROTO_IP, IP_TOS), 0x10);
    set(s, SOL_SOCKET, SO_SNDBUF, 20000);
    CHECK_EQ(option(s, SOL_SOCKET, SO_SNDBUF), 40000);
    set(s, SOL_SOCKET, SO_RCVBUF, 20000);
    CHECK_EQ(option(s, SOL_SOCKET, SO_RCVBUF), 40000);
    struct linger l = {1, 5}, back = {0};
    socklen_t n = sizeof back;
    OK(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    OK(getsockopt(s, SOL_SOCKET, SO_LINGER, &back, &n));
    CHECK(back.l_onoff == 1 && back.l_linger == 5);
    OK(close(s));
}

TEST_CASE(option_errors)
{
    int v = 1, s = socket_of(SOCK_STREAM);
    socklen_t n = sizeof v;
    CHECK_ERR(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v), ENOPROTOOPT);
    CHECK_ERR(setsockopt(s, IPPROTO_TCP, 9999, &v, sizeof v), ENOPROTOOPT);
    CHECK_ERR(getsockopt(s, IPPROTO_TCP, 9999, &v, &n), ENOPROTOOPT);
    CHECK_ERR(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, 1), EINVAL);
    CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 1), EINVAL);
    CHECK_ERR(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (void *) 8, 4), EFAULT);
    CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, 4), ENOPROTOOPT);
    v = 99999;
    CHECK_ERR(setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &v, 4), EINVAL);
    OK(close(s));
    s = listening(1);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ACCEPTCONN), 1);
    OK(close(s));
}

TEST_CASE(tcp_info)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    joined();
    OK(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &n));
    CHECK_EQ(info.tcpi_state, 1); /* ESTABLISHED */
    char name[16] = {0};
    n = sizeof name;
    OK(getsockopt(client, IPPROTO_TCP, TCP_CONGESTION, name, &n));
    CHECK(name[0] != 0);
    drop();
}

TEST_CASE(queue_lengths)
{
    int n = -1;
    char c;
    joined();
    OK(ioctl(peer, FIONREAD, &n));
    CHECK_EQ(n, 0);
    CHECK_EQ(send(client, "12345", 5, 0), 5);
    CHECK_EQ(ready(peer, POLLIN, 5000), POLLIN);
    OK(ioctl(peer, FIONREAD, &n));
    CHECK_EQ(n, 5);
    int on = 1;
    OK(ioctl(peer, FIONBIO, &on));
    char buf[8];
    CHECK_EQ(read(peer, buf, 8), 5);
    CHECK_ERR(read(peer, &c, 1), EAGAIN);
    CHECK_ERR(ioctl(peer, 0x5401, buf), ENOTTY);
    drop();
}

TEST_CASE(urgent_data)
{
    char c, buf[8];
    joined();
    CHECK_EQ(send(client, "ab", 2, 0), 2);
    CHECK_EQ(send(client, "!", 1, MSG_OOB), 1);
    CHECK_EQ(send(client, "cd", 2, 0), 2);
    CHECK(ready(peer, POLLPRI, 5000) & POLLPRI);
    CHECK_EQ(recv(peer, &c, 1, MSG_OOB), 1);
    CHECK_EQ(c, '!');
    CHECK_EQ(recv(peer, buf, 8, 0), 2); /* up to the mark */
    CHECK_EQ(ioctl(peer, SIOCATMARK, &(int){0}), 0);
    CHECK_EQ(recv(peer, buf, 8, 0), 2);
    CHECK_ERR(recv(peer, &c, 1, MSG_OOB), EINVAL);
    drop();
}

TEST_CASE(ports_are_reused)
{
    int l = listening(1);
    client = call_server();
    peer = (int) OK(accept(l, NULL, NULL));
    OK(close(peer)); /* the server's end waits in TIME_WAIT */
    OK(close(client));
    OK(close(l));
    l = socket_of(SOCK_STREAM);
    set(l, SOL_SOCKET, SO_REUSEADDR, 1);
    OK(bind(l, (struct sockaddr *) &server, server_size));
    OK(listen(l, 1));
    OK(close(l));
    int a = socket_of(SOCK_STREAM), b = socket_of(SOCK_STREAM);
    set(a, SOL_SOCKET, SO_REUSEPORT, 1);
    set(b, SOL_SOCKET, SO_REUSEPORT, 1);
    struct sockaddr_storage any;
    socklen_t n;
    struct sockaddr *to = any_port(&any, &n);
    OK(bind(a, to, n));
    OK(getsockname(a, (struct sockaddr *) &any, &n));
    OK(bind(b, (struct sockaddr *) &any, n));
    OK(close(a));
    OK(close(b));
}
