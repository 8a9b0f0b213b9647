/* The shared window, private to mm: who maps it is in each mm's mappings; here is what is handed out. */
#ifndef MM_WINDOW_H
#define MM_WINDOW_H
#include "libos/base/types.h"

/* Code runs there: makes the pages of the range executable that are open. */
void window_run(uintptr_t start, uintptr_t end);
/* Pages every process may read (the vDSO); prot as in the EPCM. */
must_check int window_global(uintptr_t addr, uint64_t pages, int prot);
bool window_is_global(uintptr_t start, uintptr_t end);
#endif
