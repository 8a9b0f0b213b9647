/* Kernel stacks: KSTACK_SIZE bytes (task/thread.h) above as much address space that never holds a page,
 * so that a stack that is too deep faults and the fault stops the enclave. */
#ifndef MM_KSTACK_H
#define MM_KSTACK_H
#include "libos/base/types.h"

uintptr_t kstack_alloc(void); /* the lowest address, all zero; 0: no memory */
void kstack_free(uintptr_t stack);
#endif
