/* Spin locks. Kernel code is never preempted, so a spin lock only keeps other vCPUs out; it is held
 * for a few hundred instructions at most and never over anything that may sleep, touch user memory
 * or leave the enclave. Longer work uses struct mutex (task/mutex.h). */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H
#include "libos/base/smp.h"

struct spinlock {
    uint32_t held;
};

#define SPINLOCK_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

static inline void spin_lock(struct spinlock *l)
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
            __builtin_ia32_pause();
}

static inline bool spin_trylock(struct spinlock *l)
{
    return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_unlock(struct spinlock *l)
{
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

static inline void spin_unlock_cleanup(struct spinlock **l)
{
    spin_unlock(*l);
}

/* Holds the lock to the end of the scope. */
#define SPIN_GUARD(l)                                                                              \
    __attribute__((cleanup(spin_unlock_cleanup))) struct spinlock *_spin_guard = (l);              \
    spin_lock(_spin_guard)
#endif
