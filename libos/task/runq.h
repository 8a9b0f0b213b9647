/* Run queues: one per vCPU, and how vCPUs share what is in them. Private to sched.c, which runs the threads. */
#ifndef TASK_RUNQ_H
#define TASK_RUNQ_H
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/task/sched.h"

struct run_queue {
    struct spinlock lock;
    struct list threads;
    uint32_t count;           /* changes under lock, others peek */
    uintptr_t idle_sp;        /* the idle context while a thread runs */
    struct thread *previous;  /* switched away from; finish_switch releases it */
    uint32_t kicks;           /* bit per vCPU to wake; own vCPU only */
    int64_t spread_again_ns;  /* until then it kicks no vCPU to share its load; own vCPU only */
    uint32_t waits;           /* looks in a row that found threads, but none that can run now */
    struct sched_stats stats; /* of this vCPU, which alone changes them */
} aligned_to(64);

extern struct run_queue runq_of[]; /* by vCPU */

static inline struct run_queue *this_rq(void)
{
    return &runq_of[this_vcpu()->index];
}

static inline void count_one(uint64_t *counter) /* of this vCPU or the calling thread */
{
    atomic_post(counter, *counter + 1);
}

void runq_init(unsigned vcpus);
/* t, RUNNABLE and on no queue, goes to this vCPU's, or to one where it may run. t's lock. */
void runq_add(struct thread *t);
/* A thread that may run here now, from this vCPU's queue or else another's; its turn is reserved. NULL: none.
 * previous: the thread that stands on this vCPU's stack still, or NULL. */
struct thread *runq_pick(const struct thread *previous);
bool runq_must_move(const struct thread *t); /* its affinity does not allow this vCPU */

void runq_spread(void);     /* lets a parked vCPU be kicked if it could run something that waits */
void runq_send_kicks(void); /* a host call for each that is due; no locks held */
void runq_park(void);       /* waits outside until there is something to do, it seems */
void runq_unparked(void);   /* this vCPU is inside */
#endif
