/* Futexes.
 *
 * Waiters stand in hashed buckets under the bucket's spin lock. The key is the word's address, and the
 * mm unless the word lies in the shared window: an enclave page has one address, so that is all it
 * takes to tell objects apart, and whether the program said PRIVATE does not matter.
 *
 * No wake-up is lost: reading the word may fault and sleep, so it cannot happen under a spin lock. A
 * waiter therefore queues itself first, then reads the word, then sleeps. Whoever changes the word
 * before waking either finds the waiter in the queue, or had changed the word before it was queued
 * and the waiter reads the new value. A waiter that reads another value leaves the queue; if it was
 * woken meanwhile it keeps that wake-up and reports success, for the waker has counted it.
 *
 * A waiter lives on its thread's kernel stack. Wakers touch it only under the lock of the bucket it
 * stands in (w->bucket; requeue changes it with both locks held), and the waiter takes that lock once
 * more before it returns.
 */
#include "abi/layout.h"
#include "abi/linux/sched.h"
#include "libos/base/atomic.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/base/errno.h"
#include "libos/mm/heap.h"
#include "libos/task/futex.h"
#include "libos/task/futex_key.h"
#include "libos/task/process.h"

#define BUCKET_BITS  8
#define BUCKET_COUNT (1u << BUCKET_BITS)

struct bucket {
    struct spinlock lock;
    uint32_t count; /* of waiters; read without the lock by wakers, after their own store */
    struct list waiters;
} aligned_to(64);

struct futex_waiter {
    struct list link;
    struct bucket *bucket; /* under the lock of the bucket it names */
    struct thread *thread;
    struct futex_key key;
    uint32_t bits;
    bool woken;
};

static struct bucket buckets[BUCKET_COUNT];

/* ---- keys ------------------------------------------------------------------------------------- */
int futex_key_of(uaddr_t word, struct futex_key *ret)
{
    if (word.v % sizeof(uint32_t) != 0)
        return -EINVAL;
    if (word.v >= KERNEL_BASE)
        return -EFAULT;
    bool shared = word.v >= SHARED_BASE && word.v < SHARED_END;
    *ret = (struct futex_key){shared ? NULL : current()->proc->mm, word.v};
    return 0;
}

static struct bucket *bucket_of(struct futex_key key)
{
    uint64_t h = (key.addr >> 2) * 0x9e3779b97f4a7c15ull;
    return &buckets[h >> (64 - BUCKET_BITS)];
}

static void bucket_prepare_locked(struct bucket *b)
{
    if (unlikely(!b->waiters.next))
        list_init(&b->waiters);
}

static void bucket_lock(struct bucket *b)
{
    spin_lock(&b->lock);
    bucket_prepare_locked(b);
}

/* ---- waiting ---------------------------------------------------------------------------------- */
static void enqueue_locked(struct bucket *b, struct futex_waiter *w)
{
    atomic_post(&w->bucket, b);
    list_add_tail(&b->waiters, &w->link);
    (void) atomic_swap(&b->count, b->count + 1);
}

static void dequeue_locked(struct bucket *b, struct futex_waiter *w)
{
    list_del(&w->link);
    atomic_post(&b->count, b->count - 1);
}

static struct bucket *lock_own_bucket(struct futex_waiter *w)
{
    for (;;) {
        struct bucket *b = atomic_load(&w->bucket);
        spin_lock(&b->lock);
        if (b == w->bucket)
            return b;
        spin_unlock(&b->lock); /* requeued meanwhile */
    }
}

/* True if somebody woke it. Afterwards nobody touches w. */
static bool leave(struct futex_waiter *w)
{
    struct bucket *b = lock_own_bucket(w);
    bool woken = w->woken;
    if (!woken)
        dequeue_locked(b, w);
    spin_unlock(&b->lock);
    return woken;
}

static int sleep_until_woken(struct futex_waiter *w, int64_t deadline_ns)
{
    int r = 0;
    while (r == 0 && !atomic_load(&w->woken))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    return r;
}

int futex_wait(uaddr_t word, uint32_t value, uint32_t bits, int64_t deadline_ns)
{
    struct futex_waiter w = {.thread = current(), .bits = bits};
    int r = bits ? futex_key_of(word, &w.key) : -EINVAL;
    if (r < 0)
        return r;
    struct bucket *b = bucket_of(w.key);
    bucket_lock(b);
    enqueue_locked(b, &w);
    spin_unlock(&b->lock);
    atomic_fence();
    uint32_t found = value;
    r = user_load_u32(word, &found);
    if (r == 0)
        r = found == value ? sleep_until_woken(&w, deadline_ns) : -EAGAIN;
    return leave(&w) ? 0 : r;
}

/* ---- waiting for several ---------------------------------------------------------------------- */
/* The words hold what the caller expects; 0, or an error of the first that does not. */
static int compare_all(const struct futex_wanted *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t found;
        int r = user_load_u32(wanted[i].word, &found);
        if (r < 0 || found != wanted[i].value)
            return r < 0 ? r : -EAGAIN;
    }
    return 0;
}

static bool any_woken(const struct futex_waiter *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (atomic_load(&w[i].woken))
            return true;
    return false;
}

/* All of them leave. The first that somebody woke, or r. */
static int leave_all(struct futex_waiter *w, size_t count, int r)
{
    int first = -1;
    for (size_t i = 0; i < count; i++)
        if (leave(&w[i]) && first < 0)
            first = (int) i;
    return first >= 0 ? first : r;
}

int futex_wait_any(const struct futex_wanted *wanted, size_t count, int64_t deadline_ns)
{
    struct futex_waiter *w = kzalloc(count * sizeof *w);
    int r = w ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < count; i++) {
        w[i].thread = current();
        w[i].bits = FUTEX_BITSET_MATCH_ANY;
        r = futex_key_of(wanted[i].word, &w[i].key);
    }
    if (r < 0) {
        kfree(w);
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        struct bucket *b = bucket_of(w[i].key);
        bucket_lock(b);
        enqueue_locked(b, &w[i]);
        spin_unlock(&b->lock);
    }
    atomic_fence();
    r = compare_all(wanted, count);
    while (r == 0 && !any_woken(w, count))
        r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    r = leave_all(w, count, r);
    kfree(w);
    return r;
}

/* ---- waking ----------------------------------------------------------------------------------- */
static void wake_locked(struct bucket *b, struct futex_waiter *w)
{
    struct thread *t = w->thread;
    dequeue_locked(b, w);
    atomic_store(&w->woken, true);
    thread_wake(t); /* t cannot go away: it needs this bucket's lock first */
}

static int wake_some_locked(struct bucket *b, struct futex_key key, int count, uint32_t bits)
{
    int woken = 0;
    struct futex_waiter *w;
    list_for_each_safe (w, &b->waiters, link) {
        if (woken >= count)
            break;
        if (!futex_key_same(w->key, key) || !(w->bits & bits))
            continue;
        wake_locked(b, w);
        woken++;
    }
    return woken;
}

int futex_wake_bits(uaddr_t word, int count, uint32_t bits)
{
    struct futex_key key;
    int r = bits ? futex_key_of(word, &key) : -EINVAL;
    if (r < 0)
        return r;
    struct bucket *b = bucket_of(key);
    atomic_fence(); /* the caller's store to the word, then the count */
    if (atomic_load(&b->count) == 0)
        return 0;
    bucket_lock(b);
    int woken = wake_some_locked(b, key, MAX(count, 1), bits);
    spin_unlock(&b->lock);
    return woken;
}

int futex_wake(uaddr_t word, int count)
{
    return futex_wake_bits(word, count, FUTEX_BITSET_MATCH_ANY);
}

/* ---- two words -------------------------------------------------------------------------------- */
static void lock_two(struct bucket *a, struct bucket *b)
{
    struct bucket *first = a < b ? a : b, *second = a < b ? b : a;
    bucket_lock(first);
    if (a == b)
        return;
    spin_lock_nested(&second->lock);
    bucket_prepare_locked(second);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

static int move_some_locked(struct bucket *from, struct futex_key key, struct bucket *to,
                            struct futex_key key2, int count)
{
    int moved = 0;
    struct futex_waiter *w;
    list_for_each_safe (w, &from->waiters, link) {
        if (moved >= count)
            break;
        if (!futex_key_same(w->key, key))
            continue;
        dequeue_locked(from, w);
        w->key = key2;
        enqueue_locked(to, w);
        moved++;
    }
    return moved;
}

/* The comparison cannot be under the locks. It is made before; a change right after it is as if the
 * caller had run a moment earlier, and a waiter that is moved though the word changed is found on
 * word2 by whoever unlocks that, so none is lost. */
int futex_requeue(uaddr_t word, uaddr_t word2, int wake, int move, const uint32_t *expected)
{
    struct futex_key key, key2;
    int r = futex_key_of(word, &key);
    if (r == 0)
        r = futex_key_of(word2, &key2);
    if (r == 0 && (wake < 0 || move < 0))
        r = -EINVAL;
    uint32_t found = 0;
    if (r == 0 && expected)
        r = user_load_u32(word, &found);
    if (r < 0)
        return r;
    if (expected && found != *expected)
        return -EAGAIN;
    struct bucket *from = bucket_of(key), *to = bucket_of(key2);
    lock_two(from, to);
    int woken = wake_some_locked(from, key, wake, FUTEX_BITSET_MATCH_ANY);
    int moved = futex_key_same(key, key2) ? 0 : move_some_locked(from, key, to, key2, move);
    unlock_two(from, to);
    return expected ? woken + moved : woken;
}

static int wake_op_apply(uint32_t op, uint32_t old, uint32_t *ret)
{
    uint32_t arg = (uint32_t) ((int32_t) (op << 8) >> 20);
    if (op & 0x80000000u)
        arg = 1u << (arg & 31);
    switch (op >> 28 & 7) {
    case 0:
        *ret = arg;
        return 0;
    case 1:
        *ret = old + arg;
        return 0;
    case 2:
        *ret = old | arg;
        return 0;
    case 3:
        *ret = old & ~arg;
        return 0;
    case 4:
        *ret = old ^ arg;
        return 0;
    default:
        return -ENOSYS;
    }
}

static int wake_op_compare(uint32_t op, uint32_t old)
{
    int32_t arg = (int32_t) (op << 20) >> 20, v = (int32_t) old;
    switch (op >> 24 & 15) {
    case 0:
        return v == arg;
    case 1:
        return v != arg;
    case 2:
        return v < arg;
    case 3:
        return v <= arg;
    case 4:
        return v > arg;
    case 5:
        return v >= arg;
    default:
        return -ENOSYS;
    }
}

static int wake_op_exchange(uaddr_t word, uint32_t op, uint32_t *ret_old)
{
    uint32_t old;
    int r = user_load_u32(word, &old);
    while (r == 0) {
        uint32_t new, found;
        r = wake_op_apply(op, old, &new);
        if (r == 0)
            r = user_cmpxchg_u32(word, old, new, &found);
        if (r == 0 && found == old) {
            *ret_old = old;
            return 0;
        }
        old = found;
    }
    return r;
}

int futex_wake_op(uaddr_t word, uaddr_t word2, int wake, int wake2, uint32_t op)
{
    struct futex_key key, key2;
    int r = futex_key_of(word, &key);
    if (r == 0)
        r = futex_key_of(word2, &key2);
    uint32_t old;
    if (r == 0)
        r = wake_op_exchange(word2, op, &old);
    if (r < 0)
        return r;
    int second = wake_op_compare(op, old);
    if (second < 0)
        return second;
    int woken = futex_wake(word, wake);
    return second && woken >= 0 ? woken + futex_wake(word2, wake2) : woken;
}
