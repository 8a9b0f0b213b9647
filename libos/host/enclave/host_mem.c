/* Host memory: boot parameters, the mapped root image, events. Copied in once, then checked. */
#include "libos/arch/vcpu.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/host/enclave/host_mem.h"
#include "libos/host/host.h"
#include "libos/host/validate.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"

#define SOCKETS_LOOK_NS (2 * NSEC_PER_MS)

long user_copy(void *dst, const void *src, size_t n);

struct host_params host_params;
void (*host_signal_hook)(int sig);
void (*host_socket_hook)(unsigned slot);

static struct {
    uint64_t boot;
    uint64_t image, image_size;
    uint64_t net;      /* struct host_net */
    int64_t looked_ns; /* when the host was last asked to look at the sockets */
    struct waitq streams[HOST_STREAMS], control;
} host;

int host_copy_in(struct span dst, haddr_t src)
{
    check(host_range_ok(src.v, dst.n));
    return user_copy(dst.p, (const void *) src.v, dst.n) ? -EIO : 0;
}

int host_copy_out(haddr_t dst, struct cspan src)
{
    check(host_range_ok(dst.v, src.n));
    return user_copy((void *) dst.v, src.p, src.n) ? -EIO : 0;
}

uint64_t host_image_size(void)
{
    return host.image_size;
}

int host_image_read(uint64_t offset, struct span dst)
{
    uint64_t end;
    if (ck_add(&end, offset, dst.n) || end > host.image_size)
        return -EIO;
    return host_copy_in(dst, HADDR(host.image + offset));
}

static bool strings_ok(const struct host_params *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->strings_size; i++)
        count += p->strings[i] == 0;
    return p->argc > 0 && count == (size_t) p->argc + p->envc &&
           p->strings[p->strings_size - 1] == 0;
}

static int copy_strings(const struct host_boot *b)
{
    struct host_params *p = &host_params;
    if (b->strings_size == 0 || b->strings_size > HOST_STRINGS_MAX ||
        !host_range_ok(b->strings, b->strings_size) || b->argc > 65536 || b->envc > 65536)
        return -EINVAL;
    p->strings = kzalloc(b->strings_size);
    if (!p->strings)
        return -ENOMEM;
    struct span dst = {(uint8_t *) p->strings, b->strings_size};
    p->strings_size = b->strings_size;
    p->argc = b->argc;
    p->envc = b->envc;
    if (host_copy_in(dst, HADDR(b->strings)) < 0 || !strings_ok(p))
        return -EINVAL;
    return 0;
}

int host_boot_init(haddr_t boot)
{
    static struct host_boot b;
    static uint8_t image_key[HOST_IMAGE_KEY_MAX];
    for (unsigned i = 0; i < HOST_STREAMS; i++)
        waitq_init(&host.streams[i]);
    waitq_init(&host.control);
    if (!host_range_ok(boot.v, sizeof b) || host_copy_in(SPAN_OF(b), boot) < 0)
        return -EINVAL;
    if (b.magic != HOST_BOOT_MAGIC || b.vcpus < 1 || b.vcpus > VCPU_MAX ||
        b.cpuid_count > HOST_CPUID_MAX || b.image_key_size > HOST_IMAGE_KEY_MAX)
        return -EINVAL;
    if (b.image_size > 0 && !host_range_ok(b.image, b.image_size))
        return -EINVAL;
    if (!host_range_ok(b.net, sizeof(struct host_net)) || b.net % 8 != 0)
        return -EINVAL;
    host.boot = boot.v;
    host.net = b.net;
    host.image = b.image;
    host.image_size = b.image_size;
    host_params.vcpus = b.vcpus;
    host_params.log_level = b.log_level;
    host_params.trace = b.trace != 0;
    host_params.control = b.control != 0;
    host_params.clock = b.clock;
    host_params.cpuid_count = b.cpuid_count;
    memcpy(host_params.cpuid, b.cpuid, sizeof b.cpuid);
    memcpy(image_key, b.image_key, sizeof image_key);
    wipe(b.image_key, sizeof b.image_key);
    host_params.image_key = (struct span){image_key, b.image_key_size};
    return copy_strings(&b);
}

struct waitq *host_stdio_queue(int stream)
{
    check(stream >= 0 && (unsigned) stream < HOST_STREAMS);
    return &host.streams[stream];
}

void host_stdio_watch(int stream, uint32_t events)
{
    (void) hostcall(HOSTCALL_stdio_watch, (uint64_t) stream, events,
                    0); /* no wake-up: a host's choice */
}

struct waitq *host_control_queue(void)
{
    return &host.control;
}

static uint64_t take_word(uint64_t *word)
{
    return host_load64(word) ? __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE) : 0;
}

static void wake_streams(struct host_boot *b)
{
    for (unsigned w = 0; w < HOST_STREAMS / 64; w++)
        for (uint64_t ready = take_word(&b->streams[w]); ready; ready &= ready - 1)
            waitq_wake(&host.streams[w * 64 + (unsigned) __builtin_ctzll(ready)], ~0u);
}

static struct host_net *shared_net(void)
{
    return (struct host_net *) host.net;
}

uint32_t host_socket_events(unsigned slot)
{
    check(slot < HOST_SOCKET_SLOTS);
    return __atomic_exchange_n(&shared_net()->events[slot], 0, __ATOMIC_SEQ_CST);
}

struct span host_net_buffer(unsigned index)
{
    check(index < HOST_NET_BUFFERS);
    return SPAN_OF(shared_net()->buffer[index]);
}

/* The hook is called for every slot of a mark, at most all there are. */
static void poll_sockets(void)
{
    struct host_net *n = shared_net();
    for (unsigned s = 0; s < HOST_SOCKET_WORDS / 64; s++) {
        for (uint64_t words = take_word(&n->summary[s]); words; words &= words - 1) {
            unsigned w = s * 64 + (unsigned) __builtin_ctzll(words);
            for (uint64_t slots = take_word(&n->changed[w]); slots; slots &= slots - 1)
                host_socket_hook(w * 64 + (unsigned) __builtin_ctzll(slots));
        }
    }
}

void host_events_tick(void)
{
    int64_t now = host_socket_hook ? clock_mono_ns() : 0;
    if (now - host.looked_ns > SOCKETS_LOOK_NS) {
        host.looked_ns = now;
        (void) hostcall(HOSTCALL_socket_events, 0, 0, 0); /* a host that does not look is slow */
    }
    host_events_poll();
}

void host_events_poll(void)
{
    if (!host.boot)
        return;
    struct host_boot *b = (struct host_boot *) host.boot;
    uint64_t events = take_word(&b->events);
    if (events & HOST_EVENT_STREAMS)
        wake_streams(b);
    if (events & HOST_EVENT_CONTROL)
        waitq_wake(&host.control, ~0u);
    uint64_t signals = take_word(&b->signals);
    for (int sig = 1; sig <= 64 && signals; sig++)
        if ((signals >> (sig - 1) & 1) && host_signal_hook)
            host_signal_hook(sig);
    if (host_socket_hook)
        poll_sockets();
}
