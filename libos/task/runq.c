/* Run queues.
 *
 * Each vCPU has a FIFO queue. A thread that wakes another puts it on its own vCPU's queue: the common
 * ping-pong stays there and costs one stack switch. Idle vCPUs steal; a busy vCPU kicks a parked one when a tick
 * finds threads still waiting, so a wake-up seldom costs an enclave exit.
 *
 * A queue's lock is a leaf, taken after a thread's. A thread is on at most one queue. A vCPU parks only
 * after it announced itself in vcpu_set.parked and then looked once more at all queues for a thread that it may
 * run: a waker either sees the bit or its thread is seen. Kicks are host calls, so runq_add, which runs under
 * locks, only notes them; the vCPU sends them on its way out of the kernel or before it runs anything else.
 */
#include "libos/task/runq.h"
#include "libos/base/smp.h"
#include "libos/host/host.h"
#include "libos/mm/mm.h"
#include "libos/task/clock.h"
#include "libos/task/load.h"
#include "libos/task/process.h"

#define SPREAD_NS    NSEC_PER_MS
#define WAITS_MAX    64
#define WAIT_NS      (NSEC_PER_MS / 5)
#define WAIT_TURN_NS (2 * NSEC_PER_MS)

struct run_queue runq_of[VCPU_MAX];

static struct {
    uint32_t count;
    uint32_t parked; /* bit per vCPU; atomic */
} vcpu_set;

int sched_cpu_count(void)
{
    return (int) vcpu_set.count;
}

void runq_init(unsigned vcpus)
{
    vcpu_set.count = vcpus;
    for (unsigned i = 0; i < VCPU_MAX; i++)
        list_init(&runq_of[i].threads);
    vcpu_set.parked = ((1u << vcpus) - 1) & ~1u; /* outside until their first kick */
}

unsigned sched_running(void)
{
    unsigned n = 0;
    for (uint32_t cpu = 0; cpu < vcpu_set.count; cpu++)
        n += !load_is_idle(cpu) + atomic_peek(&runq_of[cpu].count);
    return n;
}

void sched_stats(struct sched_stats *ret)
{
    *ret = (struct sched_stats){0};
    for (uint32_t i = 0; i < vcpu_set.count; i++) {
        const struct sched_stats *s = &runq_of[i].stats;
        ret->switches += atomic_peek(&s->switches);
        ret->steals += atomic_peek(&s->steals);
        ret->parks += atomic_peek(&s->parks);
        ret->kicks += atomic_peek(&s->kicks);
    }
}

/* ---- run queues ------------------------------------------------------------------------------- */
static uint32_t allowed_cpus(const struct thread *t)
{
    uint32_t online = (uint32_t) ((1ull << vcpu_set.count) - 1);
    uint32_t mask = (uint32_t) atomic_peek(&t->cpu_mask) & online;
    return mask ? mask : online;
}

static bool allowed_on(const struct thread *t, uint32_t cpu)
{
    return allowed_cpus(t) >> cpu & 1;
}

/* Real-time threads before all others, the higher priority first; equal ones in turn. */
static void insert_in_order(struct run_queue *rq, struct thread *t)
{
    uint8_t priority = t->wishes.rt_priority;
    struct thread *other;
    if (unlikely(priority))
        list_for_each (other, &rq->threads, run_link)
            if (other->wishes.rt_priority < priority) {
                list_add_tail(&other->run_link, &t->run_link); /* right before it */
                return;
            }
    list_add_tail(&rq->threads, &t->run_link);
}

void runq_add(struct thread *t)
{
    uint32_t cpu = this_vcpu()->index;
    if (!allowed_on(t, cpu))
        cpu = (uint32_t) __builtin_ctz(allowed_cpus(t));
    struct run_queue *rq = &runq_of[cpu];
    spin_lock(&rq->lock);
    insert_in_order(rq, t);
    atomic_post(&rq->count, rq->count + 1);
    spin_unlock(&rq->lock);
    if (likely(cpu == this_vcpu()->index))
        return;
    atomic_fence(); /* the count, then parked; pairs with park */
    if (atomic_peek(&vcpu_set.parked) >> cpu & 1) {
        this_rq()->kicks |= 1u << cpu;
        this_vcpu()->tick_pending = 1;
    }
}

void runq_send_kicks(void)
{
    struct run_queue *rq = this_rq();
    while (unlikely(rq->kicks)) {
        uint32_t cpu = (uint32_t) __builtin_ctz(rq->kicks);
        rq->kicks &= ~(1u << cpu);
        count_one(&rq->stats.kicks);
        host_kick(cpu);
    }
}

/* May this vCPU run t now? If so its turn at the addresses it shares is reserved. previous, which still stands
 * on this vCPU's stack, may simply go on. */
static bool can_run(const struct thread *t, uint32_t cpu, const struct thread *previous)
{
    if (!allowed_on(t, cpu))
        return false;
    if (smp && t != previous && atomic_load(&t->on_cpu))
        return false;
    return !t->proc || t->turn_pin || mm_turn_enter(t->proc->mm);
}

static struct thread *dequeue(struct run_queue *rq, uint32_t cpu, const struct thread *previous)
{
    if (atomic_peek(&rq->count) == 0)
        return NULL;
    SPIN_GUARD(&rq->lock);
    struct thread *t;
    list_for_each (t, &rq->threads, run_link) {
        if (!can_run(t, cpu, previous))
            continue;
        list_del(&t->run_link);
        atomic_post(&rq->count, rq->count - 1);
        return t;
    }
    return NULL;
}

/* The vCPUs that may run something in rq, as bits. *ret_held: so for what only waits for the turn of a
 * family whose resident runs: whoever runs that looks for it. */
static uint32_t wanted_by(struct run_queue *rq, uint32_t *ret_held)
{
    if (atomic_load(&rq->count) == 0)
        return 0;
    SPIN_GUARD(&rq->lock);
    uint32_t cpus = 0;
    struct thread *t;
    list_for_each (t, &rq->threads, run_link)
        *(t->proc && mm_turn_held(t->proc->mm) ? ret_held : &cpus) |= allowed_cpus(t);
    return cpus;
}

/* The same for all queues. */
static uint32_t wanted(uint32_t *ret_held)
{
    uint32_t cpus = 0;
    for (uint32_t i = 0; i < vcpu_set.count; i++)
        cpus |= wanted_by(&runq_of[i], ret_held);
    return cpus;
}

struct thread *runq_pick(const struct thread *previous)
{
    uint32_t me = this_vcpu()->index;
    struct thread *t = dequeue(&runq_of[me], me, previous);
    for (uint32_t i = 1; !t && i < vcpu_set.count; i++) {
        t = dequeue(&runq_of[(me + i) % vcpu_set.count], me, previous);
        if (t)
            count_one(&this_rq()->stats.steals);
    }
    return t;
}

bool runq_must_move(const struct thread *t)
{
    return smp && !allowed_on(t, this_vcpu()->index);
}

/* ---- kicks and parking ------------------------------------------------------------------------ */
/* Parked vCPUs that could run something that waits. */
static uint32_t helpers(void)
{
    uint32_t parked = atomic_load(&vcpu_set.parked), held = 0;
    return parked ? parked & wanted(&held) : 0;
}

/* One parked vCPU is enough: it spreads further. Not at every host call, which counts as a tick: a wait of
 * a fraction of a millisecond costs less than to move a thread, and a thread that waits for its child moves for
 * nothing. */
void runq_spread(void)
{
    struct run_queue *rq = this_rq();
    uint32_t able = helpers();
    if (!able)
        return;
    int64_t now = clock_mono_ns();
    if (now < rq->spread_again_ns)
        return;
    rq->spread_again_ns = now + SPREAD_NS;
    rq->kicks |= able & -able;
}

void sched_share(void)
{
    uint32_t able = helpers();
    this_rq()->kicks |= able & -able;
    runq_send_kicks();
}

/* How long to park. Threads that wait for a turn are looked for now and then, in case no tick comes. */
static int64_t park_time(struct run_queue *rq, uint32_t bit)
{
    uint32_t held = 0;
    bool work = wanted(&held) & bit;
    int64_t next = timers_next(), now = clock_mono_ns();
    rq->waits = work ? rq->waits + 1 : 0;
    if (next <= now || (work && rq->waits < WAITS_MAX))
        return 0;
    int64_t limit = work ? WAIT_NS : held & bit ? WAIT_TURN_NS : FOREVER;
    return next == FOREVER ? limit : MIN(limit, next - now);
}

void runq_park(void)
{
    struct run_queue *rq = this_rq();
    uint32_t bit = 1u << this_vcpu()->index;
    atomic_or(&vcpu_set.parked, bit);
    int64_t ns = park_time(rq, bit);
    if (ns > 0) {
        count_one(&rq->stats.parks);
        host_park(ns == FOREVER ? UINT64_MAX : (uint64_t) ns);
    }
    runq_unparked();
}

void runq_unparked(void)
{
    atomic_and(&vcpu_set.parked, ~(1u << this_vcpu()->index));
}
