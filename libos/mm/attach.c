/* All mappings of one object, wherever the program split them: taking a shared one away as a whole, for
 * System V shared memory, each mapping once (vma_map_again), and what a private one shows of a file that
 * has become shorter. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/mm/map.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"

/* The next mapping of the object at or behind index i; its index, or count. */
static size_t next_of(const struct vma_set *s, const struct inode *object, size_t i)
{
    while (i < s->count &&
           !(s->v[i]->kind == VMA_SHARED && mm_file_ops->inode(s->v[i]->file) == object))
        i++;
    return i;
}

int mm_detach(struct mm *mm, struct file *f)
{
    MUTEX_GUARD(&mm->lock);
    const struct inode *object = mm_file_ops->inode(f);
    int r = -EINVAL;
    for (size_t i = 0; (i = next_of(&mm->vmas, object, i)) < mm->vmas.count;) {
        struct vma *v = mm->vmas.v[i];
        r = 0;
        if (vma_drop_again(v))
            i++;
        else
            vma_remove_at(&mm->vmas, i);
    }
    return r;
}

int mm_forget_behind(struct mm *mm, const struct inode *object, uint64_t size)
{
    if (!mm) /* of a process that has none yet */
        return 0;
    MUTEX_GUARD(&mm->lock);
    uint64_t end = ROUND_UP(size, PAGE_SIZE);
    int r = 0;
    for (size_t i = 0; i < mm->vmas.count && r == 0; i++) {
        const struct vma *v = mm->vmas.v[i];
        if (v->kind != VMA_FILE || mm_file_ops->inode(v->file) != object)
            continue;
        uint64_t kept = end > v->offset ? MIN(end - v->offset, v->end - v->start) : 0;
        if (v->start + kept == v->end)
            continue;
        r = share_keep_live(mm, v->start + kept, v->end);
        if (r == 0)
            upages_drop(v->start + kept, v->end);
    }
    return r;
}
