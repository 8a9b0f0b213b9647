/* Unix sockets through the system calls, under the sanitizers: many interleavings of two threads, every
 * allocation failing once, and nothing left behind. */
#include <asm/unistd_64.h>
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/net/socket.h"
#include "test/unit/test.h"

static long call(int nr, long a, uint64_t b, uint64_t c, uint64_t d)
{
    return unit_syscall(nr, (uint64_t) a, b, c, d);
}

static long pair_new(int type, int fd[2])
{
    uaddr_t ua = unit_user_alloc(8);
    long r = unit_syscall(__NR_socketpair, LINUX_AF_UNIX, (uint64_t) type, 0, ua.v);
    memcpy(fd, unit_guest(ua), 8);
    return r;
}

static void close_fd(long fd)
{
    assert_int_equal(call(__NR_close, fd, 0, 0, 0), 0);
}

static long send_text(long fd, const char *s, int flags)
{
    return unit_syscall(__NR_sendto, (uint64_t) fd, unit_user_bytes(s, strlen(s)).v, strlen(s),
                        (uint64_t) flags, 0, 0);
}

/* One byte and a descriptor to pass. */
static long send_fd(long sock, int fd)
{
    struct {
        struct linux_cmsghdr h;
        int fd, pad;
    } control = {{sizeof control.h + sizeof fd, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS}, fd, 0};
    struct user_iovec v = {unit_user_bytes("f", 1).v, 1};
    struct linux_msghdr m = {.iov = unit_user_bytes(&v, sizeof v).v,
                             .iovlen = 1,
                             .control = unit_user_bytes(&control, sizeof control).v,
                             .controllen = sizeof control};
    return call(__NR_sendmsg, sock, unit_user_bytes(&m, sizeof m).v, 0, 0);
}

/* The passed descriptor, or what recvmsg says. */
static long receive_fd(long sock, int flags)
{
    uaddr_t control = unit_user_alloc(24);
    struct user_iovec v = {unit_user_alloc(1).v, 1};
    struct linux_msghdr m = {.iov = unit_user_bytes(&v, sizeof v).v,
                             .iovlen = 1,
                             .control = control.v,
                             .controllen = 24};
    long r = call(__NR_recvmsg, sock, unit_user_bytes(&m, sizeof m).v, (uint64_t) flags, 0);
    int fd;
    memcpy(&fd, (char *) unit_guest(control) + sizeof(struct linux_cmsghdr), sizeof fd);
    return r < 0 ? r : fd;
}

struct flood {
    long fd;
    uint32_t total, chunk, sum;
};

static void writer(void *arg)
{
    struct flood *f = arg;
    uaddr_t ua = unit_user_alloc(f->chunk);
    uint8_t *p = unit_guest(ua);
    for (uint32_t done = 0; done < f->total;) {
        for (uint32_t i = 0; i < f->chunk; i++)
            p[i] = (uint8_t) (done * 7 + i);
        long n = unit_syscall(__NR_sendto, (uint64_t) f->fd, ua.v, f->chunk, 0, 0, 0);
        check(n > 0);
        for (long i = 0; i < n; i++)
            f->sum = f->sum * 31 + p[i];
        done += (uint32_t) n;
    }
    close_fd(f->fd);
}

static void flood(int type, uint32_t chunk, uint64_t seed)
{
    int fd[2];
    unit_sched_seed(seed);
    assert_int_equal(pair_new(type, fd), 0);
    struct flood f = {.fd = fd[1], .total = chunk * 60, .chunk = chunk};
    struct thread *t = unit_thread(writer, &f);
    uaddr_t buf = unit_user_alloc(50000);
    uint32_t sum = 0, total = 0;
    long n;
    while ((n = call(__NR_recvfrom, fd[0], buf.v, 50000, 0)) > 0) {
        const uint8_t *p = unit_guest(buf);
        for (long i = 0; i < n; i++)
            sum = sum * 31 + p[i];
        total += (uint32_t) n;
    }
    assert_int_equal(n, 0);
    unit_join(t);
    assert_int_equal(total, f.total);
    assert_int_equal(sum, f.sum);
    close_fd(fd[0]);
    unit_user_reset();
    unit_sched_seed(0);
}

TEST(unix_socket_floods)
{
    unit_process();
    for (uint64_t seed = 0; seed < 6; seed++) {
        flood(LINUX_SOCK_STREAM, 30011, seed);
        flood(LINUX_SOCK_SEQPACKET, 20011, seed);
    }
}

/* Everything a pair can do once; errors are fine, crashes and leaks are not. */
static void life(int type)
{
    int fd[2];
    if (pair_new(type, fd) < 0)
        return;
    (void) send_fd(fd[0], fd[1]);
    (void) send_text(fd[0], "some text", LINUX_MSG_DONTWAIT);
    long peeked = receive_fd(fd[1], LINUX_MSG_DONTWAIT | LINUX_MSG_PEEK);
    if (peeked > 2)
        close_fd(peeked);
    long got = receive_fd(fd[1], LINUX_MSG_DONTWAIT);
    if (got > 2)
        close_fd(got);
    (void) send_fd(fd[1], fd[0]);
    close_fd(fd[0]);
    close_fd(fd[1]);
}

/* The end of any socket collects circles. */
static void collect(void)
{
    int fd[2];
    assert_int_equal(pair_new(LINUX_SOCK_STREAM, fd), 0);
    close_fd(fd[0]);
    close_fd(fd[1]);
}

TEST(unix_socket_without_memory)
{
    unit_process();
    int type[] = {LINUX_SOCK_STREAM, LINUX_SOCK_DGRAM, LINUX_SOCK_SEQPACKET};
    for (size_t i = 0; i < ARRAY_SIZE(type); i++) {
        life(type[i]); /* what is made once and kept */
        collect();
        size_t before = unit_alloc_count();
        for (unsigned n = 1; n < 30; n++) {
            unit_fail_alloc(n);
            life(type[i]);
            unit_fail_alloc(0);
            unit_user_reset();
        }
        collect();
        assert_int_equal(unit_alloc_count(), before);
        unit_user_reset();
    }
}

static long named(int nr, long fd, const char *tail)
{
    struct linux_sockaddr_un a = {.family = LINUX_AF_UNIX};
    str_copy(a.path + 1, tail, sizeof a.path - 1);
    return call(nr, fd, unit_user_bytes(&a, sizeof a).v, 3 + strlen(tail), 0);
}

static long socket_new_fd(int type)
{
    return call(__NR_socket, LINUX_AF_UNIX, (uint64_t) type, 0, 0);
}

static void client(void *arg)
{
    long s = socket_new_fd(LINUX_SOCK_STREAM);
    check(s >= 0 && named(__NR_connect, s, "server") == 0);
    check(send_text(s, "hi", 0) == 2);
    close_fd(s);
}

TEST(unix_socket_many_clients)
{
    unit_process();
    size_t before = unit_alloc_count();
    for (uint64_t seed = 0; seed < 8; seed++) {
        unit_sched_seed(seed);
        struct thread *t[5];
        long s = socket_new_fd(LINUX_SOCK_STREAM);
        assert_int_equal(named(__NR_bind, s, "server"), 0);
        assert_int_equal(call(__NR_listen, s, 1, 0, 0), 0);
        for (int i = 0; i < 5; i++)
            t[i] = unit_thread(client, NULL);
        for (int i = 0; i < 4; i++) { /* the last one meets the end of the listener */
            long c = call(__NR_accept, s, 0, 0, 0);
            assert_true(c >= 0);
            assert_int_equal(call(__NR_recvfrom, c, unit_user_alloc(8).v, 8, 0), 2);
            close_fd(c);
        }
        unit_run_others();
        close_fd(s);
        for (int i = 0; i < 5; i++)
            unit_join(t[i]);
        unit_user_reset();
    }
    unit_sched_seed(0);
    assert_in_range(unit_alloc_count(), 0, before);
}
