/* mremap: a mapping gets longer, shorter or another place.
 *
 * In place where there is room behind it; else a new mapping is made, the pages are copied (an enclave page
 * has one address) and the old mapping goes. A shared object's place is its own: it grows there or not. */
#include "libos/base/errno.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/limit.h"
#include "libos/mm/map.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"

enum { MREMAP_MAYMOVE_ = 1, MREMAP_FIXED_ = 2, MREMAP_DONTUNMAP_ = 4 };

static int copy_pages(struct mm *mm, const struct vma *from, uintptr_t src, uintptr_t dst,
                      size_t len)
{
    for (size_t at = 0; at < len; at += PAGE_SIZE) {
        const struct page_meta *m = upage_peek(src + at);
        if (!m || !m->live)
            continue;
        int r = make_live_locked(mm, dst + at, dst + at + PAGE_SIZE);
        if (r < 0)
            return r;
        if (!(m->prot & PROT_R))
            upages_unseal(src + at, src + at + PAGE_SIZE);
        upages_unseal(dst + at, dst + at + PAGE_SIZE);
        memcpy(enclave_ptr(dst + at), enclave_ptr(src + at), PAGE_SIZE);
        upages_reseal(dst + at, dst + at + PAGE_SIZE, from->prot);
    }
    return 0;
}

static long remap_move(struct mm *mm, struct vma *v, uintptr_t addr, size_t old_len, size_t new_len,
                       int flags, uintptr_t new_addr)
{
    struct map_request q = {
        .prot = v->prot,
        .flags = flags & MREMAP_FIXED_ ? MAP_FIXED_ : 0,
        .file = v->file,
        .offset = v->offset + (addr - v->start),
        .kind = v->kind,
    };
    if (v->stack)
        q.flags |= MAP_STACK_;
    struct vma from = *v;
    q.like = &from;
    int r = map_place_locked(mm, &q, new_addr, new_len);
    if (r == 0)
        r = unmap_locked(mm, q.start, q.end);
    if (r == 0)
        r = map_add_locked(mm, &q);
    if (r == 0)
        r = copy_pages(mm, &from, addr, q.start, MIN(old_len, new_len));
    if (r == 0 && !(flags & MREMAP_DONTUNMAP_))
        r = unmap_locked(mm, addr, addr + old_len);
    else if (r == 0 && (r = share_keep_live(mm, addr, addr + old_len)) == 0)
        upages_drop(addr, addr + old_len);
    return r < 0 ? r : (long) q.start;
}

static long remap_shared(struct mm *mm, struct vma *v, uintptr_t addr, size_t old_len,
                         size_t new_len)
{
    struct map_request q = {.prot = v->prot,
                            .file = v->file,
                            .flags = MAP_SHARED_,
                            .offset = v->offset + (addr - v->start)};
    uintptr_t home;
    int r = mm_file_ops->shared_home(mm_file_ops->inode(v->file), q.offset / PAGE_SIZE,
                                     new_len / PAGE_SIZE, &home);
    if (r < 0)
        return r;
    mm_file_ops->get(q.file, true);
    r = unmap_locked(mm, addr, addr + old_len);
    long at = r < 0 ? r : map_shared_locked(mm, &q, 0, new_len);
    mm_file_ops->put(q.file, true);
    return at;
}

static long remap_locked(struct mm *mm, uintptr_t addr, size_t old_len, size_t new_len, int flags,
                         uintptr_t new_addr)
{
    struct vma *v = vma_find(&mm->vmas, addr);
    if (!v)
        return -EFAULT;
    if (old_len > v->end - addr)
        return -EFAULT;
    bool moves = flags & (MREMAP_FIXED_ | MREMAP_DONTUNMAP_);
    if (!moves && new_len <= old_len) {
        int r = new_len < old_len ? unmap_locked(mm, addr + new_len, addr + old_len) : 0;
        return r < 0 ? r : (long) addr;
    }
    uint64_t more = flags & MREMAP_DONTUNMAP_ ? new_len : new_len - MIN(old_len, new_len);
    if (more && !limit_allows_locked(mm, more, v->prot & PROT_W))
        return -ENOMEM;
    if (v->kind == VMA_SHARED)
        return moves ? -ENOMEM : remap_shared(mm, v, addr, old_len, new_len);
    uintptr_t end = addr + new_len;
    if (!moves && v->end == addr + old_len && end <= USER_END &&
        map_is_free_locked(mm, v->end, end)) {
        struct map_request q = {.start = v->end,
                                .end = end,
                                .prot = v->prot,
                                .flags = (v->stack ? MAP_STACK_ : 0) |
                                         (v->noreserve ? MAP_NORESERVE_ : 0),
                                .file = v->file,
                                .offset = v->offset + (v->end - v->start),
                                .kind = v->kind,
                                .like = v};
        int r = map_add_locked(mm, &q);
        vma_merge_around(&mm->vmas, addr, end);
        return r < 0 ? r : (long) addr;
    }
    if (!(flags & MREMAP_MAYMOVE_))
        return -ENOMEM;
    return remap_move(mm, v, addr, old_len, new_len, flags, new_addr);
}

long mm_remap(struct mm *mm, uintptr_t addr, size_t old_len, size_t new_len, int flags,
              uintptr_t new_addr)
{
    bool fixed = flags & MREMAP_FIXED_, keep = flags & MREMAP_DONTUNMAP_;
    if (!IS_ALIGNED(addr, PAGE_SIZE) || (flags & ~7) || new_len == 0 || old_len == 0 ||
        new_len > USER_END || old_len > USER_END || ((fixed || keep) && !(flags & MREMAP_MAYMOVE_)))
        return -EINVAL;
    old_len = ROUND_UP(old_len, PAGE_SIZE);
    new_len = ROUND_UP(new_len, PAGE_SIZE);
    if (keep && old_len != new_len)
        return -EINVAL;
    if (fixed && (!IS_ALIGNED(new_addr, PAGE_SIZE) ||
                  (new_addr < addr + old_len && addr < new_addr + new_len)))
        return -EINVAL;
    MUTEX_GUARD(&mm->lock);
    return remap_locked(mm, addr, old_len, new_len, flags, fixed ? new_addr : 0);
}
