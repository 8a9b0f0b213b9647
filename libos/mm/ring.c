/* The byte ring. Bytes lie at head, head + 1 ... modulo size; an empty ring starts over at 0, so that
 * it works in the same warm memory.
 *
 * A ring keeps its pages when it runs empty, because the next burst is mostly as large as the last;
 * but all large rings together keep only LARGE_KEPT bytes that way. */
#include "libos/mm/ring.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"

#define RING_FIRST 4096u
#define LARGE      65536u
#define LARGE_KEPT (4ul << 20)

static uint64_t large_bytes; /* atomic */

static void pages_drop(struct ring *r)
{
    if (r->size > LARGE)
        atomic_sub(&large_bytes, r->size);
    if (r->p)
        kpages_free(r->p, r->size / 4096);
}

long ring_reserve(struct ring *r, uint32_t more)
{
    uint32_t size = r->size ? r->size : RING_FIRST;
    while (size < r->used + more)
        size *= 2;
    if (size <= r->size)
        return (long) (r->size - r->used);
    uint8_t *p = kpages_alloc(size / 4096);
    if (!p)
        return r->size > r->used ? (long) (r->size - r->used) : -ENOMEM;
    if (r->used) {
        uint32_t first = MIN(r->used, r->size - r->head);
        memcpy(p, r->p + r->head, first);
        memcpy(p + first, r->p, r->used - first);
    }
    pages_drop(r);
    if (size > LARGE)
        atomic_add(&large_bytes, size);
    r->p = p;
    r->size = size;
    r->head = 0;
    return (long) (size - r->used);
}

int ring_put(struct ring *r, struct uio *uio, uint32_t n)
{
    check(n <= r->size - r->used);
    if (n == 0)
        return 0;
    uint32_t tail = (r->head + r->used) & (r->size - 1), first = MIN(n, r->size - tail);
    int e = uio_take(uio, r->p + tail, first);
    if (e == 0 && first < n)
        e = uio_take(uio, r->p, n - first);
    if (e < 0)
        return e;
    atomic_store(&r->used, r->used + n);
    return 0;
}

int ring_copy(const struct ring *r, struct uio *uio, uint32_t offset, uint32_t n)
{
    check(offset <= r->used && n <= r->used - offset);
    if (n == 0)
        return 0;
    uint32_t at = (r->head + offset) & (r->size - 1), first = MIN(n, r->size - at);
    int e = uio_put(uio, r->p + at, first);
    return e == 0 && first < n ? uio_put(uio, r->p, n - first) : e;
}

void ring_drop(struct ring *r, uint32_t n)
{
    check(n <= r->used);
    if (n < r->used) {
        r->head = (r->head + n) & (r->size - 1);
        atomic_store(&r->used, r->used - n);
    } else if (r->size > LARGE && atomic_load(&large_bytes) > LARGE_KEPT) {
        ring_fini(r);
    } else {
        r->head = 0;
        atomic_store(&r->used, 0);
    }
}

void ring_fini(struct ring *r)
{
    pages_drop(r);
    r->p = NULL;
    r->size = r->head = 0;
    atomic_store(&r->used, 0);
}
