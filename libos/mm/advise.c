/* What a program says or asks of a range of its mappings: madvise, msync, mincore, mbind, mlock.
 *
 * As in map.c everything is checked and the borders are split before anything changes. */
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/mm/limit.h"
#include "libos/mm/map.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/uaccess.h"

enum {
    MADV_NORMAL_ = 0,
    MADV_RANDOM_ = 1,
    MADV_SEQUENTIAL_ = 2,
    MADV_WILLNEED_ = 3,
    MADV_DONTNEED_ = 4,
    MADV_FREE_ = 8,
    MADV_REMOVE_ = 9,
    MADV_DONTFORK_ = 10,
    MADV_DOFORK_ = 11,
    MADV_MERGEABLE_ = 12,
    MADV_UNMERGEABLE_ = 13,
    MADV_HUGEPAGE_ = 14,
    MADV_NOHUGEPAGE_ = 15,
    MADV_DONTDUMP_ = 16,
    MADV_DODUMP_ = 17,
    MADV_WIPEONFORK_ = 18,
    MADV_KEEPONFORK_ = 19,
    MADV_COLD_ = 20,
    MADV_PAGEOUT_ = 21,
    MADV_POPULATE_READ_ = 22,
    MADV_POPULATE_WRITE_ = 23,
    MADV_DONTNEED_LOCKED_ = 24,
};

static int discard(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    int r = share_keep_live(mm, start, end);
    if (r == 0 && v->kind == VMA_ANON && (v->prot & PROT_W)) {
        upages_protect(start, end, v->prot); /* fork may have closed them */
        upages_zero(start, end);
    } else if (r == 0 && (v->kind == VMA_FILE || v->kind == VMA_ANON))
        upages_drop(start, end);
    return r;
}

/* What fork does with the mappings of the range. */
static int advise_fork(struct mm *mm, uintptr_t start, uintptr_t end, int advice)
{
    int r = vma_split(&mm->vmas, start);
    if (r == 0)
        r = vma_split(&mm->vmas, end);
    struct vma *v;
    for (uintptr_t a = start; r == 0 && (v = vma_first(&mm->vmas, a, end)); a = v->end) {
        if (advice == MADV_WIPEONFORK_ && v->kind != VMA_ANON)
            return -EINVAL;
        if (advice == MADV_DONTFORK_ || advice == MADV_DOFORK_)
            v->dontfork = advice == MADV_DONTFORK_;
        else
            v->wipeonfork = advice == MADV_WIPEONFORK_;
    }
    vma_merge_around(&mm->vmas, start, end);
    return r;
}

static bool is_fork_advice(int advice)
{
    return advice == MADV_DONTFORK_ || advice == MADV_DOFORK_ || advice == MADV_WIPEONFORK_ ||
           advice == MADV_KEEPONFORK_;
}

static int populate(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end, int need)
{
    if (!(v->prot & need))
        return -EINVAL;
    if (v->kind != VMA_SHARED) {
        int r = make_live_locked(mm, start, end);
        return r == -ENXIO ? -EFAULT : r;
    }
    uint64_t last = v->offset + (end - v->start) - PAGE_SIZE;
    return last < mm_file_ops->size(mm_file_ops->inode(v->file)) ? 0 : -EFAULT;
}

/* A hole in the object that is mapped here. */
static int remove_part(const struct vma *v, uintptr_t start, uintptr_t end)
{
    if (v->locked || v->kind == VMA_ANON)
        return -EINVAL;
    if (v->kind != VMA_SHARED || !(v->prot & PROT_W))
        return -EACCES;
    return mm_file_ops->punch(v->file, v->offset + (start - v->start), end - start);
}

/* What has no effect here is checked nevertheless. */
static int advise_part(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end,
                       int advice)
{
    switch (advice) {
    case MADV_FREE_:
        return v->locked || v->kind != VMA_ANON ? -EINVAL : 0;
    case MADV_COLD_:
    case MADV_PAGEOUT_:
        return v->locked ? -EINVAL : 0;
    case MADV_DONTNEED_:
        return v->locked ? -EINVAL : discard(mm, v, start, end);
    case MADV_DONTNEED_LOCKED_:
        return discard(mm, v, start, end);
    case MADV_POPULATE_READ_:
        return populate(mm, v, start, end, PROT_R);
    case MADV_POPULATE_WRITE_:
        return populate(mm, v, start, end, PROT_W);
    case MADV_REMOVE_:
        return remove_part(v, start, end);
    default:
        return 0;
    }
}

static bool is_known(int advice)
{
    return (advice >= MADV_NORMAL_ && advice <= MADV_DONTNEED_) ||
           (advice >= MADV_FREE_ && advice <= MADV_DONTNEED_LOCKED_);
}

int mm_advise(struct mm *mm, uintptr_t addr, size_t len, int advice)
{
    uintptr_t end;
    if (map_range_check(addr, len, &end) < 0 || !is_known(advice))
        return -EINVAL;
    if (len == 0)
        return 0;
    MUTEX_GUARD(&mm->lock);
    bool hole = !map_covers_locked(mm, addr, end);
    int r = is_fork_advice(advice) ? advise_fork(mm, addr, end, advice) : 0;
    struct vma *v;
    for (uintptr_t a = addr; r == 0 && a < end && (v = vma_first(&mm->vmas, a, end)); a = v->end)
        r = advise_part(mm, v, MAX(a, v->start), MIN(end, v->end), advice);
    return r == 0 && hole ? -ENOMEM : r;
}

static bool page_in(const struct vma *v, uintptr_t addr)
{
    const struct page_meta *m = v->kind != VMA_SHARED ? upage_peek(addr) : NULL;
    return v->kind == VMA_SHARED || (m && (m->live || (v->kind == VMA_FILE && m->key)));
}

size_t mm_resident_in(struct mm *mm, uintptr_t start, uintptr_t end)
{
    MUTEX_GUARD(&mm->lock);
    size_t n = 0;
    const struct vma *v;
    for (uintptr_t a = start; a < end && (v = vma_first(&mm->vmas, a, end)); a = v->end)
        for (uintptr_t page = MAX(a, v->start); page < MIN(end, v->end); page += PAGE_SIZE)
            n += page_in(v, page);
    return n;
}

int mm_sync(struct mm *mm, uintptr_t addr, size_t len, int flags)
{
    uintptr_t end;
    if (map_range_check(addr, len, &end) < 0 || (flags & ~7) || (flags & 5) == 5)
        return -EINVAL;
    MUTEX_GUARD(&mm->lock);
    if (!map_covers_locked(mm, addr, end))
        return -ENOMEM;
    for (uintptr_t a = addr; a < end;) {
        struct vma *v = vma_find(&mm->vmas, a);
        uintptr_t stop = MIN(end, v->end);
        if (v->kind == VMA_SHARED && (flags & 4)) {
            int r =
                mm_file_ops->sync(mm_file_ops->inode(v->file),
                                  (v->offset + (a - v->start)) / PAGE_SIZE, (stop - a) / PAGE_SIZE);
            if (r < 0)
                return r;
        }
        a = stop;
    }
    return 0;
}

int mm_page_state(struct mm *mm, uintptr_t addr)
{
    MUTEX_GUARD(&mm->lock);
    const struct vma *v = vma_find(&mm->vmas, addr);
    return !v ? -EFAULT : page_in(v, addr) ? 0 : -ENOENT;
}

int mm_policy_set(struct mm *mm, uintptr_t addr, size_t len, uint16_t policy)
{
    uintptr_t end;
    if (map_range_check(addr, len, &end) < 0)
        return -EINVAL;
    MUTEX_GUARD(&mm->lock);
    if (!map_covers_locked(mm, addr, end))
        return -EFAULT;
    if (vma_split(&mm->vmas, addr) < 0 || vma_split(&mm->vmas, end) < 0)
        return -ENOMEM;
    struct vma *v;
    for (uintptr_t a = addr; a < end; a = v->end) {
        v = vma_find(&mm->vmas, a);
        v->policy = policy;
    }
    vma_merge_around(&mm->vmas, addr, end);
    return 0;
}

int mm_policy_get(struct mm *mm, uintptr_t addr, uint16_t *ret)
{
    MUTEX_GUARD(&mm->lock);
    const struct vma *v = vma_find(&mm->vmas, addr);
    if (!v)
        return -EFAULT;
    *ret = v->policy;
    return 0;
}

int mm_mincore(struct mm *mm, uintptr_t addr, size_t len, uaddr_t vec)
{
    uintptr_t end;
    if (map_range_check(addr, len, &end) < 0)
        return -EINVAL;
    for (uintptr_t a = addr; a < end; a += PAGE_SIZE, vec.v++) {
        mutex_lock(&mm->lock);
        const struct vma *v = vma_find(&mm->vmas, a);
        uint8_t in = v && page_in(v, a);
        mutex_unlock(&mm->lock);
        int r = v ? put_user(vec, in) : -ENOMEM;
        if (r < 0)
            return r;
    }
    return 0;
}

int mm_lock_range(struct mm *mm, uintptr_t addr, size_t len, bool lock)
{
    uintptr_t end, start = ROUND_DOWN(addr, PAGE_SIZE);
    if (ck_add(&end, addr, len) || end > SHARED_END)
        return -EINVAL;
    end = ROUND_UP(end, PAGE_SIZE);
    MUTEX_GUARD(&mm->lock);
    if (!map_covers_locked(mm, start, end))
        return -ENOMEM;
    int allowed = lock ? limit_lock_locked(mm, start, end) : 0;
    if (allowed < 0)
        return allowed;
    if (vma_split(&mm->vmas, start) < 0 || vma_split(&mm->vmas, end) < 0)
        return -ENOMEM;
    for (uintptr_t a = start; a < end;) {
        struct vma *v = vma_find(&mm->vmas, a);
        v->locked = lock;
        if (lock && v->prot && v->kind != VMA_SHARED && make_live_locked(mm, v->start, v->end) < 0)
            return -ENOMEM;
        a = v->end;
    }
    vma_merge_around(&mm->vmas, start, end);
    return 0;
}
