/* Kernel memory: size-segregated slabs with out-of-line metadata, and whole pages.
 *
 * kfree panics on a double free, on a pointer kmalloc did not return and on a pointer into the middle
 * of an object. Memory is zeroed. None of these functions sleeps; NULL means the kernel heap's limit is reached.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H
#include "libos/base/ckmath.h"

must_check void *kzalloc(size_t size);           /* zeroed; aligned to 16, to 64 from 64 bytes on */
void kfree(void *p);                             /* NULL is fine */
must_check void *krealloc(void *p, size_t size); /* new bytes are zero */
must_check char *kstrdup(const char *s);

/* count zeroed pages in a row, page aligned. The unit of page cache and kernel stacks. */
must_check void *kpages_alloc(size_t count);
void kpages_free(void *p, size_t count);

struct heap_stats {
    size_t limit, used_pages, cached_pages;
};
void heap_stats(struct heap_stats *ret);

#define alloc_flex(type, member, count)                                                            \
    __extension__({                                                                                \
        size_t _n;                                                                                 \
        (ck_mul(&_n, (size_t) (count), sizeof(((type *) 0)->member[0])) ||                         \
         ck_add(&_n, _n, sizeof(type)))                                                            \
            ? NULL                                                                                 \
            : (type *) kzalloc(_n);                                                                \
    })
#define new_zero(type) ((type *) kzalloc(sizeof(type)))
#endif
