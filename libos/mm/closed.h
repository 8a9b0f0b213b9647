/* Writes to live pages that are closed for writing though their mapping allows it. Private to mm. */
#ifndef MM_CLOSED_H
#define MM_CLOSED_H
#include "libos/mm/vma.h"

/* Opens the page of addr and those that will be written next, as far as v goes. -ENOMEM: not even one
 * page could be kept for the others who have it. mm->lock. */
must_check int closed_open(struct mm *mm, struct vma *v, uintptr_t addr);
#endif
