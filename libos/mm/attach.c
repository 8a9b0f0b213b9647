/* Shared objects attached as a whole, for System V shared memory.
 *
 * An object has one address. A process that attaches it once more therefore gets the same address
 * again, and the mapping counts (vma->again, each with a reference on the file) how often it has to be
 * detached before it goes.
 */
#include "libos/base/errno.h"
#include "libos/mm/map.h"

enum { MAP_SHARED_ = 1 };

/* The next mapping of the object at or behind index i; its index, or count. */
static size_t next_of(const struct vma_set *s, const struct inode *object, size_t i)
{
    while (i < s->count &&
           !(s->v[i]->kind == VMA_SHARED && mm_file_ops->inode(s->v[i]->file) == object))
        i++;
    return i;
}

static uintptr_t home_of(const struct vma *v)
{
    return v->start - v->offset;
}

/* One more time; who may write from now on may write to all of it. */
static void attach_again(struct vma *v, struct file *f, int prot)
{
    mm_file_ops->get(v->file);
    v->again++;
    if (!(prot & ~v->prot))
        return;
    for (uint32_t i = 0; i <= v->again; i++) {
        mm_file_ops->get(f);
        mm_file_ops->put(v->file);
    }
    v->file = f;
    v->prot |= prot;
}

static uintptr_t attached_again(struct mm *mm, struct file *f, int prot)
{
    MUTEX_GUARD(&mm->lock);
    const struct inode *object = mm_file_ops->inode(f);
    uintptr_t home = 0;
    for (size_t i = 0; (i = next_of(&mm->vmas, object, i)) < mm->vmas.count; i++) {
        home = home_of(mm->vmas.v[i]);
        attach_again(mm->vmas.v[i], f, prot);
    }
    return home;
}

long mm_attach(struct mm *mm, struct file *f, size_t len, int prot)
{
    for (;;) {
        uintptr_t home = attached_again(mm, f, prot);
        if (home)
            return (long) home;
        long r = mm_map(mm, 0, len, prot, MAP_SHARED_, f, 0);
        if (r != -ENOMEM || !mm_is_attached(mm, f))
            return r; /* else another thread attached it meanwhile */
    }
}

bool mm_is_attached(struct mm *mm, struct file *f)
{
    MUTEX_GUARD(&mm->lock);
    return next_of(&mm->vmas, mm_file_ops->inode(f), 0) < mm->vmas.count;
}

int mm_detach(struct mm *mm, struct file *f)
{
    MUTEX_GUARD(&mm->lock);
    const struct inode *object = mm_file_ops->inode(f);
    int r = -EINVAL;
    for (size_t i = 0; (i = next_of(&mm->vmas, object, i)) < mm->vmas.count;) {
        struct vma *v = mm->vmas.v[i];
        r = 0;
        if (v->again > 0) {
            v->again--;
            mm_file_ops->put(v->file);
            i++;
        } else {
            vma_remove_at(&mm->vmas, i);
        }
    }
    return r;
}
