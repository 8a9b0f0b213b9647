/* Reading clocks by id. Negative ids are CPU clocks: the complement of a pid in the upper bits, bit 2 set
 * for a thread, the low two bits which times count (all, user only, all). */
#include "libos/task/posix_clock.h"

#define CPU_CLOCK_THREAD 4
#define CPU_CLOCK_WHICH  3

enum { CPU_CLOCK_PROF, CPU_CLOCK_VIRT, CPU_CLOCK_SCHED };

static int64_t cpu_value(struct cputime used, int which)
{
    return which == CPU_CLOCK_VIRT ? used.user_ns : used.user_ns + used.system_ns;
}

static int cpu_clock_id(int pid, unsigned bits)
{
    return (int) ((unsigned) ~pid << 3 | bits);
}

static int read_thread_clock(int tid, int which, bool anybodys, int64_t *ret_ns)
{
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = thread_lookup_get(tid, &p);
    if (!t || (!anybodys && p != current_process()))
        return -EINVAL;
    *ret_ns = cpu_value(thread_cputime(t), which);
    return 0;
}

static int read_cpu_clock(int id, bool anybodys, int64_t *ret_ns)
{
    int pid = ~(id >> 3), which = id & CPU_CLOCK_WHICH;
    if (which > CPU_CLOCK_SCHED || pid < 0)
        return -EINVAL;
    if (id & CPU_CLOCK_THREAD)
        return read_thread_clock(pid, which, anybodys, ret_ns);
    AUTO(process_put) struct process *p = process_lookup_get(pid);
    if (!p)
        return -EINVAL;
    *ret_ns = cpu_value(process_cputime(p), which);
    return 0;
}

/* The fixed ids, and 0 for a pid, mean the caller. */
static int of_caller(int id)
{
    if (id == CLOCK_PROCESS_CPUTIME_ID)
        return cpu_clock_id(current_process()->pid, CPU_CLOCK_SCHED);
    if (id == CLOCK_THREAD_CPUTIME_ID)
        return cpu_clock_id(current()->tid, CPU_CLOCK_THREAD | CPU_CLOCK_SCHED);
    if (id >= 0 || ~(id >> 3) != 0)
        return id;
    unsigned bits = (unsigned) id & (CPU_CLOCK_THREAD | CPU_CLOCK_WHICH);
    return cpu_clock_id(bits & CPU_CLOCK_THREAD ? current()->tid : current_process()->pid, bits);
}

bool posix_clock_is_cpu(int id)
{
    return id < 0 || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID;
}

int posix_clock_offset(int id, int64_t *ret_ns)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        *ret_ns = clock_boot_real_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *ret_ns = 0;
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_clock(int id, bool anybodys, int64_t *ret_ns)
{
    if (id < 0)
        return read_cpu_clock(id, anybodys, ret_ns);
    int64_t offset;
    int r = posix_clock_offset(id, &offset);
    if (r == 0)
        *ret_ns = clock_mono_ns() + offset;
    return r;
}

int posix_clock_read(int id, int64_t *ret_ns)
{
    return read_clock(of_caller(id), false, ret_ns);
}

int posix_clock_read_pinned(int id, int64_t *ret_ns)
{
    return read_clock(id, true, ret_ns);
}

int posix_clock_pin(int id, int *ret)
{
    int64_t ignored;
    *ret = of_caller(id);
    return posix_clock_read(id, &ignored);
}

int64_t posix_clock_resolution_ns(int id)
{
    bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
    return coarse ? 4 * NSEC_PER_MS : 1;
}
