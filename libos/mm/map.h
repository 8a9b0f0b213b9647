/* Private to mm: mapping primitives with mm->lock held. */
#ifndef MM_MAP_H
#define MM_MAP_H
#include "libos/mm/vma.h"

must_check int map_anon_locked(struct mm *mm, uintptr_t start, uintptr_t end, int prot);
must_check int unmap_locked(struct mm *mm, uintptr_t start, uintptr_t end);
/* Every page of the range accessible to the kernel with its content: 0, -EFAULT, -ENXIO, -ENOMEM. */
must_check int make_live_locked(struct mm *mm, uintptr_t start, uintptr_t end);
/* Stub pages that mm_write_stub left writable become read-execute again. */
void stubs_close_locked(struct mm *mm);
#endif
