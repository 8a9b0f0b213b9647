/* Spin locks. Kernel code is never preempted, so a spin lock only keeps other vCPUs out; it is held
 * for a few hundred instructions at most and never over anything that may sleep, touch user memory
 * or leave the enclave. Longer work uses struct mutex (task/mutex.h).
 *
 * spin_lock and spin_trylock are macros so that a debug build knows where a lock is taken and asserts
 * their order (base/lockorder.h). */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H
#include "libos/base/lockorder.h"
#include "libos/base/smp.h"

struct spinlock {
    uint32_t held;
    LOCK_TAG
};

#define SPINLOCK_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

static inline void spin_take(struct spinlock *l)
{
    if (!smp) {
        if (__builtin_expect(l->held, 0))
            __builtin_trap(); /* would never end */
        __atomic_store_n(&l->held, 1, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_ACQUIRE);
        return;
    }
    while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
            cpu_relax();
}

static inline void spin_lock_at(struct spinlock *l, struct lock_site *site)
{
    lock_order_want(HELD_SPINS, l, LOCK_TAG_OF(l), site);
    spin_take(l);
    lock_order_got(HELD_SPINS, l, LOCK_TAG_OF(l), site);
}
#define spin_lock(l) spin_lock_at((l), LOCK_SITE(l))
/* Where another lock of the same kind is held and the caller knows an order between the two. */
#define spin_lock_nested(l) spin_lock_at((l), LOCK_SITE_SEVERAL(l))

static inline bool spin_trylock_at(struct spinlock *l, struct lock_site *site)
{
    if (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
        return false;
    lock_order_got(HELD_SPINS, l, LOCK_TAG_OF(l), site);
    return true;
}
#define spin_trylock(l) spin_trylock_at((l), LOCK_SITE(l))

static inline void spin_unlock(struct spinlock *l)
{
    lock_order_drop(HELD_SPINS, l);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

static inline void spin_unlock_cleanup(struct spinlock **l)
{
    spin_unlock(*l);
}

/* Holds the lock to the end of the scope. */
#define SPIN_GUARD(l)                                                                              \
    __attribute__((cleanup(spin_unlock_cleanup))) struct spinlock *_spin_guard = (l);              \
    spin_lock_at(_spin_guard, LOCK_SITE(l))
#define SPIN_GUARD_NESTED(l)                                                                       \
    __attribute__((cleanup(spin_unlock_cleanup))) struct spinlock *_spin_guard = (l);              \
    spin_lock_at(_spin_guard, LOCK_SITE_SEVERAL(l))
#endif
