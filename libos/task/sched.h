/* The scheduler's face to boot, traps and clocks. */
#ifndef TASK_SCHED_H
#define TASK_SCHED_H
#include "libos/task/thread.h"

void sched_init(unsigned vcpus);
noreturn_fn void sched_run_vcpu(void); /* the idle loop of the calling vCPU; never returns */
/* A tick met the running thread: in the kernel or in its own code? */
void sched_sample(bool in_kernel);
void sched_tick(void);  /* the running user thread's time may be up: timers, balance, yield */
void sched_relax(void); /* at every way out of the kernel if a tick came: cheap test inside */
struct sched_stats {
    uint64_t switches, steals, parks, kicks;
};
void sched_stats(struct sched_stats *ret);
unsigned sched_running(void); /* threads that run or could */
#ifdef DEBUG
void lock_stacks_init(void); /* lockstack.c: tells base/lockorder.c whose locks are whose */
#else
static inline void lock_stacks_init(void)
{
}
#endif
/* Before a call of the host that takes long, without spin locks: a parked vCPU gets what waits to run here. */
void sched_share(void);
void timers_run(void);
int64_t timers_next(void); /* earliest deadline or FOREVER */
void clock_init(uint64_t tsc, int64_t realtime_ns, uint64_t tsc_hz);
/* For the vDSO: mono = ((tsc - base) * mult) >> shift + 1. */
struct clock_params {
    uint64_t tsc_base, mult, shift;
    int64_t boot_real_ns;
};
void clock_params(struct clock_params *ret);
#endif
