/* The host of unit tests: answers as scripted, and fails or lies on demand. What it answers goes
 * through the same judge (host/validate.c) as a real host's answer. */
#ifndef HOST_FAKE_FAKE_H
#define HOST_FAKE_FAKE_H
#include "libos/host/host.h"

/* The raw answer of one call: bytes for the enclave in out (at most out.n), the value returned. */
typedef int64_t fake_host_fn(struct cspan in, struct span out, const uint64_t args[4]);

void fake_host_on(enum hostcall_nr nr, fake_host_fn *fn); /* NULL: the default answer */
/* The next count calls of nr answer raw, whatever it is. */
void fake_host_answer(enum hostcall_nr nr, int64_t raw, unsigned count);
/* The nth host call from now on, of any kind, answers -EIO (0: none). */
void fake_host_fail(unsigned nth);
/* Something happened at the socket of a slot. */
void fake_host_socket_event(unsigned slot, uint32_t events);
unsigned fake_host_calls(enum hostcall_nr nr); /* since the last reset */
void fake_host_reset(void);

/* The bytes of the root image; the caller keeps them. A test flips bits by changing them. */
void fake_host_image(struct cspan image);
/* What arrives on standard input; *n becomes 0 once read. */
void fake_host_stdin(const void *p, size_t n);
/* What was written to fd 1 or 2 since the last reset. */
struct cspan fake_host_output(int fd);
#endif
