/* TCP over IPv4 and IPv6 on loopback: connections, errors, options, readiness, shutdown, reset. */
#include "guest_test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int family = AF_INET;
static struct sockaddr_storage server; /* where listening() listens */
static socklen_t server_size;
static int client, peer; /* joined() */

static int socket_of(int type)
{
    return (int) OK(socket(family, type | SOCK_CLOEXEC, 0));
}

static struct sockaddr *any_port(struct sockaddr_storage *a, socklen_t *n)
{
    memset(a, 0, sizeof *a);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *) a;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *n = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *) a;
        in->sin6_family = AF_INET6;
        in->sin6_addr = in6addr_loopback;
        *n = sizeof *in;
    }
    return (struct sockaddr *) a;
}

static in_port_t port_of(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET ? ((const struct sockaddr_in *) a)->sin_port
                                   : ((const struct sockaddr_in6 *) a)->sin6_port;
}

static void set(int s, int level, int which, int v)
{
    OK(setsockopt(s, level, which, &v, sizeof v));
}

static int listening(int backlog)
{
    int s = socket_of(SOCK_STREAM);
    struct sockaddr *a = any_port(&server, &server_size);
    set(s, SOL_SOCKET, SO_REUSEADDR, 1); /* for the next to use the port, it must be set now */
    OK(bind(s, a, server_size));
    OK(listen(s, backlog));
    OK(getsockname(s, (struct sockaddr *) &server, &server_size));
    CHECK(port_of(&server) != 0);
    return s;
}

static int call_server(void)
{
    int s = socket_of(SOCK_STREAM);
    OK(connect(s, (struct sockaddr *) &server, server_size));
    return s;
}

/* client and peer are the ends of a connection. */
static void joined(void)
{
    int l = listening(4);
    client = call_server();
    peer = (int) OK(accept4(l, NULL, NULL, SOCK_CLOEXEC));
    OK(close(l));
}

static void drop(void)
{
    close(client);
    close(peer);
}

static int option(int s, int level, int which)
{
    int v = -1;
    socklen_t n = sizeof v;
    OK(getsockopt(s, level, which, &v, &n));
    CHECK_EQ(n, sizeof v);
    return v;
}

static short ready(int s, short events, int ms)
{
    struct pollfd p = {.fd = s, .events = events};
    OK(poll(&p, 1, ms));
    return p.revents;
}

static void nonblock(int s)
{
    OK(fcntl(s, F_SETFL, O_NONBLOCK));
}

/* ---- connections ---- */

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

/* ---- sending and receiving ---- */

TEST_CASE(peek_and_flags)
{
    char buf[16];
    joined();
    CHECK_ERR(recv(peer, buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(client, "abcdef", 6, MSG_DONTWAIT), 6);
    CHECK_EQ(recv(peer, buf, 3, MSG_PEEK), 3);
    CHECK_EQ(recv(peer, buf, 3, MSG_PEEK), 3);
    CHECK_EQ(memcmp(buf, "abc", 3), 0);
    CHECK_EQ(recv(peer, NULL, 2, MSG_TRUNC), 2); /* thrown away */
    CHECK_EQ(recv(peer, buf, 16, 0), 4);
    CHECK_EQ(memcmp(buf, "cdef", 4), 0);
    CHECK_ERR(recv(peer, buf, 1, MSG_DONTWAIT), EAGAIN);
    nonblock(peer);
    CHECK_ERR(read(peer, buf, 1), EAGAIN);
    CHECK_EQ(send(client, "", 0, 0), 0);
    CHECK_ERR(read(peer, buf, 1), EAGAIN);
    CHECK_ERR(send(client, (void *) 8, 4, 0), EFAULT);
    drop();
}

static void *send_parts(UNUSED void *arg)
{
    for (int i = 0; i < 4; i++) {
        sleep_ms(5);
        CHECK_EQ(send(client, "1234", 4, 0), 4);
    }
    return NULL;
}

TEST_CASE(waitall)
{
    char buf[32] = {0};
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, send_parts, NULL));
    CHECK_EQ(recv(peer, buf, 16, MSG_WAITALL), 16);
    CHECK_STR(buf, "1234123412341234");
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(send(client, "xy", 2, 0), 2);
    OK(shutdown(client, SHUT_WR));
    CHECK_EQ(recv(peer, buf, 16, MSG_WAITALL), 2); /* the end ends it */
    drop();
}

TEST_CASE(vectors)
{
    char a[4] = {0}, b[8] = {0};
    struct iovec out[2] = {{(char *) "abc", 3}, {(char *) "defgh", 5}};
    struct iovec in[2] = {{a, 3}, {b, 7}};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 2};
    joined();
    CHECK_EQ(sendmsg(client, &m, 0), 8);
    m = (struct msghdr){.msg_iov = in, .msg_iovlen = 2, .msg_flags = -1};
    CHECK_EQ(recvmsg(peer, &m, 0), 8);
    CHECK_STR(a, "abc");
    CHECK_STR(b, "defgh");
    CHECK_EQ(m.msg_flags, 0);
    CHECK_EQ(writev(peer, out, 2), 8);
    CHECK_EQ(readv(client, in, 2), 8);
    struct sockaddr_in from;
    socklen_t n = sizeof from;
    CHECK_EQ(send(client, "z", 1, 0), 1);
    CHECK_EQ(recvfrom(peer, a, 1, 0, (struct sockaddr *) &from, &n), 1);
    drop();
}

#define FLOOD (8u << 20)

static void *flood(UNUSED void *arg)
{
    static char buf[100000];
    for (size_t done = 0; done < FLOOD;) {
        size_t n = FLOOD - done < sizeof buf ? FLOOD - done : sizeof buf;
        for (size_t i = 0; i < n; i++)
            buf[i] = (char) ((done + i) * 7 >> 3);
        CHECK_EQ(send(client, buf, n, 0), n);
        done += n;
    }
    OK(shutdown(client, SHUT_WR));
    return NULL;
}

TEST_CASE(much_data)
{
    static char buf[70001];
    pthread_t t;
    size_t done = 0;
    ssize_t n;
    joined();
    ZERO(pthread_create(&t, NULL, flood, NULL));
    while ((n = OK(recv(peer, buf, sizeof buf, 0))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != (char) ((done + (size_t) i) * 7 >> 3))
                test_fail(__FILE__, __LINE__, "wrong byte at %zu", done + (size_t) i);
        done += (size_t) n;
    }
    CHECK_EQ(done, FLOOD);
    ZERO(pthread_join(t, NULL));
    drop();
}

TEST_CASE(full_and_drained)
{
    static char buf[65536];
    size_t sent = 0, got = 0;
    ssize_t n;
    joined();
    nonblock(client);
    nonblock(peer);
    CHECK_EQ(ready(client, POLLOUT | POLLIN, 0), POLLOUT);
    while ((n = send(client, buf, sizeof buf, 0)) > 0)
        sent += (size_t) n;
    CHECK_EQ(errno, EAGAIN);
    CHECK(sent > 4096);
    CHECK_EQ(ready(client, POLLOUT, 0), 0);
    CHECK_EQ(ready(peer, POLLIN, 5000), POLLIN);
    while (got < sent) {
        n = recv(peer, buf, sizeof buf, 0);
        if (n < 0) {
            CHECK_EQ(errno, EAGAIN);
            CHECK(ready(peer, POLLIN, 5000) & POLLIN);
            continue;
        }
        got += (size_t) n;
    }
    CHECK_EQ(ready(client, POLLOUT, 5000), POLLOUT);
    CHECK_EQ(ready(peer, POLLIN, 0), 0);
    drop();
}

TEST_CASE(sent_file)
{
    char buf[9000], got[9000];
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (char) (i * 13);
    const char *path = test_path("data");
    write_file(path, buf, sizeof buf);
    int fd = (int) OK(open(path, O_RDONLY));
    off_t at = 1000;
    joined();
    CHECK_EQ(sendfile(client, fd, &at, 8000), 8000);
    CHECK_EQ(at, 9000);
    CHECK_EQ(recv(peer, got, 8000, MSG_WAITALL), 8000);
    CHECK_EQ(memcmp(got, buf + 1000, 8000), 0);
    int p[2];
    OK(pipe(p));
    CHECK_EQ(write(p[1], "through", 7), 7);
    CHECK_EQ(splice(p[0], NULL, client, NULL, 7, 0), 7);
    CHECK_EQ(splice(peer, NULL, p[1], NULL, 7, 0), 7);
    CHECK_EQ(read(p[0], got, 7), 7);
    CHECK_EQ(memcmp(got, "through", 7), 0);
    OK(close(p[0]));
    OK(close(p[1]));
    OK(close(fd));
    drop();
}

/* ---- ends ---- */

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

/* ---- waiting ---- */

static void *send_later(UNUSED void *arg)
{
    sleep_ms(20);
    CHECK_EQ(send(client, "late", 4, 0), 4);
    return NULL;
}

TEST_CASE(receive_sleeps)
{
    char buf[8];
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, send_later, NULL));
    CHECK_EQ(recv(peer, buf, 8, 0), 4);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *connect_later(UNUSED void *arg)
{
    sleep_ms(20);
    client = call_server();
    return NULL;
}

TEST_CASE(accept_sleeps)
{
    pthread_t t;
    int l = listening(1);
    ZERO(pthread_create(&t, NULL, connect_later, NULL));
    peer = (int) OK(accept(l, NULL, NULL));
    ZERO(pthread_join(t, NULL));
    drop();
    ZERO(pthread_create(&t, NULL, connect_later, NULL));
    CHECK_EQ(ready(l, POLLIN, 5000), POLLIN);
    peer = (int) OK(accept(l, NULL, NULL));
    CHECK_EQ(ready(l, POLLIN, 0), 0);
    ZERO(pthread_join(t, NULL));
    drop();
    OK(close(l));
}

TEST_CASE(timeouts)
{
    char buf[8];
    struct timeval tv = {0, 30000}, back;
    socklen_t n = sizeof back;
    int l = listening(1);
    OK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    OK(getsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &back, &n));
    CHECK(back.tv_usec >= 30000 && back.tv_usec < 40000); /* Linux rounds up to its ticks */
    CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
    OK(close(l));
    joined();
    OK(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    int64_t start = now_ns(CLOCK_MONOTONIC);
    CHECK_ERR(recv(peer, buf, 8, 0), EAGAIN);
    CHECK(now_ns(CLOCK_MONOTONIC) - start >= 25000000);
    CHECK_EQ(send(client, "abc", 3, 0), 3);
    CHECK_EQ(recv(peer, buf, 8, MSG_WAITALL), 3); /* what came until then */
    static char much[65536];
    OK(setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    ssize_t r;
    while ((r = send(client, much, sizeof much, 0)) == sizeof much)
        ;
    if (r >= 0)
        r = send(client, much, sizeof much, 0);
    CHECK_ERR(r, EAGAIN);
    drop();
}

static void on_alarm(UNUSED int sig)
{
}

static void *interrupt_later(UNUSED void *arg)
{
    sleep_ms(20);
    pthread_kill(*(pthread_t *) arg, SIGUSR1);
    return NULL;
}

TEST_CASE(interrupted)
{
    char c;
    pthread_t me = pthread_self(), t;
    struct sigaction act = {.sa_handler = on_alarm};
    joined();
    OK(sigaction(SIGUSR1, &act, NULL));
    ZERO(pthread_create(&t, NULL, interrupt_later, &me));
    CHECK_ERR(recv(peer, &c, 1, 0), EINTR);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *end_later(UNUSED void *arg)
{
    sleep_ms(20);
    OK(shutdown(peer, SHUT_RDWR));
    return NULL;
}

TEST_CASE(shutdown_ends_a_sleep)
{
    char c;
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, end_later, NULL));
    CHECK_EQ(recv(peer, &c, 1, 0), 0);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *shut_listener(UNUSED void *arg)
{
    sleep_ms(20);
    OK(shutdown(*(int *) arg, SHUT_RDWR));
    return NULL;
}

TEST_CASE(shutdown_ends_accept)
{
    pthread_t t;
    int l = listening(1);
    ZERO(pthread_create(&t, NULL, shut_listener, &l));
    CHECK_ERR(accept(l, NULL, NULL), EINVAL);
    ZERO(pthread_join(t, NULL));
    OK(close(l));
}

static void *close_later(UNUSED void *arg)
{
    sleep_ms(20);
    OK(close(peer));
    CHECK_EQ(send(client, "x", 1, 0), 1);
    return NULL;
}

TEST_CASE(closed_while_it_sleeps)
{
    char c = 0;
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, close_later, NULL));
    CHECK_EQ(recv(peer, &c, 1, 0), 1); /* the call keeps the socket */
    CHECK_EQ(c, 'x');
    ZERO(pthread_join(t, NULL));
    close(client);
}

/* ---- readiness ---- */

TEST_CASE(fresh_socket)
{
    int s = socket_of(SOCK_STREAM);
    CHECK_EQ(ready(s, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
    OK(close(s));
    s = listening(1);
    CHECK_EQ(ready(s, POLLIN | POLLOUT, 0), 0);
    OK(close(s));
}

TEST_CASE(selected)
{
    char c;
    joined();
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(peer, &in);
    FD_SET(peer, &out);
    CHECK_EQ(select(peer + 1, &in, &out, NULL, &(struct timeval){0}), 1);
    CHECK(!FD_ISSET(peer, &in) && FD_ISSET(peer, &out));
    CHECK_EQ(send(client, "x", 1, 0), 1);
    FD_SET(peer, &in);
    CHECK_EQ(select(peer + 1, &in, NULL, NULL, &(struct timeval){0}), 1);
    CHECK(FD_ISSET(peer, &in));
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(select(peer + 1, &in, NULL, NULL, &(struct timeval){0}), 0);
    drop();
}

static int wait_one(int ep, int ms, uint32_t *events)
{
    struct epoll_event e = {0};
    int n = (int) OK(epoll_wait(ep, &e, 1, ms));
    *events = e.events;
    return n;
}

TEST_CASE(epoll_level)
{
    char c;
    uint32_t events;
    joined();
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, peer, &(struct epoll_event){.events = EPOLLIN}));
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "ab", 2, 0), 2);
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLIN);
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    OK(close(client));
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLIN);
    OK(close(ep));
    OK(close(peer));
}

TEST_CASE(epoll_edge)
{
    char c;
    uint32_t events;
    joined();
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, peer, &(struct epoll_event){.events = EPOLLIN | EPOLLET}));
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "ab", 2, 0), 2);
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0); /* no new edge */
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "c", 1, 0), 1);
    CHECK_EQ(wait_one(ep, 5000, &events), 1); /* data is there still, more came */
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, peer, &(struct epoll_event){.events = EPOLLIN | EPOLLONESHOT}));
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(send(client, "d", 1, 0), 1);
    CHECK_EQ(wait_one(ep, 20, &events), 0); /* once */
    OK(close(ep));
    drop();
}

TEST_CASE(epoll_output_edge)
{
    static char buf[65536];
    uint32_t events;
    size_t sent = 0, got = 0;
    ssize_t n;
    joined();
    nonblock(client);
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, client, &(struct epoll_event){.events = EPOLLOUT | EPOLLET}));
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(events, EPOLLOUT);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    while ((n = send(client, buf, sizeof buf, 0)) > 0)
        sent += (size_t) n;
    CHECK_ERR(n, EAGAIN);
    while (got < sent) {
        n = OK(recv(peer, buf, sizeof buf, 0));
        got += (size_t) n;
    }
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLOUT);
    OK(close(ep));
    drop();
}

/* ---- options and requests ---- */

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

/* ---- descriptors ---- */

TEST_CASE(duplicates)
{
    char c;
    joined();
    int d = (int) OK(dup(client));
    OK(close(client));
    CHECK_EQ(send(d, "x", 1, 0), 1);
    CHECK_EQ(read(peer, &c, 1), 1);
    OK(close(d));
    CHECK_EQ(read(peer, &c, 1), 0);
    OK(close(peer));
}

CHILD(echo)
{
    int s = atoi(argv[0]);
    char buf[64];
    ssize_t n = read(s, buf, sizeof buf);
    return write(s, buf, (size_t) n) == n ? 7 : 1;
}

TEST_CASE(inherited)
{
    char buf[8] = {0};
    joined();
    OK(fcntl(peer, F_SETFD, 0));
    pid_t p = child_start("echo", num(peer), NULL);
    OK(close(peer));
    CHECK_EQ(write(client, "ping", 4), 4);
    CHECK_EQ(read(client, buf, 8), 4);
    CHECK_STR(buf, "ping");
    CHECK_EQ(child_wait(p), 7);
    CHECK_EQ(read(client, buf, 8), 0);
    OK(close(client));
}

TEST_CASE(passed)
{
    int pair[2];
    char c;
    joined();
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    union {
        struct cmsghdr h;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)),
                       .cmsg_level = SOL_SOCKET,
                       .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.h), &peer, sizeof peer);
    struct iovec v = {(char *) "f", 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    CHECK_EQ(sendmsg(pair[0], &m, 0), 1);
    OK(close(peer));
    v.iov_base = &c;
    CHECK_EQ(recvmsg(pair[1], &m, 0), 1);
    memcpy(&peer, CMSG_DATA(&control.h), sizeof peer);
    CHECK_EQ(send(client, "y", 1, 0), 1);
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(c, 'y');
    close(pair[0]);
    close(pair[1]);
    drop();
}

TEST_CASE(file_type)
{
    struct stat st;
    char link[64] = {0};
    int s = socket_of(SOCK_STREAM);
    OK(fstat(s, &st));
    CHECK(S_ISSOCK(st.st_mode));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", s);
    OK(readlink(path, link, sizeof link - 1));
    CHECK_EQ(strncmp(link, "socket:[", 8), 0);
    CHECK_ERR(lseek(s, 0, SEEK_SET), ESPIPE);
    CHECK_ERR(pread(s, link, 1, 0), ESPIPE);
    OK(close(s));
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
