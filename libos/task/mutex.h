/* Sleeping lock: for everything that may touch user memory, wait for I/O or take long. Not
 * recursive. Not interruptible. */
#ifndef TASK_MUTEX_H
#define TASK_MUTEX_H
#include "libos/task/waitq.h"

struct mutex {
    struct waitq queue;
    struct thread *owner; /* NULL: free */
    LOCK_TAG
};

#define MUTEX_INIT(name)                                                                           \
    {                                                                                              \
        .queue = WAITQ_INIT((name).queue)                                                          \
    }
extern unsigned mutex_spins; /* how often a waiter looks again before it sleeps */
void mutex_init(struct mutex *m);
/* The lock itself; everybody else uses what follows, which a debug build checks (base/lockorder.h). */
void mutex_take(struct mutex *m);
bool mutex_try_take(struct mutex *m);
void mutex_release(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the calling thread */

static inline void mutex_lock_at(struct mutex *m, struct lock_site *site)
{
    lock_order_want(HELD_MUTEXES, m, LOCK_TAG_OF(m), site);
    mutex_take(m);
    lock_order_got(HELD_MUTEXES, m, LOCK_TAG_OF(m), site);
}
#define mutex_lock(m) mutex_lock_at((m), LOCK_SITE(m))
/* Where another mutex of the same kind is held and the caller knows an order between the two. */
#define mutex_lock_nested(m) mutex_lock_at((m), LOCK_SITE_SEVERAL(m))

static inline bool mutex_trylock_at(struct mutex *m, struct lock_site *site)
{
    if (!mutex_try_take(m))
        return false;
    lock_order_got(HELD_MUTEXES, m, LOCK_TAG_OF(m), site);
    return true;
}
#define mutex_trylock(m) mutex_trylock_at((m), LOCK_SITE(m))

static inline void mutex_unlock(struct mutex *m)
{
    lock_order_drop(HELD_MUTEXES, m);
    mutex_release(m);
}

static inline void mutex_unlock_cleanup(struct mutex **m)
{
    mutex_unlock(*m);
}
/* Holds the lock to the end of the scope. */
#define MUTEX_GUARD(m)                                                                             \
    __attribute__((cleanup(mutex_unlock_cleanup))) struct mutex *_mutex_guard = (m);               \
    mutex_lock_at(_mutex_guard, LOCK_SITE(m))
#define MUTEX_GUARD_NESTED(m)                                                                      \
    __attribute__((cleanup(mutex_unlock_cleanup))) struct mutex *_mutex_guard = (m);               \
    mutex_lock_at(_mutex_guard, LOCK_SITE_SEVERAL(m))
#endif
