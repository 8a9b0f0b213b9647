/* Sleeping lock: for everything that may touch user memory, wait for I/O or take long. Not
 * recursive. Not interruptible. */
#ifndef TASK_MUTEX_H
#define TASK_MUTEX_H
#include "libos/task/waitq.h"

struct mutex {
    struct waitq queue;
    struct thread *owner; /* NULL: free */
};

#define MUTEX_INIT(name)                                                                           \
    {                                                                                              \
        .queue = WAITQ_INIT((name).queue)                                                          \
    }
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the calling thread */

static inline void mutex_unlock_cleanup(struct mutex **m)
{
    mutex_unlock(*m);
}
/* Holds the lock to the end of the scope. */
#define MUTEX_GUARD(m)                                                                             \
    __attribute__((cleanup(mutex_unlock_cleanup))) struct mutex *_mutex_guard = (m);               \
    mutex_lock(_mutex_guard)
#endif
