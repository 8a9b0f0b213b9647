/* Pipes: order, ends, atomic writes, blocking and not, signals, sizes, readiness, many processes.
 */
#include "guest_test.h"
#include <limits.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#define F_GETPIPE_SZ 1032
#endif

static int ends[2];

static void make(int flags)
{
    OK(pipe2(ends, flags));
}
static void drop(void)
{
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE(first_in_first_out)
{
    char b[16] = {0};
    make(0);
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_EQ(write(ends[1], "defg", 4), 4);
    CHECK_EQ(read(ends[0], b, 2), 2);
    CHECK_STR(b, "ab");
    CHECK_EQ(read(ends[0], b, 16), 5);
    CHECK(memcmp(b, "cdefg", 5) == 0);
    CHECK_EQ(write(ends[1], b, 0), 0);
    drop();
}

TEST_CASE(one_way)
{
    char c = 0;
    make(0);
    CHECK_ERR(write(ends[0], &c, 1), EBADF);
    CHECK_ERR(read(ends[1], &c, 1), EBADF);
    drop();
}

TEST_CASE(flags)
{
    make(O_NONBLOCK | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(ends[i], F_GETFL) & (O_ACCMODE | O_NONBLOCK),
                 (i ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
        OK(fcntl(ends[i], F_SETFL, 0));
        CHECK_EQ(fcntl(ends[i], F_GETFL) & O_NONBLOCK, 0);
    }
    drop();
    CHECK_ERR(pipe2(ends, 0x1), EINVAL);
    CHECK_ERR(pipe((int *) 8), EFAULT);
}

TEST_CASE(stat_of_a_pipe)
{
    struct stat st;
    make(0);
    OK(fstat(ends[0], &st));
    CHECK(S_ISFIFO(st.st_mode));
    CHECK_ERR(lseek(ends[0], 0, SEEK_CUR), ESPIPE);
    drop();
}

TEST_CASE(end_of_file)
{
    char b[4];
    make(0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    close(ends[1]);
    CHECK_EQ(read(ends[0], b, 4), 1);
    CHECK_EQ(read(ends[0], b, 4), 0);
    CHECK_EQ(read(ends[0], b, 4), 0);
    close(ends[0]);
}

static volatile sig_atomic_t sigpipes;
static void on_sigpipe(int sig)
{
    (void) sig;
    sigpipes++;
}

TEST_CASE(broken)
{
    struct sigaction act = {.sa_handler = on_sigpipe}, old;
    OK(sigaction(SIGPIPE, &act, &old));
    make(0);
    close(ends[0]);
    sigpipes = 0;
    CHECK_ERR(write(ends[1], "x", 1), EPIPE);
    CHECK_EQ(sigpipes, 1);
    close(ends[1]);
    OK(sigaction(SIGPIPE, &old, NULL));
    CHECK_EQ(child_wait(child_start("writes_into_nothing", NULL)), 128 + SIGPIPE);
}

CHILD(writes_into_nothing)
{
    make(0);
    close(ends[0]);
    (void) !write(ends[1], "x", 1);
    return 1;
}

TEST_CASE(nonblocking_limits)
{
    static char b[PIPE_BUF];
    size_t total = 0;
    ssize_t n;
    make(O_NONBLOCK);
    CHECK_ERR(read(ends[0], b, 1), EAGAIN);
    while ((n = write(ends[1], b, sizeof b)) > 0)
        total += (size_t) n;
    CHECK_ERR(n, EAGAIN);
    CHECK_EQ(total, 65536);
    CHECK_ERR(write(ends[1], b, 1), EAGAIN);
    CHECK_EQ(read(ends[0], b, sizeof b), sizeof b);
    CHECK_EQ(write(ends[1], b, sizeof b), sizeof b);
    drop();
}

TEST_CASE(small_writes_are_whole)
{
    char b[PIPE_BUF];
    make(O_NONBLOCK);
    memset(b, 1, sizeof b);
    for (int i = 0; i < 15; i++)
        CHECK_EQ(write(ends[1], b, PIPE_BUF), PIPE_BUF);
    CHECK_EQ(write(ends[1], b, 100), 100);
    ssize_t n = write(ends[1], b, PIPE_BUF); /* does not fit whole: all or nothing */
    CHECK(n == PIPE_BUF || (n == -1 && errno == EAGAIN));
    drop();
}

TEST_CASE(available_bytes)
{
    int n = -1;
    char b[8];
    make(0);
    OK(ioctl(ends[0], FIONREAD, &n));
    CHECK_EQ(n, 0);
    CHECK_EQ(write(ends[1], "12345", 5), 5);
    OK(ioctl(ends[0], FIONREAD, &n));
    CHECK_EQ(n, 5);
    CHECK_EQ(read(ends[0], b, 2), 2);
    OK(ioctl(ends[0], FIONREAD, &n));
    CHECK_EQ(n, 3);
    drop();
}

TEST_CASE(resize)
{
    static char b[65536];
    make(O_NONBLOCK);
    CHECK_EQ(fcntl(ends[0], F_GETPIPE_SZ), 65536);
    CHECK_EQ(fcntl(ends[1], F_SETPIPE_SZ, 200000), 262144);
    CHECK_EQ(fcntl(ends[0], F_GETPIPE_SZ), 262144);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(write(ends[1], b, sizeof b), sizeof b);
    CHECK_ERR(write(ends[1], b, 1), EAGAIN);
    CHECK_ERR(fcntl(ends[1], F_SETPIPE_SZ, 4096), EBUSY);
    drop();
}

TEST_CASE(select_poll_epoll)
{
    struct pollfd p[2];
    struct timeval tv = {0, 20000};
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 7}, got;
    fd_set set;
    char c;
    make(0);
    p[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    p[1] = (struct pollfd){.fd = ends[1], .events = POLLOUT};
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, &tv), 0);
    CHECK(!FD_ISSET(ends[0], &set));
    CHECK_EQ(poll(p, 1, 20), 0);
    CHECK_EQ(poll(p, 2, -1), 1);
    CHECK(p[0].revents == 0 && p[1].revents == POLLOUT);
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &ev));
    CHECK_EQ(epoll_wait(ep, &got, 1, 20), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(poll(p, 2, -1), 2);
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    CHECK(got.events == EPOLLIN && got.data.u64 == 7);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
    close(ends[1]);
    CHECK_EQ(poll(p, 1, -1), 1);
    CHECK_EQ(p[0].revents, POLLHUP);
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    CHECK_EQ(got.events, EPOLLHUP);
    close(ep);
    close(ends[0]);
    make(0);
    close(ends[0]);
    p[1] = (struct pollfd){.fd = ends[1], .events = POLLOUT};
    CHECK_EQ(poll(p + 1, 1, -1), 1);
    CHECK_EQ(p[1].revents, POLLOUT | POLLERR);
    close(ends[1]);
}

static void *slow_writer(void *arg)
{
    for (int i = 0; i < 5; i++) {
        sleep_ms(3);
        CHECK_EQ(write(ends[1], "t", 1), 1);
    }
    close(ends[1]);
    return arg;
}

TEST_CASE(reader_blocks)
{
    pthread_t t;
    char b[8];
    int total = 0;
    ssize_t n;
    make(0);
    ZERO(pthread_create(&t, NULL, slow_writer, NULL));
    while ((n = OK(read(ends[0], b, sizeof b))) > 0)
        total += (int) n;
    CHECK_EQ(total, 5);
    ZERO(pthread_join(t, NULL));
    close(ends[0]);
}

static uint32_t next_random(uint32_t *s)
{
    *s = *s * 1664525 + 1013904223;
    return *s >> 8;
}

CHILD(producer)
{
    static unsigned char b[50000];
    uint32_t size_seed = 1, seed = 2;
    for (int left = atoi(argv[1]); left > 0;) {
        int n = (int) (next_random(&size_seed) % sizeof b) + 1;
        n = n < left ? n : left;
        for (int i = 0; i < n; i++)
            b[i] = (unsigned char) next_random(&seed);
        for (int done = 0; done < n;)
            done += (int) OK(write(atoi(argv[0]), b + done, (size_t) (n - done)));
        left -= n;
    }
    return 0;
}

TEST_CASE(megabytes_between_processes)
{
    enum { TOTAL = 8 << 20 };
    static unsigned char b[30011];
    uint32_t seed = 2;
    int have = 0;
    ssize_t n;
    make(0);
    pid_t pid = child_start("producer", num(ends[1]), num(TOTAL), NULL);
    close(ends[1]);
    while ((n = OK(read(ends[0], b, sizeof b))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (b[i] != (unsigned char) next_random(&seed))
                test_fail(__FILE__, __LINE__, "wrong byte at %ld", (long) (have + i));
        }
        have += (int) n;
    }
    CHECK_EQ(have, TOTAL);
    CHECK_EQ(child_wait(pid), 0);
    close(ends[0]);
}

CHILD(records)
{
    char rec[512];
    memset(rec, atoi(argv[1]), sizeof rec);
    for (int i = 0; i < 200; i++) {
        if (write(atoi(argv[0]), rec, sizeof rec) != sizeof rec)
            return 1;
    }
    return 0;
}

TEST_CASE(records_do_not_mix)
{
    enum { WRITERS = 6 };
    pid_t pids[WRITERS];
    unsigned char rec[512];
    int count[WRITERS + 1] = {0};
    make(0);
    for (int i = 0; i < WRITERS; i++)
        pids[i] = child_start("records", num(ends[1]), num(i + 1), NULL);
    close(ends[1]);
    for (int i = 0; i < WRITERS * 200; i++) {
        for (size_t have = 0; have < sizeof rec;) {
            ssize_t n = OK(read(ends[0], rec + have, sizeof rec - have));
            CHECK(n > 0);
            have += (size_t) n;
        }
        CHECK(rec[0] >= 1 && rec[0] <= WRITERS);
        for (size_t k = 1; k < sizeof rec; k++)
            CHECK_EQ(rec[k], rec[0]);
        count[rec[0]]++;
    }
    for (int i = 0; i < WRITERS; i++) {
        CHECK_EQ(count[i + 1], 200);
        CHECK_EQ(child_wait(pids[i]), 0);
    }
    close(ends[0]);
}

TEST_CASE(ping_pong)
{
    int back[2];
    make(0);
    OK(pipe(back));
    pid_t pid = child_start("echoes", num(ends[0]), num(back[1]), num(ends[1]), NULL);
    for (int i = 0; i < 2000; i++) {
        int answer = 0;
        CHECK_EQ(write(ends[1], &i, sizeof i), sizeof i);
        CHECK_EQ(read(back[0], &answer, sizeof answer), sizeof answer);
        CHECK_EQ(answer, i + 1);
    }
    close(ends[1]);
    CHECK_EQ(child_wait(pid), 0);
    close(ends[0]);
    close(back[0]);
    close(back[1]);
}

CHILD(echoes)
{
    int v;
    close(atoi(argv[2]));
    while (read(atoi(argv[0]), &v, sizeof v) == sizeof v) {
        v++;
        if (write(atoi(argv[1]), &v, sizeof v) != sizeof v)
            return 1;
    }
    return 0;
}

TEST_CASE(killed_writer_ends_the_file)
{
    char c;
    make(0);
    pid_t pid = child_start("holds", num(ends[1]), NULL);
    close(ends[1]);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(read(ends[0], &c, 1), 0);
    CHECK_EQ(child_wait(pid), 128 + SIGKILL);
    close(ends[0]);
}

CHILD(holds)
{
    (void) !write(atoi(argv[0]), "x", 1);
    return park();
}

TEST_CASE(named)
{
    const char *p = test_path("fifo");
    struct stat st;
    char b[8] = {0};
    int r = mkfifo(p, 0600);
    SKIP_IF(r < 0 && (errno == ENOSYS || errno == EPERM), "no fifos on this file system");
    OK(r);
    OK(stat(p, &st));
    CHECK(S_ISFIFO(st.st_mode));
    CHECK_ERR(open(p, O_WRONLY | O_NONBLOCK), ENXIO);
    int in = (int) OK(open(p, O_RDONLY | O_NONBLOCK)), out = (int) OK(open(p, O_WRONLY));
    CHECK_EQ(write(out, "named", 5), 5);
    CHECK_EQ(read(in, b, 8), 5);
    CHECK_STR(b, "named");
    close(out);
    CHECK_EQ(read(in, b, 8), 0);
    close(in);
}
