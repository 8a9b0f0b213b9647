/* Unix sockets at the edges: errors, resets, shutdown, backlog, control messages, timeouts, poll. */
#include "guest_test.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int pair[2];

static void make(int type)
{
    OK(socketpair(AF_UNIX, type, 0, pair));
}
static void drop(void)
{
    close(pair[0]);
    close(pair[1]);
}

/* An abstract name of our own. */
static socklen_t name(struct sockaddr_un *a, const char *tail)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path + 1, 90, "guest-%d-%s", (int) getpid(), tail);
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
}

static int socket_of(int type)
{
    return (int) OK(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static int bound(int type, const char *tail)
{
    struct sockaddr_un a;
    socklen_t n = name(&a, tail);
    int s = socket_of(type);
    OK(bind(s, (struct sockaddr *) &a, n));
    return s;
}

static int join(int s, const char *tail)
{
    struct sockaddr_un a;
    socklen_t n = name(&a, tail);
    return connect(s, (struct sockaddr *) &a, n);
}

static int option(int s, int which)
{
    int v = -1;
    socklen_t n = sizeof v;
    OK(getsockopt(s, SOL_SOCKET, which, &v, &n));
    CHECK_EQ(n, sizeof v);
    return v;
}

static short events(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    OK(poll(&p, 1, 0));
    return p.revents;
}

TEST_CASE(kinds)
{
    CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
    CHECK_ERR(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERR(socket(AF_UNIX, 11, 0), EINVAL);
    int s = socket_of(SOCK_SEQPACKET);
    CHECK_EQ(option(s, SO_TYPE), SOCK_SEQPACKET);
    CHECK_EQ(option(s, SO_DOMAIN), AF_UNIX);
    CHECK_EQ(option(s, SO_PROTOCOL), 0);
    CHECK_EQ(option(s, SO_ERROR), 0);
    CHECK_EQ(option(s, SO_ACCEPTCONN), 0);
    close(s);
    s = socket_of(SOCK_RAW);
    CHECK_EQ(option(s, SO_TYPE), SOCK_DGRAM);
    struct stat st;
    OK(fstat(s, &st));
    CHECK(S_ISSOCK(st.st_mode));
    CHECK_ERR(lseek(s, 0, SEEK_SET), ESPIPE);
    CHECK_ERR(listen(s, 1), EOPNOTSUPP);
    CHECK_ERR(accept(s, NULL, NULL), EOPNOTSUPP);
    close(s);
}

TEST_CASE(unconnected)
{
    char c = 0;
    int s = socket_of(SOCK_STREAM);
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    CHECK_EQ(events(s), POLLOUT | POLLHUP);
    CHECK_ERR(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
    CHECK_ERR(recv(s, &c, 1, 0), EINVAL);
    CHECK_ERR(listen(s, 1), EINVAL);
    CHECK_ERR(accept(s, NULL, NULL), EINVAL);
    CHECK_ERR(getpeername(s, (struct sockaddr *) &a, &n), ENOTCONN);
    OK(getsockname(s, (struct sockaddr *) &a, &n));
    CHECK_EQ(n, sizeof(sa_family_t));
    CHECK_ERR(join(s, "nobody"), ECONNREFUSED);
    CHECK_ERR(connect(s, (struct sockaddr *) &a, 1), EINVAL);
    close(s);
    s = socket_of(SOCK_DGRAM);
    CHECK_EQ(events(s), POLLOUT);
    CHECK_ERR(send(s, "x", 1, 0), ENOTCONN);
    CHECK_ERR(recv(s, &c, 1, MSG_DONTWAIT), EAGAIN);
    close(s);
    s = socket_of(SOCK_SEQPACKET);
    CHECK_ERR(send(s, "x", 1, 0), ENOTCONN);
    CHECK_ERR(recv(s, &c, 1, 0), ENOTCONN);
    close(s);
}

TEST_CASE(autobind)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int s = socket_of(SOCK_STREAM);
    OK(bind(s, (struct sockaddr *) &a, sizeof a.sun_family));
    socklen_t n = sizeof a;
    OK(getsockname(s, (struct sockaddr *) &a, &n));
    CHECK_EQ(n, sizeof a.sun_family + 6);
    CHECK_EQ(a.sun_path[0], 0);
    OK(listen(s, 0));
    int c = socket_of(SOCK_STREAM);
    OK(connect(c, (struct sockaddr *) &a, n));
    close(c);
    close(s);
}

TEST_CASE(states)
{
    struct sockaddr_un a;
    int s = bound(SOCK_STREAM, "st"), c = socket_of(SOCK_STREAM), d = socket_of(SOCK_SEQPACKET);
    CHECK_ERR(join(c, "st"), ECONNREFUSED); /* not listening */
    OK(listen(s, 2));
    CHECK_EQ(option(s, SO_ACCEPTCONN), 1);
    CHECK_EQ(events(s), 0);
    CHECK_ERR(join(d, "st"), ECONNREFUSED); /* types do not share abstract names */
    OK(join(c, "st"));
    CHECK_ERR(join(c, "st"), EISCONN);
    CHECK_ERR(join(s, "st"), EINVAL);
    CHECK_EQ(events(s), POLLIN);
    CHECK_ERR(bind(s, (struct sockaddr *) &a, name(&a, "other")), EINVAL);
    CHECK_ERR(sendto(c, "x", 1, 0, (struct sockaddr *) &a, sizeof a), EISCONN);
    int other = socket_of(SOCK_STREAM);
    CHECK_ERR(bind(other, (struct sockaddr *) &a, name(&a, "st")), EADDRINUSE);
    socklen_t n = sizeof a;
    int e = (int) OK(accept4(s, (struct sockaddr *) &a, &n, SOCK_NONBLOCK));
    CHECK_EQ(n, sizeof a.sun_family); /* the client has no name */
    CHECK(fcntl(e, F_GETFL) & O_NONBLOCK);
    n = sizeof a;
    OK(getpeername(c, (struct sockaddr *) &a, &n));
    CHECK(strncmp(a.sun_path + 1, "guest-", 6) == 0);
    fcntl(s, F_SETFL, O_NONBLOCK);
    CHECK_ERR(accept(s, NULL, NULL), EAGAIN);
    close(e), close(other), close(c), close(d), close(s);
}

TEST_CASE(backlog)
{
    int s = bound(SOCK_STREAM, "bl"), c[4];
    OK(listen(s, 1));
    for (int i = 0; i < 4; i++)
        c[i] = (int) OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    OK(join(c[0], "bl"));
    OK(join(c[1], "bl"));
    CHECK_ERR(join(c[2], "bl"), EAGAIN);
    CHECK_EQ(write(c[0], "early", 5), 5); /* before accept */
    int d = (int) OK(accept(s, NULL, NULL));
    char b[8];
    CHECK_EQ(read(d, b, 8), 5);
    OK(join(c[2], "bl"));
    close(s); /* those not accepted are reset */
    CHECK_ERR(read(c[1], b, 8), ECONNRESET);
    CHECK_EQ(read(c[1], b, 8), 0);
    CHECK_EQ(write(c[0], "still", 5), 5);
    CHECK_EQ(read(d, b, 8), 5);
    CHECK_ERR(join(c[3], "bl"), ECONNREFUSED);
    for (int i = 0; i < 4; i++)
        close(c[i]);
    close(d);
}

static void *late_accept(void *arg)
{
    usleep(20000);
    close((int) OK(accept(*(int *) arg, NULL, NULL)));
    return NULL;
}

TEST_CASE(connect_waits_for_room)
{
    pthread_t t;
    int s = bound(SOCK_STREAM, "cw"), a = socket_of(SOCK_STREAM), b = socket_of(SOCK_STREAM);
    OK(listen(s, 0));
    OK(join(a, "cw"));
    struct timeval tv = {.tv_usec = 10000};
    OK(setsockopt(b, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    CHECK_ERR(join(b, "cw"), EAGAIN);
    tv.tv_usec = 0;
    OK(setsockopt(b, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    CHECK_EQ(pthread_create(&t, NULL, late_accept, &s), 0);
    OK(join(b, "cw"));
    pthread_join(t, NULL);
    close(a), close(b), close(s);
}

static volatile sig_atomic_t pipes;
static void on_pipe(UNUSED int sig)
{
    pipes++;
}

TEST_CASE(closed_peer)
{
    char b[8];
    signal(SIGPIPE, on_pipe);
    make(SOCK_STREAM);
    CHECK_EQ(write(pair[1], "last", 4), 4);
    close(pair[1]);
    CHECK_EQ(events(pair[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
    CHECK_ERR(write(pair[0], "x", 1), EPIPE);
    CHECK_EQ(pipes, 1);
    CHECK_ERR(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(pipes, 1);
    CHECK_EQ(read(pair[0], b, 8), 4);
    CHECK_EQ(read(pair[0], b, 8), 0);
    close(pair[0]);
    make(SOCK_SEQPACKET);
    close(pair[1]);
    CHECK_ERR(write(pair[0], "x", 1), EPIPE);
    CHECK_EQ(pipes, 1); /* no signal for packets */
    CHECK_EQ(read(pair[0], b, 8), 0);
    close(pair[0]);
    signal(SIGPIPE, SIG_DFL);
}

TEST_CASE(reset)
{
    char b[8];
    make(SOCK_STREAM);
    CHECK_EQ(write(pair[0], "unread", 6), 6);
    CHECK_EQ(write(pair[1], "data", 4), 4);
    close(pair[1]);
    CHECK(events(pair[0]) & POLLERR);
    CHECK_EQ(read(pair[0], b, 8), 4);
    CHECK_ERR(read(pair[0], b, 8), ECONNRESET);
    CHECK_EQ(read(pair[0], b, 8), 0);
    close(pair[0]);
    make(SOCK_STREAM);
    CHECK_EQ(write(pair[0], "unread", 6), 6);
    close(pair[1]);
    CHECK_EQ(option(pair[0], SO_ERROR), ECONNRESET);
    CHECK_EQ(option(pair[0], SO_ERROR), 0);
    close(pair[0]);
}

TEST_CASE(half_closed)
{
    char b[8];
    make(SOCK_STREAM);
    CHECK_ERR(shutdown(pair[0], 3), EINVAL);
    OK(shutdown(pair[0], SHUT_RD));
    CHECK_EQ(read(pair[0], b, 8), 0);
    CHECK_ERR(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(events(pair[0]), POLLIN | POLLOUT | POLLRDHUP);
    CHECK_EQ(write(pair[0], "on", 2), 2);
    CHECK_EQ(events(pair[1]), POLLIN | POLLOUT);
    OK(shutdown(pair[0], SHUT_WR));
    CHECK_EQ(events(pair[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    CHECK_EQ(read(pair[1], b, 8), 2);
    CHECK_EQ(read(pair[1], b, 8), 0);
    drop();
}

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
    CHECK_EQ(option(pair[0], SO_SNDBUF), 20000);
    v = 0;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    CHECK_EQ(option(pair[0], SO_SNDBUF), 4608);
    v = 7;
    OK(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
    CHECK_EQ(option(pair[0], SO_REUSEADDR), 1);
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

struct controlled {
    struct msghdr m;
    struct iovec iov;
    char data[16];
    char control[256] __attribute__((aligned(8)));
};

static struct msghdr *message(struct controlled *c, size_t control)
{
    memset(c, 0, sizeof *c);
    c->iov = (struct iovec){c->data, sizeof c->data};
    c->m = (struct msghdr){
        .msg_iov = &c->iov, .msg_iovlen = 1, .msg_control = c->control, .msg_controllen = control};
    return &c->m;
}

static ssize_t send_fds(int sock, const int *fd, size_t count, const char *text)
{
    static struct controlled c;
    struct msghdr *m = message(&c, CMSG_SPACE(count * sizeof *fd));
    c.iov.iov_len = strlen(text);
    memcpy(c.data, text, strlen(text));
    struct cmsghdr *h = CMSG_FIRSTHDR(m);
    *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(count * sizeof *fd)};
    memcpy(CMSG_DATA(h), fd, count * sizeof *fd);
    return sendmsg(sock, m, 0);
}

TEST_CASE(credentials)
{
    static struct controlled c;
    int on = 1;
    make(SOCK_STREAM);
    OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    CHECK_EQ(write(pair[0], "one", 3), 3);
    CHECK_EQ(write(pair[0], "two", 3), 3);
    CHECK_EQ(recvmsg(pair[1], message(&c, sizeof c.control), 0), 6); /* the same sender */
    struct cmsghdr *h = CMSG_FIRSTHDR(&c.m);
    CHECK(h && h->cmsg_type == SCM_CREDENTIALS);
    struct ucred u;
    memcpy(&u, CMSG_DATA(h), sizeof u);
    CHECK(u.pid == getpid() && u.uid == getuid() && u.gid == getgid());
    CHECK_EQ(write(pair[0], "more", 4), 4);
    CHECK_EQ(recvmsg(pair[1], message(&c, 8), 0), 4);
    CHECK_EQ(c.m.msg_flags, MSG_CTRUNC);
    drop();
    make(SOCK_DGRAM);
    OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    CHECK_EQ(write(pair[0], "one", 3), 3);
    CHECK_EQ(recvmsg(pair[1], message(&c, sizeof c.control), 0), 3);
    h = CMSG_FIRSTHDR(&c.m);
    CHECK(h && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof u));
    CHECK(!CMSG_NXTHDR(&c.m, h));
    drop();
}

TEST_CASE(rights_in_a_stream)
{
    static struct controlled c;
    make(SOCK_STREAM);
    int fds[2] = {pair[0], pair[1]}, bad[1] = {777};
    CHECK_ERR(send_fds(pair[0], bad, 1, "x"), EBADF);
    CHECK_EQ(write(pair[0], "abc", 3), 3);
    CHECK_EQ(send_fds(pair[0], fds, 2, "def"), 3);
    CHECK_EQ(write(pair[0], "ghi", 3), 3);
    CHECK_EQ(recvmsg(pair[1], message(&c, sizeof c.control), MSG_PEEK), 6); /* stops behind them */
    struct cmsghdr *h = CMSG_FIRSTHDR(&c.m);
    CHECK(h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(8));
    memcpy(fds, CMSG_DATA(h), 8);
    close(fds[0]), close(fds[1]);
    CHECK_EQ(recvmsg(pair[1], message(&c, CMSG_SPACE(4)), 0), 6);
    h = CMSG_FIRSTHDR(&c.m);
    CHECK(h && h->cmsg_type == SCM_RIGHTS);
    memcpy(fds, CMSG_DATA(h), 4);
    close(fds[0]);
    if (h->cmsg_len == CMSG_LEN(8)) { /* CMSG_SPACE has room for both */
        memcpy(fds, CMSG_DATA(h), 8);
        close(fds[1]);
    }
    CHECK_EQ(recvmsg(pair[1], message(&c, sizeof c.control), 0), 3);
    CHECK(!CMSG_FIRSTHDR(&c.m));
    drop();
}

TEST_CASE(rights_cut)
{
    static struct controlled c;
    make(SOCK_DGRAM);
    int p[2], fds[3];
    OK(pipe(p));
    fds[0] = fds[1] = fds[2] = p[1];
    CHECK_EQ(send_fds(pair[0], fds, 3, "x"), 1);
    close(p[1]);
    CHECK_EQ(recvmsg(pair[1], message(&c, CMSG_LEN(4)), 0), 1);
    CHECK_EQ(c.m.msg_flags, MSG_CTRUNC);
    struct cmsghdr *h = CMSG_FIRSTHDR(&c.m);
    CHECK(h && h->cmsg_len == CMSG_LEN(4));
    memcpy(fds, CMSG_DATA(h), 4);
    close(fds[0]);
    CHECK_EQ(read(p[0], c.data, 1), 0); /* no copy is left */
    close(p[0]);
    drop();
}

TEST_CASE(rights_dropped)
{
    char c;
    int p[2];
    OK(pipe(p));
    make(SOCK_STREAM);
    CHECK_EQ(send_fds(pair[0], &p[1], 1, "x"), 1);
    CHECK_EQ(send_fds(pair[0], &p[1], 1, "y"), 1);
    close(p[1]);
    CHECK_EQ(read(pair[1], &c, 1), 1); /* read() drops them */
    drop();                            /* and so does the end of the socket */
    CHECK_EQ(read(p[0], &c, 1), 0);
    close(p[0]);
}

/* A socket in its own queue: gone with the next socket that is closed. */
TEST_CASE(rights_in_a_circle)
{
    char c;
    int p[2];
    OK(pipe(p));
    make(SOCK_STREAM);
    CHECK_EQ(send_fds(pair[0], &pair[1], 1, "x"), 1);
    CHECK_EQ(send_fds(pair[1], &pair[0], 1, "x"), 1);
    CHECK_EQ(send_fds(pair[1], &p[1], 1, "x"), 1);
    close(p[1]);
    drop();
    make(SOCK_STREAM);
    drop();
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    CHECK_EQ(poll(&f, 1, 2000), 1);
    CHECK_EQ(read(p[0], &c, 1), 0);
    close(p[0]);
}

/* Sockets in the queues of sockets in the queues ... : closing them does not nest. */
TEST_CASE(rights_in_a_chain)
{
    char c;
    int p[2];
    OK(pipe(p));
    int last = p[1];
    for (int i = 0; i < 500; i++) {
        make(SOCK_STREAM);
        CHECK_EQ(send_fds(pair[0], &last, 1, "x"), 1);
        close(last);
        close(pair[0]);
        last = pair[1];
    }
    close(last);
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    CHECK_EQ(poll(&f, 1, 2000), 1);
    CHECK_EQ(read(p[0], &c, 1), 0);
    close(p[0]);
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

TEST_CASE(path_rules)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    socklen_t n = sizeof a;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", test_path("sock"));
    int s = socket_of(SOCK_STREAM), d = socket_of(SOCK_DGRAM);
    umask(022);
    OK(bind(s, (struct sockaddr *) &a, n));
    OK(stat(a.sun_path, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
    CHECK_ERR(connect(d, (struct sockaddr *) &a, n), EPROTOTYPE);
    CHECK_ERR(open(a.sun_path, O_RDWR), ENXIO);
    OK(listen(s, 3));
    OK(rename(a.sun_path, test_path("moved")));
    struct sockaddr_un b = {.sun_family = AF_UNIX};
    snprintf(b.sun_path, sizeof b.sun_path, "%s", test_path("moved"));
    int c = socket_of(SOCK_STREAM);
    OK(connect(c, (struct sockaddr *) &b, n));
    socklen_t m = sizeof b;
    OK(getpeername(c, (struct sockaddr *) &b, &m));
    CHECK_STR(b.sun_path, a.sun_path); /* as it was bound */
    CHECK_EQ(m, offsetof(struct sockaddr_un, sun_path) + strlen(a.sun_path) + 1);
    close(c), close(d), close(s);
    int f = (int) OK(open(test_path("plain"), O_CREAT | O_RDWR, 0600));
    close(f);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", test_path("plain"));
    c = socket_of(SOCK_STREAM);
    CHECK_ERR(connect(c, (struct sockaddr *) &a, n), ECONNREFUSED);
    close(c);
    unlink(test_path("moved"));
}

static void *reads_one(void *arg)
{
    char c;
    return (void *) (intptr_t) read(*(int *) arg, &c, 1);
}

TEST_CASE(shutdown_wakes_a_reader)
{
    pthread_t t;
    void *r;
    make(SOCK_STREAM);
    CHECK_EQ(pthread_create(&t, NULL, reads_one, &pair[0]), 0);
    usleep(10000);
    OK(shutdown(pair[0], SHUT_RDWR));
    pthread_join(t, &r);
    CHECK_EQ((intptr_t) r, 0);
    drop();
}
