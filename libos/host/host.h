/* The only door out of the enclave. Back ends: enclave/ (EEXIT), posix/ (an ordinary process), fake/.
 *
 * Everything the host returns is validated here, so that callers see only answers the row in
 * abi/hostcalls.def allows. None of these functions gives up the vCPU to another thread unless it
 * says so; they cost an enclave exit (microseconds).
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H
#include "abi/hostcall.h"
#include "libos/base/span.h"
#include "libos/task/waitq.h"

/* Copies in (<= HOST_DATA_MAX) out, makes the call, copies the answer in. A count, a value, 0, or
 * -errno from the row's set; a lie is -EIO. out is untouched on error; after OUT kinds only the
 * returned number of bytes is written. */
must_check long hostcall_io(enum hostcall_nr nr, struct cspan in, struct span out, uint64_t a0,
                            uint64_t a1, uint64_t a2, uint64_t a3);
static inline must_check long hostcall(enum hostcall_nr nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    return hostcall_io(nr, (struct cspan){0}, (struct span){0}, a0, a1, a2, 0);
}

/* Memory of the host: checked to lie wholly outside the enclave, copied once. A
 * fault while copying (the host unmapped it) is -EIO. */
must_check int host_copy_in(struct span dst, haddr_t src);
must_check int host_copy_out(haddr_t dst, struct cspan src);

/* The root image, mapped by the host. -EIO: beyond its end or it faults. */
uint64_t host_image_size(void); /* 0: there is none */
must_check int host_image_read(uint64_t offset, struct span dst);

/* Streams of the host, 0 .. HOST_STREAMS - 1 (abi/hostcall.h): calls never block. Sleep on
 * host_stdio_queue(stream) after host_stdio_watch(stream, POLL_IN/POLL_OUT); woken on readiness. */
struct waitq *host_stdio_queue(int stream);
void host_stdio_watch(int stream, uint32_t events);
/* Woken when control requests may be there (HOSTCALL_control_next). */
struct waitq *host_control_queue(void);

/* Boot parameters, copied in once. */
struct host_params {
    unsigned vcpus, log_level;
    bool trace;
    bool control; /* no program: pid 1 waits for control requests */
    unsigned argc, envc;
    char *strings; /* argc + envc strings, NUL-terminated, back to back; validated */
    size_t strings_size;
    struct host_clock clock;
    unsigned cpuid_count;
    struct host_cpuid cpuid[HOST_CPUID_MAX];
    struct span image_key; /* taken and wiped by boot_thread; .n 0: none */
};
extern struct host_params host_params;
must_check int host_boot_init(haddr_t boot);

/* Events and signals that the host raised since the last call; wakes stdio queues itself and calls
 * host_signal_hook for each forwarded signal. Called from the idle loop and at ticks. */
void host_events_poll(void);
/* The same for vCPUs that are busy: from time to time the host is asked to look at the sockets. */
void host_events_tick(void);
extern void (*host_signal_hook)(int sig);
/* Called for each socket slot (< HOST_SOCKET_SLOTS) at which something happened; it then takes the
 * POLL* bits that have come together. NULL: there are no sockets yet. */
extern void (*host_socket_hook)(unsigned slot);
uint32_t host_socket_events(unsigned slot);
/* A buffer of HOST_NET_BUFFER_SIZE bytes in host memory, for bytes that mean nothing to the kernel: they
 * may be copied from it or to it once, as to or from a user's buffer, and never be looked at there. */
struct span host_net_buffer(unsigned index);

void host_park(uint64_t max_ns); /* leave the enclave until kicked; ~0: for ever */
void host_kick(unsigned vcpu);
noreturn_fn void host_shutdown(int status);
noreturn_fn void host_dead(int status);
#endif
