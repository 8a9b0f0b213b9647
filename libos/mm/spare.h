/* Buffers of some pages that their users hand to each other, so that they are not allocated, touched and cleared each
 * time. Whoever finds all taken allocates one. What is in one is somebody else's old data. */
#ifndef MM_SPARE_H
#define MM_SPARE_H
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"

#define SPARES 2u /* so many users at the same time do not allocate */

struct spare {
    void *p[SPARES]; /* atomic; NULL: taken, or there is none yet */
};

/* pages is the same for all calls of one spare. NULL: no memory. */
static inline void *spare_take(struct spare *s, size_t pages)
{
    void *p = NULL;
    for (unsigned n = 0; n < SPARES && !p; n++)
        p = atomic_swap(&s->p[n], NULL);
    return p ? p : kpages_alloc(pages);
}

static inline void spare_give(struct spare *s, void *p, size_t pages)
{
    for (unsigned n = 0; n < SPARES && p; n++)
        p = atomic_swap(&s->p[n], p);
    if (p)
        kpages_free(p, pages);
}

static inline void spare_fini(struct spare *s, size_t pages)
{
    for (unsigned n = 0; n < SPARES; n++)
        if (s->p[n])
            kpages_free(s->p[n], pages);
}
#endif
