/* mmap, munmap, mprotect: where mappings are, and what may be done with them. mremap is remap.c, madvise and
 * what else is said of a range is advise.c.
 *
 * Each call first checks everything and reserves memory (vma_reserve, splits), then changes pages and
 * the array, so that a failure leaves the address space as it was, but for split borders. */
#include "abi/layout.h"
#include "libos/base/ckmath.h"
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/heap.h"
#include "libos/mm/limit.h"
#include "libos/mm/map.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/uaccess.h"
#include "libos/mm/window.h"

#define EARLY_MAX   (16 * PAGE_SIZE)  /* of mappings that are filled at once */
#define EARLY_STACK (2 * PAGE_SIZE)   /* of a stack only its top: it is zeroed when it goes */
#define STACK_GAP   (256 * PAGE_SIZE) /* nothing is placed so close below the main stack */

static bool owned(struct mm *mm, uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = ROUND_DOWN(start, GRANULE_SIZE); a < end; a += GRANULE_SIZE)
        if (granule_owner(a) != mm)
            return false;
    return true;
}

int map_add_locked(struct mm *mm, const struct map_request *q)
{
    struct vma *v = new_zero(struct vma);
    if (!v)
        return -ENOMEM;
    *v = (struct vma){
        .start = q->start,
        .end = q->end,
        .kind = q->kind,
        .prot = q->prot,
        .was_writable = q->kind == VMA_FILE && (q->prot & PROT_W),
        .file = q->file,
        .offset = q->offset,
        .stack = (q->flags & MAP_STACK_) != 0,
        .locked = (q->flags & MAP_LOCKED_) != 0,
        .noreserve = (q->flags & MAP_NORESERVE_) != 0,
    };
    if (q->like)
        vma_advise_like(v, q->like);
    if (v->file) {
        mm_file_ops->get(v->file, q->kind == VMA_SHARED);
        struct inode *i = mm_file_ops->inode(v->file);
        v->unique = q->kind == VMA_FILE && mm_file_ops->immutable(i) ? mm_file_ops->unique(i) : 0;
    }
    int r = vma_insert(&mm->vmas, v);
    if (r < 0) {
        vma_free(v);
        return r;
    }
    r = q->kind == VMA_SHARED ? 0 : upages_claim(mm, v);
    stubs_close_locked(mm);
    if (q->kind == VMA_ANON || q->kind == VMA_SHARED)
        vma_merge_around(&mm->vmas, q->start, q->end);
    return r;
}

int map_anon_locked(struct mm *mm, uintptr_t start, uintptr_t end, int prot)
{
    struct map_request q = {.start = start, .end = end, .prot = prot, .kind = VMA_ANON};
    return map_add_locked(mm, &q);
}

/* Takes the mappings away. With keep, pages left over from dead processes stay: a mapping that comes
 * next may take them over. */
static int remove_range(struct mm *mm, uintptr_t start, uintptr_t end, bool keep)
{
    if (!vma_first(&mm->vmas, start, end))
        return 0;
    int r = vma_split(&mm->vmas, start);
    if (r == 0)
        r = vma_split(&mm->vmas, end);
    if (r == 0)
        r = share_keep_live(mm, start, end);
    if (r < 0)
        return r;
    struct vma *v;
    for (uintptr_t at = start; (v = vma_first(&mm->vmas, at, end));) {
        at = v->end;
        if (vma_drop_again(v))
            continue;
        if (v->kind != VMA_STUBS && v->kind != VMA_SHARED && keep)
            upages_drop_live(v->start, v->end);
        else if (v->kind != VMA_STUBS && v->kind != VMA_SHARED)
            upages_drop(v->start, v->end);
        vma_remove_at(&mm->vmas, vma_index(&mm->vmas, v->start));
    }
    mm->map_hint = MIN(mm->map_hint, start);
    return 0;
}

int unmap_locked(struct mm *mm, uintptr_t start, uintptr_t end)
{
    return remove_range(mm, start, end, false);
}

/* First free range of len bytes in [low, high), or 0. */
static uintptr_t gap_in(const struct vma_set *s, uintptr_t low, uintptr_t high, size_t len)
{
    uintptr_t at = low;
    for (size_t i = vma_index(s, low); at < high && len <= high - at; i++) {
        if (i == s->count || s->v[i]->start >= high)
            return at;
        uintptr_t stop = s->v[i]->start - (vma_main_stack(s->v[i]) ? STACK_GAP : 0);
        if (stop > at && stop - at >= len)
            return at;
        at = MAX(at, s->v[i]->end);
    }
    return 0;
}

/* Free for mm and for whoever shares the region. */
static uintptr_t gap_for(struct mm *mm, uintptr_t low, uintptr_t high, size_t len)
{
    return share_has(mm, low) ? share_gap(mm, low, high, len) : gap_in(&mm->vmas, low, high, len);
}

/* In shared regions only what profits from being near the program's code: new pages elsewhere need not
 * be exchanged when the turn moves. */
static uintptr_t find_free(struct mm *mm, size_t len, bool near)
{
    struct mm_layout lay;
    mm_layout(mm, &lay);
    bool alone = !share_has(mm, mm->base);
    uintptr_t from = alone ? MAX(lay.mmap_base, mm->map_hint) : lay.mmap_base;
    uintptr_t at = near || alone ? gap_for(mm, from, lay.stack_top, len) : 0;
    if (at && alone && len == PAGE_SIZE)
        mm->map_hint = at + PAGE_SIZE; /* not one page is free below */
    for (uint32_t i = 1; !at && i < mm->hold_count; i++) {
        const struct region *r = mm->holds[i].region;
        if (r->first > 0 && r->members == 1)
            at = gap_in(&mm->vmas, region_start(r), region_end(r), len);
    }
    if (at)
        return at;
    size_t count = (len + GRANULE_SIZE - 1) / GRANULE_SIZE;
    if (count == 1)
        count = 2; /* room for the next ones; never mistaken for a program's first granule */
    uintptr_t base;
    if (count > USER_END / GRANULE_SIZE || granule_take(mm, (uint32_t) count, 0, &base) < 0)
        return 0;
    return base;
}

bool map_is_free_locked(struct mm *mm, uintptr_t start, uintptr_t end)
{
    return owned(mm, start, end) && !vma_first(&mm->vmas, start, end);
}

int map_place_locked(struct mm *mm, struct map_request *q, uintptr_t addr, size_t len)
{
    bool fixed = q->flags & (MAP_FIXED_ | MAP_FIXED_NOREPLACE_);
    uintptr_t end;
    if (fixed && (!IS_ALIGNED(addr, PAGE_SIZE) || addr < USER_MIN))
        return addr < USER_MIN && IS_ALIGNED(addr, PAGE_SIZE) ? -EPERM : -EINVAL;
    addr = ROUND_DOWN(addr, PAGE_SIZE);
    bool sane = addr >= USER_MIN && !ck_add(&end, addr, len) && end <= USER_END;
    if (fixed) {
        if (!sane || !owned(mm, addr, end)) {
            log_once(LOG_INFO, "mmap: a fixed address outside the process's granules: ENOMEM");
            return -ENOMEM;
        }
        if ((q->flags & MAP_FIXED_NOREPLACE_) && vma_first(&mm->vmas, addr, end))
            return -EEXIST;
    } else if (!sane || !map_is_free_locked(mm, addr, end)) {
        addr = find_free(mm, len, q->file != NULL);
        if (!addr)
            return -ENOMEM;
    }
    q->start = addr;
    q->end = addr + len;
    return 0;
}

/* What the mm has of the object already it has once more; what it has not is added. */
static int map_shared_again(struct mm *mm, const struct map_request *q)
{
    int r = vma_split(&mm->vmas, q->start);
    if (r == 0)
        r = vma_split(&mm->vmas, q->end);
    struct map_request part = *q;
    for (uintptr_t at = q->start; r == 0 && at < q->end; at = part.end) {
        struct vma *v = vma_first(&mm->vmas, at, q->end);
        part.start = at;
        part.offset = q->offset + (at - q->start);
        part.end = !v ? q->end : v->start > at ? v->start : v->end;
        if (v && v->start == at)
            vma_map_again(v, q->file, q->prot);
        else
            r = map_add_locked(mm, &part);
    }
    return r;
}

/* MAP_FIXED: whatever was there goes, however often it was mapped. */
static int replace_shared(struct mm *mm, const struct map_request *q)
{
    int r = 0;
    while (r == 0 && vma_first(&mm->vmas, q->start, q->end))
        r = unmap_locked(mm, q->start, q->end);
    return r < 0 ? r : map_add_locked(mm, q);
}

long map_shared_locked(struct mm *mm, struct map_request *q, uintptr_t addr, size_t len)
{
    if (!limit_allows_locked(mm, len, false))
        return -ENOMEM;
    uintptr_t home;
    int r = mm_file_ops->shared_home(mm_file_ops->inode(q->file), q->offset / PAGE_SIZE,
                                     len / PAGE_SIZE, &home);
    if (r < 0)
        return r;
    bool fixed = q->flags & (MAP_FIXED_ | MAP_FIXED_NOREPLACE_);
    if (fixed && addr != home) {
        log_once(LOG_WARN, "mmap: a second address for a shared object: ENOMEM (docs/limits.md)");
        return -ENOMEM;
    }
    if ((q->flags & MAP_FIXED_NOREPLACE_) && vma_first(&mm->vmas, home, home + len))
        return -EEXIST;
    q->start = home;
    q->end = home + len;
    q->kind = VMA_SHARED;
    uint64_t size = mm_file_ops->size(mm_file_ops->inode(q->file));
    uint64_t pages = (size / PAGE_SIZE) + (size % PAGE_SIZE != 0), first = q->offset / PAGE_SIZE;
    uintptr_t valid = pages > first ? home + (pages - first) * PAGE_SIZE : home;
    if (valid < q->end)
        window_close(valid, q->end);
    r = fixed ? replace_shared(mm, q) : map_shared_again(mm, q);
    return r < 0 ? r : (long) home;
}

/* A small writable mapping on pages that are committed already is filled at once: it will be written
 * to, and the fault that is saved costs more than a few pages filled for nothing. */
static bool fill_early(const struct map_request *q)
{
    return q->prot == (PROT_R | PROT_W) && q->end - q->start <= EARLY_MAX &&
           upages_all_committed(q->start, q->end);
}

static void populate_at_once(struct mm *mm, const struct map_request *q)
{
    uintptr_t start = q->start;
    if (q->prot && (q->flags & MAP_POPULATE_))
        (void) make_live_locked(mm, start, q->end); /* a hint, as on Linux */
    if (!fill_early(q))
        return;
    if ((q->flags & MAP_STACK_) && q->end - start > EARLY_STACK)
        start = q->end - EARLY_STACK;
    (void) make_live_locked(mm, start, q->end); /* else the fault does it */
}

static long map_private(struct mm *mm, struct map_request *q, uintptr_t addr, size_t len)
{
    if (!limit_allows_locked(mm, len, q->prot & PROT_W))
        return -ENOMEM;
    int r = map_place_locked(mm, q, addr, len);
    if (r < 0)
        return r;
    r = remove_range(mm, q->start, q->end, true);
    if (r == 0)
        r = map_add_locked(mm, q);
    if (r == 0)
        populate_at_once(mm, q);
    return r < 0 ? r : (long) q->start;
}

static int check_request(const struct map_request *q, size_t len, bool shared)
{
    int type = q->flags & MAP_TYPE_;
    if (len == 0 || (type != MAP_PRIVATE_ && type != MAP_SHARED_ && type != 3))
        return -EINVAL;
    if (!IS_ALIGNED(q->offset, PAGE_SIZE))
        return -EINVAL;
    if (len > USER_END)
        return -ENOMEM;
    uint64_t end;
    if (q->file && (ck_add(&end, q->offset, len) || end > (uint64_t) INT64_MAX))
        return -EOVERFLOW;
    return q->file ? (mm_file_ops->check)(q->file, q->prot, shared) : 0;
}

long mm_map(struct mm *mm, uintptr_t addr, size_t len, int prot, int flags, struct file *file,
            uint64_t offset)
{
    struct map_request q = {.prot = prot & 7,
                            .flags = flags,
                            .offset = offset,
                            .kind = file ? VMA_FILE : VMA_ANON,
                            .file = flags & MAP_ANONYMOUS_ ? NULL : file};
    if (flags & MAP_ANONYMOUS_) {
        q.offset = 0;
        q.kind = VMA_ANON;
    }
    bool shared = (flags & MAP_TYPE_) != MAP_PRIVATE_;
    int checked = check_request(&q, len, shared);
    if (checked < 0)
        return checked;
    shared &= checked == 0; /* > 0: a snapshot is all there is */
    len = ROUND_UP(len, PAGE_SIZE);
    struct file *anon = NULL;
    if (shared && !q.file) {
        anon = mm_anon_shared_file(len);
        if (!anon)
            return -ENOMEM;
        q.file = anon;
    }
    mutex_lock(&mm->lock);
    long r = shared ? map_shared_locked(mm, &q, addr, len) : map_private(mm, &q, addr, len);
    mutex_unlock(&mm->lock);
    if (anon)
        mm_file_ops->put(anon, false);
    return r;
}

int mm_map_stubs(struct mm *mm, uintptr_t start, size_t len)
{
    MUTEX_GUARD(&mm->lock);
    uintptr_t end = start + len;
    struct map_request q = {.start = start, .end = end, .prot = PROT_R | PROT_X, .kind = VMA_STUBS};
    return vma_first(&mm->vmas, start, end) ? -EEXIST : map_add_locked(mm, &q);
}

int map_range_check(uintptr_t addr, size_t len, uintptr_t *ret_end)
{
    uintptr_t end;
    if (!IS_ALIGNED(addr, PAGE_SIZE) || ck_add(&end, addr, len) || end > SHARED_END)
        return -EINVAL;
    *ret_end = ROUND_UP(end, PAGE_SIZE);
    return 0;
}

int mm_unmap(struct mm *mm, uintptr_t addr, size_t len)
{
    uintptr_t end;
    if (len == 0 || map_range_check(addr, len, &end) < 0)
        return -EINVAL;
    MUTEX_GUARD(&mm->lock);
    return unmap_locked(mm, addr, end);
}

bool map_covers_locked(const struct mm *mm, uintptr_t start, uintptr_t end)
{
    while (start < end) {
        const struct vma *v = vma_find(&mm->vmas, start);
        if (!v)
            return false;
        start = v->end;
    }
    return true;
}

static int may_protect(const struct vma *v, int prot)
{
    return v->file ? (mm_file_ops->check)(v->file, prot, v->kind == VMA_SHARED) : 0;
}

int mm_protect(struct mm *mm, uintptr_t addr, size_t len, int prot)
{
    uintptr_t end;
    if (map_range_check(addr, len, &end) < 0)
        return IS_ALIGNED(addr, PAGE_SIZE) ? -ENOMEM : -EINVAL;
    MUTEX_GUARD(&mm->lock);
    if (!map_covers_locked(mm, addr, end))
        return -ENOMEM;
    int r = vma_split(&mm->vmas, addr);
    if (r == 0)
        r = vma_split(&mm->vmas, end);
    if (r == 0)
        r = share_keep_live(mm, addr, end);
    for (uintptr_t a = addr; r == 0 && a < end;) {
        struct vma *v = vma_find(&mm->vmas, a);
        a = v->end;
        if (v->prot == prot)
            continue;
        r = may_protect(v, prot);
        if (r < 0)
            break;
        v->prot = prot;
        v->was_writable |= v->kind == VMA_FILE && (prot & PROT_W);
        if (v->kind != VMA_SHARED) {
            upages_protect(v->start, v->end, prot);
            r = upages_claim(mm, v);
        }
    }
    vma_merge_around(&mm->vmas, addr, end);
    return r;
}
