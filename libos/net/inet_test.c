/* Internet sockets with a host that lies, and the protocol of readiness: a small model answers as a host
 * should, each test bends one answer. */
#include <asm/unistd_64.h>
#include "libos/base/errno.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/net/inet.h"
#include "test/unit/test.h"

#define ERR(e, code) assert_int_equal((e), -(code))

static struct {
    uint32_t next_slot;
    int64_t token; /* >= 0: answered instead of a fresh one */
    unsigned open_sockets;
    uint8_t bytes[256]; /* to be received */
    size_t count;
    uint32_t poll;
    struct host_sockaddr name;
    struct host_msg msg; /* what recvmsg answers; then `count` bytes */
    bool data_late;
    uint32_t slot;
} model;

static const struct host_sockaddr in4 = {16, {2, 0, 0x12, 0x34, 127, 0, 0, 1}};

static int64_t fresh_token(void)
{
    model.open_sockets++;
    return model.token >= 0 ? model.token : (int64_t) (1u << 16 | model.next_slot++);
}

static int64_t host_new(struct cspan in, struct span out, const uint64_t args[4])
{
    return fresh_token();
}

static int64_t host_close(struct cspan in, struct span out, const uint64_t args[4])
{
    model.open_sockets--;
    return 0;
}

static int64_t host_accept(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, &model.name, sizeof model.name);
    return fresh_token();
}

static int64_t host_name(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, &model.name, sizeof model.name);
    return 0;
}

static int64_t host_recv(struct cspan in, struct span out, const uint64_t args[4])
{
    size_t n = MIN(out.n, model.count);
    if (model.data_late) { /* it arrives when the answer is already on its way */
        model.data_late = false;
        model.count = 3;
        fake_host_socket_event(model.slot, POLL_IN);
        return -EAGAIN;
    }
    if (n == 0)
        return -EAGAIN;
    memcpy(out.p, model.bytes, n);
    model.count = 0;
    return (int64_t) n;
}

static int64_t host_send(struct cspan in, struct span out, const uint64_t args[4])
{
    return (int64_t) in.n;
}

static int64_t host_write(struct cspan in, struct span out, const uint64_t args[4])
{
    assert_true(args[2] >> 32 < HOST_NET_BUFFERS);
    assert_true((args[2] & UINT32_MAX) + args[3] <= HOST_NET_BUFFER_SIZE);
    return (int64_t) args[3];
}

static int64_t host_sendmsg(struct cspan in, struct span out, const uint64_t args[4])
{
    struct host_msg h;
    memcpy(&h, in.p, sizeof h);
    assert_int_equal(in.n, sizeof h + h.control_size + h.data_size);
    return h.data_size;
}

static int64_t host_recvmsg(struct cspan in, struct span out, const uint64_t args[4])
{
    memcpy(out.p, &model.msg, sizeof model.msg);
    memcpy(out.p + sizeof model.msg, model.bytes, model.count);
    return (int64_t) (sizeof model.msg + model.count);
}

static int64_t host_poll(struct cspan in, struct span out, const uint64_t args[4])
{
    return model.poll;
}

static void setup(void)
{
    static uint32_t slots = 1;
    unit_process();
    fake_host_reset();
    slots = MAX(slots, model.next_slot);
    memset(&model, 0, sizeof model);
    model.next_slot = slots;
    model.token = -1;
    model.name = in4;
    fake_host_on(HOSTCALL_socket_new, host_new);
    fake_host_on(HOSTCALL_socket_close, host_close);
    fake_host_on(HOSTCALL_socket_accept, host_accept);
    fake_host_on(HOSTCALL_socket_name, host_name);
    fake_host_on(HOSTCALL_socket_recv, host_recv);
    fake_host_on(HOSTCALL_socket_send, host_send);
    fake_host_on(HOSTCALL_socket_write, host_write);
    fake_host_on(HOSTCALL_socket_sendmsg, host_sendmsg);
    fake_host_on(HOSTCALL_socket_recvmsg, host_recvmsg);
    fake_host_on(HOSTCALL_socket_poll, host_poll);
}

static uint64_t socket_new_fd(int type)
{
    long fd = unit_syscall(__NR_socket, LINUX_AF_INET, (uint64_t) type, 0);
    assert_true(fd >= 0);
    model.slot = model.next_slot - 1;
    return (uint64_t) fd;
}

static void close_fd(uint64_t fd)
{
    assert_int_equal(unit_syscall(__NR_close, fd), 0);
}

static long receive(uint64_t fd, size_t n, int flags)
{
    return unit_syscall(__NR_recvfrom, fd, unit_user_alloc(n).v, n, (uint64_t) flags, 0, 0);
}

static long transmit(uint64_t fd, size_t n)
{
    return unit_syscall(__NR_sendto, fd, unit_user_alloc(n).v, n, LINUX_MSG_NOSIGNAL, 0, 0);
}

static long poll_now(uint64_t fd)
{
    struct {
        int fd;
        int16_t events, revents;
    } p = {(int) fd, -1, 0};
    uaddr_t ua = unit_user_bytes(&p, sizeof p);
    long r = unit_syscall(__NR_poll, ua.v, 1, 0);
    memcpy(&p, unit_guest(ua), sizeof p);
    return r > 0 ? (uint16_t) p.revents : r;
}

TEST(inet_honest)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    model.count = 5;
    assert_int_equal(receive(fd, 100, 0), 5);
    assert_int_equal(transmit(fd, 100000), 100000);
    long peer = unit_syscall(__NR_accept, fd, 0, 0);
    assert_true(peer >= 0);
    close_fd((uint64_t) peer);
    close_fd(fd);
    assert_int_equal(model.open_sockets, 0);
}

TEST(inet_tokens)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    static const int64_t bad[] = {0, 5, HOST_SOCKET_SLOTS | 1 << 16, INT32_MAX + 1ll, INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        model.token = bad[i];
        ERR(unit_syscall(__NR_socket, LINUX_AF_INET, LINUX_SOCK_STREAM, 0), EIO);
        ERR(unit_syscall(__NR_accept, fd, 0, 0), EIO);
    }
    model.token = 2 << 16 | (int64_t) model.slot; /* in use, by any generation */
    ERR(unit_syscall(__NR_socket, LINUX_AF_INET, LINUX_SOCK_STREAM, 0), EIO);
    ERR(unit_syscall(__NR_accept, fd, 0, 0), EIO);
    model.open_sockets = 1; /* none of those was believed, none closed */
    close_fd(fd);
    assert_int_equal(model.open_sockets, 0);
}

TEST(inet_lengths)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    fake_host_answer(HOSTCALL_socket_recv, 17, 1);
    ERR(receive(fd, 16, 0), EIO);
    fake_host_answer(HOSTCALL_socket_recv, INT64_MAX, 1);
    ERR(receive(fd, 16, 0), EIO);
    fake_host_answer(HOSTCALL_socket_send, 17, 1);
    ERR(transmit(fd, 16), EIO);
    fake_host_answer(HOSTCALL_socket_send, 3, 1); /* the rest follows */
    assert_int_equal(transmit(fd, 16), 16);
    fake_host_answer(HOSTCALL_socket_read, 5001, 1); /* the same through shared buffers */
    ERR(receive(fd, 5000, 0), EIO);
    fake_host_answer(HOSTCALL_socket_read, INT64_MAX, 1);
    ERR(receive(fd, 5000, 0), EIO);
    fake_host_answer(HOSTCALL_socket_write, 5001, 1);
    ERR(transmit(fd, 5000), EIO);
    fake_host_answer(HOSTCALL_socket_write, 3, 1);
    assert_int_equal(transmit(fd, 5000), 5000);
    close_fd(fd);
    fd = socket_new_fd(LINUX_SOCK_DGRAM);
    fake_host_answer(HOSTCALL_socket_sendmsg, 17, 1);
    ERR(transmit(fd, 16), EIO);
    fake_host_answer(HOSTCALL_socket_sendmsg, INT64_MAX, 1);
    ERR(transmit(fd, 16), EIO);
    ERR(transmit(fd, 70000), EMSGSIZE);
    close_fd(fd);
}

TEST(inet_errnos)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    static const int bad[] = {EINTR, ENOENT, 127, 128, 512, 4095};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        fake_host_answer(HOSTCALL_socket_recv, -bad[i], 1);
        ERR(receive(fd, 16, 0), EIO);
        fake_host_answer(HOSTCALL_socket_send, -bad[i], 1);
        ERR(transmit(fd, 16), EIO);
        fake_host_answer(HOSTCALL_socket_new, -bad[i], 1);
        ERR(unit_syscall(__NR_socket, LINUX_AF_INET, LINUX_SOCK_STREAM, 0), EIO);
    }
    fake_host_answer(HOSTCALL_socket_recv, -ECONNRESET, 1);
    ERR(receive(fd, 16, 0), ECONNRESET);
    close_fd(fd);
}

TEST(inet_names)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    uaddr_t to = unit_user_alloc(128), size = unit_user_alloc(4);
    static const struct host_sockaddr bad[] = {
        {0, {0}},   {15, {2}}, {17, {2}},         {28, {10}},
        {16, {10}}, {16, {1}}, {UINT32_MAX, {2}}, {29, {2}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint32_t room = 128;
        memcpy(unit_guest(size), &room, sizeof room);
        model.name = bad[i];
        ERR(unit_syscall(__NR_getsockname, fd, to.v, size.v), EIO);
        if (bad[i].size)
            ERR(unit_syscall(__NR_accept, fd, 0, 0), EIO);
    }
    assert_int_equal(model.open_sockets, 1); /* believed but badly named ones were closed */
    model.name = in4;
    assert_int_equal(unit_syscall(__NR_getsockname, fd, to.v, size.v), 0);
    assert_memory_equal(unit_guest(to), in4.bytes, 16);
    close_fd(fd);
}

static long receive_message(uint64_t fd, size_t room, size_t control, struct linux_msghdr *ret)
{
    struct user_iovec v = {unit_user_alloc(room + 1).v, room};
    struct linux_msghdr m = {.iov = unit_user_bytes(&v, sizeof v).v,
                             .iovlen = 1,
                             .control = unit_user_alloc(control + 1).v,
                             .controllen = control};
    uaddr_t ua = unit_user_bytes(&m, sizeof m);
    long r = unit_syscall(__NR_recvmsg, fd, ua.v, 0);
    memcpy(ret, unit_guest(ua), sizeof *ret);
    return r;
}

TEST(inet_messages)
{
    struct linux_msghdr m;
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_DGRAM);
    model.count = 10;
    model.msg = (struct host_msg){.data_size = 10, .full_size = 10, .name = in4};
    assert_int_equal(receive_message(fd, 64, 0, &m), 10);
    static const struct host_msg bad[] = {
        {.data_size = 9, .full_size = 9},
        {.data_size = 11, .full_size = 11},
        {.control_size = 1, .data_size = 10, .full_size = 10},
        {.control_size = 11, .data_size = UINT32_MAX, .full_size = 10},
        {.control_size = UINT32_MAX, .data_size = 11, .full_size = 10},
        {.data_size = 10, .full_size = 9},
        {.data_size = 10, .full_size = UINT32_MAX},
        {.data_size = 10, .full_size = 10, .name = {28, {10}}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        model.msg = bad[i];
        ERR(receive_message(fd, 64, 0, &m), EIO);
    }
    model.msg = (struct host_msg){.data_size = 10, .full_size = 10}; /* more than was asked for */
    ERR(receive_message(fd, 4, 64, &m), EIO);
    fake_host_answer(HOSTCALL_socket_recvmsg, 3, 1);
    ERR(receive_message(fd, 64, 0, &m), EIO);
    model.msg = (struct host_msg){.data_size = 10, .full_size = 5000};
    assert_int_equal(receive_message(fd, 10, 0, &m), 10);
    assert_true(m.flags & LINUX_MSG_TRUNC);
    close_fd(fd);
}

/* Puts one control message into the model's answer; its size as claimed and as it is. */
static long with_control(uint64_t fd, struct linux_cmsghdr h, size_t size, struct linux_msghdr *ret)
{
    memset(model.bytes, 7, sizeof model.bytes);
    memcpy(model.bytes, &h, sizeof h);
    model.count = size;
    model.msg = (struct host_msg){.control_size = (uint32_t) size};
    return receive_message(fd, 64, 128, ret);
}

TEST(inet_control_messages)
{
    struct linux_msghdr m;
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_DGRAM);
    assert_int_equal(with_control(fd, (struct linux_cmsghdr){20, LINUX_IPPROTO_IP, 2}, 24, &m), 0);
    assert_int_equal(m.controllen, 24);
    static const struct linux_cmsghdr bad[] = {
        {16 + 3, LINUX_IPPROTO_IP, 2},            /* too short for a TTL */
        {16 + 8, LINUX_IPPROTO_IP, 2},            /* too long */
        {15, LINUX_IPPROTO_IP, 2},                /* shorter than its header */
        {25, LINUX_IPPROTO_IP, 2},                /* longer than what came */
        {UINT64_MAX, LINUX_IPPROTO_IP, 2},        /* wraps */
        {20, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS}, /* descriptors come from nobody */
        {24, LINUX_SOL_SOCKET, LINUX_SCM_CREDENTIALS},
        {20, 77, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(with_control(fd, bad[i], 24, &m), 0);
        assert_int_equal(m.controllen, 0);
    }
    close_fd(fd);
}

TEST(inet_option_values)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    uaddr_t value = unit_user_alloc(4), size = unit_user_alloc(4);
    uint32_t room = 4;
    int error;
    memcpy(unit_guest(size), &room, sizeof room);
    fake_host_answer(HOSTCALL_socket_getopt, 1000, 1);
    ERR(unit_syscall(__NR_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_REUSEADDR, value.v, size.v),
        EIO);
    fake_host_answer(HOSTCALL_socket_getopt, 2, 1); /* half an errno */
    assert_int_equal(
        unit_syscall(__NR_getsockopt, fd, LINUX_SOL_SOCKET, LINUX_SO_ERROR, value.v, size.v), 0);
    memcpy(&error, unit_guest(value), sizeof error);
    assert_int_equal(error, EIO);
    close_fd(fd);
}

TEST(inet_poll_bits)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    model.poll = POLL_OUT;
    assert_int_equal(poll_now(fd), POLL_OUT | POLL_WRNORM);
    assert_int_equal(fake_host_calls(HOSTCALL_socket_poll), 1);
    assert_int_equal(poll_now(fd), POLL_OUT | POLL_WRNORM); /* known */
    assert_int_equal(fake_host_calls(HOSTCALL_socket_poll), 1);
    fake_host_socket_event(model.slot, 0xffffff20u); /* none that a socket may have */
    assert_int_equal(poll_now(fd) & POLL_NVAL, 0);
    close_fd(fd);
    fake_host_socket_event(model.slot, POLL_IN); /* nobody's any more */
    fake_host_socket_event(HOST_SOCKET_SLOTS - 1, POLL_IN);
}

/* Would hang, that is panic, if the event were forgotten with the answer. */
TEST(inet_event_during_a_call_is_kept)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    model.data_late = true;
    assert_int_equal(receive(fd, 16, 0), 3);
    assert_int_equal(fake_host_calls(HOSTCALL_socket_recv), 2);
    close_fd(fd);
}

static void feed(void *arg)
{
    model.count = 3;
    fake_host_socket_event(model.slot, POLL_IN);
}

TEST(inet_receiver_sleeps_until_the_event)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    assert_int_equal(poll_now(fd), 0);
    struct thread *t = unit_thread(feed, NULL);
    assert_int_equal(receive(fd, 16, 0), 3);
    assert_int_equal(fake_host_calls(HOSTCALL_socket_recv), 1); /* not asked before */
    unit_join(t);
    close_fd(fd);
}

/* A host that says "ready" again and again and never delivers does not keep the thread in the kernel. */
static void cry_wolf(void *arg)
{
    for (int i = 0; i < 10; i++)
        fake_host_socket_event(model.slot, POLL_IN);
    model.count = 1;
    fake_host_socket_event(model.slot, POLL_IN);
}

TEST(inet_false_events_are_harmless)
{
    setup();
    uint64_t fd = socket_new_fd(LINUX_SOCK_STREAM);
    struct thread *t = unit_thread(cry_wolf, NULL);
    assert_int_equal(receive(fd, 16, 0), 1);
    unit_join(t);
    close_fd(fd);
}
