/* One vCPU or several. Kernel code is not preempted, so with a single vCPU nothing ever runs beside it
 * and locked instructions (about 20 cycles each) buy nothing: locks and counters test this flag, as
 * Linux patches its lock prefixes away on one CPU. */
#ifndef BASE_SMP_H
#define BASE_SMP_H
#include "libos/base/types.h"

extern bool smp; /* set once by sched_init, before a second vCPU runs kernel code */

/* In a loop that waits for another vCPU. */
#ifdef OCCLUM_UNIT
void cpu_relax(void); /* the test's own; it may let that vCPU run */
#else
static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}
#endif
#endif
