/* What the vCPUs did with their time, and the load averages. */
#ifndef TASK_LOAD_H
#define TASK_LOAD_H
#include "libos/base/types.h"

/* The scheduler reports what the calling vCPU does. */
void load_idle_begin(uint32_t cpu, int64_t now);
void load_idle_end(uint32_t cpu, int64_t now);
void load_charge(uint32_t cpu, bool in_kernel, int64_t ns);
void load_tick(uint32_t cpu, int64_t now, unsigned running);

struct cpu_load {
    int64_t user_ns, system_ns, idle_ns;
    uint64_t ticks;
};
void load_cpu(uint32_t cpu, struct cpu_load *ret); /* since the start, up to now */
bool load_is_idle(uint32_t cpu);

/* Over 1, 5 and 15 minutes, in units of 1 / LOAD_ONE; running: how many threads run or could now. */
#define LOAD_SHIFT 11
#define LOAD_ONE   (1ul << LOAD_SHIFT)
void load_averages(unsigned running, uint64_t ret[3]);
#endif
