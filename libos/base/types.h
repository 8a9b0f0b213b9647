/* The vocabulary of the kernel: fixed-width types, address types, small helpers.
 *
 * User and host addresses are one-member structs: they cannot be dereferenced, compared with a
 * pointer or confused with each other. mm/uaccess.h and host/host_mem.h are the only ways through.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

typedef struct {
    uintptr_t v;
} uaddr_t; /* in user memory of some process */
typedef struct {
    uintptr_t v;
} haddr_t; /* outside the enclave; may change at any time */

#define UADDR(x) ((uaddr_t){(uintptr_t) (x)})
#define HADDR(x) ((haddr_t){(uintptr_t) (x)})

#define must_check        __attribute__((warn_unused_result))
#define UNINIT            __attribute__((uninitialized)) /* large buffers that are written before read */
#define noreturn_fn       __attribute__((noreturn))
#define hidden            __attribute__((visibility("hidden")))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define aligned_to(n)     __attribute__((aligned(n)))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))

#if defined(__clang__) && __clang_major__ >= 18
#define counted_by(n) __attribute__((counted_by(n)))
#else
#define counted_by(n)
#endif

#define container_of(ptr, type, member)                                                            \
    __extension__({                                                                                \
        const __typeof__(((type *) 0)->member) *_m = (ptr);                                        \
        (type *) ((char *) (uintptr_t) _m - offsetof(type, member));                               \
    })

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define CHOOSE_(a, op, b, x, y)                                                                    \
    __extension__({                                                                                \
        __typeof__(a) x = (a);                                                                     \
        __typeof__(b) y = (b);                                                                     \
        x op y ? x : y;                                                                            \
    })
#define CHOOSE(a, op, b, n) CHOOSE_(a, op, b, PASTE(_x, n), PASTE(_y, n))
/* Drops const, where an interface is shared by readers and writers and the value is only read. */
#define unconst(p) ((void *) (uintptr_t) (p))

#define MIN(a, b) CHOOSE(a, <, b, __COUNTER__)
#define MAX(a, b) CHOOSE(a, >, b, __COUNTER__)

/* Powers of two only; the argument must not be within align of the type's maximum. */
#define ROUND_UP(x, align)   (((x) + ((align) -1)) & ~((__typeof__(x)) (align) -1))
#define ROUND_DOWN(x, align) ((x) & ~((__typeof__(x)) (align) -1))
#define IS_ALIGNED(x, align) (((x) & ((align) -1)) == 0)

#define NSEC_PER_SEC 1000000000ll
#define NSEC_PER_MS  1000000ll
#define NSEC_PER_US  1000ll
#define FOREVER      INT64_MAX /* a timeout that never comes */

/* Cleanup: every path puts, except the one that moves with TAKE. */
#define DEFINE_AUTO(type, put)                                                                     \
    static inline void put##_p(type **pp)                                                          \
    {                                                                                              \
        if (*pp)                                                                                   \
            put(*pp);                                                                              \
    }
#define AUTO(put) __attribute__((cleanup(put##_p)))
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) _t = (p);                                                                    \
        (p) = NULL;                                                                                \
        _t;                                                                                        \
    })
#endif
