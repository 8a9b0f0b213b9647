/* Linux' clock ids: the fixed ones and the CPU clocks of other processes and threads. */
#ifndef TASK_POSIX_CLOCK_H
#define TASK_POSIX_CLOCK_H
#include "abi/linux/time.h"
#include "libos/task/cputime.h"

must_check int posix_clock_read(int id, int64_t *ret_ns); /* -EINVAL */
bool posix_clock_is_cpu(int id);
/* The same clock by an id that means it for whoever asks; -EINVAL: there is none, or another process's thread. */
must_check int posix_clock_pin(int id, int *ret);
must_check int
posix_clock_read_pinned(int id, int64_t *ret_ns); /* -EINVAL: the thread or process is gone */
/* How many monotonic ns clock `id` is behind: a deadline on it minus this is a monotonic deadline. */
must_check int posix_clock_offset(int id, int64_t *ret_ns); /* -EINVAL for CPU and unknown clocks */
int64_t posix_clock_resolution_ns(int id);

static inline int64_t ns_add(int64_t a, int64_t b) /* saturates at FOREVER; both >= 0 */
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? FOREVER : sum;
}
#endif
