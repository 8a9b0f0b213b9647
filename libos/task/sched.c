/* M:N scheduling: many stackful threads on a few vCPUs.
 *
 * Each vCPU has a FIFO run queue and an idle context (its boot stack). A thread that wakes another
 * puts it on its own vCPU's queue: the common ping-pong stays there and costs one stack switch. Idle
 * vCPUs steal; a busy vCPU kicks a parked one when a tick finds its queue still full, so a wake-up
 * seldom costs an enclave exit.
 *
 * Locks: thread.lock (state, token) is taken before a run queue's lock; both are leaves. A thread is
 * on at most one run queue. on_cpu is cleared by the vCPU that switched away from it, after the
 * switch (finish_switch); nobody picks it before: two vCPUs that waited for each other's last thread
 * would wait for ever. A vCPU parks only after it announced itself in sched.parked and then looked
 * once more at all queues for a thread that it may run: a waker either sees the bit or its thread is
 * seen. Kicks are host calls, so enqueue, which runs under locks, only notes them; the vCPU sends
 * them on its way out of the kernel or before it runs anything else.
 */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/smp.h"
#include "libos/base/string.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/kstack.h"
#include "libos/task/clock.h"
#include "libos/task/load.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "libos/task/signal.h"
#include "libos/task/thread.h"

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

static struct {
    struct run_queue rq[VCPU_MAX];
    uint32_t vcpus;
    uint32_t parked; /* bit per vCPU; atomic */
    struct spinlock stack_lock;
    struct thread *spare[64]; /* dead threads with their stacks, to be reused */
    uint32_t spare_count;
} sched;

#define SPREAD_NS    NSEC_PER_MS
#define SLICE_NS     (4 * NSEC_PER_MS)
#define WAITS_MAX    64
#define WAIT_NS      (NSEC_PER_MS / 5)
#define WAIT_TURN_NS (2 * NSEC_PER_MS)

struct thread *current(void)
{
    return this_vcpu()->current;
}

int sched_cpu_count(void)
{
    return (int) sched.vcpus;
}

int sched_current_cpu(void)
{
    return (int) this_vcpu()->index;
}

void sched_init(unsigned vcpus)
{
    sched.vcpus = vcpus;
    smp = vcpus > 1;
    lock_stacks_init();
    for (unsigned i = 0; i < VCPU_MAX; i++)
        list_init(&sched.rq[i].threads);
    sched.parked = ((1u << vcpus) - 1) & ~1u; /* outside until their first kick */
}

unsigned sched_running(void)
{
    unsigned n = 0;
    for (uint32_t cpu = 0; cpu < sched.vcpus; cpu++)
        n += !load_is_idle(cpu) + atomic_peek(&sched.rq[cpu].count);
    return n;
}

static struct run_queue *this_rq(void)
{
    return &sched.rq[this_vcpu()->index];
}

void sched_stats(struct sched_stats *ret)
{
    *ret = (struct sched_stats){0};
    for (uint32_t i = 0; i < sched.vcpus; i++) {
        const struct sched_stats *s = &sched.rq[i].stats;
        ret->switches += atomic_peek(&s->switches);
        ret->steals += atomic_peek(&s->steals);
        ret->parks += atomic_peek(&s->parks);
        ret->kicks += atomic_peek(&s->kicks);
    }
}

static void count_one(uint64_t *counter) /* of this vCPU or the calling thread */
{
    atomic_post(counter, *counter + 1);
}

/* ASLEEP becomes RUNNABLE under the thread's lock; every other change is the thread's own vCPU's. Others peek. */
static void set_state(struct thread *t, enum thread_state state)
{
    atomic_post(&t->state, state);
}

/* ---- run queues ------------------------------------------------------------------------------- */
static uint32_t allowed_cpus(const struct thread *t)
{
    uint32_t online = (uint32_t) ((1ull << sched.vcpus) - 1);
    uint32_t mask = (uint32_t) __atomic_load_n(&t->cpu_mask, __ATOMIC_RELAXED) & online;
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

static void enqueue(struct thread *t)
{
    uint32_t cpu = this_vcpu()->index;
    if (!allowed_on(t, cpu))
        cpu = (uint32_t) __builtin_ctz(allowed_cpus(t));
    struct run_queue *rq = &sched.rq[cpu];
    spin_lock(&rq->lock);
    insert_in_order(rq, t);
    atomic_post(&rq->count, rq->count + 1);
    spin_unlock(&rq->lock);
    if (likely(cpu == this_vcpu()->index))
        return;
    atomic_fence(); /* the count, then parked; pairs with park */
    if (__atomic_load_n(&sched.parked, __ATOMIC_RELAXED) >> cpu & 1) {
        this_rq()->kicks |= 1u << cpu;
        this_vcpu()->tick_pending = 1;
    }
}

static void send_kicks(void)
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
    if (smp && t != previous && __atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
        return false;
    return !t->proc || t->turn_pin || mm_turn_enter(t->proc->mm);
}

static struct thread *dequeue(struct run_queue *rq, uint32_t cpu, const struct thread *previous)
{
    if (__atomic_load_n(&rq->count, __ATOMIC_RELAXED) == 0)
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
    if (__atomic_load_n(&rq->count, __ATOMIC_SEQ_CST) == 0)
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
    for (uint32_t i = 0; i < sched.vcpus; i++)
        cpus |= wanted_by(&sched.rq[i], ret_held);
    return cpus;
}

static struct thread *pick(const struct thread *previous)
{
    uint32_t me = this_vcpu()->index;
    struct thread *t = dequeue(&sched.rq[me], me, previous);
    for (uint32_t i = 1; !t && i < sched.vcpus; i++) {
        t = dequeue(&sched.rq[(me + i) % sched.vcpus], me, previous);
        if (t)
            count_one(&this_rq()->stats.steals);
    }
    return t;
}

/* ---- switching -------------------------------------------------------------------------------- */
/* CPU time since the last charge belongs to where the last tick met the thread, as on Linux without a
 * clock read at every system call. */
static void charge(struct thread *t, int64_t now)
{
    int64_t *sum = t->in_kernel ? &t->stime_ns : &t->utime_ns;
    int64_t used = t->charged_ns ? now - t->charged_ns : 0;
    if (used > 0) {
        atomic_post(sum, *sum + used);
        load_charge(this_vcpu()->index, t->in_kernel, used);
    }
    atomic_post(&t->charged_ns, now);
}

void sched_sample(bool in_kernel)
{
    struct thread *t = current();
    if (!t)
        return;
    atomic_post(&t->in_kernel, in_kernel);
    charge(t, clock_mono_ns());
}

static void finish_switch(void)
{
    struct run_queue *rq = this_rq();
    struct thread *prev = rq->previous;
    rq->previous = NULL;
    if (!prev)
        return;
    bool dead = atomic_peek(&prev->state) == THREAD_DEAD;
    __atomic_store_n(&prev->on_cpu, 0, __ATOMIC_RELEASE);
    if (dead)
        thread_put(prev);
}

static void leave_thread(struct thread *t, int64_t now)
{
    charge(t, now);
    atomic_post(&t->charged_ns, 0);
    if (t->proc) {
        t->fs_base = user_fs_base();
        if (atomic_peek(&t->state) != THREAD_DEAD)
            fpu_switch_out(t);
        else
            fpu_forget(t);
    }
    t->last_cpu = (int) this_vcpu()->index;
}

/* t's memory is in place when this returns. */
static void take_turn(struct thread *t)
{
    if (!t->proc || t->turn_pin) {
        mm_turn_leave();
        return;
    }
    struct mm *mm = t->proc->mm;
    mm_turn_arrive(mm);
    if (unlikely(mm && mm_is_doomed(mm)))
        signal_send_process(t->proc, SIGKILL);
}

static void enter_thread(struct thread *t)
{
    struct vcpu *v = this_vcpu();
    check(!t->on_cpu);
    atomic_post(&t->on_cpu, 1);
    set_state(t, THREAD_RUNNING);
    t->entered_ns = clock_mono_ns();
    atomic_post(&t->charged_ns, t->entered_ns);
    load_idle_end(v->index, t->entered_ns);
    v->current = t;
    v->kstack_top = t->kstack_top;
    take_turn(t);
    if (t->proc) {
        user_fs_base_set(t->fs_base);
        fpu_switch_in(t);
    }
}

/* Gives the vCPU away; the caller's state says what becomes of it. */
static void switch_away(void)
{
    send_kicks();
    struct thread *prev = current(), *next = pick(prev);
    struct run_queue *rq = this_rq();
    if (next == prev) {
        set_state(prev, THREAD_RUNNING);
        take_turn(prev);
        return;
    }
    int64_t now = clock_mono_ns();
    leave_thread(prev, now);
    rq->previous = prev;
    count_one(&rq->stats.switches);
    if (next) {
        enter_thread(next);
        context_switch(&prev->ksp, next->ksp);
    } else {
        mm_turn_leave(); /* not before: pick has reserved the next one's turn */
        this_vcpu()->current = NULL;
        load_idle_begin(this_vcpu()->index, now);
        context_switch(&prev->ksp, rq->idle_sp);
    }
    finish_switch();
}

noreturn_fn void thread_begin(void);
void thread_begin(void)
{
    finish_switch();
    struct thread *t = current();
    if (t->kthread_fn) {
        t->kthread_fn(t->kthread_arg);
        thread_exit_final();
    }
    thread_enter_user();
}

void thread_enter_user(void)
{
    struct user_frame *f = thread_frame(current());
    thread_user_work(f, false);
    user_enter(f);
}

/* ---- sleeping and waking ---------------------------------------------------------------------- */
static bool must_not_sleep(struct thread *t)
{
    uint32_t work = __atomic_load_n(&t->work, __ATOMIC_ACQUIRE);
    return (t->killable && (work & THREAD_WORK_EXIT)) ||
           (t->interruptible &&
            (work & (THREAD_WORK_EXIT | THREAD_WORK_SIGNAL | THREAD_WORK_STOP)));
}

struct sleep_timer {
    struct ktimer timer;
    struct thread *thread;
};

static void sleep_timer_fired(struct ktimer *timer)
{
    thread_wake(container_of(timer, struct sleep_timer, timer)->thread);
}

/* True if it slept; false if a wake-up was already there. */
static void sleep_now(struct thread *t)
{
    spin_lock(&t->lock);
    if (t->wake_token || must_not_sleep(t)) {
        t->wake_token = false;
        spin_unlock(&t->lock);
        return;
    }
    set_state(t, THREAD_ASLEEP);
    spin_unlock(&t->lock);
    count_one(&t->nvcsw);
    switch_away();
    /* Under the lock: a plain store could reach memory after a later waker's token, though the caller
     * looks at its condition before that waker has changed it. */
    spin_lock(&t->lock);
    t->wake_token = false;
    spin_unlock(&t->lock);
}

int thread_sleep(enum sleep_mode mode, int64_t deadline_ns)
{
    lock_order_may_sleep();
    struct thread *t = current();
    t->killable = mode != SLEEP_UNINTERRUPTIBLE;
    t->interruptible = mode == SLEEP_INTERRUPTIBLE;
    if (must_not_sleep(t))
        return -EINTR;
    if (deadline_ns == FOREVER) {
        sleep_now(t);
    } else {
        if (clock_mono_ns() >= deadline_ns)
            return -ETIMEDOUT;
        struct sleep_timer st = {.thread = t};
        ktimer_init(&st.timer, sleep_timer_fired);
        ktimer_arm(&st.timer, deadline_ns);
        sleep_now(t);
        ktimer_cancel(&st.timer);
    }
    return must_not_sleep(t) ? -EINTR : 0;
}

static void make_runnable_locked(struct thread *t)
{
    set_state(t, THREAD_RUNNABLE);
    enqueue(t);
}

void thread_wake(struct thread *t)
{
    SPIN_GUARD(&t->lock);
    t->wake_token = true;
    if (atomic_peek(&t->state) == THREAD_ASLEEP)
        make_runnable_locked(t);
}

void thread_interrupt(struct thread *t)
{
    SPIN_GUARD(&t->lock);
    if (atomic_peek(&t->state) == THREAD_ASLEEP && must_not_sleep(t))
        make_runnable_locked(t);
}

void thread_set_work(struct thread *t, uint32_t bits)
{
    __atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
    thread_interrupt(t);
}

bool thread_dying(void)
{
    return __atomic_load_n(&current()->work, __ATOMIC_RELAXED) & THREAD_WORK_EXIT;
}

bool thread_interrupted(void)
{
    return __atomic_load_n(&current()->work, __ATOMIC_RELAXED) &
           (THREAD_WORK_EXIT | THREAD_WORK_SIGNAL | THREAD_WORK_STOP);
}

static bool must_move(const struct thread *t)
{
    return smp && !allowed_on(t, this_vcpu()->index);
}

void thread_give_way(void)
{
    struct thread *t = current();
    spin_lock(&t->lock);
    make_runnable_locked(t);
    spin_unlock(&t->lock);
    count_one(&t->nivcsw);
    switch_away();
}

void thread_yield(void)
{
    struct thread *t = current();
    if (__atomic_load_n(&this_rq()->count, __ATOMIC_RELAXED) == 0 && !must_move(t))
        return;
    thread_give_way();
}

/* ---- birth and death -------------------------------------------------------------------------- */

/* The thread struct and its vector area live at the low end of the stack's pages. */
static struct thread *thread_storage(void)
{
    spin_lock(&sched.stack_lock);
    struct thread *t = sched.spare_count > 0 ? sched.spare[--sched.spare_count] : NULL;
    spin_unlock(&sched.stack_lock);
    if (t)
        return t;
    t = kzalloc(ROUND_UP(sizeof *t, 64ul) + XSTATE_AREA_SIZE);
    uintptr_t stack = t ? kstack_alloc() : 0;
    if (!stack) {
        kfree(t);
        return NULL;
    }
    t->kstack_top = stack + KSTACK_SIZE;
    return t;
}

struct thread *thread_new(struct process *proc, int tid)
{
    struct thread *t = thread_storage();
    if (!t)
        return NULL;
    uintptr_t top = t->kstack_top;
    *t = (struct thread){.kstack_top = top,
                         .proc = proc,
                         .tid = tid,
                         .last_cpu = -1,
                         .cpu_mask = ~0ull,
                         .state = THREAD_NEW};
    t->xsave = (uint8_t *) t + ROUND_UP(sizeof *t, 64ul);
    fpu_area_init(t->xsave);
    ref_init(&t->ref);
    list_init(&t->run_link);
    list_init(&t->proc_link);
    struct user_frame *f = thread_frame(t);
    *f = (struct user_frame){.rflags = 0x202, .full = 1, .orig_rax = UINT64_MAX};
    uintptr_t *sp = (uintptr_t *) f;
    sp -= 2; /* the trampoline's call finds the stack 16-aligned */
    *--sp = (uintptr_t) thread_trampoline;
    sp -= 6; /* the registers context_switch pops */
    memset(sp, 0, 6 * sizeof *sp);
    t->ksp = (uintptr_t) sp;
    return t;
}

struct thread *thread_clone(struct process *proc, int tid)
{
    struct thread *t = thread_new(proc, tid), *me = current();
    if (!t)
        return NULL;
    *thread_frame(t) = *thread_frame(me);
    thread_frame(t)->full = 1;
    t->fs_base = user_fs_base();
    t->cpu_mask = me->cpu_mask;
    if (!me->wishes.reset_on_fork)
        t->wishes = me->wishes;
    memcpy(t->comm, me->comm, sizeof t->comm);
    fpu_save(t->xsave);
    return t;
}

struct thread *kthread_start(const char *name, void (*fn)(void *), void *arg)
{
    struct thread *t = thread_new(NULL, 0);
    if (!t)
        return NULL;
    t->in_kernel = true;
    t->kthread_fn = fn;
    t->kthread_arg = arg;
    str_copy(t->comm, name, sizeof t->comm);
    thread_start(t);
    return t;
}

void thread_start(struct thread *t)
{
    thread_get(t); /* the scheduler's own; dropped in finish_switch after death */
    SPIN_GUARD(&t->lock);
    check(t->state == THREAD_NEW);
    make_runnable_locked(t);
}

void thread_get(struct thread *t)
{
    ref_get(&t->ref);
}

void thread_put(struct thread *t)
{
    if (!ref_put_last(&t->ref))
        return;
    check(t->state == THREAD_NEW || (t->state == THREAD_DEAD && !t->on_cpu));
    spin_lock(&sched.stack_lock);
    bool kept = sched.spare_count < ARRAY_SIZE(sched.spare);
    if (kept)
        sched.spare[sched.spare_count++] = t;
    spin_unlock(&sched.stack_lock);
    if (kept)
        return;
    kstack_free(t->kstack_top - KSTACK_SIZE);
    kfree(t);
}

void thread_exit_final(void)
{
    struct thread *t = current();
    spin_lock(&t->lock);
    set_state(t, THREAD_DEAD);
    spin_unlock(&t->lock);
    switch_away();
    panic("a dead thread ran");
}

/* ---- vCPUs ------------------------------------------------------------------------------------ */
/* One parked vCPU is enough: it spreads further. Not at every host call, which counts as a tick: a wait of
 * a fraction of a millisecond costs less than to move a thread, and a thread that waits for its child moves for
 * nothing. */
static void spread_load(void)
{
    struct run_queue *rq = this_rq();
    uint32_t parked = __atomic_load_n(&sched.parked, __ATOMIC_SEQ_CST), held = 0;
    uint32_t able = parked ? parked & wanted(&held) : 0;
    if (!able)
        return;
    int64_t now = clock_mono_ns();
    if (now < rq->spread_again_ns)
        return;
    rq->spread_again_ns = now + SPREAD_NS;
    rq->kicks |= able & -able;
}

/* t goes back to the queue if somebody waits there. */
static void preempt(struct thread *t)
{
    if (atomic_peek(&this_rq()->count) == 0 && !must_move(t))
        return;
    if (t->proc)
        mm_turn_preempted(t->proc->mm);
    thread_give_way();
}

void sched_tick(void)
{
    this_vcpu()->tick_pending = 0;
    load_tick(this_vcpu()->index, clock_mono_ns(), sched_running());
    timers_run();
    host_events_tick();
    spread_load();
    send_kicks();
    struct thread *t = current();
    if (!t)
        return;
    bool late = clock_mono_ns() - t->entered_ns >= SLICE_NS / 2;
    if (late && t->proc && mm_turn_wanted(t->proc->mm))
        thread_give_way();
    else if (must_move(t) || late)
        preempt(t);
}

void sched_relax(void)
{
    struct vcpu *v = this_vcpu();
    if (likely(!v->tick_pending))
        return;
    if (v->kernel_tick)
        sched_sample(true);
    v->kernel_tick = false;
    sched_tick();
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

static void park(void)
{
    struct run_queue *rq = this_rq();
    uint32_t bit = 1u << this_vcpu()->index;
    __atomic_fetch_or(&sched.parked, bit, __ATOMIC_SEQ_CST);
    int64_t ns = park_time(rq, bit);
    if (ns > 0) {
        count_one(&rq->stats.parks);
        host_park(ns == FOREVER ? UINT64_MAX : (uint64_t) ns);
    }
    __atomic_fetch_and(&sched.parked, ~bit, __ATOMIC_SEQ_CST);
}

void sched_run_vcpu(void)
{
    struct run_queue *rq = this_rq();
    __atomic_fetch_and(&sched.parked, ~(1u << this_vcpu()->index), __ATOMIC_SEQ_CST);
    for (;;) {
        timers_run();
        host_events_poll();
        send_kicks();
        struct thread *t = pick(NULL);
        if (!t) {
            park();
            continue;
        }
        rq->waits = 0;
        enter_thread(t);
        context_switch(&rq->idle_sp, t->ksp);
        finish_switch();
    }
}

uint64_t user_fs_base(void)
{
    return fs_base_read();
}

void user_fs_base_set(uint64_t base)
{
    fs_base_write(base);
}
