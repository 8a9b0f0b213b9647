/* The checker of lock order: what it must find, and what it must let pass. */
#include "libos/base/lock.h"
#include "libos/host/posix/unit.h"
#include "libos/task/mutex.h"
#include "test/unit/test.h"

static void take_two(struct spinlock *outer, struct spinlock *inner)
{
    spin_lock(outer);
    spin_lock_nested(inner);
    spin_unlock(inner);
    spin_unlock(outer);
}

/* What the last panic said names both places. */
static void said(const char *what, const char *taken, const char *held)
{
    assert_non_null(strstr(unit_panic_text, what));
    assert_non_null(strstr(unit_panic_text, taken));
    assert_non_null(strstr(unit_panic_text, held));
    assert_non_null(strstr(unit_panic_text, "lockorder_test.c:"));
}

TEST(lock_order_two_the_wrong_way_round)
{
    struct spinlock a = SPINLOCK_INIT, b = SPINLOCK_INIT;
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&a); /* not in the order of a stack */
    spin_unlock(&b);
    spin_lock(&b);
    expect_panic(spin_lock(&a));
    said("lock order", "&a (", "&b (");
}

/* Other locks of the same two kinds than those whose order was learnt: the class counts. */
TEST(lock_order_learnt_from_others_of_the_kind)
{
    struct {
        struct spinlock x, y;
    } one = {0}, two = {0}, *p = &one;
    spin_lock(&p->x);
    spin_lock(&p->y);
    spin_unlock(&p->y);
    spin_unlock(&p->x);
    for (p = &one; p; p = p == &one ? &two : NULL) {
        spin_lock(&p->x); /* one.x makes this site of the kind of the site above */
        spin_unlock(&p->x);
        if (p == &one) {
            spin_lock(&p->y);
            spin_unlock(&p->y);
        }
    }
    spin_lock(&two.x);
    spin_unlock(&two.x);
    struct spinlock *y[] = {&one.y, &two.y};
    for (int i = 0; i < 2; i++) {
        spin_lock(y[i]);
        if (i == 1)
            expect_panic(spin_lock(&two.x));
        else
            spin_unlock(y[i]);
    }
    said("lock order", "&two.x (", "y[i] (");
}

TEST(lock_order_circle_of_three)
{
    struct spinlock a = SPINLOCK_INIT, b = SPINLOCK_INIT, c = SPINLOCK_INIT;
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    spin_lock(&b);
    spin_lock(&c);
    spin_unlock(&c);
    spin_unlock(&b);
    spin_lock(&c);
    expect_panic(spin_lock(&a));
    said("lock order", "&a (", "&c (");
}

TEST(lock_order_recursion)
{
    struct spinlock a = SPINLOCK_INIT;
    spin_lock(&a);
    expect_panic(spin_lock(&a));
    said("taken twice", "&a (", "&a (");
    struct mutex m = MUTEX_INIT(m);
    mutex_lock(&m);
    expect_panic(mutex_lock(&m));
    said("taken twice", "&m (", "&m (");
}

TEST(lock_order_two_of_a_kind)
{
    struct spinlock l[3] = {0};
    for (int i = 0; i < 3; i++) {
        spin_lock(&l[i]);
        spin_unlock(&l[i]);
    }
    take_two(&l[0], &l[1]); /* the caller vouches for it */
    take_two(&l[1], &l[2]);
    spin_lock(&l[0]);
    struct spinlock *last = &l[2];
    expect_panic(SPIN_GUARD(last));
    said("two locks of one class", "last (", "&l[0] (");
}

TEST(lock_order_of_mutexes)
{
    struct mutex a = MUTEX_INIT(a), b = MUTEX_INIT(b);
    mutex_lock(&a);
    assert_true(mutex_trylock(&b)); /* a try never waits, so it makes no order of its own ... */
    mutex_unlock(&b);
    mutex_unlock(&a);
    mutex_lock(&b);
    mutex_lock(&a);
    mutex_unlock(&a);
    mutex_unlock(&b);
    mutex_lock(&a);
    expect_panic(mutex_lock(&b)); /* ... but this does */
    said("lock order", "&b (", "&a (");
}

TEST(lock_order_sleeping_under_a_spin_lock)
{
    struct spinlock s = SPINLOCK_INIT;
    struct mutex m = MUTEX_INIT(m);
    spin_lock(&s);
    expect_panic(mutex_lock(&m));
    assert_non_null(strstr(unit_panic_text, "may sleep while holding &s ("));
    spin_lock(&m.queue.lock);
    expect_panic((void) thread_sleep(SLEEP_KILLABLE, FOREVER));
    assert_non_null(strstr(unit_panic_text, "may sleep while holding &m.queue.lock ("));
}

static void holder(void *arg)
{
    MUTEX_GUARD((struct mutex *) arg);
    thread_yield();
}

/* Each thread has its own mutexes: one that sleeps with a lock does not make others hold it. */
TEST(lock_order_mutexes_belong_to_threads)
{
    struct mutex a = MUTEX_INIT(a), b = MUTEX_INIT(b);
    struct thread *t = unit_thread(holder, &a);
    unit_run_others();
    mutex_lock(&b);
    unit_run_others();
    mutex_unlock(&b);
    unit_join(t);
    mutex_lock(&b);
    mutex_lock(&a);
    mutex_unlock(&a);
    mutex_unlock(&b);
}
