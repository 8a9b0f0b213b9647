/* A user thread's registers as the kernel sees them. Every way into the kernel (patched site, trap,
 * exception, tick) ends with one of these at the top of the thread's kernel stack. */
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H
#include "libos/base/types.h"

struct user_frame { /* order known to entry.S */
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t orig_rax; /* system call number; -1 for exceptions and ticks */
    uint64_t rip, rflags, rsp;
    uint64_t full; /* 1: restore everything incl. rcx, r11, rflags; 0: as SYSRET would */
};
_Static_assert(sizeof(struct user_frame) == 160, "entry.S");
#endif
