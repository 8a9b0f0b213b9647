/* The LibOS as an ordinary process: what unit tests and fuzzers may use beside the kernel's own
 * headers. One host thread; LibOS threads are coroutines that switch only where kernel code sleeps or
 * yields, in an order a seed decides; time is virtual and jumps when all threads sleep. So a test that
 * blocks is deterministic, and one that would hang panics instead.
 *
 * Every function of this back end that a kernel module also defines is weak: where that module is
 * part of the build (scripts/unit-libos.mk), the module's own function is used.
 */
#ifndef HOST_POSIX_UNIT_H
#define HOST_POSIX_UNIT_H
#include <setjmp.h>
#include "libos/base/span.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/task/thread.h"

/* ---- panics: expect_panic(statement) fails unless the statement ends in panic(). Locks that were
 * held then stay held; use it on objects of the test's own. */
extern jmp_buf unit_panic_jump;
extern bool unit_panic_expected;
extern char unit_panic_text[512]; /* of the last expected panic */
noreturn_fn void unit_no_panic(const char *file, int line, const char *statement);
#define expect_panic(statement)                                                                    \
    do {                                                                                           \
        unit_panic_expected = true;                                                                \
        if (!setjmp(unit_panic_jump)) {                                                            \
            statement;                                                                             \
            unit_no_panic(__FILE__, __LINE__, #statement);                                         \
        }                                                                                          \
    } while (0)

/* ---- memory: makes the nth allocation from now on fail, once (0: none). */
void unit_fail_alloc(unsigned nth);
bool unit_fail_pending(void);  /* it has not failed yet */
size_t unit_alloc_count(void); /* live objects, to find leaks in the middle of a test */

/* ---- threads */
void unit_sched_seed(uint64_t seed); /* 0: first come, first served */
/* Runs until no other thread can run without time passing. */
void unit_run_others(void);
/* A thread running fn; unit_join waits for its end. */
struct thread *unit_thread(void (*fn)(void *arg), void *arg);
void unit_join(struct thread *t);
void unit_clock_advance(int64_t ns);

/* ---- user memory: address 0 .. ELRANGE_END of the guest lies at UNIT_GUEST_BASE of the process,
 * because sanitizer shadows own the low addresses. */
#define UNIT_GUEST_BASE ENCLAVE_OFFSET
void *unit_guest(uaddr_t ua);                    /* where the bytes are */
bool unit_guest_holds(uintptr_t addr, size_t n); /* are there pages, at any guest address? */
/* Fresh zeroed user memory that ends at an unmapped page (so that an overrun is -EFAULT). */
uaddr_t unit_user_alloc(size_t size);
uaddr_t unit_user_string(const char *s);
uaddr_t unit_user_bytes(const void *p, size_t n);
void unit_user_readonly(uaddr_t ua); /* the first page of it */
void unit_user_reset(void);          /* drops all of it */

/* ---- system calls by number, as the dispatcher would call them; up to six arguments */
long unit_syscall_args(int nr, const uint64_t args[6]);
#define unit_syscall(nr, ...) unit_syscall_args((nr), (const uint64_t[6]){__VA_ARGS__})

/* A process with a root of ramfs and empty tables, for tests of system calls; panics if vfs is not in
 * the build. Done once; later calls return the same. */
struct process *unit_process(void);
#endif
