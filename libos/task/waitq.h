/* Waiting. A thread that has to wait puts a waiter on one or more queues, then sleeps in a loop until
 * its condition holds. Waking is a token: thread_wake before thread_sleep makes the sleep return at
 * once, so no wake-up is lost; spurious wake-ups are allowed.
 *
 * A waiter's function runs under the queue's spin lock and must not sleep; the default wakes the
 * thread. poll, select, epoll and plain blocking all hang on the same queues: this is the one
 * readiness mechanism.
 */
#ifndef TASK_WAITQ_H
#define TASK_WAITQ_H
#include "libos/base/list.h"
#include "libos/base/lock.h"

struct thread;
struct waiter;
typedef void (*waiter_fn)(struct waiter *w, uint32_t events);

struct waitq {
    struct spinlock lock;
    uint32_t count; /* of waiters; changes under lock, wakers peek */
    struct list waiters;
};

struct waiter {
    struct list link;    /* queue's lock */
    struct waitq *queue; /* NULL: on no queue */
    struct thread *thread;
    waiter_fn fn;
    bool exclusive; /* waitq_wake_one wakes only one of these */
};

#define WAITQ_INIT(name)                                                                           \
    {                                                                                              \
        .waiters = LIST_INIT((name).waiters)                                                       \
    }
void waitq_init(struct waitq *q);
void waiter_init(struct waiter *w); /* wakes the calling thread */
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_del(struct waiter *w); /* harmless if it is on no queue */
/* events: EPOLL* bits that became true, ~0 for "look yourself". */
void waitq_wake(struct waitq *q, uint32_t events);
void waitq_wake_one(struct waitq *q, uint32_t events); /* one exclusive waiter, all others */
bool waitq_empty(const struct waitq *q);

enum sleep_mode { SLEEP_KILLABLE, SLEEP_INTERRUPTIBLE, SLEEP_UNINTERRUPTIBLE };
/* Sleeps until woken: 0. -ETIMEDOUT once clock_mono_ns() >= deadline_ns (FOREVER: never). -EINTR if a
 * signal is to be taken (INTERRUPTIBLE) or the thread is to die (KILLABLE too). */
must_check int thread_sleep(enum sleep_mode mode, int64_t deadline_ns);

/* Sleep on q until cond; 0, -ETIMEDOUT or -EINTR (callers mostly turn that into -ERESTARTSYS). */
#define wait_event(q, cond, mode, deadline_ns)                                                     \
    __extension__({                                                                                \
        int _r = 0;                                                                                \
        if (!(cond)) {                                                                             \
            struct waiter _w;                                                                      \
            waiter_init(&_w);                                                                      \
            waitq_add((q), &_w);                                                                   \
            while (!(cond) && (_r = thread_sleep((mode), (deadline_ns))) == 0) {                   \
            }                                                                                      \
            waitq_del(&_w);                                                                        \
        }                                                                                          \
        _r;                                                                                        \
    })
#endif
