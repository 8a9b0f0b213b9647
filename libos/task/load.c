/* What the vCPUs did with their time, and the load averages, for /proc/stat, /proc/loadavg and sysinfo.
 *
 * Each vCPU's numbers are written by itself only; others read them at any time. Idle time up to now is one
 * word, so that nobody sees half of a change: while the vCPU is idle it holds the sum less the time when
 * that began. All are idle from the start (most have not entered yet).
 *
 * Load is sampled every five seconds as Linux does, but by ticks, which only busy vCPUs have: samples that
 * nobody took fell into a time in which nothing ran, and count as 0. So an idle enclave needs no timer.
 */
#include "libos/task/load.h"
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/lock.h"
#include "libos/task/clock.h"

#define BUSY 1 /* the low bit of idle; above it the time */

static struct cpu_books {
    int64_t idle;
    int64_t user_ns, system_ns;
    uint64_t ticks;
} aligned_to(64) books[VCPU_MAX];

#define SAMPLE_NS (5 * NSEC_PER_SEC)

static struct {
    struct spinlock lock; /* guards all */
    int64_t next_ns;      /* also read without it */
    uint64_t averages[3];
} load = {.next_ns = SAMPLE_NS};

void load_idle_begin(uint32_t cpu, int64_t now)
{
    struct cpu_books *b = &books[cpu];
    atomic_store(&b->idle, ((b->idle >> 1) - now) * 2);
}

void load_idle_end(uint32_t cpu, int64_t now)
{
    struct cpu_books *b = &books[cpu];
    if (!(b->idle & BUSY))
        atomic_store(&b->idle, ((b->idle >> 1) + now) * 2 | BUSY);
}

bool load_is_idle(uint32_t cpu)
{
    return !(atomic_load(&books[cpu].idle) & BUSY);
}

void load_charge(uint32_t cpu, bool in_kernel, int64_t ns)
{
    int64_t *sum = in_kernel ? &books[cpu].system_ns : &books[cpu].user_ns;
    atomic_post(sum, *sum + ns);
}

void load_cpu(uint32_t cpu, struct cpu_load *ret)
{
    const struct cpu_books *b = &books[cpu];
    int64_t idle = atomic_load(&b->idle);
    *ret = (struct cpu_load){.user_ns = atomic_load(&b->user_ns),
                             .system_ns = atomic_load(&b->system_ns),
                             .idle_ns = (idle >> 1) + (idle & BUSY ? 0 : clock_mono_ns()),
                             .ticks = atomic_load(&b->ticks)};
}

/* ---- averages ---------------------------------------------------------------------------------- */

/* factor to the power of n, both fractions in units of 1 / LOAD_ONE. */
static uint64_t power(uint64_t factor, uint64_t n)
{
    uint64_t r = LOAD_ONE;
    for (; n && r; n >>= 1) {
        if (n & 1)
            r = (r * factor + LOAD_ONE / 2) >> LOAD_SHIFT;
        factor = (factor * factor + LOAD_ONE / 2) >> LOAD_SHIFT;
    }
    return r;
}

static void sample_locked(uint64_t running, uint64_t missed)
{
    static const uint64_t decay[3] = {1884, 2014, 2037}; /* five seconds of 1, 5 and 15 minutes */
    uint64_t active = running << LOAD_SHIFT;
    for (int i = 0; i < 3; i++) {
        uint64_t *a = &load.averages[i];
        *a = *a * power(decay[i], missed) >> LOAD_SHIFT;
        uint64_t sum = *a * decay[i] + active * (LOAD_ONE - decay[i]);
        if (active >= *a)
            sum += LOAD_ONE - 1; /* else it would never get there */
        *a = sum >> LOAD_SHIFT;
    }
}

static void sample_if_due(int64_t now, unsigned running)
{
    if (now < atomic_load(&load.next_ns))
        return;
    SPIN_GUARD(&load.lock);
    if (now < load.next_ns)
        return;
    int64_t missed = (now - load.next_ns) / SAMPLE_NS;
    sample_locked(running, (uint64_t) missed);
    atomic_store(&load.next_ns, load.next_ns + (missed + 1) * SAMPLE_NS);
}

void load_tick(uint32_t cpu, int64_t now, unsigned running)
{
    atomic_post(&books[cpu].ticks, books[cpu].ticks + 1);
    sample_if_due(now, running);
}

void load_averages(unsigned running, uint64_t ret[3])
{
    sample_if_due(clock_mono_ns(), running);
    SPIN_GUARD(&load.lock);
    for (int i = 0; i < 3; i++)
        ret[i] = load.averages[i];
}
