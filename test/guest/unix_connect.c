/* Unix sockets: states, names and paths, backlog, and how connections end: closed, reset, half-closed. */
#include "guest_unix.h"

TEST_CASE(kinds)
{
    CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
    CHECK_ERR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
    CHECK_ERR(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERR(socket(AF_UNIX, 11, 0), EINVAL);
    int s = socket_of(SOCK_SEQPACKET);
    CHECK_EQ(option(s, SOL_SOCKET, SO_TYPE), SOCK_SEQPACKET);
    CHECK_EQ(option(s, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
    CHECK_EQ(option(s, SOL_SOCKET, SO_PROTOCOL), 0);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ERROR), 0);
    CHECK_EQ(option(s, SOL_SOCKET, SO_ACCEPTCONN), 0);
    close(s);
    s = socket_of(SOCK_RAW);
    CHECK_EQ(option(s, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
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
    CHECK_EQ(option(s, SOL_SOCKET, SO_ACCEPTCONN), 1);
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
    CHECK_EQ(option(pair[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
    CHECK_EQ(option(pair[0], SOL_SOCKET, SO_ERROR), 0);
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
