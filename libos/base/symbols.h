/* Names of kernel functions, for backtraces. The tables are made by scripts/gen-symbols from a first
 * link of the kernel. */
#ifndef BASE_SYMBOLS_H
#define BASE_SYMBOLS_H
#include "libos/base/types.h"

/* The function that contains addr, or NULL; *ret_offset: distance from its start. */
const char *symbol_find(uintptr_t addr, size_t *ret_offset);
#endif
