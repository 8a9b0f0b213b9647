/* The sorted array of mappings. Neighbours of the same kind that continue each other are merged, so
 * that growing heaps stay one entry. */
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/mm/vma.h"

size_t vma_index(const struct vma_set *s, uintptr_t addr)
{
    size_t lo = 0, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid]->end > addr)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

struct vma *vma_first(const struct vma_set *s, uintptr_t start, uintptr_t end)
{
    size_t i = vma_index(s, start);
    return i < s->count && s->v[i]->start < end ? s->v[i] : NULL;
}

struct vma *vma_find(const struct vma_set *s, uintptr_t addr)
{
    return vma_first(s, addr, addr + 1);
}

bool vma_reserve(struct vma_set *s, size_t more)
{
    if (s->count + more <= s->cap)
        return true;
    if (s->count + more > VMA_COUNT_MAX)
        return false;
    size_t cap = MIN(MAX(s->cap * 2, s->count + more + 16), (size_t) VMA_COUNT_MAX);
    struct vma **v = krealloc(s->v, cap * sizeof(struct vma *));
    if (!v)
        return false;
    s->v = v;
    s->cap = cap;
    return true;
}

static bool is_shared(const struct vma *v)
{
    return v->kind == VMA_SHARED;
}

void vma_hold_file(const struct vma *v)
{
    for (uint32_t i = 0; v->file && i <= v->again; i++)
        mm_file_ops->get(v->file, is_shared(v));
}

/* An object has one address, so mapping it once more is counting. Each time holds its own reference on
 * the file; which file it is matters only for what mprotect may allow. */
void vma_map_again(struct vma *v, struct file *f, int prot)
{
    mm_file_ops->get(v->file, true);
    v->again++;
    if (!(prot & ~v->prot))
        return;
    for (uint32_t i = 0; i <= v->again; i++) {
        mm_file_ops->get(f, true);
        mm_file_ops->put(v->file, true);
    }
    v->file = f;
    v->prot |= prot;
}

bool vma_drop_again(struct vma *v)
{
    if (v->again == 0)
        return false;
    v->again--;
    mm_file_ops->put(v->file, true);
    return true;
}

void vma_free(struct vma *v)
{
    for (uint32_t i = 0; v->file && i <= v->again; i++)
        mm_file_ops->put(v->file, is_shared(v));
    kfree(v);
}

static bool joins(const struct vma *a, const struct vma *b)
{
    if (a->end != b->start || a->kind != b->kind || a->prot != b->prot || a->file != b->file ||
        a->stack != b->stack || a->locked != b->locked || a->noreserve != b->noreserve ||
        a->again != b->again || a->dontfork != b->dontfork || a->wipeonfork != b->wipeonfork ||
        a->policy != b->policy || a->was_writable != b->was_writable)
        return false;
    return a->kind == VMA_ANON ||
           (a->kind != VMA_STUBS && a->offset + (a->end - a->start) == b->offset);
}

void vma_advise_like(struct vma *v, const struct vma *other)
{
    v->dontfork = other->dontfork;
    v->wipeonfork = other->wipeonfork;
    v->locked = other->locked;
    v->policy = other->policy;
    v->was_writable |= other->was_writable;
}

struct vma *vma_copy(const struct vma *v)
{
    struct vma *c = new_zero(struct vma);
    if (!c)
        return NULL;
    *c = *v;
    c->locked = false; /* locks in memory are not inherited */
    vma_hold_file(c);
    return c;
}

static void remove_index(struct vma_set *s, size_t i)
{
    memmove(&s->v[i], &s->v[i + 1], (s->count - i - 1) * sizeof s->v[0]);
    s->count--;
}

void vma_remove_at(struct vma_set *s, size_t i)
{
    struct vma *v = s->v[i];
    remove_index(s, i);
    vma_free(v);
}

static void merge_at(struct vma_set *s, size_t i) /* i with i + 1 */
{
    if (i + 1 >= s->count || !joins(s->v[i], s->v[i + 1]))
        return;
    s->v[i]->end = s->v[i + 1]->end;
    vma_remove_at(s, i + 1);
}

void vma_merge_around(struct vma_set *s, uintptr_t start, uintptr_t end)
{
    size_t i = vma_index(s, start);
    i = i > 0 ? i - 1 : 0;
    while (i + 1 < s->count && s->v[i]->start < end) {
        size_t before = s->count;
        merge_at(s, i);
        if (s->count == before)
            i++;
    }
}

int vma_insert(struct vma_set *s, struct vma *v)
{
    if (!vma_reserve(s, 1))
        return -ENOMEM;
    size_t i = vma_index(s, v->start);
    check(i == s->count || s->v[i]->start >= v->end);
    memmove(&s->v[i + 1], &s->v[i], (s->count - i) * sizeof s->v[0]);
    s->v[i] = v;
    s->count++;
    return 0;
}

int vma_split(struct vma_set *s, uintptr_t addr)
{
    struct vma *v = vma_find(s, addr);
    if (!v || v->start == addr)
        return 0;
    struct vma *tail = new_zero(struct vma);
    if (!tail || !vma_reserve(s, 1)) {
        kfree(tail);
        return -ENOMEM;
    }
    *tail = *v;
    tail->start = addr;
    tail->offset = v->offset + (addr - v->start);
    vma_hold_file(tail);
    v->end = addr;
    return vma_insert(s, tail);
}
