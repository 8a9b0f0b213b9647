/* User memory: the only code that touches it. Every function checks that the whole range belongs to
 * the calling thread's own address space and that its mappings allow the access, may sleep (a page
 * may have to be filled), and returns 0 or -EFAULT. Copy once, then look at the copy.
 */
#ifndef MM_UACCESS_H
#define MM_UACCESS_H
#include "libos/base/span.h"

must_check int copy_from_user(struct span dst, uaddr_t src);
must_check int copy_to_user(uaddr_t dst, struct cspan src);
must_check int clear_user(uaddr_t dst, size_t n);
/* Copies a string of at most size - 1 bytes; its length, -EFAULT, or -ENAMETOOLONG. */
must_check long str_from_user(char *dst, size_t size, uaddr_t src);

#define get_user(ret, ua) copy_from_user(SPAN_OF(*(ret)), (ua))
#define put_user(ua, val)                                                                          \
    __extension__({                                                                                \
        const __typeof__(val) _v = (val);                                                          \
        copy_to_user((ua), CSPAN_OF(_v));                                                          \
    })

/* Atomic operations on an aligned 32-bit word, for futexes and robust lists. */
must_check int user_cmpxchg_u32(uaddr_t ua, uint32_t expected, uint32_t desired,
                                uint32_t *ret_found);
must_check int user_load_u32(uaddr_t ua, uint32_t *ret);

/* The memory of another process (its main use: /proc/PID/cmdline, environ). */
struct mm;
must_check int mm_copy_from(struct mm *mm, struct span dst, uaddr_t src);

static inline uaddr_t uaddr_add(uaddr_t a, size_t n)
{
    return (uaddr_t){a.v + n};
}
static inline bool uaddr_null(uaddr_t a)
{
    return a.v == 0;
}
#endif
