/* System calls through the real kernel modules: vfs, ramfs, pipes, wait queues, under the sanitizers. */
#include <asm/unistd_64.h>
#include <fcntl.h>
#include <poll.h>
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/task/clock.h"
#include "test/unit/test.h"

static long sys_open(const char *path, int flags)
{
    return unit_syscall(__NR_openat, (uint64_t) AT_FDCWD, unit_user_string(path).v,
                        (uint64_t) flags, 0644);
}

static long sys_write(long fd, const char *s)
{
    return unit_syscall(__NR_write, (uint64_t) fd, unit_user_bytes(s, strlen(s)).v, strlen(s));
}

static long sys_read(long fd, char *buf, size_t size)
{
    uaddr_t ua = unit_user_alloc(size);
    long n = unit_syscall(__NR_read, (uint64_t) fd, ua.v, size);
    if (n > 0)
        memcpy(buf, unit_guest(ua), (size_t) n);
    return n;
}

static void sys_close(long fd)
{
    assert_int_equal(unit_syscall(__NR_close, (uint64_t) fd), 0);
}

TEST(syscalls_on_a_ramfs_file)
{
    unit_process();
    char b[64] = {0};
    long fd = sys_open("/file", O_RDWR | O_CREAT | O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(sys_open("/file", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(sys_write(fd, "hello, world"), 12);
    assert_int_equal(unit_syscall(__NR_lseek, (uint64_t) fd, 7, SEEK_SET), 7);
    assert_int_equal(sys_read(fd, b, sizeof b), 5);
    assert_string_equal(b, "world");
    assert_int_equal(sys_read(fd, b, sizeof b), 0);
    assert_int_equal(unit_syscall(__NR_write, (uint64_t) fd, 0x1000, 5), -EFAULT);
    assert_int_equal(unit_syscall(__NR_read, (uint64_t) fd, unit_user_alloc(4).v, (uint64_t) -1),
                     -EFAULT);
    sys_close(fd);
    assert_int_equal(unit_syscall(__NR_close, (uint64_t) fd), -EBADF);
    unit_user_reset();
}

struct pipe_job {
    long fd;
    size_t total;
    uint32_t sum;
};

#define CHUNK 3000u
#define TOTAL 300000u

static void pipe_writer(void *arg)
{
    struct pipe_job *j = arg;
    uaddr_t ua = unit_user_alloc(CHUNK);
    uint8_t *p = unit_guest(ua);
    while (j->total < TOTAL) {
        for (size_t i = 0; i < CHUNK; i++)
            p[i] = (uint8_t) (j->total + i);
        long n = unit_syscall(__NR_write, (uint64_t) j->fd, ua.v, CHUNK);
        check(n > 0);
        for (long i = 0; i < n; i++)
            j->sum = j->sum * 31 + p[i];
        j->total += (size_t) n;
    }
    unit_syscall(__NR_close, (uint64_t) j->fd);
}

TEST(syscalls_pipe_between_two_threads)
{
    unit_process();
    for (uint64_t seed = 0; seed < 5; seed++) {
        unit_sched_seed(seed);
        uaddr_t fds = unit_user_alloc(8), buf = unit_user_alloc(7000);
        assert_int_equal(unit_syscall(__NR_pipe2, fds.v, 0), 0);
        const int *fd = unit_guest(fds);
        struct pipe_job w = {.fd = fd[1]}, r = {.fd = fd[0]};
        struct thread *t = unit_thread(pipe_writer, &w);
        for (long n; (n = unit_syscall(__NR_read, (uint64_t) r.fd, buf.v, 7000)) != 0;
             r.total += (size_t) n) {
            assert_true(n > 0);
            const uint8_t *p = unit_guest(buf);
            for (long i = 0; i < n; i++)
                r.sum = r.sum * 31 + p[i];
        }
        unit_join(t);
        assert_int_equal(r.total, w.total);
        assert_int_equal(r.sum, w.sum);
        sys_close(r.fd);
        unit_user_reset();
    }
    unit_sched_seed(0);
}

TEST(syscalls_poll_times_out_in_no_time)
{
    unit_process();
    uaddr_t fds = unit_user_alloc(8);
    assert_int_equal(unit_syscall(__NR_pipe2, fds.v, 0), 0);
    const int *fd = unit_guest(fds);
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    uaddr_t up = unit_user_bytes(&p, sizeof p);
    int64_t start = clock_mono_ns();
    if (unit_syscall(__NR_poll, up.v, 1, 0) == -ENOSYS)
        skip();
    assert_int_equal(unit_syscall(__NR_poll, up.v, 1, 60000), 0);
    assert_true(clock_mono_ns() - start >= 60 * NSEC_PER_SEC);
    assert_int_equal(sys_write(fd[1], "x"), 1);
    assert_int_equal(unit_syscall(__NR_poll, up.v, 1, (uint64_t) -1), 1);
    assert_int_equal(((struct pollfd *) unit_guest(up))->revents, POLLIN);
    sys_close(fd[0]);
    sys_close(fd[1]);
    unit_user_reset();
}
