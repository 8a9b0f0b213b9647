/* Resource limits on memory; private to mm. */
#ifndef MM_LIMIT_H
#define MM_LIMIT_H
#include "libos/mm/mm.h"

struct vma;
/* What a mapping counts, and whether as data, for limits and in /proc. */
uint64_t limit_size(const struct vma *v, size_t live_pages);
bool limit_is_data(const struct vma *v);
/* May mm, the calling process's, have that many bytes more? data: private and writable. */
must_check bool limit_allows_locked(const struct mm *mm, uint64_t more, bool data);
/* May [start, end) be locked? -EPERM, -ENOMEM as mlock(2). */
must_check int limit_lock_locked(const struct mm *mm, uint64_t start, uint64_t end);
#endif
