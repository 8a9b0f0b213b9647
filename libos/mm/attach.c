/* Shared objects that a process has attached more than once (vma_map_again), and taking one away as a
 * whole, for System V shared memory: its mappings, wherever the program
 * split them, each once. */
#include "libos/base/errno.h"
#include "libos/mm/map.h"

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
