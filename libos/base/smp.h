/* One vCPU or several. Kernel code is not preempted, so with a single vCPU nothing ever runs beside it
 * and locked instructions (about 20 cycles each) buy nothing: locks and counters test this flag, as
 * Linux patches its lock prefixes away on one CPU. */
#ifndef BASE_SMP_H
#define BASE_SMP_H
#include "libos/base/types.h"

extern bool smp; /* set once by sched_init, before a second vCPU runs kernel code */
#endif
