/* Wait queues and mutexes of the ordinary process, used while the kernel's own are not in the build. */
#include "libos/base/panic.h"
#include "libos/task/mutex.h"
#include "libos/task/thread.h"

#define WEAK __attribute__((weak))

static void wake_thread(struct waiter *w, uint32_t events)
{
    thread_wake(w->thread);
}

WEAK void waitq_init(struct waitq *q)
{
    *q = (struct waitq) WAITQ_INIT(*q);
}

WEAK void waiter_init(struct waiter *w)
{
    *w = (struct waiter){.thread = current(), .fn = wake_thread};
}

WEAK void waitq_add(struct waitq *q, struct waiter *w)
{
    SPIN_GUARD(&q->lock);
    w->queue = q;
    list_add_tail(&q->waiters, &w->link);
}

WEAK void waitq_del(struct waiter *w)
{
    if (!w->queue)
        return;
    SPIN_GUARD(&w->queue->lock);
    list_del(&w->link);
    w->queue = NULL;
}

WEAK void waitq_wake(struct waitq *q, uint32_t events)
{
    SPIN_GUARD(&q->lock);
    struct waiter *w;
    list_for_each_safe (w, &q->waiters, link)
        w->fn(w, events);
}

WEAK void waitq_wake_one(struct waitq *q, uint32_t events)
{
    SPIN_GUARD(&q->lock);
    struct waiter *w;
    bool done = false;
    list_for_each_safe (w, &q->waiters, link) {
        if (w->exclusive && done)
            continue;
        done |= w->exclusive;
        w->fn(w, events);
    }
}

WEAK bool waitq_empty(const struct waitq *q)
{
    return list_empty(&q->waiters);
}

WEAK void mutex_init(struct mutex *m)
{
    *m = (struct mutex){0};
    waitq_init(&m->queue);
}

WEAK bool mutex_try_take(struct mutex *m)
{
    if (m->owner)
        return false;
    m->owner = current();
    return true;
}

WEAK void mutex_take(struct mutex *m)
{
    check(m->owner != current());
    if (wait_event(&m->queue, mutex_try_take(m), SLEEP_UNINTERRUPTIBLE, FOREVER) != 0)
        panic("mutex_take");
}

WEAK void mutex_release(struct mutex *m)
{
    check(m->owner == current());
    m->owner = NULL;
    waitq_wake(&m->queue, ~0u);
}

WEAK bool mutex_held(const struct mutex *m)
{
    return m->owner == current();
}
