/* The auxiliary vector of a program, where the loader left it. */
#ifndef TASK_AUXV_H
#define TASK_AUXV_H
#include "libos/base/types.h"

struct mm;

/* stack: where the program's stack began (process->stack_start). The vector with its AT_NULL, in bytes;
 * -EFAULT: the program has overwritten it. Sleeps. */
must_check int auxv_find(struct mm *mm, uint64_t stack, uint64_t *ret_start, uint64_t *ret_size);
#endif
