/* O_ASYNC: the owner of a file gets a signal when it becomes ready.
 *
 * A waiter hangs on each of the file's queues, as epoll's do. It runs with the queue locked, where no
 * signal can be sent, so it notes the events and arms a kernel timer that is due at once; the timer
 * sends. Events that come before it runs are one signal.
 *
 * Locks: async->mutex for hanging up and taking down the waiters; async->lock (spin, inside the queues')
 * for the rest.
 */
#include "libos/vfs/async.h"
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/task/clock.h"

#define QUEUES_MAX 4u

struct async_waiter {
    struct waiter waiter;
    struct async *async;
};

struct async {
    struct mutex mutex; /* on, waiters */
    bool on;
    uint32_t waiter_count;
    struct async_waiter waiters[QUEUES_MAX];
    struct spinlock lock; /* the rest */
    struct signal_owner owner;
    int sig, fd;
    uint32_t events; /* not sent yet; else the timer is not armed */
    struct ktimer timer;
};

/* ---- sending ---- */

/* As Linux has it: one reason per signal, and the poll bits that belong to it. */
static struct linux_siginfo info_of(int sig, int fd, uint32_t events)
{
    static const struct {
        uint32_t event;
        int code, band;
    } reasons[] = {
        {POLL_HUP, 6, POLL_ERR | POLL_HUP},
        {POLL_IN | POLL_RDNORM, 1, POLL_IN | POLL_RDNORM},
        {POLL_OUT | POLL_WRNORM, 2, POLL_OUT | POLL_WRNORM | POLL_WRBAND},
        {POLL_PRI, 5, POLL_PRI | POLL_RDBAND},
    };
    if (sig == 0)
        return siginfo_kernel(SIGIO);
    struct linux_siginfo info = {.signo = sig, .code = 4, .poll = {.band = POLL_ERR, .fd = fd}};
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (!(events & reasons[i].event))
            continue;
        info.code = reasons[i].code;
        info.poll.band = reasons[i].band;
        break;
    }
    return info;
}

static void send(struct ktimer *t)
{
    struct async *a = container_of(t, struct async, timer);
    spin_lock(&a->lock);
    struct signal_owner owner = a->owner;
    struct linux_siginfo info = info_of(a->sig, a->fd, a->events);
    a->events = 0;
    spin_unlock(&a->lock);
    signal_send_owner(&owner, &info);
}

static void note(struct waiter *w, uint32_t events)
{
    struct async *a = container_of(w, struct async_waiter, waiter)->async;
    spin_lock(&a->lock);
    bool first = a->events == 0;
    a->events |= events == ~0u ? (uint32_t) POLL_IN : events;
    spin_unlock(&a->lock);
    if (first)
        ktimer_arm(&a->timer, clock_mono_ns());
}

/* ---- the waiters ---- */

struct async_table {
    struct poll_table table;
    struct async *async;
};

static void add_queue(struct poll_table *pt, struct waitq *q)
{
    struct async *a = container_of(pt, struct async_table, table)->async;
    check(a->waiter_count < QUEUES_MAX);
    struct async_waiter *w = &a->waiters[a->waiter_count++];
    *w = (struct async_waiter){.waiter = {.fn = note}, .async = a};
    waitq_add(q, &w->waiter);
}

static void take_down(struct async *a)
{
    for (uint32_t i = 0; i < a->waiter_count; i++)
        waitq_del(&a->waiters[i].waiter);
    a->waiter_count = 0;
    ktimer_cancel(&a->timer);
    SPIN_GUARD(&a->lock);
    a->events = 0;
}

/* The file's, made when it is first needed; NULL: no memory. */
static struct async *async_get(struct file *f)
{
    struct async *a = atomic_load(&f->async);
    if (a)
        return a;
    struct async *fresh = new_zero(struct async);
    if (!fresh)
        return NULL;
    mutex_init(&fresh->mutex);
    ktimer_init(&fresh->timer, send);
    struct async *none = NULL;
    if (atomic_cas(&f->async, &none, fresh))
        return fresh;
    kfree(fresh);
    return atomic_load(&f->async);
}

bool async_possible(const struct file *f)
{
    uint32_t mode = f->inode->mode;
    return f->ops->poll && (S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode));
}

int async_set(struct file *f, int fd, bool on)
{
    struct async *a = on ? async_get(f) : atomic_load(&f->async);
    if (!a)
        return on ? -ENOMEM : 0;
    MUTEX_GUARD(&a->mutex);
    if (on == a->on)
        return 0;
    a->on = on;
    if (!on) {
        take_down(a);
        return 0;
    }
    spin_lock(&a->lock);
    a->fd = fd;
    spin_unlock(&a->lock);
    struct async_table t = {.table = {.add = add_queue}, .async = a};
    (void) file_poll(f, &t.table); /* what is ready already is no event */
    return 0;
}

void async_release(struct file *f)
{
    struct async *a = TAKE(f->async);
    if (!a)
        return;
    take_down(a);
    kfree(a);
}

/* ---- the owner ---- */

struct signal_owner async_owner(struct file *f)
{
    struct async *a = atomic_load(&f->async);
    if (!a)
        return (struct signal_owner){.type = OWNER_PID};
    SPIN_GUARD(&a->lock);
    return a->owner;
}

int async_set_owner(struct file *f, const struct signal_owner *owner)
{
    struct async *a = async_get(f);
    if (!a)
        return -ENOMEM;
    SPIN_GUARD(&a->lock);
    a->owner = *owner;
    return 0;
}

int async_signal(struct file *f)
{
    struct async *a = atomic_load(&f->async);
    if (!a)
        return 0;
    SPIN_GUARD(&a->lock);
    return a->sig;
}

int async_set_signal(struct file *f, int sig)
{
    struct async *a = async_get(f);
    if (!a)
        return -ENOMEM;
    SPIN_GUARD(&a->lock);
    a->sig = sig;
    return 0;
}
