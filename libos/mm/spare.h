/* A buffer of some pages that its users hand to each other, so that it is not allocated, touched and cleared each time.
 * Whoever finds it taken allocates one. What is in it is somebody else's old data. */
#ifndef MM_SPARE_H
#define MM_SPARE_H
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"

struct spare {
    void *p; /* atomic; NULL: taken, or there is none yet */
};

/* pages is the same for all calls of one spare. NULL: no memory. */
static inline void *spare_take(struct spare *s, size_t pages)
{
    void *p = atomic_swap(&s->p, NULL);
    return p ? p : kpages_alloc(pages);
}

static inline void spare_give(struct spare *s, void *p, size_t pages)
{
    void *other = atomic_swap(&s->p, p);
    if (other)
        kpages_free(other, pages);
}
#endif
