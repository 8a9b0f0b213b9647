/* Atomic operations on words and pointers, for flags and counters that no lock protects. Loads acquire,
 * stores release, read-modify-writes do both: on x86 that costs nothing more than weaker orders, and
 * nobody has to argue about them. Operations that modify return the old value unless they say _new. */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H
#include "libos/base/smp.h"

#define atomic_load(p)       __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store(p, v)   __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_swap(p, v)    __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define atomic_add(p, v)     __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atomic_sub(p, v)     __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define atomic_or(p, v)      __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_and(p, v)     __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define atomic_add_new(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define atomic_sub_new(p, v) __atomic_sub_fetch((p), (v), __ATOMIC_SEQ_CST)
/* true: *p was *expected and is desired now. false: *expected is what *p was. */
#define atomic_cas(p, expected, desired)                                                           \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_SEQ_CST,               \
                                __ATOMIC_ACQUIRE)
/* A word that changes under a lock only and is looked at without it: the changer posts, the looker peeks. Nothing
 * else is ordered by it, and the looker is right with the old value and with the new one. */
#define atomic_peek(p)    __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_post(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* A load after this one sees what others stored before theirs (the only order x86 does not keep). */
static inline void atomic_fence(void)
{
    if (smp)
        __asm__ volatile("lock; orl $0, (%%rsp)" : : : "memory", "cc"); /* cheaper than MFENCE */
    else
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
#endif
