/* Contexts of Linux' asynchronous I/O.
 *
 * A context is a ring of events. Operations are done when they are submitted, so an event is there at
 * once, and nothing is ever in flight; a reserved place guarantees that it has room. Contexts hang on the
 * descriptor table (its lock), because like it they are shared by threads, not inherited by fork, and
 * end with the process or at exec. Locks: the table's, then the context's.
 */
#include "libos/vfs/aio.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"

#define EVENTS_MAX 65536u /* of all contexts of all processes, as aio-max-nr */

struct aio_context {
    struct ref ref; /* one is the table's */
    struct aio_context *next;
    uint64_t id;
    uint32_t room;
    struct spinlock lock;
    uint32_t head, count, reserved; /* lock; count is also read without */
    bool dead;
    struct waitq queue;
    struct linux_io_event event[];
};

static uint32_t events_total;

static bool total_add(uint32_t count)
{
    if (atomic_add(&events_total, count) + count <= EVENTS_MAX)
        return true;
    (void) atomic_sub_new(&events_total, count); /* undone */
    return false;
}

int aio_create(struct fdtable *t, uint64_t id, uint32_t count)
{
    if (count > EVENTS_MAX || !total_add(count))
        return -EAGAIN;
    struct aio_context *c = kzalloc(sizeof *c + count * sizeof c->event[0]);
    if (!c) {
        (void) atomic_sub_new(&events_total, count); /* undone */
        return -ENOMEM;
    }
    ref_init(&c->ref);
    waitq_init(&c->queue);
    c->id = id;
    c->room = count;
    struct spinlock *lock;
    struct aio_context **list = fdtable_aio(t, &lock);
    SPIN_GUARD(lock);
    c->next = *list;
    *list = c;
    return 0;
}

void aio_put(struct aio_context *c)
{
    if (!ref_put_last(&c->ref))
        return;
    (void) atomic_sub_new(&events_total, c->room); /* the new sum does not matter */
    kfree(c);
}

static void end(struct aio_context *c)
{
    atomic_store(&c->dead, true);
    waitq_wake(&c->queue, ~0u);
    aio_put(c);
}

int aio_destroy(struct fdtable *t, uint64_t id)
{
    struct spinlock *lock;
    struct aio_context **at = fdtable_aio(t, &lock), *c;
    spin_lock(lock);
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    c = *at;
    if (c)
        *at = c->next;
    spin_unlock(lock);
    if (!c)
        return -EINVAL;
    end(c);
    return 0;
}

void aio_drop_all(struct fdtable *t)
{
    struct spinlock *lock;
    struct aio_context **list = fdtable_aio(t, &lock);
    spin_lock(lock);
    struct aio_context *c = TAKE(*list);
    spin_unlock(lock);
    while (c) {
        struct aio_context *next = c->next;
        end(c);
        c = next;
    }
}

struct aio_context *aio_lookup_get(struct fdtable *t, uint64_t id)
{
    struct spinlock *lock;
    struct aio_context **list = fdtable_aio(t, &lock);
    SPIN_GUARD(lock);
    struct aio_context *c = *list;
    while (c && c->id != id)
        c = c->next;
    if (c)
        ref_get(&c->ref);
    return c;
}

bool aio_reserve(struct aio_context *c)
{
    SPIN_GUARD(&c->lock);
    if (c->count + c->reserved >= c->room)
        return false;
    c->reserved++;
    return true;
}

void aio_unreserve(struct aio_context *c)
{
    SPIN_GUARD(&c->lock);
    c->reserved--;
}

void aio_complete(struct aio_context *c, const struct linux_io_event *e)
{
    spin_lock(&c->lock);
    c->reserved--;
    c->event[(c->head + c->count) % c->room] = *e;
    atomic_store(&c->count, c->count + 1);
    spin_unlock(&c->lock);
    waitq_wake(&c->queue, ~0u);
}

int aio_wait(struct aio_context *c, uint32_t least, int64_t deadline_ns)
{
    int r = wait_event(&c->queue, atomic_load(&c->count) >= least || atomic_load(&c->dead),
                       SLEEP_INTERRUPTIBLE, deadline_ns);
    if (atomic_load(&c->dead))
        return -EINVAL;
    return r == -ETIMEDOUT ? 0 : r < 0 ? -EINTR : 0;
}

bool aio_take(struct aio_context *c, struct linux_io_event *ret)
{
    SPIN_GUARD(&c->lock);
    if (c->count == 0)
        return false;
    *ret = c->event[c->head];
    c->head = (c->head + 1) % c->room;
    atomic_store(&c->count, c->count - 1);
    c->reserved++; /* until it is delivered: aio_give_back must find room */
    return true;
}

void aio_give_back(struct aio_context *c, const struct linux_io_event *e)
{
    SPIN_GUARD(&c->lock);
    c->reserved--;
    c->head = (c->head + c->room - 1) % c->room;
    c->event[c->head] = *e;
    atomic_store(&c->count, c->count + 1);
}
