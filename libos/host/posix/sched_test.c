/* The coroutine scheduler of the unit tests itself: blocking, timeouts, interrupts, mutual exclusion. */
#include "libos/base/errno.h"
#include "libos/host/posix/unit.h"
#include "libos/task/clock.h"
#include "libos/task/mutex.h"
#include "test/unit/test.h"

struct channel {
    struct waitq queue;
    int full, value, got[3];
};

static void producer(void *arg)
{
    struct channel *c = arg;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(wait_event(&c->queue, !c->full, SLEEP_UNINTERRUPTIBLE, FOREVER), 0);
        c->value = i;
        c->full = 1;
        waitq_wake(&c->queue, ~0u);
    }
}

TEST(unit_sched_blocking)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct channel c = {0};
        waitq_init(&c.queue);
        unit_sched_seed(seed);
        struct thread *t = unit_thread(producer, &c);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(wait_event(&c.queue, c.full, SLEEP_INTERRUPTIBLE, FOREVER), 0);
            c.got[i] = c.value;
            c.full = 0;
            waitq_wake(&c.queue, ~0u);
        }
        unit_join(t);
        assert_int_equal(c.got[0] * 100 + c.got[1] * 10 + c.got[2], 123);
    }
    unit_sched_seed(0);
}

TEST(unit_sched_timeout_takes_no_real_time)
{
    struct waitq q;
    waitq_init(&q);
    int64_t start = clock_mono_ns(), hour = 3600 * NSEC_PER_SEC;
    assert_int_equal(wait_event(&q, false, SLEEP_INTERRUPTIBLE, start + hour), -ETIMEDOUT);
    assert_true(clock_mono_ns() >= start + hour);
    assert_true(waitq_empty(&q));
}

static void sleeper(void *arg)
{
    struct waitq q;
    waitq_init(&q);
    *(int *) arg = wait_event(&q, false, SLEEP_INTERRUPTIBLE, FOREVER);
}

TEST(unit_sched_interrupt)
{
    int r = 1;
    struct thread *t = unit_thread(sleeper, &r);
    unit_run_others();
    assert_int_equal(r, 1);
    thread_set_work(t, THREAD_WORK_SIGNAL);
    unit_join(t);
    assert_int_equal(r, -EINTR);
}

static struct mutex lock = MUTEX_INIT(lock);
static int inside, most;

static void locker(void *arg)
{
    for (int i = 0; i < 5; i++) {
        MUTEX_GUARD(&lock);
        most = MAX(most, ++inside);
        thread_yield();
        inside--;
    }
}

TEST(unit_sched_mutex)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        unit_sched_seed(seed);
        struct thread *t[4];
        for (int i = 0; i < 4; i++)
            t[i] = unit_thread(locker, NULL);
        for (int i = 0; i < 4; i++)
            unit_join(t[i]);
    }
    unit_sched_seed(0);
    assert_int_equal(most, 1);
}

static struct ktimer timer;
static int fired;

static void on_timer(struct ktimer *t)
{
    if (++fired < 3)
        ktimer_arm(t, t->deadline_ns + NSEC_PER_MS);
}

TEST(unit_sched_timers)
{
    ktimer_init(&timer, on_timer);
    ktimer_arm(&timer, clock_mono_ns() + NSEC_PER_MS);
    assert_int_equal(thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + NSEC_PER_SEC),
                     -ETIMEDOUT);
    assert_int_equal(fired, 3);
}
