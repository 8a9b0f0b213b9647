/* Priority-inheritance futexes.
 *
 * The word of such a lock holds its owner's tid, and FUTEX_WAITERS once somebody waits in the kernel;
 * then its owner unlocks through the kernel, which gives the lock to the first waiter by writing that
 * one's tid. Threads have no priorities here, so nobody is boosted and waiters are served in their
 * order; the protocol and its errors are Linux'.
 *
 * An owner that dies leaves the lock to the first waiter. The dying thread may not be able to write the
 * word any more, so the heir does (heir: between the two). Until then the heir counts as the owner.
 *
 * One mutex guards all of it, and user memory is touched under it (docs/invariants.md, lock order): only
 * contended locks come here, and detecting a circle of owners needs all of them to stand still. A
 * waiter lies on its thread's stack and is touched only under the mutex, which the thread takes once
 * more before it leaves.
 */
#include "abi/layout.h"
#include "abi/linux/sched.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/mm/uaccess.h"
#include "libos/task/futex.h"
#include "libos/task/futex_key.h"
#include "libos/task/mutex.h"
#include "libos/task/process.h"

#define CHAIN_MAX 1024

enum stage {
    CONDITION, /* WAIT_REQUEUE_PI: not yet moved to the lock */
    QUEUED,    /* for the lock */
    HEIR,      /* it is the owner, but the word does not say so yet */
    OWNER
};

struct pi_waiter {
    struct list link;
    struct thread *thread;
    struct futex_key key;  /* of the lock; CONDITION: of the word it waits on */
    struct futex_key lock; /* CONDITION: where it is to be moved */
    int owner;             /* QUEUED: whom it waits for */
    enum stage stage;
};

static struct {
    struct mutex mutex;
    struct list waiters; /* all, oldest first */
    uint32_t count;      /* of them; read without the mutex by threads that exit */
} pi = {.mutex = MUTEX_INIT(pi.mutex), .waiters = LIST_INIT(pi.waiters)};

/* ---- waiters (mutex held) --------------------------------------------------------------------- */
static void add_locked(struct pi_waiter *w)
{
    list_add_tail(&pi.waiters, &w->link);
    atomic_add(&pi.count, 1);
}

static void drop_locked(struct pi_waiter *w)
{
    list_del(&w->link);
    atomic_sub(&pi.count, 1);
}

/* The first waiter for a lock, or on a condition, at or behind `from` in the list; NULL: none. */
static struct pi_waiter *next_locked(struct list *from, struct futex_key key, enum stage stage)
{
    for (struct list *l = from; l != &pi.waiters; l = l->next) {
        struct pi_waiter *w = list_entry(l, struct pi_waiter, link);
        if (w->stage == stage && futex_key_same(w->key, key))
            return w;
    }
    return NULL;
}

static struct pi_waiter *first_locked(struct futex_key key, enum stage stage)
{
    return next_locked(pi.waiters.next, key, stage);
}

static uint32_t waiters_bit_locked(struct futex_key key)
{
    return first_locked(key, QUEUED) ? FUTEX_WAITERS : 0;
}

/* Whoever waited for the old owner of this lock waits for the new one. */
static void set_owner_locked(struct futex_key key, int owner)
{
    struct pi_waiter *w;
    list_for_each (w, &pi.waiters, link)
        if (w->stage == QUEUED && futex_key_same(w->key, key))
            w->owner = owner;
}

static void wake_locked(struct pi_waiter *w, enum stage stage)
{
    struct thread *t = w->thread;
    set_owner_locked(w->key, t->tid);
    atomic_store(&w->stage, stage);
    thread_wake(t); /* w cannot go away: its thread needs the mutex first */
}

/* Would waiting for owner close a circle? */
static bool deadlock_locked(int me, int owner)
{
    for (int depth = 0; owner != me; depth++) {
        const struct pi_waiter *w;
        int next = 0;
        list_for_each (w, &pi.waiters, link)
            if (w->stage == QUEUED && w->thread->tid == owner)
                next = w->owner;
        if (!next)
            return false;
        if (depth == CHAIN_MAX)
            return true;
        owner = next;
    }
    return true;
}

/* Will it still come by futex_exit_pi? */
static bool is_alive(int tid)
{
    AUTO(process_put) struct process *p = NULL;
    AUTO(thread_put) struct thread *t = thread_lookup_get(tid, &p);
    return t && !atomic_load(&t->pi_settled);
}

/* ---- the word --------------------------------------------------------------------------------- */
enum { CHANGED = 1, TAKEN = 2 };

/* 0, CHANGED (look again) or -EFAULT. */
static int store_locked(uaddr_t word, uint32_t old, uint32_t new)
{
    uint32_t found;
    int r = old == new ? 0 : user_cmpxchg_u32(word, old, new, &found);
    return r < 0 ? r : old == new || found == old ? 0 : CHANGED;
}

/* One try to take the lock for tid. TAKEN; 0: it is *ret_owner's, and FUTEX_WAITERS is set (unless
 * only_try); CHANGED; -errno. */
static int try_locked(uaddr_t word, struct futex_key key, int tid, bool only_try, int *ret_owner)
{
    uint32_t value;
    int r = user_load_u32(word, &value);
    if (r < 0)
        return r;
    const struct pi_waiter *heir = first_locked(key, HEIR);
    int owner = heir ? heir->thread->tid : (int) (value & FUTEX_TID_MASK);
    if (owner == tid)
        return -EDEADLK;
    if (owner == 0) {
        uint32_t mine = (uint32_t) tid | (value & FUTEX_OWNER_DIED) | waiters_bit_locked(key);
        r = store_locked(word, value, mine);
        if (r == 0)
            set_owner_locked(key, tid);
        return r == 0 ? TAKEN : r;
    }
    if (only_try)
        return -EAGAIN;
    if (!is_alive(owner)) { /* its robust list may have been settled in between */
        uint32_t now;
        r = user_load_u32(word, &now);
        return r < 0 ? r : now == value ? -ESRCH : CHANGED;
    }
    *ret_owner = owner;
    return heir ? 0 : store_locked(word, value, value | FUTEX_WAITERS);
}

static int take_or_find_owner_locked(uaddr_t word, struct futex_key key, int tid, bool only_try,
                                     int *ret_owner)
{
    int r;
    do
        r = try_locked(word, key, tid, only_try, ret_owner);
    while (r == CHANGED);
    return r;
}

/* The heir writes what the dead owner could not. */
static int inherit_locked(uaddr_t word, struct pi_waiter *w)
{
    int r;
    do {
        uint32_t value;
        r = user_load_u32(word, &value);
        uint32_t mine = (uint32_t) w->thread->tid | FUTEX_OWNER_DIED | waiters_bit_locked(w->key);
        if (r == 0)
            r = store_locked(word, value, mine);
    } while (r == CHANGED);
    return r;
}

/* ---- locking ---------------------------------------------------------------------------------- */
static bool has_lock(struct pi_waiter *w)
{
    return atomic_load(&w->stage) >= HEIR;
}

/* The mutex is held on entry and return; w is in the list and then not any more. */
static int sleep_locked(uaddr_t word, struct pi_waiter *w, int64_t deadline_ns)
{
    mutex_unlock(&pi.mutex);
    int r = 0;
    while (r == 0 && !has_lock(w))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    mutex_lock(&pi.mutex);
    if (has_lock(w))
        r = w->stage == HEIR ? inherit_locked(word, w) : 0;
    drop_locked(w);
    return r;
}

int futex_lock_pi(uaddr_t word, bool only_try, int64_t deadline_ns)
{
    struct thread *me = current();
    struct pi_waiter w = {.thread = me, .stage = QUEUED};
    int r = futex_key_of(word, &w.key);
    if (r < 0)
        return r;
    MUTEX_GUARD(&pi.mutex);
    for (;;) {
        r = take_or_find_owner_locked(word, w.key, me->tid, only_try, &w.owner);
        if (r != 0)
            return r == TAKEN ? 0 : r;
        if (deadlock_locked(me->tid, w.owner))
            return -EDEADLK;
        add_locked(&w);
        if (is_alive(w.owner)) /* looked at behind the count: see futex_exit_pi */
            return sleep_locked(word, &w, deadline_ns);
        drop_locked(&w);
    }
}

static int unlock_once_locked(uaddr_t word, struct futex_key key)
{
    uint32_t value;
    int r = user_load_u32(word, &value);
    if (r < 0)
        return r;
    if ((value & FUTEX_TID_MASK) != (uint32_t) current()->tid)
        return -EPERM;
    struct pi_waiter *next = first_locked(key, QUEUED);
    bool more = next && next_locked(next->link.next, key, QUEUED);
    uint32_t new = next ? (uint32_t) next->thread->tid | (more ? FUTEX_WAITERS : 0) : 0;
    r = store_locked(word, value, new);
    if (r == 0 && next)
        wake_locked(next, OWNER);
    return r;
}

int futex_unlock_pi(uaddr_t word)
{
    struct futex_key key;
    int r = futex_key_of(word, &key);
    if (r < 0)
        return r;
    MUTEX_GUARD(&pi.mutex);
    do
        r = unlock_once_locked(word, key);
    while (r == CHANGED);
    return r;
}

/* ---- conditions ------------------------------------------------------------------------------- */
int futex_wait_requeue_pi(uaddr_t word, uint32_t value, int64_t deadline_ns, uaddr_t lock)
{
    struct pi_waiter w = {.thread = current(), .stage = CONDITION};
    int r = futex_key_of(word, &w.key);
    if (r == 0)
        r = futex_key_of(lock, &w.lock);
    if (r == 0 && futex_key_same(w.key, w.lock))
        r = -EINVAL;
    if (r < 0)
        return r;
    MUTEX_GUARD(&pi.mutex);
    uint32_t found;
    r = user_load_u32(word, &found);
    if (r < 0)
        return r;
    if (found != value)
        return -EAGAIN;
    add_locked(&w);
    r = sleep_locked(lock, &w, deadline_ns);
    return r == -EINTR && w.stage == QUEUED ? -EAGAIN : r; /* such a call cannot be made again */
}

/* Moves the first waiter of the condition to the lock, as its owner if that is free. 0 or -errno. */
static int move_one_locked(struct pi_waiter *w, uaddr_t lock, struct futex_key key)
{
    if (!futex_key_same(w->lock, key))
        return -EINVAL;
    int r = take_or_find_owner_locked(lock, key, w->thread->tid, false, &w->owner);
    if (r < 0)
        return r;
    if (r == 0 && deadlock_locked(w->thread->tid, w->owner))
        return -EDEADLK;
    if (r == 0 && !is_alive(w->owner)) /* w is counted: see futex_exit_pi */
        return -ESRCH;
    w->key = key;
    if (r == TAKEN)
        wake_locked(w, OWNER);
    else
        atomic_store(&w->stage, QUEUED);
    return 0;
}

int futex_cmp_requeue_pi(uaddr_t word, uaddr_t lock, int wake, int move, uint32_t expected)
{
    struct futex_key key, key2;
    int r = futex_key_of(word, &key);
    if (r == 0)
        r = futex_key_of(lock, &key2);
    if (r == 0 && (wake != 1 || move < 0 || futex_key_same(key, key2)))
        r = -EINVAL;
    if (r < 0)
        return r;
    MUTEX_GUARD(&pi.mutex);
    uint32_t found;
    r = user_load_u32(word, &found);
    if (r < 0)
        return r;
    if (found != expected)
        return -EAGAIN;
    int done = 0;
    struct pi_waiter *w;
    while (done - wake < move && (w = first_locked(key, CONDITION))) {
        r = move_one_locked(w, lock, key2);
        if (r < 0)
            return done ? done : r;
        done++;
    }
    return done;
}

/* ---- death of an owner ------------------------------------------------------------------------ */
static struct pi_waiter *first_of_owner_locked(int tid)
{
    struct pi_waiter *w;
    list_for_each (w, &pi.waiters, link)
        if (w->stage == QUEUED && w->owner == tid)
            return w;
    return NULL;
}

/* A thread that wants to wait for t counts itself first and then looks at pi_settled. */
void futex_exit_pi(struct thread *t)
{
    (void) atomic_swap(&t->pi_settled, true);
    if (atomic_load(&pi.count) == 0)
        return;
    MUTEX_GUARD(&pi.mutex);
    struct pi_waiter *w;
    while ((w = first_of_owner_locked(t->tid)))
        wake_locked(w, HEIR);
}
