/* Boot only. */
#ifndef MM_HEAP_INIT_H
#define MM_HEAP_INIT_H
#include "libos/base/types.h"
void heap_init(size_t limit_bytes, uint64_t secret); /* secret: random, of the heap alone */
#endif
