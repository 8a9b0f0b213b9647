/* Address spaces as wholes: birth, layout, the break, death. */
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/family.h"
#include "libos/mm/heap.h"
#include "libos/mm/limit.h"
#include "libos/mm/map.h"
#include "libos/mm/mm.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"
#include "libos/task/process.h"

const struct mm_file_ops *mm_file_ops;
struct file *(*mm_anon_shared_file)(uint64_t size);

/* Offsets in a process's first granule. The stubs of libraries lie in the same granule as their code
 * or within 2 GiB, because further granules of an mm are used for data first. */
enum {
    AT_STUBS = 0x00010000,
    AT_STUBS_END = 0x00e00000,
    AT_EXE = 0x01000000,
    AT_INTERP = 0x07000000,
    AT_MMAP = 0x07800000,
    AT_STACK_TOP = 0x0fff0000,
};

#define BRK_EARLY (4 * PAGE_SIZE)

struct mm *current_mm(void)
{
    return current()->proc->mm;
}

void mm_set_limit(uint64_t bytes)
{
    upages_live_limit = bytes / PAGE_SIZE;
}

struct mm *mm_new(void)
{
    struct mm *mm = new_zero(struct mm);
    if (!mm)
        return NULL;
    ref_init(&mm->ref);
    mutex_init(&mm->lock);
    if (!vma_reserve(&mm->vmas, 16))
        kfree(TAKE(mm));
    return mm;
}

int mm_settle_in(struct mm *mm, uint64_t program)
{
    int r = granule_take(mm, 1, program, &mm->base);
    if (r == 0)
        mm->map_hint = mm->base + AT_MMAP;
    return r;
}

struct mm *mm_new_like(const struct mm *parent)
{
    struct mm *mm = new_zero(struct mm);
    if (!mm)
        return NULL;
    ref_init(&mm->ref);
    mutex_init(&mm->lock);
    mm->base = parent->base;
    mm->low = parent->low;
    mm->low_slice = parent->low_slice;
    mm->brk_start = parent->brk_start;
    mm->brk = parent->brk;
    mm->brk_limit = parent->brk_limit;
    mm->map_hint = parent->map_hint;
    if (mm->low)
        low_slice_join(mm);
    return mm;
}

int mm_copy_mappings(const struct mm *from, struct mm *to)
{
    if (!vma_reserve(&to->vmas, from->vmas.count))
        return -ENOMEM;
    for (size_t i = 0; i < from->vmas.count; i++) {
        if (from->vmas.v[i]->dontfork)
            continue;
        struct vma *v = vma_copy(from->vmas.v[i]);
        if (!v)
            return -ENOMEM;
        to->vmas.v[to->vmas.count++] = v;
    }
    return 0;
}

void mm_get(struct mm *mm)
{
    ref_get(&mm->ref);
}

/* Afterwards mm holds only what is its own alone. True: see family_part. */
static bool leave_family(struct mm *mm)
{
    bool pins = false;
    if (mm->low)
        low_slice_leave(mm);
    if (mm->family) {
        family_lock_outside(mm);
        pins = family_part(mm);
        mutex_unlock(&mm->lock);
    }
    share_part(mm);
    return pins;
}

uint32_t mm_users(const struct mm *mm)
{
    return atomic_load(&mm->ref.n) - 1;
}

void mm_put(struct mm *mm)
{
    if (!ref_put_last(&mm->ref))
        return;
    bool pins = leave_family(mm);
    for (size_t i = 0; i < mm->vmas.count; i++) {
        struct vma *v = mm->vmas.v[i];
        if (v->kind != VMA_SHARED && mm_holding(mm, v->start))
            upages_retire(v);
        vma_free(v);
    }
    kfree(mm->vmas.v);
    granule_give_all(mm);
    if (pins)
        family_unpin(&low_family, mm);
    kfree(mm);
}

void mm_layout(struct mm *mm, struct mm_layout *ret)
{
    *ret = (struct mm_layout){
        .stubs = mm->base + AT_STUBS,
        .stubs_end = mm->base + AT_STUBS_END,
        .exe = mm->base + AT_EXE,
        .interp = mm->base + AT_INTERP,
        .mmap_base = mm->base + AT_MMAP,
        .stack_top = mm->base + AT_STACK_TOP,
    };
}

void mm_set_brk(struct mm *mm, uintptr_t start, uintptr_t limit)
{
    MUTEX_GUARD(&mm->lock);
    mm->brk_start = mm->brk = ROUND_UP(start, PAGE_SIZE);
    mm->brk_limit = ROUND_DOWN(limit, PAGE_SIZE);
}

uintptr_t mm_brk(struct mm *mm, uintptr_t new_brk)
{
    MUTEX_GUARD(&mm->lock);
    if (new_brk < mm->brk_start || new_brk > mm->brk_limit)
        return mm->brk;
    uintptr_t old_end = ROUND_UP(mm->brk, PAGE_SIZE), new_end = ROUND_UP(new_brk, PAGE_SIZE);
    if (new_end > old_end) {
        if (vma_first(&mm->vmas, old_end, new_end) ||
            !limit_allows_locked(mm, new_end - old_end, true) ||
            map_anon_locked(mm, old_end, new_end, PROT_R | PROT_W) < 0)
            return mm->brk;
        /* the first pages are used at once; what an earlier process left is cheaper than a fault */
        uintptr_t early = MIN(new_end, old_end + BRK_EARLY);
        if (upages_all_committed(old_end, early))
            (void) make_live_locked(mm, old_end, early); /* else the fault does it */
    } else if (new_end < old_end && unmap_locked(mm, new_end, old_end) < 0) {
        return mm->brk;
    }
    mm->brk = new_brk;
    return new_brk;
}

void mm_settle(struct mm *mm)
{
    MUTEX_GUARD(&mm->lock);
    upages_sweep(mm->base, mm->base + GRANULE_SIZE);
    if (mm->low)
        upages_sweep(0, GRANULE_SIZE);
}

void mm_stats(struct mm *mm, struct mm_stats *ret)
{
    MUTEX_GUARD(&mm->lock);
    *ret = (struct mm_stats){0};
    for (size_t i = 0; i < mm->vmas.count; i++) {
        const struct vma *v = mm->vmas.v[i];
        size_t live = v->kind == VMA_SHARED ? 0 : upages_count_live(v->start, v->end);
        size_t pages = limit_size(v, live) / PAGE_SIZE;
        ret->total += pages;
        ret->resident += v->kind == VMA_SHARED ? pages : live;
        ret->shared += v->kind == VMA_SHARED || v->kind == VMA_FILE ? pages : 0;
        ret->text += v->prot & PROT_X ? pages : 0;
        ret->data += limit_is_data(v) ? pages : 0;
        ret->stack += vma_main_stack(v) ? pages : 0;
        ret->locked += v->locked ? pages : 0;
    }
}

bool mm_area_at(struct mm *mm, uintptr_t addr, struct mm_area *ret)
{
    MUTEX_GUARD(&mm->lock);
    size_t i = vma_index(&mm->vmas, addr);
    if (i == mm->vmas.count)
        return false;
    const struct vma *v = mm->vmas.v[i];
    *ret = (struct mm_area){
        .start = v->start,
        .end = v->end,
        .prot = v->prot,
        .shared = v->kind == VMA_SHARED,
        .stack = vma_main_stack(v),
        .locked = v->locked,
        .changed = v->was_writable,
        .heap = v->start >= mm->brk_start && v->end <= ROUND_UP(mm->brk, PAGE_SIZE),
        .offset = v->offset,
        .file = v->file,
    };
    if (v->file)
        mm_file_ops->hold(v->file);
    return true;
}
