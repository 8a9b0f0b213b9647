/* The end: say what happened, where, and stop the enclave for good. */
#include "abi/enter.h"
#include "libos/arch/trap.h"
#include "libos/arch/vcpu.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/printf.h"
#include "libos/host/host.h"
#include "libos/task/thread.h"

void panic(const char *fmt, ...)
{
    static uint32_t panicking;
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    fmt_vstr(text, sizeof text, fmt, ap);
    va_end(ap);
    if (atomic_swap(&panicking, 1))
        host_dead(PANIC_STATUS);
    const struct thread *t = this_vcpu()->current;
    log_emit(LOG_ERROR, "kernel panic: %s (vcpu %u, thread %d %s)", text, this_vcpu()->index,
             t ? t->tid : 0, t ? t->comm : "idle");
    arch_backtrace();
    host_dead(PANIC_STATUS);
}
