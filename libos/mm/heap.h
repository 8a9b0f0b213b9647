/* Kernel memory: size-segregated slabs with out-of-line metadata, and whole pages.
 *
 * kfree panics on a double free, on a pointer that kzalloc did not return, on a pointer into the middle
 * of an object, and on an object over whose end somebody wrote; kzalloc on a free object somebody
 * wrote to. Memory is zeroed. None of these functions sleeps; NULL means the heap's limit is reached,
 * or, when it nearly is, that the calling process has its share.
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
struct heap_class_stats {
    uint32_t size; /* bytes an object of this class holds at most */
    uint32_t used, objects, slabs, slab_pages;
};
bool heap_class_stats(unsigned n,
                      struct heap_class_stats *ret); /* false: there are only n classes */

/* Who is charged for what the threads of a process allocate (thread.heap_owner); 0 is the kernel. */
#define HEAP_OWNERS 1024u
uint16_t heap_owner_of(int pid);
size_t heap_charged(uint16_t owner); /* bytes */

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
