/* Private to mm: mapping primitives with mm->lock held. */
#ifndef MM_MAP_H
#define MM_MAP_H
#include "libos/mm/vma.h"

/* = MAP_... of mmap(2) */
enum {
    MAP_SHARED_ = 1,
    MAP_PRIVATE_ = 2,
    MAP_TYPE_ = 15,
    MAP_FIXED_ = 0x10,
    MAP_ANONYMOUS_ = 0x20,
    MAP_NORESERVE_ = 0x4000,
    MAP_LOCKED_ = 0x2000,
    MAP_STACK_ = 0x20000,
    MAP_POPULATE_ = 0x8000,
    MAP_FIXED_NOREPLACE_ = 0x100000,
};

struct map_request {
    uintptr_t start, end;
    int prot, flags;
    struct file *file;
    uint64_t offset;
    enum vma_kind kind;
    const struct vma *like; /* mremap: what was advised of it goes on; NULL: nothing was */
};

/* The length is not rounded up: 0 with the end rounded up, or -EINVAL. */
must_check int map_range_check(uintptr_t addr, size_t len, uintptr_t *ret_end);
bool map_covers_locked(const struct mm *mm, uintptr_t start, uintptr_t end); /* every byte of it */
/* The range is mm's, and nothing is there. */
bool map_is_free_locked(struct mm *mm, uintptr_t start, uintptr_t end);
/* Fills in where a mapping of len bytes goes: at addr if it is free or the flags demand it. */
must_check int map_place_locked(struct mm *mm, struct map_request *q, uintptr_t addr, size_t len);
/* Nothing may be there. */
must_check int map_add_locked(struct mm *mm, const struct map_request *q);
/* A shared object at its home, the only address it has: that, or -errno. */
must_check long map_shared_locked(struct mm *mm, struct map_request *q, uintptr_t addr, size_t len);
must_check int map_anon_locked(struct mm *mm, uintptr_t start, uintptr_t end, int prot);
must_check int unmap_locked(struct mm *mm, uintptr_t start, uintptr_t end);
/* Every page of the range accessible to the kernel with its content: 0, -EFAULT, -ENXIO, -ENOMEM. */
must_check int make_live_locked(struct mm *mm, uintptr_t start, uintptr_t end);
/* Stub pages that mm_write_stub left writable become read-execute again. */
void stubs_close_locked(struct mm *mm);
#endif
