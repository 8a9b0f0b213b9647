/* A byte ring in kernel pages that grows with what is in it. Its owner locks it and decides how much
 * may be in it. */
#ifndef MM_RING_H
#define MM_RING_H
#include "libos/mm/uio.h"

struct ring { /* all zero: empty */
    uint8_t *p;
    uint32_t size; /* of p: a power of two, or 0 */
    uint32_t head; /* of the first byte; below size */
    uint32_t used;
};

/* Room for at least one more byte, and if there is memory for `more`; the room there is, or -ENOMEM. */
must_check long ring_reserve(struct ring *r, uint32_t more);
/* n bytes at the end, for which there is room. -EFAULT: none. */
must_check int ring_put(struct ring *r, struct uio *uio, uint32_t n);
/* Copies n bytes from offset on, without taking them; offset + n <= used. */
must_check int ring_copy(const struct ring *r, struct uio *uio, uint32_t offset, uint32_t n);
void ring_drop(struct ring *r, uint32_t n);
void ring_fini(struct ring *r);
#endif
