/* Vector state. The kernel is built without vector registers, so the user's stay live in the CPU
 * across system calls; they are saved by hand when another user context or vector code (crypto)
 * needs the registers. Own format (not XSAVE): XRSTOR alone would double a context switch. */
#ifndef ARCH_FPU_H
#define ARCH_FPU_H
#include "libos/base/types.h"

#define XSTATE_AREA_SIZE 3072ul /* 64-aligned */

struct thread;
/* Brackets code that uses vector registers. Nests. No sleeping in between. */
void fpu_begin(void);
void fpu_end(void);

void fpu_init(uint64_t xfrm);   /* once; picks the variant of save and restore */
void fpu_area_init(void *area); /* the state a new program starts with */
void fpu_save(void *area);      /* registers -> area */
void fpu_restore(const void *area);
void fpu_scrub(void); /* initial state in all registers */

uint32_t fpu_sse_exceptions(void); /* unmasked exception flags of MXCSR, as bits 0..5 */
uint32_t fpu_x87_exceptions(void); /* the same of the x87 status word */

/* Scheduler: t stops running on this vCPU / is about to return to user mode on it. */
void fpu_switch_out(struct thread *t);
void fpu_switch_in(struct thread *t);
/* It dies here. Another vCPU may still name it as its owner; a thread that gets the same memory has
 * last_cpu -1 and is restored wherever it runs first. */
void fpu_forget(struct thread *t);
#endif
