/* RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK. What an address space has is counted when somebody asks for
 * more and a limit is set at all, so that processes without limits pay nothing.
 *
 * Counted as on Linux, which reserves less: of the main stack, mapped at its full size here, what it
 * has used; of patch stubs, which Linux does not have, nothing. mm->lock is held. */
#include "abi/layout.h"
#include "abi/linux/resource.h"
#include "libos/base/errno.h"
#include "libos/mm/limit.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"
#include "libos/task/process.h"

bool limit_is_data(const struct vma *v)
{
    return v->kind != VMA_SHARED && (v->prot & PROT_W) && !vma_main_stack(v);
}

uint64_t limit_size(const struct vma *v, size_t live_pages)
{
    if (v->kind == VMA_STUBS)
        return 0;
    return vma_main_stack(v) ? live_pages * PAGE_SIZE : v->end - v->start;
}

static void count(const struct mm *mm, uint64_t *ret_total, uint64_t *ret_data)
{
    *ret_total = *ret_data = 0;
    for (size_t i = 0; i < mm->vmas.count; i++) {
        const struct vma *v = mm->vmas.v[i];
        size_t live = vma_main_stack(v) ? upages_count_live(v->start, v->end) : 0;
        *ret_total += limit_size(v, live);
        *ret_data += limit_is_data(v) ? limit_size(v, live) : 0;
    }
}

bool limit_allows_locked(const struct mm *mm, uint64_t more, bool data)
{
    const struct process *p = current_process();
    uint64_t as = p->rlimits[RLIMIT_AS].cur, data_max = p->rlimits[RLIMIT_DATA].cur;
    if (likely(as == LINUX_RLIM_INFINITY && data_max == LINUX_RLIM_INFINITY))
        return true;
    uint64_t total, used;
    count(mm, &total, &used);
    return total + more <= as && (!data || used + more <= data_max);
}

int limit_lock_locked(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct process *p = current_process();
    uint64_t max = p->rlimits[RLIMIT_MEMLOCK].cur, locked = end - start;
    if (max == LINUX_RLIM_INFINITY || capable(CAP_IPC_LOCK))
        return 0;
    for (size_t i = 0; i < mm->vmas.count; i++) {
        const struct vma *v = mm->vmas.v[i];
        bool inside = v->start >= start && v->end <= end;
        locked += v->locked && !inside ? v->end - v->start : 0;
    }
    return locked <= max ? 0 : max == 0 ? -EPERM : -ENOMEM;
}
