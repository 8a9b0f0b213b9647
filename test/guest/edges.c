/* Corners of calls whose common cases have tests of their own. */
#include "guest_test.h"
#include <mqueue.h>
#include <pty.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <termios.h>

static int new_file(const char *name)
{
    return (int) OK(open(test_path(name), O_RDWR | O_CREAT | O_TRUNC, 0644));
}

TEST_CASE(file_times_before_the_epoch)
{
    int fd = new_file("old");
    struct timespec ts[2] = {{.tv_sec = -5}, {.tv_sec = -5, .tv_nsec = 5}};
    struct stat st;
    OK(futimens(fd, ts));
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_atim.tv_sec, -5);
    CHECK_EQ(st.st_atim.tv_nsec, 0);
    CHECK_EQ(st.st_mtim.tv_sec, -5);
    CHECK_EQ(st.st_mtim.tv_nsec, 5);
    close(fd);
}

TEST_CASE(an_attribute_needs_a_name_in_its_space)
{
    int fd = new_file("attr");
    if (fsetxattr(fd, "user.a", "v", 1, 0) < 0 && errno == EOPNOTSUPP)
        SKIP("no user attributes here");
    CHECK_ERR(fsetxattr(fd, "user.", "v", 1, 0), EINVAL);
    CHECK_ERR(fsetxattr(fd, "trusted.", "v", 1, 0), EINVAL);
    CHECK_ERR(fsetxattr(fd, "strange.a", "v", 1, 0), EOPNOTSUPP);
    close(fd);
}

TEST_CASE(a_file_made_to_stay_nameless_does)
{
    int fd = open(test_path("."), O_TMPFILE | O_RDWR | O_EXCL, 0600);
    SKIP_IF(fd < 0 && errno == EOPNOTSUPP, "no O_TMPFILE here");
    OK(fd);
    CHECK_ERR(linkat(fd, "", AT_FDCWD, test_path("name"), AT_EMPTY_PATH), ENOENT);
    close(fd);
    fd = (int) OK(open(test_path("."), O_TMPFILE | O_RDWR, 0600));
    OK(linkat(fd, "", AT_FDCWD, test_path("name"), AT_EMPTY_PATH));
    close(fd);
}

TEST_CASE(readlinkat_of_an_empty_path)
{
    char buf[64];
    OK(symlink("target", test_path("link")));
    int link = (int) OK(open(test_path("link"), O_PATH | O_NOFOLLOW));
    CHECK_EQ(readlinkat(link, "", buf, sizeof buf), 6);
    int fd = new_file("plain");
    CHECK_ERR(readlinkat(fd, "", buf, sizeof buf), ENOENT);
    CHECK_ERR(readlinkat(AT_FDCWD, test_path("plain"), buf, sizeof buf), EINVAL);
    close(fd);
    close(link);
}

CHILD(allocate_beyond_the_limit)
{
    struct rlimit limit = {8192, 8192};
    int fd = new_file("limited");
    OK(setrlimit(RLIMIT_FSIZE, &limit));
    signal(SIGXFSZ, SIG_IGN);
    CHECK_ERR(fallocate(fd, 0, 0, 10000), EFBIG);
    OK(fallocate(fd, 0, 0, 8192));
    return 0;
}

TEST_CASE(allocation_keeps_to_the_size_limit)
{
    CHECK_EQ(child_wait(child_start("allocate_beyond_the_limit", NULL)), 0);
}

TEST_CASE(allocation_is_for_regular_files)
{
    int dir = (int) OK(open(test_path("."), O_RDONLY)),
        s = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0)), p[2];
    OK(pipe(p));
    CHECK_ERR(fallocate(s, 0, 0, 1), ENODEV);
    CHECK_ERR(fallocate(p[1], 0, 0, 1), ESPIPE);
    CHECK_ERR(fallocate(dir, 0, 0, 1), EBADF);
    close(dir);
    close(s);
}

/* The words of struct statx that have the attributes, and those that can be known. */
enum { ATTRIBUTES = 1, ATTRIBUTES_MASK = 7, ATTR_MOUNT_ROOT = 0x2000 };

TEST_CASE(statx_knows_the_roots_of_mounts)
{
    uint64_t x[32];
    OK(syscall(SYS_statx, AT_FDCWD, "/proc", 0, 0x7ff, x));
    CHECK(x[ATTRIBUTES_MASK] & ATTR_MOUNT_ROOT);
    CHECK(x[ATTRIBUTES] & ATTR_MOUNT_ROOT);
    OK(syscall(SYS_statx, AT_FDCWD, "/proc/self", 0, 0x7ff, x));
    CHECK(!(x[ATTRIBUTES] & ATTR_MOUNT_ROOT));
}

TEST_CASE(a_second_name_of_a_socket)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX}, b = a;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", test_path("sock"));
    snprintf(b.sun_path, sizeof b.sun_path, "%s", test_path("sock2"));
    int s = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(bind(s, (struct sockaddr *) &a, sizeof a));
    CHECK_ERR(bind(s, (struct sockaddr *) &a, sizeof a), EADDRINUSE);
    CHECK_ERR(bind(s, (struct sockaddr *) &b, sizeof b), EINVAL);
    close(s);
}

TEST_CASE(unknown_flags_of_a_handler_are_dropped)
{
    struct sigaction sa = {.sa_handler = SIG_IGN}, old;
    sa.sa_flags = (int) 0xffff0400;
    OK(sigaction(SIGUSR2, &sa, NULL));
    OK(sigaction(SIGUSR2, NULL, &old));
    CHECK_EQ(old.sa_flags & 0xfbffffff,
             (int) (SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND) & 0xfbffffff);
    signal(SIGUSR2, SIG_DFL);
}

CHILD(end)
{
    return 7;
}

TEST_CASE(a_zombie_stops_no_more)
{
    siginfo_t info;
    pid_t pid = child_start("end", NULL);
    OK(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT));
    CHECK_ERR(waitid(P_PID, (id_t) pid, &info, WSTOPPED | WNOHANG), ECHILD);
    CHECK_ERR(waitid(P_PID, (id_t) pid, &info, WCONTINUED), ECHILD);
    CHECK_EQ(child_wait(pid), 7);
}

/* The leader of a session on the slave side; its child, in the background, drains the terminal. */
CHILD(session)
{
    int fd = atoi(argv[0]), status;
    OK(setsid());
    OK(ioctl(fd, TIOCSCTTY, 0));
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        if (argv[1][0] == 'd')
            tcdrain(fd);
        else
            tcsendbreak(fd, 0);
        _exit(1);
    }
    setpgid((pid_t) OK(pid), pid);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGTTOU);
    return 0;
}

TEST_CASE(draining_from_the_background_stops)
{
    int master, slave;
    OK(openpty(&master, &slave, NULL, NULL, NULL));
    CHECK_EQ(child_wait(child_start("session", num(slave), "drain", NULL)), 0);
    CHECK_EQ(child_wait(child_start("session", num(slave), "break", NULL)), 0);
    close(slave);
    close(master);
}

CHILD(take_apart)
{
    OK(unshare(CLONE_FILES | CLONE_FS));
    OK(unshare(CLONE_SYSVSEM));
    OK(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
    OK(unshare(0));
    CHECK_ERR(unshare(1), EINVAL);
    return 0;
}

TEST_CASE(a_process_that_shares_nothing_unshares)
{
    CHECK_EQ(child_wait(child_start("take_apart", NULL)), 0);
}

TEST_CASE(a_queue_may_be_reserved_without_a_signal)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
    struct sigevent quiet = {.sigev_notify = SIGEV_NONE}, zero = {.sigev_notify = SIGEV_SIGNAL};
    mq_unlink("/edges");
    mqd_t q = (mqd_t) OK(mq_open("/edges", O_RDWR | O_CREAT, 0600, &attr));
    OK(mq_notify(q, &quiet));
    CHECK_ERR(mq_notify(q, &quiet), EBUSY);
    OK(mq_notify(q, NULL));
    OK(mq_notify(q, &zero));
    OK(mq_send(q, "x", 1, 0));
    OK(mq_notify(q, &quiet)); /* the message ended the other one */
    zero.sigev_signo = 99;
    CHECK_ERR(mq_notify(q, &zero), EINVAL);
    OK(mq_close(q));
    OK(mq_unlink("/edges"));
}

TEST_CASE(a_vector_is_read_as_far_as_it_is_good)
{
    int fd = new_file("read");
    char good[4];
    struct iovec v[2] = {{good, sizeof good}, {(void *) 8, 6}};
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(readv(fd, v, 2), 4);
    CHECK(memcmp(good, "0123", 4) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    CHECK_ERR(readv(fd, v + 1, 1), EFAULT);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
    close(fd);
}

/* Only what is mapped is read: this took minutes and all memory there was. */
TEST_CASE(a_little_of_a_large_file_is_mapped)
{
    const off_t size = 1500000000;
    int fd = new_file("large");
    CHECK_EQ(pwrite(fd, "b", 1, 0), 1);
    CHECK_EQ(pwrite(fd, "e", 1, size - 1), 1);
    int64_t start = now_ns(CLOCK_MONOTONIC);
    char *p = mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[0], 'b');
    CHECK_EQ(p[16 * PAGE - 1], 0);
    off_t last = (size - 1) / (off_t) PAGE * (off_t) PAGE;
    char *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, last);
    CHECK(q != MAP_FAILED);
    CHECK_EQ(q[size - 1 - last], 'e');
    CHECK(now_ns(CLOCK_MONOTONIC) - start < 5000000000);
    OK(munmap(q, PAGE));
    OK(munmap(p, 16 * PAGE));
    OK(unlink(test_path("large")));
    close(fd);
}
