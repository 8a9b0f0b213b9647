/* The scheduler of the ordinary process: coroutines on one host thread.
 *
 * A thread runs until it sleeps, yields or ends. The run list holds the runnable ones; with a seed the
 * next is drawn from it, so that a loop over seeds explores interleavings and each can be repeated.
 * When nothing is runnable, virtual time jumps to the earliest deadline or timer; when there is none,
 * every thread waits for ever and that is a panic. The first thread (the test itself) is co_main.
 */
#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>
#include <sys/mman.h>
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/task/clock.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define UNIT_ASAN
#endif
#endif

#define CO_STACK (256ul << 10)

struct co {
    struct thread t; /* first: a struct thread is a struct co */
    ucontext_t context;
    void *stack, *fake_stack;
    size_t stack_size;
    void (*fn)(void *arg);
    void *arg;
    struct list all, runnable;
    int64_t deadline_ns;
    bool timed_out;
    struct waitq ended;
};

static struct {
    struct co main, *cur, *dead;
    struct list all, run;
    uint64_t seed;
    int64_t now_ns;
    int tids;
    struct list timers; /* armed, unordered */
} u;

struct timer_link {
    struct list link;
    struct ktimer *t;
};

static struct co *co_of(struct thread *t)
{
    return container_of(t, struct co, t);
}

#ifdef DEBUG
static struct lock_stack *lock_stack_of(enum held_kind kind)
{
    static struct lock_stack spins;
    return kind == HELD_SPINS ? &spins : &u.cur->t.mutexes;
}

__attribute__((constructor)) static void lock_order_init(void)
{
    lock_order_stack = lock_stack_of;
}
#endif

__attribute__((constructor)) static void main_thread_init(void)
{
    list_init(&u.all);
    list_init(&u.run);
    list_init(&u.timers);
    u.now_ns = NSEC_PER_SEC;
    u.cur = &u.main;
    u.main.t.tid = u.tids = 1;
    u.main.t.state = THREAD_RUNNING;
    ref_init(&u.main.t.ref);
    list_init(&u.main.runnable);
    list_init(&u.main.t.proc_link);
    waitq_init(&u.main.ended);
    list_add_tail(&u.all, &u.main.all);
}

void unit_sched_seed(uint64_t seed)
{
    u.seed = seed;
}

__attribute__((weak)) struct thread *current(void)
{
    return &u.cur->t;
}

/* ---- time */

__attribute__((weak)) int64_t clock_mono_ns(void)
{
    return u.now_ns += 10;
}

__attribute__((weak)) int64_t clock_boot_real_ns(void)
{
    return 1700000000ll * NSEC_PER_SEC;
}

__attribute__((weak)) int64_t clock_realtime_ns(void)
{
    return clock_boot_real_ns() + clock_mono_ns();
}

__attribute__((weak)) void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
    *t = (struct ktimer){.fn = fn};
}

__attribute__((weak)) void ktimer_cancel(struct ktimer *t)
{
    struct timer_link *l;
    t->link = NULL;
    list_for_each_safe (l, &u.timers, link) {
        if (l->t == t) {
            list_del(&l->link);
            free(l);
        }
    }
}

__attribute__((weak)) void ktimer_arm(struct ktimer *t, int64_t deadline_ns)
{
    ktimer_cancel(t);
    struct timer_link *l = calloc(1, sizeof *l);
    l->t = t;
    t->deadline_ns = deadline_ns;
    t->link = &t->child; /* armed */
    list_add_tail(&u.timers, &l->link);
}

static int64_t earliest(void)
{
    int64_t at = FOREVER;
    struct co *c;
    list_for_each (c, &u.all, all)
        if (c->t.state == THREAD_ASLEEP)
            at = MIN(at, c->deadline_ns);
    struct timer_link *l;
    list_for_each (l, &u.timers, link)
        at = MIN(at, l->t->deadline_ns);
    return at;
}

static struct ktimer *timer_due(void)
{
    struct timer_link *l;
    list_for_each (l, &u.timers, link)
        if (l->t->deadline_ns <= u.now_ns)
            return l->t;
    return NULL;
}

static void make_runnable(struct co *c)
{
    c->t.state = THREAD_RUNNABLE;
    list_add_tail(&u.run, &c->runnable);
}

static void expire(void)
{
    for (struct ktimer *t; (t = timer_due());) {
        ktimer_cancel(t);
        t->fn(t);
    }
    struct co *c;
    list_for_each (c, &u.all, all) {
        if (c->t.state == THREAD_ASLEEP && c->deadline_ns <= u.now_ns) {
            c->timed_out = true;
            make_runnable(c);
        }
    }
}

void unit_clock_advance(int64_t ns)
{
    u.now_ns += ns;
    expire();
}

/* ---- switching */

static void bury(void)
{
    struct co *c = TAKE(u.dead);
    if (!c)
        return;
    munmap(c->stack, c->stack_size);
    c->stack = NULL;
    thread_put(&c->t);
}

static void arrived(struct co *me)
{
#ifdef UNIT_ASAN
    __sanitizer_finish_switch_fiber(me->fake_stack, NULL, NULL);
#endif
    me->t.state = THREAD_RUNNING;
    bury();
}

static void switch_to(struct co *next)
{
    struct co *me = u.cur;
    if (me == next) {
        me->t.state = THREAD_RUNNING;
        return;
    }
    u.cur = next;
    me->t.nvcsw++;
#ifdef UNIT_ASAN
    /* The main thread's stack bounds are what the sanitizer reported when it was first left. */
    __sanitizer_start_switch_fiber(me->t.state == THREAD_DEAD ? NULL : &me->fake_stack, next->stack,
                                   next->stack_size);
#endif
    if (swapcontext(&me->context, &next->context) != 0)
        panic("swapcontext");
    arrived(me);
}

static void main_stack_bounds(void)
{
    pthread_attr_t attr;
    if (!u.main.stack && pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &u.main.stack, &u.main.stack_size);
        pthread_attr_destroy(&attr);
    }
}

static struct co *pick(void)
{
    size_t n = 0;
    struct co *c;
    list_for_each (c, &u.run, runnable)
        n++;
    size_t skip = 0;
    if (u.seed) {
        u.seed = u.seed * 6364136223846793005ull + 1442695040888963407ull;
        skip = (u.seed >> 33) % n;
    }
    list_for_each (c, &u.run, runnable)
        if (skip-- == 0)
            break;
    list_del(&c->runnable);
    return c;
}

static void reschedule(void)
{
    main_stack_bounds();
    while (list_empty(&u.run)) {
        int64_t at = earliest();
        if (at == FOREVER)
            panic("deadlock: every thread waits for ever");
        u.now_ns = MAX(u.now_ns, at);
        expire();
    }
    switch_to(pick());
}

static void co_entry(void)
{
    struct co *me = u.cur;
    arrived(me);
    me->fn(me->arg);
    thread_exit_final();
}

/* ---- the interface of task/thread.h */

static struct thread *co_new(struct process *proc, int tid, void (*fn)(void *), void *arg)
{
    struct co *c = calloc(1, sizeof *c);
    main_stack_bounds();
    c->stack_size = CO_STACK;
    c->stack =
        mmap(NULL, c->stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->stack == MAP_FAILED)
        panic("no memory for a stack");
    getcontext(&c->context);
    c->context.uc_stack.ss_sp = c->stack;
    c->context.uc_stack.ss_size = c->stack_size;
    makecontext(&c->context, co_entry, 0);
    c->fn = fn;
    c->arg = arg;
    c->t.proc = proc;
    c->t.tid = tid;
    c->t.state = THREAD_NEW;
    ref_init(&c->t.ref);
    list_init(&c->runnable);
    list_init(&c->t.proc_link);
    list_init(&c->t.run_link);
    waitq_init(&c->ended);
    list_add_tail(&u.all, &c->all);
    return &c->t;
}

static void no_user_mode(void *arg)
{
    panic("a user thread was started, and this process has no user mode");
}

__attribute__((weak)) struct thread *thread_new(struct process *proc, int tid)
{
    struct thread *t = co_new(proc, tid, no_user_mode, NULL);
    char *frame = calloc(1, sizeof(struct user_frame));
    t->kstack_top = (uintptr_t) frame + sizeof(struct user_frame);
    return t;
}

__attribute__((weak)) struct thread *thread_clone(struct process *proc, int tid)
{
    struct thread *t = thread_new(proc, tid);
    if (current()->kstack_top)
        *thread_frame(t) = *thread_frame(current());
    return t;
}

__attribute__((weak)) void thread_start(struct thread *t)
{
    thread_get(t);
    make_runnable(co_of(t));
}

__attribute__((weak)) struct thread *kthread_start(const char *name, void (*fn)(void *), void *arg)
{
    struct thread *t = co_new(NULL, ++u.tids, fn, arg);
    str_copy(t->comm, name, sizeof t->comm);
    thread_start(t);
    return t;
}

__attribute__((weak)) void thread_get(struct thread *t)
{
    ref_get(&t->ref);
}

__attribute__((weak)) void thread_put(struct thread *t)
{
    if (!ref_put_last(&t->ref))
        return;
    struct co *c = co_of(t);
    list_del(&c->all);
    if (c->stack)
        munmap(c->stack, c->stack_size);
    if (t->kstack_top)
        free(thread_frame(t));
    free(c);
}

__attribute__((weak)) void thread_exit_final(void)
{
    struct co *me = u.cur;
    me->t.state = THREAD_DEAD;
    waitq_wake(&me->ended, ~0u);
    u.dead = me;
    reschedule();
    panic("a dead thread ran");
}

__attribute__((weak)) void thread_wake(struct thread *t)
{
    struct co *c = co_of(t);
    if (t->state == THREAD_ASLEEP)
        make_runnable(c);
    else
        t->wake_token = true;
}

__attribute__((weak)) void thread_interrupt(struct thread *t)
{
    if (t->state == THREAD_ASLEEP && t->interruptible)
        make_runnable(co_of(t));
}

__attribute__((weak)) void thread_set_work(struct thread *t, uint32_t bits)
{
    t->work |= bits;
    if (t->state == THREAD_ASLEEP && ((bits & THREAD_WORK_EXIT && t->killable) ||
                                      (bits & THREAD_WORK_SIGNAL && t->interruptible)))
        make_runnable(co_of(t));
}

__attribute__((weak)) bool thread_dying(void)
{
    return current()->work & THREAD_WORK_EXIT;
}

__attribute__((weak)) bool thread_interrupted(void)
{
    return current()->work & (THREAD_WORK_EXIT | THREAD_WORK_SIGNAL | THREAD_WORK_STOP);
}

static bool must_not_sleep(enum sleep_mode mode)
{
    return (mode != SLEEP_UNINTERRUPTIBLE && thread_dying()) ||
           (mode == SLEEP_INTERRUPTIBLE && thread_interrupted());
}

__attribute__((weak)) int thread_sleep(enum sleep_mode mode, int64_t deadline_ns)
{
    struct co *me = u.cur;
    lock_order_may_sleep();
    if (must_not_sleep(mode))
        return -EINTR;
    if (me->t.wake_token) {
        me->t.wake_token = false;
        return 0;
    }
    if (deadline_ns <= u.now_ns)
        return -ETIMEDOUT;
    me->t.interruptible = mode == SLEEP_INTERRUPTIBLE;
    me->t.killable = mode != SLEEP_UNINTERRUPTIBLE;
    me->deadline_ns = deadline_ns;
    me->timed_out = false;
    me->t.state = THREAD_ASLEEP;
    reschedule();
    me->t.wake_token = false;
    if (must_not_sleep(mode))
        return -EINTR;
    return me->timed_out ? -ETIMEDOUT : 0;
}

__attribute__((weak)) void thread_yield(void)
{
    make_runnable(u.cur);
    reschedule();
}

__attribute__((weak)) void sched_share(void)
{
}

__attribute__((weak)) void thread_enter_user(void)
{
    no_user_mode(NULL);
    __builtin_unreachable();
}

__attribute__((weak)) int sched_cpu_count(void)
{
    return 1;
}

__attribute__((weak)) int sched_current_cpu(void)
{
    return 0;
}

/* ---- for tests */

void unit_run_others(void)
{
    while (!list_empty(&u.run))
        thread_yield();
}

struct thread *unit_thread(void (*fn)(void *arg), void *arg)
{
    struct thread *t = co_new(current()->proc, ++u.tids, fn, arg);
    thread_start(t);
    return t;
}

void unit_join(struct thread *t)
{
    struct co *c = co_of(t);
    if (wait_event(&c->ended, t->state == THREAD_DEAD, SLEEP_UNINTERRUPTIBLE, FOREVER) != 0)
        panic("unit_join");
    thread_yield(); /* it leaves its stack */
    thread_put(t);
}

__attribute__((weak)) void sched_relax(void)
{
}

__attribute__((weak)) void sched_stats(struct sched_stats *ret)
{
    memset(ret, 0, sizeof *ret);
}
