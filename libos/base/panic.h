/* What happens when the kernel finds itself wrong: a report, then the enclave stops for good. */
#ifndef BASE_PANIC_H
#define BASE_PANIC_H
#include "libos/base/types.h"

noreturn_fn void panic(const char *fmt, ...) printf_like(1, 2);

/* For what an attacker, the host or another module could cause: always compiled in. */
#define check(e) (likely(e) ? (void) 0 : panic("%s:%d: %s", __FILE__, __LINE__, #e))
#ifdef DEBUG
#define assert_dbg(e) check(e)
#else
#define assert_dbg(e) ((void) sizeof(!(e)))
#endif
#endif
