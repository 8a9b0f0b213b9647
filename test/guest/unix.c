/* Unix sockets: pairs and named ones, streams, datagrams, packets. */
#include "guest_unix.h"
#include <sys/ioctl.h>

static socklen_t address(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof a->sun_path, "%s", path);
    return (socklen_t) sizeof *a;
}

TEST_CASE(stream_pair)
{
    char b[16] = {0};
    make(SOCK_STREAM | SOCK_CLOEXEC);
    CHECK_EQ(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(write(pair[0], "abc", 3), 3);
    CHECK_EQ(send(pair[0], "def", 3, 0), 3);
    CHECK_EQ(recv(pair[1], b, 16, MSG_PEEK), 6);
    CHECK_EQ(read(pair[1], b, 16), 6); /* a stream has no borders */
    CHECK_STR(b, "abcdef");
    CHECK_EQ(write(pair[1], "back", 4), 4);
    CHECK_EQ(read(pair[0], b, 16), 4);
    CHECK_ERR(recv(pair[0], b, 16, MSG_DONTWAIT), EAGAIN);
    int n = -1;
    CHECK_EQ(write(pair[0], "12345", 5), 5);
    OK(ioctl(pair[1], FIONREAD, &n));
    CHECK_EQ(n, 5);
    OK(shutdown(pair[0], SHUT_WR));
    CHECK_EQ(read(pair[1], b, 16), 5);
    CHECK_EQ(read(pair[1], b, 16), 0);
    CHECK_ERR(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    drop();
}

TEST_CASE(messages_keep_borders)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < 2; i++) {
        char b[16] = {0};
        make(types[i]);
        CHECK_EQ(send(pair[0], "one", 3, 0), 3);
        CHECK_EQ(send(pair[0], "second", 6, 0), 6);
        CHECK_EQ(recv(pair[1], b, 16, 0), 3);
        CHECK_EQ(recv(pair[1], b, 2, 0), 2); /* the rest is lost */
        CHECK_ERR(recv(pair[1], b, 16, MSG_DONTWAIT), EAGAIN);
        drop();
    }
}

static int listen_at(struct sockaddr_un *a, socklen_t size, int type)
{
    int s = (int) OK(socket(AF_UNIX, type, 0));
    OK(bind(s, (struct sockaddr *) a, size));
    OK(listen(s, 8));
    return s;
}

static void serve_one(struct sockaddr_un *a, socklen_t size, int type)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    char b[8] = {0};
    int s = listen_at(a, size, type), c = (int) OK(socket(AF_UNIX, type, 0));
    OK(connect(c, (struct sockaddr *) a, size));
    int d = (int) OK(accept4(s, NULL, NULL, SOCK_CLOEXEC));
    CHECK_EQ(write(c, "hello", 5), 5);
    CHECK_EQ(read(d, b, 8), 5);
    CHECK_EQ(write(d, "back", 4), 4);
    CHECK_EQ(read(c, b, 8), 4);
    OK(getsockopt(d, SOL_SOCKET, SO_PEERCRED, &peer, &n));
    CHECK(peer.pid == getpid() && peer.uid == getuid());
    close(c);
    CHECK_EQ(read(d, b, 8), 0);
    close(d);
    close(s);
}

TEST_CASE(named_stream)
{
    struct sockaddr_un a;
    struct stat st;
    socklen_t n = address(&a, test_path("s"));
    serve_one(&a, n, SOCK_STREAM);
    OK(stat(test_path("s"), &st));
    CHECK(S_ISSOCK(st.st_mode));
    int s = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_ERR(connect(s, (struct sockaddr *) &a, n), ECONNREFUSED);
    CHECK_ERR(bind(s, (struct sockaddr *) &a, n), EADDRINUSE);
    n = address(&a, test_path("absent"));
    CHECK_ERR(connect(s, (struct sockaddr *) &a, n), ENOENT);
    close(s);
    OK(unlink(test_path("s")));
}

TEST_CASE(abstract_names)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX}, got;
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1);
    size += (socklen_t) snprintf(a.sun_path + 1, 60, "guest-test-%d", (int) getpid());
    serve_one(&a, size, SOCK_STREAM);
    serve_one(&a, size, SOCK_SEQPACKET); /* free again */
    int s = listen_at(&a, size, SOCK_STREAM);
    socklen_t n = sizeof got;
    OK(getsockname(s, (struct sockaddr *) &got, &n));
    CHECK_EQ(n, size);
    CHECK(memcmp(&got, &a, size) == 0);
    close(s);
}

TEST_CASE(named_datagrams)
{
    struct sockaddr_un a, from;
    char b[16] = {0};
    socklen_t n = address(&a, test_path("dg")), m = sizeof from;
    int s = (int) OK(socket(AF_UNIX, SOCK_DGRAM, 0)), c = (int) OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(bind(s, (struct sockaddr *) &a, n));
    struct sockaddr_un me;
    OK(bind(c, (struct sockaddr *) &me, address(&me, test_path("dgc"))));
    CHECK_EQ(sendto(c, "dgram", 5, 0, (struct sockaddr *) &a, n), 5);
    CHECK_EQ(recvfrom(s, b, 16, 0, (struct sockaddr *) &from, &m), 5);
    CHECK_STR(from.sun_path, me.sun_path);
    close(s);
    close(c);
}

TEST_CASE(readiness)
{
    make(SOCK_STREAM);
    struct pollfd p = {.fd = pair[0], .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(poll(&p, 1, -1), 1);
    CHECK_EQ(p.revents, POLLIN | POLLOUT);
    close(pair[1]);
    CHECK_EQ(poll(&p, 1, -1), 1);
    CHECK(p.revents & POLLHUP);
    close(pair[0]);
}

TEST_CASE(megabytes)
{
    static char b[100000];
    long sum = 0;
    ssize_t n;
    make(SOCK_STREAM);
    pid_t pid = child_start("floods", num(pair[1]), num(pair[0]), NULL);
    close(pair[1]);
    while ((n = OK(read(pair[0], b, sizeof b))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(b[i], (char) ((sum + i) % 251));
        sum += n;
    }
    CHECK_EQ(sum, 4 << 20);
    CHECK_EQ(child_wait(pid), 0);
    close(pair[0]);
}

CHILD(floods)
{
    static char b[65521];
    long at = 0, total = 4 << 20;
    close(atoi(argv[1]));
    while (at < total) {
        size_t n = total - at < (long) sizeof b ? (size_t) (total - at) : sizeof b;
        for (size_t i = 0; i < n; i++)
            b[i] = (char) ((at + (long) i) % 251);
        for (size_t done = 0; done < n;)
            done += (size_t) OK(write(atoi(argv[0]), b + done, n - done));
        at += (long) n;
    }
    return 0;
}

TEST_CASE(refused_arguments)
{
    CHECK_ERR(socket(AF_UNIX, 99, 0), EINVAL);
    CHECK_ERR(socket(199, SOCK_STREAM, 0), EAFNOSUPPORT);
    int fd = (int) OK(open("/dev/null", O_RDWR));
    CHECK_ERR(listen(fd, 1), ENOTSOCK);
    CHECK_ERR(send(fd, "x", 1, 0), ENOTSOCK);
    close(fd);
}
