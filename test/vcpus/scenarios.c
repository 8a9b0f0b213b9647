/* What vCPUs do under explore.c: one scenario per protocol, small enough that all interleavings can be tried.
 * Each says what must hold; that nobody sleeps for ever is asked of all. test/vcpus/mutants has a bug for
 * each property that the scenario must find. */
#include "abi/linux/sched.h"
#include "libos/base/errno.h"
#include "libos/mm/family.h"
#include "libos/mm/mm.h"
#include "libos/mm/share.h"
#include "libos/task/clock.h"
#include "libos/task/futex.h"
#include "libos/task/mutex.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "test/vcpus/vcpus.h"

enum { CPU0 = 1, CPU1 = 2, CPU2 = 4 };

static unsigned ended, expected;
static struct waitq queue = WAITQ_INIT(queue);
static uint32_t flag;

static void must(bool ok, const char *what)
{
    if (!ok)
        fail(what);
}

static bool all_ended(void)
{
    return ended == expected;
}

static void end(void)
{
    __atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
}

static struct thread *begin(void (*fn)(void *arg), void *arg, struct process *proc, uint64_t mask)
{
    expected++;
    return start(fn, arg, proc, mask);
}

/* ---- wait queues: waitq_add, wait_event, thread_sleep, sleep_now; waitq_wake, thread_wake ------ */
static void waiter(void *arg)
{
    (void) wait_event(&queue, __atomic_load_n(&flag, __ATOMIC_SEQ_CST), SLEEP_KILLABLE, FOREVER);
    must(flag, "it did not wait for its condition");
    __atomic_store_n(&flag, 0, __ATOMIC_SEQ_CST);
    waitq_wake(&queue, ~0u);
    end();
}

static void waker(void *arg)
{
    __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
    waitq_wake(&queue, ~0u);
    (void) wait_event(&queue, !__atomic_load_n(&flag, __ATOMIC_SEQ_CST), SLEEP_KILLABLE, FOREVER);
    end();
}

static void wait_setup(void)
{
    begin(waiter, NULL, NULL, CPU0);
    begin(waker, NULL, NULL, CPU1);
}

/* ---- hand-over of threads: pick, dequeue, enqueue, finish_switch, park ------------------------- */
static uint32_t running[3];

static void wanderer(void *arg)
{
    uint32_t *mine = arg;
    for (int i = 0; i < 2; i++) {
        must(__atomic_fetch_add(mine, 1, __ATOMIC_SEQ_CST) == 0, "two vCPUs run one thread");
        sched_tick(); /* kicks a parked vCPU if others wait here */
        must(__atomic_fetch_sub(mine, 1, __ATOMIC_SEQ_CST) == 1, "two vCPUs run one thread");
        thread_yield();
    }
    end();
}

static void steal_setup(void)
{
    for (int i = 0; i < 3; i++)
        begin(wanderer, &running[i], NULL, ~0ull);
}

/* ---- mutexes: mutex_take, mutex_release -------------------------------------------------------- */
static struct mutex mutex = MUTEX_INIT(mutex);
static uint32_t inside;

static void locker(void *arg)
{
    mutex_lock(&mutex);
    must(__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST) == 0, "two hold one mutex");
    __atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
    mutex_unlock(&mutex);
    end();
}

static void mutex_setup(void)
{
    begin(locker, NULL, NULL, CPU0);
    begin(locker, NULL, NULL, CPU1);
    begin(locker, NULL, NULL, CPU1);
}

/* ---- timeouts: thread_sleep, ktimer_cancel against timers_run, thread_wake --------------------- */
static struct ktimer timer;
static bool timer_gone;

static void timer_fires(struct ktimer *t)
{
    must(!__atomic_load_n(&timer_gone, __ATOMIC_SEQ_CST), "a timer ran after it was cancelled");
}

static void sleeper(void *arg)
{
    ktimer_init(&timer, timer_fires);
    ktimer_arm(&timer, 2000);
    int r = wait_event(&queue, __atomic_load_n(&flag, __ATOMIC_SEQ_CST), SLEEP_KILLABLE, 2000);
    must(r == 0 || r == -ETIMEDOUT, "an error of its own");
    must(r == 0 || clock_mono_ns() >= 2000, "the time is not over");
    ktimer_cancel(&timer);
    __atomic_store_n(&timer_gone, true, __ATOMIC_SEQ_CST);
    must(waitq_empty(&queue), "it left its waiter behind");
    end();
}

static void timekeeper(void *arg)
{
    time_goes_to(2000);
    timers_run();
    __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
    waitq_wake(&queue, ~0u);
    end();
}

static void timeout_setup(void)
{
    begin(sleeper, NULL, NULL, CPU0);
    begin(timekeeper, NULL, NULL, CPU1);
}

/* ---- futexes: futex_wait, futex_wake_bits, futex_requeue, leave, lock_own_bucket --------------- */
static uint32_t *word, *word2;

static void futex_waiter(void *arg)
{
    int r = futex_wait(WORD(word), 0, ~0u, FOREVER);
    must(r == 0 || (r == -EAGAIN && *word == 1), "it did not wait");
    end();
}

static void futex_waker(void *arg)
{
    *word = 1;
    step();
    futex_wake(WORD(word), 2);
    end();
}

static void futex_setup(void)
{
    word = test_alloc(sizeof *word);
    begin(futex_waiter, NULL, NULL, CPU0);
    begin(futex_waiter, NULL, NULL, CPU0);
    begin(futex_waker, NULL, NULL, CPU1);
}

static int waited, woken;

static void requeue_waiter(void *arg)
{
    int r = waited = futex_wait(WORD(word), 0, ~0u, 3000);
    must(r == 0 || (r == -EAGAIN && *word == 1) || (r == -ETIMEDOUT && clock_mono_ns() >= 3000),
         "it did not wait");
    end();
}

static void requeuer(void *arg)
{
    uint32_t value = 1;
    *word = 1;
    step();
    int r = futex_requeue(WORD(word), WORD(word2), 0, 1, &value);
    must(r == 0 || r == 1, "it moved somebody else");
    woken = futex_wake(WORD(word2), 1);
    must(woken <= r, "it woke somebody else");
    end();
}

/* A wake-up that was counted was received, and the other way round. */
static bool requeue_finished(void)
{
    must(!all_ended() || (waited == 0) == (woken == 1), "a wake-up was counted wrong");
    return all_ended();
}

static void hurry(void *arg)
{
    time_goes_to(3000);
    timers_run();
    end();
}

static void requeue_setup(void)
{
    word = test_alloc(8192);
    word2 = word + 1024;
    begin(requeue_waiter, NULL, NULL, CPU0);
    begin(requeuer, NULL, NULL, CPU1);
    begin(hurry, NULL, NULL, CPU1);
}

/* ---- priority-inheritance futexes: futex_lock_pi, futex_unlock_pi, futex_exit_pi --------------- */
static struct thread *pi_threads[3];

struct thread *thread_lookup_get(int tid, struct process **ret_proc)
{
    for (size_t i = 0; i < ARRAY_SIZE(pi_threads); i++)
        if (pi_threads[i] && pi_threads[i]->tid == tid) {
            thread_get(pi_threads[i]);
            return pi_threads[i];
        }
    return NULL;
}

static void pi_begin(size_t i, void (*fn)(void *arg), uint64_t mask)
{
    pi_threads[i] = begin(fn, NULL, NULL, mask);
    thread_get(pi_threads[i]); /* in the table until it exits, and here that is never */
}

static bool word_changes(uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* As a C library does it: through the kernel only when the word says so. */
static int pi_lock(void)
{
    uint32_t mine = (uint32_t) current()->tid;
    return word_changes(0, mine) ? 0 : futex_lock_pi(WORD(word), false, FOREVER);
}

static void pi_holds(void)
{
    must((*word & FUTEX_TID_MASK) == (uint32_t) current()->tid, "the word names another owner");
    must(__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST) == 0, "two hold one lock");
    __atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
}

static void pi_user(void *arg)
{
    must(pi_lock() == 0, "it did not get the lock");
    pi_holds();
    if (!word_changes((uint32_t) current()->tid, 0))
        must(futex_unlock_pi(WORD(word)) == 0, "it could not unlock");
    end();
}

static void pi_setup(void)
{
    word = test_alloc(sizeof *word);
    pi_begin(0, pi_user, CPU0);
    pi_begin(1, pi_user, CPU1);
    pi_begin(2, pi_user, CPU1);
}

/* Dies with the lock, of which its robust list does not know. */
static void pi_owner(void *arg)
{
    pi_holds();
    futex_exit_pi(current());
    end();
}

/* Who waited inherits, and dies with it, too; who comes too late is told so. */
static void pi_heir(void *arg)
{
    int r = futex_lock_pi(WORD(word), false, FOREVER);
    must(r == 0 || r == -ESRCH, "an error of its own");
    if (r == 0)
        pi_holds();
    futex_exit_pi(current());
    end();
}

static void pi_exit_setup(void)
{
    word = test_alloc(sizeof *word);
    pi_begin(1, pi_heir, CPU1); /* waits before the owner runs */
    pi_begin(0, pi_owner, CPU1);
    pi_begin(2, pi_heir, CPU0);
    *word = (uint32_t) pi_threads[0]->tid;
}

/* ---- residency: mm_turn_enter, mm_turn_arrive, mm_turn_wanted, family_part ---------------------
 * Two or three members of a family, each with a thread. What is in place is known here: pages move in
 * share_arrive, and a thread that runs must find its own. */
static struct mm mms[3];
static struct process procs[3];
static struct mm *in_place;

void share_arrive(struct mm *mm)
{
    must(!in_place || in_place == mm ||
             !__atomic_load_n(&running[in_place - mms], __ATOMIC_SEQ_CST),
         "pages are exchanged under a thread");
    __atomic_store_n(&in_place, mm, __ATOMIC_SEQ_CST);
}

void share_disown(struct mm *mm)
{
}

struct mm *granule_owner(uintptr_t addr)
{
    return NULL;
}

struct mm *current_mm(void)
{
    return current()->proc ? current()->proc->mm : NULL;
}

static void resident_only(struct mm *mm)
{
    must(__atomic_load_n(&in_place, __ATOMIC_SEQ_CST) == mm, "a member that is away runs");
}

static void user_code(struct mm *mm)
{
    __atomic_fetch_add(&running[mm - mms], 1, __ATOMIC_SEQ_CST);
    resident_only(mm);
    step();
    resident_only(mm);
    __atomic_fetch_sub(&running[mm - mms], 1, __ATOMIC_SEQ_CST);
}

static void member(void *arg)
{
    struct mm *mm = arg;
    user_code(mm);
    time_goes_to(clock_mono_ns() + 10 * NSEC_PER_MS); /* longer than a slice */
    sched_tick();
    user_code(mm);
    mutex_lock(&mm->lock); /* as in a fault that reads a file: sleeps and keeps the turn */
    thread_yield();
    resident_only(mm);
    mutex_unlock(&mm->lock);
    user_code(mm);
    current()->proc->mm = NULL; /* as process exit and leave_family of mm/mm.c */
    if (mm->family) {
        family_lock_outside(mm);
        (void) family_part(mm);
        mutex_unlock(&mm->lock);
    }
    end();
}

static void turns_of(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        mutex_init(&mms[i].lock);
        procs[i].mm = &mms[i];
    }
    in_place = &mms[0];
    struct family *f = family_new(&mms[0]);
    for (unsigned i = 1; i < count; i++)
        family_join(f, &mms[i]);
    for (unsigned i = 0; i < count; i++)
        begin(member, &mms[i], &procs[i], 1u << i % 2);
}

static void turns_setup(void)
{
    turns_of(2);
}

static void turns3_setup(void)
{
    turns_of(3);
}

/* Who wants the turn gets it though the resident never sleeps. */
static void busy_member(void *arg)
{
    struct mm *mm = arg;
    while (!__atomic_load_n(&flag, __ATOMIC_SEQ_CST)) {
        user_code(mm);
        time_goes_to(clock_mono_ns() + 10 * NSEC_PER_MS);
        sched_tick();
        cpu_relax(); /* the other vCPU runs, too */
    }
    end();
}

static void wanting_member(void *arg)
{
    struct mm *mm = arg;
    user_code(mm);
    __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
    end();
}

static void fair_setup(void)
{
    for (unsigned i = 0; i < 2; i++) {
        mutex_init(&mms[i].lock);
        procs[i].mm = &mms[i];
    }
    in_place = &mms[0];
    family_join(family_new(&mms[0]), &mms[1]);
    begin(busy_member, &mms[0], &procs[0], CPU0);
    begin(wanting_member, &mms[1], &procs[1], CPU1);
}

/* ---- the fixed addresses: mm_claim_low and mm_turn_settle against leave_family and mm_put of mm/mm.c */
static struct mm *orphaned; /* no member any more, and its pages are still in granule 0 */

int share_join_low(struct mm *mm)
{
    must(!__atomic_load_n(&orphaned, __ATOMIC_SEQ_CST), "it joins among pages of the last one");
    __atomic_store_n(&in_place, mm, __ATOMIC_SEQ_CST);
    return 0;
}

void upages_drop_kept(uintptr_t start, uintptr_t end)
{
}

static void no_slice(uint32_t slice)
{
}

static void low_program(void *arg)
{
    struct mm *mm = arg;
    must(mm_claim_low(mm, (uint64_t) (mm - mms) + 1) == 0, "it cannot have the fixed addresses");
    mm_turn_settle();
    user_code(mm);
    current()->proc->mm = NULL;
    mm_turn_leave();
    low_slice_leave(mm);
    family_lock_outside(mm);
    bool pins = family_part(mm);
    bool in_granule = __atomic_load_n(&in_place, __ATOMIC_SEQ_CST) == mm;
    if (in_granule)
        __atomic_store_n(&orphaned, mm, __ATOMIC_SEQ_CST);
    mutex_unlock(&mm->lock);
    must(!in_granule || in_place == mm, "others came among its pages");
    if (in_granule)
        __atomic_store_n(&orphaned, NULL, __ATOMIC_SEQ_CST);
    if (pins)
        family_unpin(&low_family, mm);
    end();
}

static void low_setup(void)
{
    mm_low_slice_hook = no_slice;
    for (unsigned i = 0; i < 2; i++) {
        mutex_init(&mms[i].lock);
        procs[i].mm = &mms[i];
        begin(low_program, &mms[i], &procs[i], 1u << i);
    }
}

/* ---- fork: mm_fork, mm_fork_turn against who looks at the parent from outside (mm_access of mm/fault.c) ---- */
struct mm *mm_new_like(const struct mm *parent)
{
    mutex_init(&mms[1].lock);
    ref_init(&mms[1].ref);
    return &mms[1];
}

void granule_share_all(const struct mm *from, struct mm *to)
{
}

int mm_copy_mappings(const struct mm *from, struct mm *to)
{
    return 0;
}

int share_fork(struct mm *parent, struct mm *child)
{
    resident_only(parent);
    step();
    resident_only(parent);
    return 0;
}

void share_swap_roles(struct mm *parent, struct mm *child)
{
    resident_only(parent);
    __atomic_store_n(&in_place, child, __ATOMIC_SEQ_CST);
}

static void forked_child(void *arg)
{
    user_code(&mms[1]);
    end();
}

static void forking_parent(void *arg)
{
    user_code(&mms[0]);
    procs[1].mm = mm_fork(&mms[0]);
    user_code(&mms[0]);
    bool gives_way = mm_fork_turn(&mms[0], procs[1].mm);
    begin(forked_child, NULL, &procs[1], CPU0 | CPU1);
    if (gives_way)
        thread_give_way();
    user_code(&mms[0]);
    end();
}

static void onlooker(void *arg)
{
    ref_get(&mms[0].ref);
    family_lock_outside(&mms[0]);
    bool here = family_is_here(&mms[0]);
    step();
    must(here == (__atomic_load_n(&in_place, __ATOMIC_SEQ_CST) == &mms[0]),
         "it looks at another member's pages");
    mutex_unlock(&mms[0].lock);
    (void) ref_put_last(&mms[0].ref); /* the parent has one, too */
    end();
}

static void fork_setup(void)
{
    mutex_init(&mms[0].lock);
    ref_init(&mms[0].ref);
    procs[0].mm = in_place = &mms[0];
    begin(forking_parent, NULL, &procs[0], CPU0);
    begin(onlooker, NULL, NULL, CPU1);
}

const struct scenario scenarios[] = {
    {"wait", 2, 3, wait_setup, all_ended},   {"steal", 2, 3, steal_setup, all_ended},
    {"mutex", 2, 3, mutex_setup, all_ended}, {"timeout", 2, 3, timeout_setup, all_ended},
    {"futex", 2, 3, futex_setup, all_ended}, {"requeue", 2, 3, requeue_setup, requeue_finished},
    {"turns", 2, 2, turns_setup, all_ended}, {"turns3", 2, 2, turns3_setup, all_ended},
    {"fair", 2, 2, fair_setup, all_ended},   {"low", 2, 2, low_setup, all_ended},
    {"pi", 2, 3, pi_setup, all_ended},       {"pi_exit", 2, 2, pi_exit_setup, all_ended},
    {"fork", 2, 2, fork_setup, all_ended},
};
const size_t scenario_count = ARRAY_SIZE(scenarios);
