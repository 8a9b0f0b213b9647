/* Atomic words, for flags and counters that no lock protects. Acquire on load, release on store, both
 * on read-modify-write: cheap on x86, and nobody has to argue about weaker orders. */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H
#include "libos/base/types.h"

#define ATOMIC_OPS(suffix, type)                                                                   \
    static inline type atomic_load_##suffix(const type *p)                                         \
    {                                                                                              \
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                               \
    }                                                                                              \
    static inline void atomic_store_##suffix(type *p, type v)                                      \
    {                                                                                              \
        __atomic_store_n(p, v, __ATOMIC_RELEASE);                                                  \
    }                                                                                              \
    static inline type atomic_swap_##suffix(type *p, type v) /* the old value */                   \
    {                                                                                              \
        return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL);                                        \
    }                                                                                              \
    static inline type atomic_add_##suffix(type *p, type v) /* the old value */                    \
    {                                                                                              \
        return __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL);                                         \
    }                                                                                              \
    static inline type atomic_or_##suffix(type *p, type bits) /* the old value */                  \
    {                                                                                              \
        return __atomic_fetch_or(p, bits, __ATOMIC_ACQ_REL);                                       \
    }                                                                                              \
    static inline type atomic_clear_##suffix(type *p, type bits) /* the old value */               \
    {                                                                                              \
        return __atomic_fetch_and(p, (type) ~bits, __ATOMIC_ACQ_REL);                              \
    }                                                                                              \
    /* *expected becomes what was found when it was something else (false). */                     \
    static inline must_check bool atomic_cas_##suffix(type *p, type *expected, type desired)       \
    {                                                                                              \
        return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_ACQ_REL,          \
                                           __ATOMIC_ACQUIRE);                                      \
    }

ATOMIC_OPS(u32, uint32_t)
ATOMIC_OPS(u64, uint64_t)
ATOMIC_OPS(int, int)
#undef ATOMIC_OPS
#endif
