/* System calls: one macro defines, registers and documents one.
 *
 *   SYSCALL(dup3, int, oldfd, int, newfd, int, flags)
 *   {
 *       decode and check everything, then call one kernel function;
 *   }
 *
 * Types: int, unsigned, long, size_t, uint64_t, uint32_t, int64_t, uaddr_t (every user pointer). A
 * number without an entry is -ENOSYS, named once in the log. The value returned goes to RAX.
 */
#ifndef SYS_SYSCALL_H
#define SYS_SYSCALL_H
#include "libos/base/types.h"
#include "libos/base/errno.h"

#define SYSCALL_MAX 512
#ifndef __NR_fchmodat2 /* newer than the headers of Debian 12 */
#define __NR_fchmodat2 452
#endif

struct syscall_args {
    uint64_t a[6];
};
typedef long syscall_fn(const struct syscall_args *args);

struct syscall_entry {
    const char *name;
    syscall_fn *fn;
    uint32_t argc;
    const char *args; /* "int, fd, uaddr_t, buf": for trace and docs */
};
extern const struct syscall_entry syscall_table[SYSCALL_MAX];

#define ARG_int(x)      ((int) (x))
#define ARG_unsigned(x) ((unsigned) (x))
#define ARG_long(x)     ((long) (x))
#define ARG_size_t(x)   ((size_t) (x))
#define ARG_uint64_t(x) ((uint64_t) (x))
#define ARG_int64_t(x)  ((int64_t) (x))
#define ARG_uint32_t(x) ((uint32_t) (x))
#define ARG_uaddr_t(x)  UADDR(x)

#define SC_COUNT_(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, N, ...) N
#define SC_COUNT(...)                                                            SC_COUNT_(0, ##__VA_ARGS__, 6, x, 5, x, 4, x, 3, x, 2, x, 1, x, 0)
#define SC_CAT_(a, b)                                                            a##b
#define SC_CAT(a, b)                                                             SC_CAT_(a, b)
#define SC_P0()                                                                  void
#define SC_P1(t, a)                                                              t a
#define SC_P2(t, a, ...)                                                         t a, SC_P1(__VA_ARGS__)
#define SC_P3(t, a, ...)                                                         t a, SC_P2(__VA_ARGS__)
#define SC_P4(t, a, ...)                                                         t a, SC_P3(__VA_ARGS__)
#define SC_P5(t, a, ...)                                                         t a, SC_P4(__VA_ARGS__)
#define SC_P6(t, a, ...)                                                         t a, SC_P5(__VA_ARGS__)
#define SC_V0(x)
#define SC_V1(x, t, a)                         ARG_##t(x[0])
#define SC_V2(x, t, a, t2, a2)                 SC_V1(x, t, a), ARG_##t2(x[1])
#define SC_V3(x, t, a, t2, a2, t3, a3)         SC_V2(x, t, a, t2, a2), ARG_##t3(x[2])
#define SC_V4(x, t, a, t2, a2, t3, a3, t4, a4) SC_V3(x, t, a, t2, a2, t3, a3), ARG_##t4(x[3])
#define SC_V5(x, t, a, t2, a2, t3, a3, t4, a4, t5, a5)                                             \
    SC_V4(x, t, a, t2, a2, t3, a3, t4, a4), ARG_##t5(x[4])
#define SC_V6(x, t, a, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                                     \
    SC_V5(x, t, a, t2, a2, t3, a3, t4, a4, t5, a5), ARG_##t6(x[5])

#define SYSCALL(name, ...)                                                                         \
    static long do_##name(SC_CAT(SC_P, SC_COUNT(__VA_ARGS__))(__VA_ARGS__));                       \
    syscall_fn sys_##name;                                                                         \
    long sys_##name(__attribute__((unused)) const struct syscall_args *args)                       \
    {                                                                                              \
        return do_##name(SC_CAT(SC_V, SC_COUNT(__VA_ARGS__))(args->a __VA_OPT__(, ) __VA_ARGS__)); \
    }                                                                                              \
    static long do_##name(SC_CAT(SC_P, SC_COUNT(__VA_ARGS__))(__VA_ARGS__))
#endif
