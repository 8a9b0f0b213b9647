/* Descriptors: dup, dup2, dup3, fcntl, close_range, limits. */
#include "guest_test.h"
#include <sys/resource.h>

TEST_CASE(dup_family)
{
    int fd = (int) OK(open("/dev/null", O_RDWR | O_CLOEXEC));
    int a = (int) OK(dup(fd));
    CHECK_EQ(fcntl(a, F_GETFD), 0); /* close-on-exec is not copied */
    CHECK_EQ(dup2(fd, 50), 50);
    CHECK_EQ(dup2(fd, 50), 50);
    CHECK_EQ(dup2(fd, fd), fd);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup3(fd, 51, O_CLOEXEC), 51);
    CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(dup3(fd, fd, 0), EINVAL);
    CHECK_ERR(syscall(SYS_dup3, fd, 52, O_APPEND), EINVAL);
    CHECK_ERR(dup(999), EBADF);
    CHECK_ERR(dup2(999, 3), EBADF);
    CHECK_ERR(dup2(fd, -1), EBADF);
    CHECK_ERR(dup2(fd, 1 << 30), EBADF);
    close(fd);
    close(a);
    close(50);
    close(51);
}

TEST_CASE(fcntl_dupfd)
{
    int fd = (int) OK(open("/dev/null", O_RDWR)), a, b;
    a = (int) OK(fcntl(fd, F_DUPFD, 100));
    CHECK_EQ(a, 100);
    b = (int) OK(fcntl(fd, F_DUPFD_CLOEXEC, 100));
    CHECK_EQ(b, 101);
    CHECK_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
    CHECK_ERR(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
    close(fd);
    close(a);
    close(b);
}

TEST_CASE(flags_belong_where_they_belong)
{
    int fd = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0600)), two = (int) OK(dup(fd));
    OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    CHECK_EQ(fcntl(two, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
    OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    CHECK_EQ(fcntl(two, F_GETFD), 0);
    OK(fcntl(fd, F_SETFL, O_WRONLY | O_TRUNC)); /* the access mode cannot change */
    CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    CHECK_ERR(fcntl(fd, 9999), EINVAL);
    CHECK_ERR(fcntl(999, F_GETFL), EBADF);
    close(fd);
    close(two);
}

TEST_CASE(close_twice)
{
    int fd = (int) OK(open("/dev/null", O_RDWR));
    OK(close(fd));
    CHECK_ERR(close(fd), EBADF);
    CHECK_ERR(close(-1), EBADF);
}

TEST_CASE(close_many)
{
    int fd = (int) OK(open("/dev/null", O_RDWR));
    for (int i = 200; i < 220; i++)
        CHECK_EQ(dup2(fd, i), i);
    OK_OR_SKIP(syscall(SYS_close_range, 205, 209, 0));
    for (int i = 200; i < 220; i++)
        CHECK_EQ(fcntl(i, F_GETFD) >= 0, i < 205 || i > 209);
    OK(syscall(SYS_close_range, 200, 204, 4)); /* CLOSE_RANGE_CLOEXEC */
    CHECK_EQ(fcntl(202, F_GETFD), FD_CLOEXEC);
    OK(syscall(SYS_close_range, 200, ~0U, 0));
    for (int i = 200; i < 220; i++)
        CHECK_ERR(fcntl(i, F_GETFD), EBADF);
    CHECK_ERR(syscall(SYS_close_range, 10, 5, 0), EINVAL);
    CHECK_ERR(syscall(SYS_close_range, 300, 301, 0x80), EINVAL);
    close(fd);
}

TEST_CASE(limit_of_descriptors)
{
    struct rlimit old, low;
    int fds[64], n = 0;
    OK(getrlimit(RLIMIT_NOFILE, &old));
    low = old;
    low.rlim_cur = 20;
    OK(setrlimit(RLIMIT_NOFILE, &low));
    while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    CHECK(n < 20 && errno == EMFILE);
    CHECK_ERR(dup(0), EMFILE);
    int ends[2];
    CHECK_ERR(pipe(ends), EMFILE);
    CHECK_ERR(dup2(0, 20), EBADF);
    CHECK_ERR(fcntl(0, F_DUPFD, 20), EINVAL);
    while (n > 0)
        close(fds[--n]);
    OK(setrlimit(RLIMIT_NOFILE, &old));
}

TEST_CASE(many_descriptors)
{
    struct rlimit old;
    OK(getrlimit(RLIMIT_NOFILE, &old));
    int count = old.rlim_cur > 900 ? 800 : (int) old.rlim_cur - 50, fds[800];
    for (int i = 0; i < count; i++)
        fds[i] = (int) OK(open("/dev/null", O_RDONLY));
    for (int i = 0; i < count; i++)
        OK(close(fds[i]));
}

TEST_CASE(owner_and_size_queries)
{
    int ends[2];
    OK(pipe(ends));
    int r = fcntl(ends[0], F_SETOWN, getpid());
    if (r == 0)
        CHECK_EQ(fcntl(ends[0], F_GETOWN), getpid());
    close(ends[0]);
    close(ends[1]);
}
