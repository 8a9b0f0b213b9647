/* Wait queues and the sleeping lock on top of them. waitq.lock is taken before thread.lock. */
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/base/smp.h"
#include "libos/task/mutex.h"
#include "libos/task/thread.h"

unsigned mutex_spins = 400; /* about 10 us */

static void wake_thread(struct waiter *w, uint32_t events)
{
    thread_wake(w->thread);
}

void waitq_init(struct waitq *q)
{
    q->lock = (struct spinlock) SPINLOCK_INIT;
    q->count = 0;
    list_init(&q->waiters);
}

void waiter_init(struct waiter *w)
{
    *w = (struct waiter){.thread = current(), .fn = wake_thread};
    list_init(&w->link);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
    spin_lock(&q->lock);
    w->queue = q;
    list_add_tail(&q->waiters, &w->link);
    atomic_post(&q->count, q->count + 1);
    spin_unlock(&q->lock);
    /* The caller looks at its condition next; a waker stores that first and then looks here. Without
     * a full fence on both sides each may miss the other's store. */
    atomic_fence();
}

void waitq_del(struct waiter *w)
{
    struct waitq *q = w->queue;
    if (!q)
        return;
    SPIN_GUARD(&q->lock);
    list_del(&w->link);
    atomic_post(&q->count, q->count - 1);
    w->queue = NULL;
}

bool waitq_empty(const struct waitq *q)
{
    atomic_fence(); /* pairs with waitq_add */
    return atomic_peek(&q->count) == 0;
}

/* A waiter may wake another queue: that of an epoll set under those of its files. epoll_ctl refuses circles. */
void waitq_wake(struct waitq *q, uint32_t events)
{
    if (waitq_empty(q))
        return;
    SPIN_GUARD_NESTED(&q->lock);
    struct waiter *w;
    list_for_each_safe (w, &q->waiters, link)
        w->fn(w, events);
}

void waitq_wake_one(struct waitq *q, uint32_t events)
{
    if (waitq_empty(q))
        return;
    SPIN_GUARD_NESTED(&q->lock); /* see waitq_wake */
    struct waiter *w;
    bool done = false;
    list_for_each_safe (w, &q->waiters, link) {
        if (w->exclusive && done)
            continue;
        done |= w->exclusive;
        w->fn(w, events);
    }
}

void mutex_init(struct mutex *m)
{
    *m = (struct mutex){.owner = NULL};
    waitq_init(&m->queue);
}

bool mutex_try_take(struct mutex *m)
{
    struct thread *free = NULL;
    if (!smp) {
        if (m->owner)
            return false;
        m->owner = current();
        return true;
    }
    return __atomic_compare_exchange_n(&m->owner, &free, current(), false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Most holders are on another vCPU and done soon. Who sleeps instead loses more than that: a parked vCPU comes back late. */
static bool try_awhile(struct mutex *m)
{
    for (unsigned n = 0; smp && n < mutex_spins; n++) {
        if (!atomic_peek(&m->owner) && mutex_try_take(m))
            return true;
        cpu_relax();
    }
    return false;
}

void mutex_take(struct mutex *m)
{
    if (likely(mutex_try_take(m)))
        return;
    check(!mutex_held(m));
    if (try_awhile(m))
        return;
    (void) wait_event(&m->queue, mutex_try_take(m), SLEEP_UNINTERRUPTIBLE,
                      FOREVER); /* cannot fail */
}

void mutex_release(struct mutex *m)
{
    check(mutex_held(m));
    __atomic_store_n(&m->owner, NULL, __ATOMIC_RELEASE);
    waitq_wake_one(&m->queue, ~0u); /* fences before it looks */
}

bool mutex_held(const struct mutex *m)
{
    return atomic_peek(&m->owner) == current();
}
