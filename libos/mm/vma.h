/* Mappings of one address space: a sorted array. Private to mm; mm->lock held. */
#ifndef MM_VMA_H
#define MM_VMA_H
#include "libos/mm/mm.h"

struct saved_pages;

enum vma_kind { VMA_ANON, VMA_FILE, VMA_SHARED, VMA_STUBS };

struct vma {
    uintptr_t start, end;
    enum vma_kind kind;
    int prot;
    bool stack, locked, noreserve;
    uint32_t again;       /* SHARED: attached so often once more; attach.c */
    struct file *file;    /* 1 + again references; FILE and SHARED */
    uint64_t offset;      /* in the file, of start */
    uint64_t unique;      /* FILE: identity for keys, 0: do not keep */
    uintptr_t next_fault; /* sequential faults double the window */
    uint32_t window;      /* pages */
};

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
void vma_hold_file(const struct vma *v);  /* as a copy of it must */
void vma_free(struct vma *v);
void vma_merge_around(struct vma_set *s, uintptr_t start, uintptr_t end);

struct mm {
    struct ref ref;
    struct mutex lock;
    struct vma_set vmas;
    uintptr_t base;        /* own granule */
    uint32_t granules[64]; /* runs owned: index of the first granule */
    uint32_t granule_runs;
    uint32_t run_length[64];
    bool low;                      /* shares granule 0; low.c */
    uint32_t low_slice;            /* of its program */
    struct saved_pages *low_saved; /* its pages there while another one is resident */
    uintptr_t brk_start, brk, brk_limit;
    size_t total_pages;
    uintptr_t map_hint;
    uintptr_t stubs_open, stubs_open_end; /* stub pages that are writable for the moment */
};
/* granule.c */
must_check int granule_take(struct mm *mm, uint32_t count, uintptr_t *ret_base);
void granule_give_all(struct mm *mm);
struct mm *granule_owner(uintptr_t addr);
void granule_set_low(struct mm *mm); /* the resident owner of granule 0, or NULL */
void low_drop(struct mm *mm);        /* mm dies or gives granule 0 up; low.c */
#endif
