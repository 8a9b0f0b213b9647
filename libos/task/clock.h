/* Time. The TSC, calibrated against the host at start and bounded; it runs as the CPU runs it. */
#ifndef TASK_CLOCK_H
#define TASK_CLOCK_H
#include "libos/base/types.h"
#include "libos/base/list.h"

int64_t clock_mono_ns(void);      /* CLOCK_MONOTONIC: since the enclave started, never 0 */
int64_t clock_realtime_ns(void);  /* since the Epoch */
int64_t clock_boot_real_ns(void); /* realtime at mono == 0 */

/* Kernel timers: fn runs once at or after deadline, in the context of any thread or the idle loop,
 * without locks; it must not sleep. A timer is owned by its user and may be re-armed from fn. */
struct ktimer {
    int64_t deadline_ns;
    void (*fn)(struct ktimer *t);
    struct ktimer *child, *next, **link; /* in the heap of timers; link NULL: not armed */
};
void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t));
void ktimer_arm(struct ktimer *t, int64_t deadline_ns); /* moves it if it was armed */
/* For the next period, from fn: not at once, so that programs with tiny periods do not keep the vCPU here.
 * The owner counts the periods that it misses. */
void ktimer_rearm(struct ktimer *t, int64_t deadline_ns);
/* After it returns fn is neither running (unless this is called from fn) nor going to run. */
void ktimer_cancel(struct ktimer *t);
#endif
