/* Mappings of one address space: a sorted array. Private to mm; mm->lock held. */
#ifndef MM_VMA_H
#define MM_VMA_H
#include "libos/base/list.h"
#include "libos/mm/mm.h"
#include "libos/mm/saved.h"

struct family;

enum vma_kind { VMA_ANON, VMA_FILE, VMA_SHARED, VMA_STUBS };

struct vma {
    uintptr_t start, end;
    enum vma_kind kind;
    int prot;
    bool stack, locked, noreserve;
    bool was_writable;           /* FILE: a page may differ from the file's */
    bool dontfork, wipeonfork;   /* madvise */
    uint16_t policy;             /* mbind; kept, there is one node */
    uint32_t again;              /* SHARED: attached so often once more; attach.c */
    struct file *file;           /* 1 + again references; FILE and SHARED */
    uint64_t offset;             /* in the file, of start */
    uint64_t unique;             /* FILE: identity for keys, 0: do not keep */
    uintptr_t next_fault;        /* sequential faults double the window */
    uint32_t window;             /* pages */
    uintptr_t last_opened, step; /* closed.c: writes to closed pages, and their distance */
    uint32_t steps;
};

/* The main thread's stack: mapped at full size, grows by faults. */
static inline bool vma_main_stack(const struct vma *v)
{
    return v->stack && v->noreserve;
}

#define VMA_COUNT_MAX 65530u /* /proc/sys/vm/max_map_count */

struct vma_set {
    struct vma **v;
    size_t count, cap;
};

size_t vma_index(const struct vma_set *s, uintptr_t addr);     /* first with end > addr, or count */
struct vma *vma_find(const struct vma_set *s, uintptr_t addr); /* containing addr, or NULL */
struct vma *vma_first(const struct vma_set *s, uintptr_t start, uintptr_t end); /* overlapping */
must_check int vma_insert(struct vma_set *s, struct vma *v); /* no overlap; takes v; may merge it */
void vma_remove_at(struct vma_set *s, size_t index);         /* frees it */
/* Makes addr a border: 0 or -ENOMEM. */
must_check int vma_split(struct vma_set *s, uintptr_t addr);
must_check bool vma_reserve(struct vma_set *s,
                            size_t more); /* room, so that later steps cannot fail */
void vma_advise_like(struct vma *v, const struct vma *other); /* madvise, mbind, mlock */
void vma_hold_file(const struct vma *v);                      /* as a copy of it must */
/* SHARED: mapped once more, by f. Who may write from now on may write through all of them. */
void vma_map_again(struct vma *v, struct file *f, int prot);
must_check bool vma_drop_again(struct vma *v); /* once less; false: it is mapped only once */
void vma_free(struct vma *v);
must_check struct vma *vma_copy(const struct vma *v); /* for fork; NULL: no memory */
void vma_merge_around(struct vma_set *s, uintptr_t start, uintptr_t end);

/* Granules in a row that are owned together: by one address space or, after fork, by several, of which
 * one has its pages in place (granule_owner). */
struct region {
    uint32_t first, count; /* granules */
    uint32_t members;      /* address spaces that have it; granule.c's lock */
    bool was_shared;       /* pages may be marked shared (upages.h) */
    uint32_t swaps;        /* since it is shared */
};

/* A region as one address space has it: what it keeps of pages while another one's are in place. */
struct holding {
    struct region *region;
    struct saved_table saved;
};
#define HOLDINGS_MAX 64u

struct mm {
    struct ref ref;
    struct mutex lock;
    struct vma_set vmas;
    uintptr_t base; /* of the first region; after fork the parent's */
    struct holding holds[HOLDINGS_MAX];
    uint32_t hold_count;
    struct family *family; /* whom it takes turns with; NULL: nobody. family.c's rules */
    struct list family_link;
    bool doomed;        /* lost a page for lack of memory: its processes must die */
    bool low;           /* has the addresses below 256 MiB; low.c */
    uint32_t low_slice; /* of its program */
    uintptr_t brk_start, brk, brk_limit;
    uintptr_t map_hint;
    uintptr_t stubs_open, stubs_open_end; /* stub pages that are writable for the moment */
};
void low_slice_join(struct mm *mm); /* low.c: one more, one less of its program */
void low_slice_leave(struct mm *mm);
/* mm.c, for fork: a new address space that has nothing yet, and mappings as its parent has them. */
must_check struct mm *mm_new_like(const struct mm *parent);
must_check int mm_copy_mappings(const struct mm *from, struct mm *to);
/* granule.c */
/* program: identity of who will run there, 0: no program. */
must_check int granule_take(struct mm *mm, uint32_t count, uint64_t program, uintptr_t *ret_base);
must_check int
granule_reserve(uintptr_t *ret_base);          /* one granule, for good, of no address space */
must_check int granule_add_low(struct mm *mm); /* joins the region of granule 0 */
void granule_share_all(const struct mm *from, struct mm *to); /* to has the same regions, unowned */
/* If others have mm->holds[i] too, mm has one region less; the caller closes the gap. */
must_check bool granule_leave(struct mm *mm, uint32_t i);
void granule_give_all(struct mm *mm);
/* Whose pages are in place; NULL: nobody's, or not user memory. */
struct mm *granule_owner(uintptr_t addr);
void granule_set_owner(const struct region *r, struct mm *mm);
struct holding *mm_holding(struct mm *mm, uintptr_t addr); /* NULL: not its own */
struct holding *mm_holding_of(struct mm *mm, const struct region *r);

static inline uintptr_t region_start(const struct region *r)
{
    return (uintptr_t) r->first << GRANULE_SHIFT;
}
static inline uintptr_t region_end(const struct region *r)
{
    return (uintptr_t) (r->first + r->count) << GRANULE_SHIFT;
}
#endif
