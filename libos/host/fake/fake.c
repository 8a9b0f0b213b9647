/* A scripted host. By default: writes to standard output are kept, standard input is what the test
 * put there, the clock is the virtual one, pages are always granted, everything else answers 0. */
#include <sys/uio.h>
#include <unistd.h>
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/host/fake/fake.h"
#include "libos/host/validate.h"
#include "libos/task/clock.h"

#define WEAK       __attribute__((weak))
#define OUTPUT_MAX 65536

static struct {
    fake_host_fn *fn[HOSTCALL_COUNT + 1];
    int64_t forced[HOSTCALL_COUNT + 1];
    unsigned forced_count[HOSTCALL_COUNT + 1], calls[HOSTCALL_COUNT + 1];
    unsigned fail_in;
    struct cspan image, input;
    uint8_t output[3][OUTPUT_MAX];
    size_t output_size[3];
    struct waitq queues[HOST_STREAMS], control;
    uint32_t socket_events;
} fake;

void fake_host_on(enum hostcall_nr nr, fake_host_fn *fn)
{
    fake.fn[nr] = fn;
}

void fake_host_answer(enum hostcall_nr nr, int64_t raw, unsigned count)
{
    fake.forced[nr] = raw;
    fake.forced_count[nr] = count;
}

void fake_host_fail(unsigned nth)
{
    fake.fail_in = nth;
}

unsigned fake_host_calls(enum hostcall_nr nr)
{
    return fake.calls[nr];
}

void fake_host_reset(void)
{
    struct cspan image = fake.image;
    memset(&fake, 0, sizeof fake);
    fake.image = image;
}

void fake_host_image(struct cspan image)
{
    fake.image = image;
}

void fake_host_stdin(const void *p, size_t n)
{
    fake.input = (struct cspan){p, n};
}

struct cspan fake_host_output(int fd)
{
    check(fd >= 1 && fd <= 2);
    return (struct cspan){fake.output[fd], fake.output_size[fd]};
}

static int64_t stdio_read(struct span out)
{
    size_t n = MIN(out.n, fake.input.n);
    if (n > 0)
        memcpy(out.p, fake.input.p, n);
    fake.input = (struct cspan){fake.input.p + n, fake.input.n - n};
    return (int64_t) n;
}

static int64_t stdio_write(uint64_t fd, struct cspan in)
{
    if (fd < 1 || fd > 2)
        return -EBADF;
    size_t n = MIN(in.n, OUTPUT_MAX - fake.output_size[fd]);
    if (n > 0)
        memcpy(fake.output[fd] + fake.output_size[fd], in.p, n);
    fake.output_size[fd] += n;
    return n < in.n ? -EAGAIN : (int64_t) n;
}

static int64_t by_default(enum hostcall_nr nr, struct cspan in, struct span out,
                          const uint64_t args[4])
{
    switch ((int) nr) {
    case HOSTCALL_log:
        return (int64_t) in.n;
    case HOSTCALL_page_restrict:
    case HOSTCALL_page_trim:
    case HOSTCALL_page_remove:
        return (int64_t) args[1];
    case HOSTCALL_stdio_read:
        return stdio_read(out);
    case HOSTCALL_stdio_write:
        return stdio_write(args[0], in);
    case HOSTCALL_stdio_poll:
        return args[0] == 0 ? 0x001 : 0x004;
    case HOSTCALL_stdio_ioctl:
        return -ENOTTY;
    default:
        if (out.n > 0)
            memset(out.p, 0, out.n);
        return 0;
    }
}

WEAK long hostcall_io(enum hostcall_nr nr, struct cspan in, struct span out, uint64_t a0,
                      uint64_t a1, uint64_t a2, uint64_t a3)
{
    check((unsigned) nr < HOSTCALL_COUNT && in.n <= HOST_DATA_MAX && out.n <= HOST_DATA_MAX);
    static uint8_t data[HOST_DATA_MAX]; /* the host never sees the caller's buffer */
    const uint64_t args[4] = {a0, a1, a2, a3};
    struct span shared = {data, out.n};
    int64_t raw;
    fake.calls[nr]++;
    if (fake.fail_in > 0 && --fake.fail_in == 0)
        raw = -EIO;
    else if (fake.forced_count[nr] > 0 && fake.forced_count[nr]--)
        raw = fake.forced[nr];
    else
        raw = fake.fn[nr] ? fake.fn[nr](in, shared, args) : by_default(nr, in, shared, args);
    size_t copy;
    long r = hostcall_judge(nr, raw, in.n, out.n, &copy);
    if (copy > 0)
        memcpy(out.p, data, copy);
    return r;
}

/* Fails where a plain access would fault. */
WEAK int host_copy_in(struct span dst, haddr_t src)
{
    struct iovec to = {dst.p, dst.n}, from = {(void *) src.v, dst.n};
    check(host_range_ok(src.v, dst.n));
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t) dst.n ? 0 : -EIO;
}

WEAK uint64_t host_image_size(void)
{
    return fake.image.n;
}

WEAK int host_image_read(uint64_t offset, struct span dst)
{
    if (fake.fail_in > 0 && --fake.fail_in == 0)
        return -EIO;
    return cspan_get(fake.image, offset, dst.p, dst.n) ? 0 : -EIO;
}

WEAK struct waitq *host_stdio_queue(int fd)
{
    check(fd >= 0 && (unsigned) fd < HOST_STREAMS);
    if (!fake.queues[fd].waiters.next)
        waitq_init(&fake.queues[fd]);
    return &fake.queues[fd];
}

WEAK void host_stdio_watch(int fd, uint32_t events)
{
}

WEAK struct waitq *host_control_queue(void)
{
    if (!fake.control.waiters.next)
        waitq_init(&fake.control);
    return &fake.control;
}

WEAK struct host_params host_params = {.vcpus = 1};
WEAK void (*host_signal_hook)(int sig);

WEAK void host_events_poll(void)
{
}

WEAK void host_events_tick(void)
{
}

WEAK void (*host_socket_hook)(unsigned slot);

WEAK uint32_t host_socket_events(unsigned slot)
{
    check(slot < HOST_SOCKET_SLOTS);
    uint32_t events = fake.socket_events;
    fake.socket_events = 0;
    return events;
}

WEAK struct span host_net_buffer(unsigned index)
{
    static uint8_t buffer[HOST_NET_BUFFERS][HOST_NET_BUFFER_SIZE];
    check(index < HOST_NET_BUFFERS);
    return SPAN_OF(buffer[index]);
}

void fake_host_socket_event(unsigned slot, uint32_t events)
{
    fake.socket_events = events;
    host_socket_hook(slot);
}

WEAK void host_kick(unsigned vcpu)
{
}

WEAK void host_park(uint64_t max_ns)
{
    panic("host_park: the coroutine scheduler never parks");
}

WEAK void host_shutdown(int status)
{
    panic("host_shutdown(%d)", status);
}

WEAK void host_dead(int status)
{
    panic("host_dead(%d)", status);
}
