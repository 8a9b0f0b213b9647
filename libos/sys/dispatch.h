/* System-call dispatch, for traps and boot. */
#ifndef SYS_DISPATCH_H
#define SYS_DISPATCH_H
#include "libos/arch/frame.h"

extern bool syscall_trace;                    /* log every call (level error); set by boot */
void syscall_run(struct user_frame *f);       /* frame->orig_rax is the number; result in rax */
long syscall_from_user(struct user_frame *f); /* entry.S; non-zero: restore all registers */

struct syscall_counters {
    uint64_t patched, trapped, cpuid_trapped;
};
extern struct syscall_counters syscall_counters; /* relaxed, per enclave */
#endif
