/* M:N scheduling: many stackful threads on a few vCPUs. Here threads are switched, sleep and wake; which one is
 * next, and on which vCPU, is runq.c's.
 *
 * Each vCPU has an idle context, its boot stack. thread.lock (state, token) is taken before a run queue's lock.
 * on_cpu is cleared by the vCPU that switched away from a thread, after the switch (finish_switch); nobody
 * picks it before: two vCPUs that waited for each other's last thread would wait for ever.
 */
#include "libos/arch/fpu.h"
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/smp.h"
#include "libos/host/host.h"
#include "libos/mm/mm.h"
#include "libos/task/clock.h"
#include "libos/task/load.h"
#include "libos/task/process.h"
#include "libos/task/runq.h"
#include "libos/task/signal.h"
#include "libos/task/thread.h"

#define SLICE_NS (4 * NSEC_PER_MS)

struct thread *current(void)
{
    return this_vcpu()->current;
}

int sched_current_cpu(void)
{
    return (int) this_vcpu()->index;
}

void sched_init(unsigned vcpus)
{
    smp = vcpus > 1;
    lock_stacks_init();
    runq_init(vcpus);
}

/* ASLEEP becomes RUNNABLE under the thread's lock; every other change is the thread's own vCPU's. Others peek. */
static void set_state(struct thread *t, enum thread_state state)
{
    atomic_post(&t->state, state);
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
    atomic_store(&prev->on_cpu, 0);
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
    runq_send_kicks();
    struct thread *prev = current(), *next = runq_pick(prev);
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
    uint32_t work = atomic_load(&t->work);
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
    runq_add(t);
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
    atomic_or(&t->work, bits);
    thread_interrupt(t);
}

bool thread_dying(void)
{
    return atomic_peek(&current()->work) & THREAD_WORK_EXIT;
}

bool thread_interrupted(void)
{
    return atomic_peek(&current()->work) &
           (THREAD_WORK_EXIT | THREAD_WORK_SIGNAL | THREAD_WORK_STOP);
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
    if (atomic_peek(&this_rq()->count) == 0 && !runq_must_move(t))
        return;
    thread_give_way();
}

void thread_start(struct thread *t)
{
    thread_get(t); /* the scheduler's own; dropped in finish_switch after death */
    SPIN_GUARD(&t->lock);
    check(t->state == THREAD_NEW);
    make_runnable_locked(t);
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
/* t goes back to the queue if somebody waits there. */
static void preempt(struct thread *t)
{
    if (atomic_peek(&this_rq()->count) == 0 && !runq_must_move(t))
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
    runq_spread();
    runq_send_kicks();
    struct thread *t = current();
    if (!t)
        return;
    bool late = clock_mono_ns() - t->entered_ns >= SLICE_NS / 2;
    if (late && t->proc && mm_turn_wanted(t->proc->mm))
        thread_give_way();
    else if (runq_must_move(t) || late)
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

void sched_run_vcpu(void)
{
    struct run_queue *rq = this_rq();
    runq_unparked();
    for (;;) {
        timers_run();
        host_events_poll();
        runq_send_kicks();
        struct thread *t = runq_pick(NULL);
        if (!t) {
            runq_park();
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
