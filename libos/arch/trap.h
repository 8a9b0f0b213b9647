/* Exceptions and ticks: what the layers above arch install and see. */
#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H
#include "libos/arch/frame.h"

enum trap_vector {
    TRAP_DE = 0,
    TRAP_DB = 1,
    TRAP_BP = 3,
    TRAP_BR = 5,
    TRAP_UD = 6,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_MF = 16,
    TRAP_AC = 17,
    TRAP_XM = 19,
    TRAP_TICK = 256, /* not a vector: preemption */
};

/* Is this RIP inside a patch stub? Ticks there only set a flag. Must not fault. Installed by exec. */
extern bool (*trap_rip_is_stub)(uint64_t rip);

void user_trap(struct user_frame *frame); /* stage 2, sys/trap.c; called by assembly */
void arch_backtrace(void);
/* Return addresses on the kernel stack [low, high) that context_switch left at sp, the innermost first; how
 * many, at most max. The stack must stand still. */
size_t arch_stack_walk(uintptr_t sp, uintptr_t low, uintptr_t high, uintptr_t *ret, size_t max);
#endif
