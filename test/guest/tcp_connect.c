/* TCP: making connections, names, what refuses them, and how they end: half-closed, reset. */
#include "guest_tcp.h"

static void check_connection(void)
{
    char buf[16];
    struct sockaddr_storage a, b;
    socklen_t na = sizeof a, nb = sizeof b;
    joined();
    OK(getsockname(client, (struct sockaddr *) &a, &na));
    OK(getpeername(peer, (struct sockaddr *) &b, &nb));
    CHECK_EQ(na, nb);
    CHECK_EQ(memcmp(&a, &b, na), 0);
    nb = sizeof b;
    OK(getpeername(client, (struct sockaddr *) &b, &nb));
    CHECK_EQ(port_of(&b), port_of(&server));
    CHECK_EQ(send(client, "hello", 5, 0), 5);
    CHECK_EQ(recv(peer, buf, sizeof buf, 0), 5);
    CHECK_EQ(memcmp(buf, "hello", 5), 0);
    CHECK_EQ(write(peer, "answer", 6), 6);
    CHECK_EQ(read(client, buf, sizeof buf), 6);
    OK(close(client));
    CHECK_EQ(read(peer, buf, sizeof buf), 0);
    CHECK_EQ(read(peer, buf, sizeof buf), 0);
    OK(close(peer));
}

TEST_CASE(connection)
{
    check_connection();
}

TEST_CASE(connection6)
{
    int s = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool usable = s >= 0 && bind(s, (struct sockaddr *) &a, sizeof a) == 0;
    close(s);
    SKIP_IF(!usable, "no IPv6 on this machine");
    family = AF_INET6;
    check_connection();
    family = AF_INET;
}

TEST_CASE(accept_gives_the_peer)
{
    struct sockaddr_in a = {0}, mine;
    socklen_t n = sizeof a, nm = sizeof mine;
    int l = listening(1);
    client = call_server();
    peer = (int) OK(accept(l, (struct sockaddr *) &a, &n));
    CHECK_EQ(n, sizeof a);
    CHECK_EQ(a.sin_family, AF_INET);
    OK(getsockname(client, (struct sockaddr *) &mine, &nm));
    CHECK_EQ(a.sin_port, mine.sin_port);
    CHECK_EQ(fcntl(peer, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(fcntl(peer, F_GETFD), 0);
    drop();
    client = call_server();
    memset(&a, 0xee, sizeof a);
    n = 4; /* cut, but the true size is told */
    peer = (int) OK(accept4(l, (struct sockaddr *) &a, &n, SOCK_NONBLOCK | SOCK_CLOEXEC));
    CHECK_EQ(n, sizeof a);
    CHECK_EQ(a.sin_addr.s_addr, 0xeeeeeeee);
    CHECK(fcntl(peer, F_GETFL) & O_NONBLOCK);
    CHECK_EQ(fcntl(peer, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(syscall(SYS_accept4, l, NULL, NULL, 1), EINVAL); /* musl's would call accept */
    drop();
    nonblock(l);
    CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
    OK(close(l));
}

TEST_CASE(creation_errors)
{
    CHECK_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
    CHECK_ERR(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_INET, SOCK_STREAM, -1), EINVAL);
    CHECK_ERR(socket(AF_INET, SOCK_STREAM, 1000), EINVAL);
    CHECK_ERR(socket(AF_INET, 99, 0), EINVAL);
    int v[2];
    CHECK_ERR(socketpair(AF_INET, SOCK_STREAM, 0, v), EOPNOTSUPP);
}

TEST_CASE(name_errors)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket_of(SOCK_STREAM);
    CHECK_ERR(bind(s, (struct sockaddr *) &a, 4), EINVAL);
    a.sin_family = AF_UNIX;
    CHECK_ERR(bind(s, (struct sockaddr *) &a, sizeof a), EAFNOSUPPORT);
    CHECK_ERR(connect(s, (struct sockaddr *) &a, sizeof a), EAFNOSUPPORT);
    CHECK_ERR(connect(s, (struct sockaddr *) &a, 1), EINVAL);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1: not ours */
    CHECK_ERR(bind(s, (struct sockaddr *) &a, sizeof a), EADDRNOTAVAIL);
    CHECK_ERR(bind(s, NULL, sizeof a), EFAULT);
    CHECK_ERR(bind(s, (struct sockaddr *) &a, 1000), EINVAL);
    socklen_t n = sizeof a;
    CHECK_ERR(getpeername(s, (struct sockaddr *) &a, &n), ENOTCONN);
    CHECK_ERR(accept(s, NULL, NULL), EINVAL);
    CHECK_ERR(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
    char c;
    CHECK_ERR(recv(s, &c, 1, 0), ENOTCONN);
    CHECK_ERR(shutdown(s, SHUT_RDWR), ENOTCONN);
    CHECK_ERR(shutdown(s, 7), EINVAL);
    OK(close(s));
    s = listening(1);
    int t = socket_of(SOCK_STREAM);
    CHECK_ERR(bind(t, (struct sockaddr *) &server, server_size), EADDRINUSE);
    CHECK_ERR(bind(s, (struct sockaddr *) &server, server_size), EINVAL);
    OK(close(t));
    OK(close(s));
}

TEST_CASE(refused)
{
    int l = listening(1);
    OK(close(l));
    int s = socket_of(SOCK_STREAM);
    CHECK_ERR(connect(s, (struct sockaddr *) &server, server_size), ECONNREFUSED);
    OK(close(s));
    s = socket_of(SOCK_STREAM | SOCK_NONBLOCK);
    if (connect(s, (struct sockaddr *) &server, server_size) < 0 && errno == EINPROGRESS)
        CHECK(ready(s, POLLOUT, 5000) & (POLLOUT | POLLERR));
    else
        CHECK_EQ(errno, ECONNREFUSED);
    int e = option(s, SOL_SOCKET, SO_ERROR);
    CHECK(e == ECONNREFUSED || e == 0);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ERROR), 0);
    OK(close(s));
}

TEST_CASE(connect_without_waiting)
{
    int l = listening(4);
    int s = socket_of(SOCK_STREAM | SOCK_NONBLOCK);
    int r = connect(s, (struct sockaddr *) &server, server_size);
    if (r < 0)
        CHECK_EQ(errno, EINPROGRESS);
    CHECK_EQ(ready(s, POLLOUT | POLLIN, 5000), POLLOUT);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ERROR), 0);
    r = connect(s, (struct sockaddr *) &server, server_size);
    if (r == 0)
        r = connect(s, (struct sockaddr *) &server, server_size);
    CHECK_ERR(r, EISCONN);
    OK(close(s));
    OK(close(l));
}

TEST_CASE(dissolving)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    joined();
    OK(connect(client, &none, sizeof none));
    CHECK_ERR(getpeername(client, &none, &(socklen_t){sizeof none}), ENOTCONN);
    drop();
}

static volatile sig_atomic_t pipes;
static void on_pipe(UNUSED int sig)
{
    pipes++;
}

TEST_CASE(half_closed)
{
    char buf[8];
    joined();
    OK(shutdown(client, SHUT_WR));
    CHECK_EQ(read(peer, buf, 8), 0);
    CHECK_EQ(ready(peer, POLLIN | POLLRDHUP | POLLOUT, 0), POLLIN | POLLRDHUP | POLLOUT);
    CHECK_EQ(send(peer, "still", 5, 0), 5);
    CHECK_EQ(read(client, buf, 8), 5);
    CHECK_ERR(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
    struct sigaction old, act = {.sa_handler = on_pipe};
    OK(sigaction(SIGPIPE, &act, &old));
    pipes = 0;
    CHECK_ERR(write(client, "x", 1), EPIPE);
    CHECK_EQ(pipes, 1);
    OK(sigaction(SIGPIPE, &old, NULL));
    OK(shutdown(peer, SHUT_RDWR));
    CHECK(ready(client, POLLIN | POLLRDHUP, 5000) & POLLHUP);
    CHECK_EQ(read(client, buf, 8), 0);
    drop();
}

TEST_CASE(reset)
{
    char c;
    joined();
    OK(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
    OK(close(client));
    short r = ready(peer, POLLIN, 5000);
    CHECK(r & POLLERR);
    CHECK(r & POLLHUP);
    CHECK_ERR(recv(peer, &c, 1, 0), ECONNRESET);
    CHECK_EQ(recv(peer, &c, 1, 0), 0);
    CHECK_ERR(send(peer, "x", 1, MSG_NOSIGNAL), EPIPE);
    OK(close(peer));
    joined();
    OK(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
    OK(close(client));
    CHECK(ready(peer, POLLIN, 5000) & POLLERR);
    CHECK_EQ(option(peer, SOL_SOCKET, SO_ERROR), ECONNRESET);
    CHECK_EQ(option(peer, SOL_SOCKET, SO_ERROR), 0);
    OK(close(peer));
}

TEST_CASE(unread_data_resets)
{
    char c;
    joined();
    CHECK_EQ(send(client, "unread", 6, 0), 6);
    CHECK_EQ(ready(peer, POLLIN, 5000), POLLIN);
    OK(close(peer));
    CHECK(ready(client, POLLIN, 5000) & POLLERR);
    CHECK_ERR(recv(client, &c, 1, 0), ECONNRESET);
    OK(close(client));
}

static void *many_clients(UNUSED void *arg)
{
    for (int i = 0; i < 50; i++) {
        int s = call_server();
        char c;
        CHECK_EQ(send(s, "q", 1, 0), 1);
        CHECK_EQ(recv(s, &c, 1, 0), 1);
        OK(close(s));
    }
    return NULL;
}

TEST_CASE(many_connections)
{
    pthread_t t[4];
    int l = listening(64);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        ZERO(pthread_create(&t[i], NULL, many_clients, NULL));
    for (int i = 0; i < 200; i++) {
        char c;
        int s = (int) OK(accept(l, NULL, NULL));
        CHECK_EQ(recv(s, &c, 1, 0), 1);
        CHECK_EQ(send(s, &c, 1, 0), 1);
        OK(close(s));
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        ZERO(pthread_join(t[i], NULL));
    OK(close(l));
}
