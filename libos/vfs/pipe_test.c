/* Pipes, epoll and eventfd through the system calls, with threads that block. */
#include <asm/unistd.h>
#include "libos/host/posix/unit.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "test/unit/test.h"

static int make_pipe(int fd[2], int flags)
{
    uaddr_t ua = unit_user_alloc(8);
    long r = unit_syscall(__NR_pipe2, ua.v, (uint64_t) flags);
    memcpy(fd, unit_guest(ua), 8);
    return (int) r;
}

static long put(int fd, size_t n)
{
    return unit_syscall(__NR_write, (uint64_t) fd, unit_user_alloc(n).v, n);
}

static long get(int fd, size_t n)
{
    return unit_syscall(__NR_read, (uint64_t) fd, unit_user_alloc(n).v, n);
}

static void shut(int fd)
{
    assert_int_equal(unit_syscall(__NR_close, (uint64_t) fd), 0);
}

TEST(pipe_nonblocking)
{
    unit_process();
    int fd[2];
    assert_int_equal(make_pipe(fd, O_NONBLOCK), 0);
    assert_int_equal(get(fd[0], 10), -EAGAIN);
    assert_int_equal(put(fd[1], 5), 5);
    assert_int_equal(get(fd[0], 10), 5);
    assert_int_equal(put(fd[1], 60000), 60000);
    assert_int_equal(put(fd[1], 100000), 5536); /* 64 KiB in all */
    assert_int_equal(put(fd[1], 1), -EAGAIN);
    assert_int_equal(get(fd[0], 4000), 4000);
    assert_int_equal(put(fd[1], 4096), -EAGAIN); /* atomic or not at all */
    assert_int_equal(put(fd[1], 4000), 4000);
    assert_int_equal(unit_syscall(__NR_fcntl, (uint64_t) fd[1], 1031, 4096), -EBUSY);
    assert_int_equal(get(fd[0], 100000), 65536);
    assert_int_equal(unit_syscall(__NR_fcntl, (uint64_t) fd[1], 1031, 5000), 8192);
    assert_int_equal(put(fd[1], 10000), 8192);
    shut(fd[1]);
    assert_int_equal(get(fd[0], 10000), 8192);
    assert_int_equal(get(fd[0], 1), 0);
    assert_int_equal(unit_syscall(__NR_lseek, (uint64_t) fd[0], 0, 0), -ESPIPE);
    shut(fd[0]);
}

static struct {
    int fd;
    size_t total, step;
    long sum;
    struct process *p;
} side;

static void writer(void *arg)
{
    current()->proc = side.p;
    for (size_t done = 0; done < side.total;) {
        long n = put(side.fd, MIN(side.step, side.total - done));
        assert_true(n > 0);
        done += (size_t) n;
        side.sum += n;
    }
    current()->proc = NULL;
}

TEST(pipe_blocking)
{
    static const size_t steps[] = {1, 100, 4096, 5000, 65536, 300000};
    for (size_t w = 0; w < ARRAY_SIZE(steps); w++)
        for (size_t r = 0; r < ARRAY_SIZE(steps); r++) {
            int fd[2];
            side.p = unit_process();
            assert_int_equal(make_pipe(fd, 0), 0);
            side.total = MIN(steps[w], steps[r]) < 100 ? 2000 : 400000;
            side.fd = fd[1];
            side.step = steps[w];
            side.sum = 0;
            unit_sched_seed(w * 7 + r);
            struct thread *t = unit_thread(writer, NULL);
            for (size_t done = 0; done < side.total;) {
                long n = get(fd[0], MIN(steps[r], side.total - done));
                assert_true(n > 0);
                done += (size_t) n;
            }
            unit_join(t);
            assert_int_equal(side.sum, side.total);
            shut(fd[0]);
            shut(fd[1]);
            unit_user_reset();
        }
    unit_sched_seed(0);
}

#define IN      1u
#define ET      (1u << 31)
#define ONESHOT (1u << 30)

static long ctl(int ep, int op, int fd, uint32_t events)
{
    struct linux_epoll_event ev = {events, (uint64_t) fd};
    return unit_syscall(__NR_epoll_ctl, (uint64_t) ep, (uint64_t) op, (uint64_t) fd,
                        unit_user_bytes(&ev, sizeof ev).v);
}

static long ready(int ep, uint32_t *events)
{
    uaddr_t buf = unit_user_alloc(12 * 4);
    long n = unit_syscall(__NR_epoll_wait, (uint64_t) ep, buf.v, 4, 0);
    struct linux_epoll_event ev;
    memcpy(&ev, unit_guest(buf), sizeof ev);
    *events = ev.events;
    return n;
}

TEST(epoll_modes)
{
    unit_process();
    int fd[2], ep = (int) unit_syscall(__NR_epoll_create1, 0);
    uint32_t ev;
    assert_int_equal(make_pipe(fd, O_NONBLOCK), 0);
    assert_int_equal(ctl(ep, 1, fd[0], IN), 0);
    assert_int_equal(ctl(ep, 1, fd[0], IN), -EEXIST);
    assert_int_equal(ctl(ep, 3, fd[1], IN), -ENOENT);
    assert_int_equal(ctl(ep, 1, ep, IN), -EINVAL);
    assert_int_equal(ready(ep, &ev), 0);
    assert_int_equal(put(fd[1], 10), 10);
    assert_int_equal(ready(ep, &ev), 1); /* level: again and again */
    assert_int_equal(ready(ep, &ev), 1);
    assert_int_equal(ev, IN);
    assert_int_equal(ctl(ep, 3, fd[0], IN | ET), 0);
    assert_int_equal(ready(ep, &ev), 1); /* edge: once per arrival */
    assert_int_equal(ready(ep, &ev), 0);
    assert_int_equal(put(fd[1], 10), 10);
    assert_int_equal(ready(ep, &ev), 1);
    assert_int_equal(ready(ep, &ev), 0);
    assert_int_equal(ctl(ep, 3, fd[0], IN | ONESHOT), 0);
    assert_int_equal(ready(ep, &ev), 1);
    assert_int_equal(put(fd[1], 10), 10);
    assert_int_equal(ready(ep, &ev), 0);
    assert_int_equal(ctl(ep, 3, fd[0], IN), 0);
    shut(fd[1]);
    assert_int_equal(ready(ep, &ev), 1);
    assert_int_equal(ev, IN | 0x10);
    assert_int_equal(ctl(ep, 2, fd[0], 0), 0);
    assert_int_equal(ready(ep, &ev), 0);
    shut(fd[0]);
    shut(ep);
}

TEST(epoll_nested_and_closed)
{
    unit_process();
    int fd[2], in = (int) unit_syscall(__NR_epoll_create1, 0),
               out = (int) unit_syscall(__NR_epoll_create1, 0);
    uint32_t ev;
    assert_int_equal(make_pipe(fd, 0), 0);
    assert_int_equal(ctl(in, 1, fd[0], IN), 0);
    assert_int_equal(ctl(out, 1, in, IN), 0);
    assert_int_equal(ctl(in, 1, out, IN), -ELOOP);
    assert_int_equal(ready(out, &ev), 0);
    assert_int_equal(put(fd[1], 1), 1);
    assert_int_equal(ready(out, &ev), 1);
    assert_int_equal(get(fd[0], 1), 1);
    assert_int_equal(ready(out, &ev), 0);
    assert_int_equal(put(fd[1], 1), 1);
    shut(fd[0]); /* leaves the set by itself */
    assert_int_equal(ready(in, &ev), 0);
    shut(fd[1]);
    shut(in);
    shut(out);
    int e = (int) unit_syscall(__NR_open, unit_user_string("/").v, O_RDONLY);
    out = (int) unit_syscall(__NR_epoll_create1, 0);
    assert_int_equal(ctl(out, 1, e, IN), -EPERM);
    shut(e);
    shut(out);
}
