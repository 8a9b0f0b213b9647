/* Reference counts that trap on resurrection and wrap; put tells whether it was the last. */
#ifndef BASE_REF_H
#define BASE_REF_H
#include "libos/base/panic.h"
#include "libos/base/smp.h"

struct ref {
    uint32_t n;
};

#define REF_INIT                                                                                   \
    {                                                                                              \
        1                                                                                          \
    }
#define REF_MAX 0x7fffffffu

static inline void ref_init(struct ref *r)
{
    r->n = 1;
}

static inline void ref_get(struct ref *r) /* the caller already holds one */
{
    uint32_t old = smp ? __atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED) : r->n++;
    check(old > 0 && old < REF_MAX);
}

/* For objects found through a table that holds no reference; false: it is already dying. */
static inline must_check bool ref_get_unless_zero(struct ref *r)
{
    uint32_t old = __atomic_load_n(&r->n, __ATOMIC_RELAXED);
    while (old != 0)
        if (__atomic_compare_exchange_n(&r->n, &old, old + 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

static inline must_check bool ref_put_last(struct ref *r)
{
    uint32_t old = smp ? __atomic_fetch_sub(&r->n, 1, __ATOMIC_ACQ_REL) : r->n--;
    check(old > 0 && old <= REF_MAX);
    return old == 1;
}
/* A look, good for as long as the caller keeps others from taking references. */
static inline uint32_t ref_count(const struct ref *r)
{
    return __atomic_load_n(&r->n, __ATOMIC_ACQUIRE);
}
#endif
