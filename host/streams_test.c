/* Streams of sessions: slots, and that no call blocks or changes descriptors that others share. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "host/runtime.h"
#include "host/streams.h"
#include "test/unit/test.h"

static struct host_vcpu *vcpu(void)
{
    static struct host_vcpu *v;
    if (!v)
        v = calloc(1, sizeof *v);
    return v;
}

static int64_t write_stream(int session, int fd, size_t n)
{
    struct host_vcpu *v = vcpu();
    v->args[0] = (uint64_t) session * 3 + (uint64_t) fd;
    v->in_size = n;
    memset(v->data, 'x', n);
    return host_call_stdio_write(v);
}

static int64_t read_stream(int session, int fd, size_t n)
{
    struct host_vcpu *v = vcpu();
    v->args[0] = (uint64_t) session * 3 + (uint64_t) fd;
    v->out_size = n;
    return host_call_stdio_read(v);
}

static int open_on(int in, int out)
{
    const int fds[3] = {dup(in), dup(out), dup(out)};
    int session = streams_open(fds);
    for (int i = 0; session < 0 && i < 3; i++)
        close(fds[i]);
    return session;
}

TEST(streams_slots)
{
    int sessions[HOST_SESSIONS], count = 0;
    for (;;) {
        int s = open_on(0, 1);
        if (s < 0) {
            assert_int_equal(s, -EBUSY);
            break;
        }
        assert_in_range(s, 1, HOST_SESSIONS - 1);
        sessions[count++] = s;
    }
    assert_int_equal(count, HOST_SESSIONS - 1);
    streams_close((unsigned) sessions[5]);
    assert_int_equal(open_on(0, 1), sessions[5]);
    streams_close(0);                 /* the runtime's own stay */
    streams_close(HOST_SESSIONS + 7); /* an enclave's nonsense */
    for (int i = 0; i < count; i++)
        streams_close((unsigned) sessions[i]);
    assert_int_equal(read_stream(sessions[0], 0, 10), -EBADF);
    vcpu()->args[0] = UINT64_MAX;
    assert_int_equal(host_call_stdio_read(vcpu()), -EBADF);
    assert_int_equal(host_call_stdio_poll(vcpu()), 0);
}

TEST(streams_pipe_does_not_block)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    int s = open_on(p[0], p[1]);
    assert_int_equal(read_stream(s, 0, 10), -EAGAIN);
    int64_t total = 0, n;
    while ((n = write_stream(s, 1, 50000)) > 0)
        total += n;
    assert_int_equal(n, -EAGAIN);
    assert_true(total >= 4096);
    assert_int_equal(read_stream(s, 0, 100), 100);
    assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
    streams_close((unsigned) s);
    close(p[0]);
    close(p[1]);
}

TEST(streams_terminal_does_not_block)
{
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    int s = open_on(slave, slave);
    assert_int_equal(read_stream(s, 0, 10), -EAGAIN);
    int64_t n = 1;
    for (int i = 0; n > 0 && i < 1000; i++)
        n = write_stream(s, 1, 4096);
    assert_int_equal(n, -EAGAIN); /* nobody reads the other side */
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    streams_close((unsigned) s);
    close(master);
    close(slave);
}

TEST(streams_socket_does_not_block)
{
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    int s = open_on(p[0], p[0]);
    assert_int_equal(read_stream(s, 0, 10), -EAGAIN);
    int64_t n = 1;
    for (int i = 0; n > 0 && i < 1000; i++)
        n = write_stream(s, 1, 65536);
    assert_int_equal(n, -EAGAIN);
    assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    close(p[1]);
    assert_int_equal(write_stream(s, 1, 1), -EPIPE); /* and no SIGPIPE */
    streams_close((unsigned) s);
    close(p[0]);
}

TEST(streams_terminal_settings_come_back)
{
    int master, slave;
    struct termios before, now;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &before), 0);
    int s = open_on(slave, slave);
    struct host_vcpu *v = vcpu();
    v->args[0] = (uint64_t) s * 3;
    v->args[1] = TCGETS;
    assert_int_equal(host_call_stdio_ioctl(v), 0);
    v->data[12] ^= 8; /* ECHO in c_lflag */
    v->args[1] = TCSETS;
    assert_int_equal(host_call_stdio_ioctl(v), 0);
    assert_int_equal(tcgetattr(slave, &now), 0);
    assert_int_not_equal(now.c_lflag, before.c_lflag);
    v->args[1] = TIOCSTI; /* typing for the user is not for the enclave */
    assert_int_equal(host_call_stdio_ioctl(v), -ENOTTY);
    streams_close((unsigned) s);
    assert_int_equal(tcgetattr(slave, &now), 0);
    assert_int_equal(now.c_lflag, before.c_lflag);
    close(master);
    close(slave);
}

TEST(streams_gate)
{
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    int s = open_on(slave, slave);
    streams_gate((unsigned) s, true);
    assert_int_equal(write(master, "line\n", 5), 5);
    assert_int_equal(read_stream(s, 0, 10), -EAGAIN);
    vcpu()->args[0] = (uint64_t) s * 3;
    assert_int_equal(host_call_stdio_poll(vcpu()) & 1, 0);
    streams_gate((unsigned) s, false);
    assert_int_equal(read_stream(s, 0, 10), 5);
    streams_close((unsigned) s);
    close(master);
    close(slave);
}
