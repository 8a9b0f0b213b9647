/* Frames: copies of user pages whose address is taken by another address space at the moment. A frame is
 * one page of enclave memory outside every address space, named by its address, and counted: several
 * address spaces may share one. Charged to the memory of all programs like a page in place. */
#ifndef MM_FRAME_H
#define MM_FRAME_H
#include "libos/base/types.h"

must_check uintptr_t frame_alloc(void); /* one reference, content undefined; 0: no memory */
/* The same beyond the limit, for a moment or where as much is given back: when pages change sides. */
must_check uintptr_t frame_alloc_anyway(void);
void frame_get(uintptr_t frame);
void frame_put(uintptr_t frame);
/* The reference becomes one to a frame nobody else has, the same if it was the only one; content
 * undefined, limit or not. 0: no memory, and the reference is gone. */
must_check uintptr_t frame_renew(uintptr_t frame);
#endif
