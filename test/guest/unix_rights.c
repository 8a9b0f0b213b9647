/* Unix sockets: control messages. Credentials, and descriptors that are passed, cut, dropped, or go in circles. */
#include "guest_unix.h"

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

static int receive_fd(int sock)
{
    int fd = -1;
    char c, control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = {0};
    struct iovec iov = {&c, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(sock, &m, MSG_CMSG_CLOEXEC), 1);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_type == SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(h), sizeof fd);
    return fd;
}

TEST_CASE(passed_descriptor)
{
    char b[8] = {0};
    make(SOCK_STREAM);
    int fd = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0600));
    CHECK_EQ(write(fd, "passed", 6), 6);
    CHECK_EQ(send_fds(pair[0], &fd, 1, "f"), 1);
    close(fd);
    fd = receive_fd(pair[1]);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(pread(fd, b, 8, 0), 6);
    CHECK_STR(b, "passed");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6); /* the same open file */
    close(fd);
    drop();
}

TEST_CASE(passed_between_processes)
{
    make(SOCK_STREAM);
    pid_t pid = child_start("gives_a_pipe", num(pair[1]), NULL);
    int fd = receive_fd(pair[0]);
    char b[8] = {0};
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(read(fd, b, 8), 5);
    CHECK_STR(b, "child");
    CHECK_EQ(read(fd, b, 8), 0);
    close(fd);
    drop();
}

CHILD(gives_a_pipe)
{
    int ends[2];
    if (pipe(ends) || write(ends[1], "child", 5) != 5)
        return 1;
    return send_fds(atoi(argv[0]), &ends[0], 1, "f") == 1 ? 0 : 2;
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

/* The last of a pipe's writers is gone, or goes soon. */
static void check_released(int end)
{
    char c;
    CHECK(ready(end, POLLIN, 2000));
    CHECK_EQ(read(end, &c, 1), 0);
    close(end);
}

/* A socket in its own queue: gone with the next socket that is closed. */
TEST_CASE(rights_in_a_circle)
{
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
    check_released(p[0]);
}

/* Sockets in the queues of sockets in the queues ... : closing them does not nest. */
TEST_CASE(rights_in_a_chain)
{
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
    check_released(p[0]);
}
