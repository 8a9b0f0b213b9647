/* splice, tee, vmsplice, sendfile: every byte arrives or stays where it was, whatever the other end does. */
#include "guest_test.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int readable(int fd)
{
    int n;
    OK(ioctl(fd, FIONREAD, &n));
    return n;
}

static void check_bytes(int fd, const char *want)
{
    char buf[64] = "";
    OK(read(fd, buf, sizeof buf - 1));
    CHECK_STR(buf, want);
}

static void full_pipe(int p[2], size_t size)
{
    OK(pipe2(p, O_NONBLOCK));
    CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, (int) size), size);
    char *bytes = calloc(1, size);
    CHECK_EQ(write(p[1], bytes, size), size);
    free(bytes);
}

TEST_CASE(a_full_pipe_leaves_the_bytes)
{
    int from[2], to[2];
    OK(pipe(from));
    full_pipe(to, PAGE);
    CHECK_EQ(write(from[1], "hello", 5), 5);
    CHECK_ERR(splice(from[0], NULL, to[1], NULL, 5, 0), EAGAIN);
    CHECK_ERR(splice(from[0], NULL, to[1], NULL, 5, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_EQ(readable(from[0]), 5);
    check_bytes(from[0], "hello");
}

TEST_CASE(what_fits_moves_and_the_rest_stays)
{
    int from[2], to[2];
    char bytes[6000];
    OK(pipe(from));
    OK(pipe2(to, O_NONBLOCK));
    OK(fcntl(to[1], F_SETPIPE_SZ, 4096));
    memset(bytes, 'a', sizeof bytes);
    CHECK_EQ(write(from[1], bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(splice(from[0], NULL, to[1], NULL, sizeof bytes, 0), 4096);
    CHECK_ERR(splice(from[0], NULL, to[1], NULL, sizeof bytes, 0), EAGAIN);
    CHECK_EQ(readable(from[0]), 1904);
    CHECK_EQ(readable(to[0]), 4096);
}

TEST_CASE(a_pipe_without_readers_leaves_the_bytes)
{
    int from[2], to[2];
    OK(pipe(from));
    OK(pipe(to));
    close(to[0]);
    CHECK_EQ(write(from[1], "hello", 5), 5);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERR(splice(from[0], NULL, to[1], NULL, 5, 0), EPIPE);
    signal(SIGPIPE, SIG_DFL);
    check_bytes(from[0], "hello");
}

TEST_CASE(a_socket_that_takes_no_more_leaves_the_bytes)
{
    int from[2], s[2];
    char bytes[4096];
    OK(pipe(from));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    OK(fcntl(s[0], F_SETFL, O_NONBLOCK));
    memset(bytes, 'b', sizeof bytes);
    while (write(s[0], bytes, sizeof bytes) > 0)
        ;
    CHECK_EQ(write(from[1], "hello", 5), 5);
    CHECK_ERR(splice(from[0], NULL, s[0], NULL, 5, 0), EAGAIN);
    check_bytes(from[0], "hello");
}

TEST_CASE(a_socket_is_read_only_as_far_as_there_is_room)
{
    int to[2], s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    full_pipe(to, PAGE);
    CHECK_EQ(write(s[0], "hello", 5), 5);
    CHECK_ERR(splice(s[1], NULL, to[1], NULL, 5, SPLICE_F_NONBLOCK), EAGAIN);
    check_bytes(s[1], "hello");
}

static void *read_one(void *arg)
{
    char c = 0;
    return (void *) (long) (read(*(int *) arg, &c, 1) == 1 ? c : -1);
}

/* While splice waits for its target, another reader of its source gets what comes after, or waits. */
static void *splice_five(void *arg)
{
    int *fd = arg;
    return (void *) splice(fd[0], NULL, fd[1], NULL, 5, 0);
}

TEST_CASE(readers_beside_a_waiting_splice_get_the_bytes_once)
{
    int from[2], to[2];
    pthread_t mover, reader;
    char buf[PAGE + 8];
    void *moved, *got;
    OK(pipe(from));
    full_pipe(to, PAGE);
    OK(fcntl(to[1], F_SETFL, 0));
    CHECK_EQ(write(from[1], "hello", 5), 5);
    int ends[2] = {from[0], to[1]};
    ZERO(pthread_create(&mover, NULL, splice_five, ends));
    sleep_ms(30);
    ZERO(pthread_create(&reader, NULL, read_one, &from[0]));
    sleep_ms(30);
    size_t have = 0;
    OK(fcntl(to[0], F_SETFL, 0));
    CHECK_EQ(read(to[0], buf, PAGE), PAGE);
    ZERO(pthread_join(mover, &moved));
    CHECK((long) moved == 4 || (long) moved == 5);
    have = (size_t) (long) moved;
    CHECK_EQ(read(to[0], buf, sizeof buf), have);
    if (have == 5) /* the reader came second */
        CHECK_EQ(write(from[1], "!", 1), 1);
    ZERO(pthread_join(reader, &got));
    CHECK_EQ((long) got, have == 5 ? '!' : 'h');
    CHECK_EQ(readable(from[0]), 0);
}

TEST_CASE(events_and_directories_have_no_bytes)
{
    int p[2], dir = (int) OK(open(".", O_RDONLY));
    OK(pipe(p));
    CHECK_ERR(splice(dir, NULL, p[1], NULL, 8, 0), EINVAL);
    CHECK_ERR(sendfile(p[1], dir, NULL, 8), EINVAL);
    int epoll = (int) OK(syscall(SYS_epoll_create1, 0));
    CHECK_ERR(splice(epoll, NULL, p[1], NULL, 8, 0), EINVAL);
    close(epoll);
    close(dir);
}

TEST_CASE(sendfile_to_a_full_pipe_leaves_the_position)
{
    int to[2], fd = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0644));
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
    full_pipe(to, PAGE);
    CHECK_ERR(sendfile(to[1], fd, NULL, 5), EAGAIN);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
    close(fd);
}
