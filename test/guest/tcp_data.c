/* TCP: what is sent arrives, by all calls that send and receive; descriptors of a connection. */
#include "guest_tcp.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

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
