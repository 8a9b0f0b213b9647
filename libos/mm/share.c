/* Pages of regions that several address spaces have.
 *
 * One member owns a region (granule_owner): what is in place is its view. The view of any other member
 * is its table of saved pages and, for a page without an entry, what is in place too. Invariants:
 *   - for each page either every member but the owner has an entry ("it differs") or none has;
 *   - a live page that does not differ is marked shared and is not writable in place; nobody changes its
 *     content, permission or state before share_keep_* has given every other member an entry;
 *   - stubs of patched system calls are the same for all and never differ.
 * So fork copies little: pages of small writable mappings at once, because a fault costs more than 30
 * copies; large ones are write-protected and copied by faults. When the turn moves, only pages that
 * differ are exchanged. Pages that turn out equal on both sides stop to differ after a while.
 *
 * A member that dies leaves what is in place: shared pages are the others', the rest is nobody's until
 * the next owner arrives and puts its own there.
 *
 * Only the resident member's threads and moves of the turn call these functions; entries are made under
 * the family's lock, because a member that is away may be taken from the list at any time.
 */
#include "libos/base/errno.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/family.h"
#include "libos/mm/share.h"
#include "libos/mm/frame.h"
#include "libos/mm/upages.h"
#include "libos/mm/upages_swap.h"

#define EAGER_PAGES 64u  /* writable pages of a mapping that are copied at fork */
#define EAGER_TOTAL 512u /* of all mappings together */

/* ---- entries ---------------------------------------------------------------------------------- */
/* The next other member that has h's region, after *at; NULL: no more. Family lock. */
static struct holding *other_locked(struct mm *mm, const struct region *r, struct mm **at)
{
    struct list *head = &mm->family->members;
    struct list *l = *at ? (*at)->family_link.next : head->next;
    for (; l != head; l = l->next) {
        struct mm *m = list_entry(l, struct mm, family_link);
        struct holding *h = m == mm ? NULL : mm_holding_of(m, r);
        *at = m;
        if (h)
            return h;
    }
    return NULL;
}

static bool reserve_locked(struct mm *mm, const struct region *r, uintptr_t at, bool *ret_any)
{
    struct mm *m = NULL;
    for (struct holding *h; (h = other_locked(mm, r, &m));) {
        *ret_any = true;
        if (!saved_reserve(&h->saved, at, r->count))
            return false;
    }
    return true;
}

static void enter_all_locked(struct mm *mm, const struct region *r, uintptr_t at,
                             struct saved_page entry)
{
    struct mm *m = NULL;
    uint32_t users = 0;
    for (struct holding *h; (h = other_locked(mm, r, &m)); users++) {
        if (users > 0 && entry.kind == SAVED_COPY)
            frame_get(entry.frame);
        *saved_insert(&h->saved, at) = entry;
    }
}

/* Every other member, if there is one, gets what is in place at addr as an entry; with permission prot if
 * it is a copy and prot is not 0. */
static int enter_page_locked(struct mm *mm, const struct region *r, uintptr_t addr, int prot)
{
    uintptr_t at = addr - region_start(r), frame = 0;
    bool any = false;
    if (!reserve_locked(mm, r, at, &any))
        return -ENOMEM;
    if (!any)
        return 0;
    if (upage_needs_frame(addr) && !(frame = frame_alloc()))
        return -ENOMEM;
    struct saved_page e = upage_entry(addr, frame);
    if (prot && e.kind == SAVED_COPY)
        e.prot = (uint8_t) prot;
    enter_all_locked(mm, r, at, e);
    return 0;
}

/* A page that did not differ does now. */
static int keep_page(struct mm *mm, const struct region *r, uintptr_t addr, int prot)
{
    if (mm->family) {
        SPIN_GUARD(&mm->family->lock);
        int n = enter_page_locked(mm, r, addr, prot);
        if (n < 0)
            return n;
    }
    upages_unshare(addr, addr + PAGE_SIZE);
    return 0;
}

/* Some member's table of r, but not mm's or except's: it says what differs. Family lock. */
static struct holding *witness_locked(struct mm *mm, const struct region *r,
                                      const struct mm *except)
{
    struct mm *m = NULL;
    struct holding *h;
    while ((h = other_locked(mm, r, &m)))
        if (m != except)
            return h;
    return NULL;
}

struct saved_table *share_witness(struct mm *mm, const struct region *r, const struct mm *except)
{
    SPIN_GUARD(&mm->family->lock);
    struct holding *h = witness_locked(mm, r, except);
    return h ? &h->saved : NULL;
}

int share_enter(struct holding *h, uintptr_t addr)
{
    uintptr_t at = addr - region_start(h->region), frame = 0;
    if (!saved_reserve(&h->saved, at, h->region->count))
        return -ENOMEM;
    if (upage_needs_frame(addr) && !(frame = frame_alloc()))
        return -ENOMEM;
    *saved_insert(&h->saved, at) = upage_entry(addr, frame);
    return 0;
}

int share_keep_page(struct mm *mm, const struct region *r, uintptr_t addr)
{
    return keep_page(mm, r, addr, 0);
}

bool share_differs(struct mm *mm, const struct region *r, uintptr_t addr, const struct mm *except)
{
    struct saved_table *t = share_witness(mm, r, except);
    return t && saved_peek(t, addr - region_start(r));
}

bool share_has(struct mm *mm, uintptr_t addr)
{
    const struct holding *h = mm_holding(mm, addr);
    return h && h->region->members > 1;
}

static int keep_shared(struct mm *mm, uintptr_t start, uintptr_t end, int prot)
{
    for (uint32_t i = 0; i < mm->hold_count; i++) {
        const struct region *r = mm->holds[i].region;
        if (likely(!r->was_shared))
            continue;
        uintptr_t a = MAX(start, region_start(r)), stop = MIN(end, region_end(r));
        for (; a < stop && (a = upage_next_shared(a, stop)) < stop; a += PAGE_SIZE) {
            int n = keep_page(mm, r, a, prot);
            if (n < 0)
                return n;
        }
    }
    return 0;
}

int share_keep_live(struct mm *mm, uintptr_t start, uintptr_t end)
{
    return keep_shared(mm, start, end, 0);
}

int share_keep_written(struct mm *mm, uintptr_t start, uintptr_t end, int prot)
{
    return keep_shared(mm, start, end, prot);
}

int share_keep_absent(struct mm *mm, uintptr_t start, uintptr_t end)
{
    const struct holding *h = mm_holding(mm, start);
    if (likely(!h || h->region->members < 2 || !mm->family))
        return 0;
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = upage_peek(a);
        if ((m && m->live) || share_differs(mm, h->region, a, NULL))
            continue;
        int n = keep_page(mm, h->region, a, 0);
        if (n < 0)
            return n;
    }
    return 0;
}

/* ---- fork ------------------------------------------------------------------------------------- */
/* The pages that differ already: child gets a copy of its parent's. */

static int fork_differing(struct mm *parent, struct mm *child, uint32_t i)
{
    const struct region *r = parent->holds[i].region;
    SPIN_GUARD(&parent->family->lock);
    const struct holding *w = witness_locked(parent, r, child);
    int n = 0;
    for (uintptr_t at = 0; n == 0 && w && saved_next(&w->saved, &at); at += PAGE_SIZE)
        n = share_enter(&child->holds[i], region_start(r) + at);
    return n;
}

/* Marks what does not differ as shared. */
static void mark_shared(struct mm *child, const struct vma *v)
{
    upages_share(v->start, v->end);
    for (uint32_t i = 0; i < child->hold_count; i++) {
        const struct region *r = child->holds[i].region;
        uintptr_t start = region_start(r), a = MAX(v->start, start),
                  stop = MIN(v->end, region_end(r));
        if (a >= stop)
            continue;
        for (uintptr_t at = a - start; saved_next(&child->holds[i].saved, &at) && at < stop - start;
             at += PAGE_SIZE)
            upages_unshare(start + at, start + at + PAGE_SIZE);
    }
}

/* What child has of the range is forgotten: the next touch finds nothing. */
static void forget_range(struct mm *child, uintptr_t from, uintptr_t to)
{
    for (uint32_t i = 0; i < child->hold_count; i++) {
        struct holding *h = &child->holds[i];
        uintptr_t start = region_start(h->region), stop = MIN(to, region_end(h->region));
        struct saved_page *e;
        if (from >= region_end(h->region) || stop <= start)
            continue;
        for (uintptr_t at = MAX(from, start) - start;
             (e = saved_next(&h->saved, &at)) && at < stop - start; at += PAGE_SIZE) {
            if (e->kind == SAVED_COPY)
                frame_put(e->frame);
            *e = (struct saved_page){.kind = SAVED_ABSENT};
        }
    }
}

static int fork_writable(struct mm *parent, const struct vma *v, uint32_t *budget)
{
    size_t n = upages_count_open(v->start, v->end);
    if (n == 0)
        return 0;
    if (n > EAGER_PAGES || n > *budget) {
        upages_close(v->start, v->end);
        return 0;
    }
    *budget -= (uint32_t) n;
    for (uintptr_t a = v->start; (a = upage_next_shared(a, v->end)) < v->end; a += PAGE_SIZE) {
        const struct holding *h = mm_holding(parent, a);
        int r = upage_peek(a)->prot & PROT_W ? keep_page(parent, h->region, a, 0) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int fork_mapping(struct mm *parent, struct mm *child, const struct vma *v, uint32_t *budget)
{
    if (v->kind == VMA_SHARED || v->kind == VMA_STUBS)
        return 0;
    mark_shared(child, v);
    if (v->dontfork || v->wipeonfork) {
        int r = share_keep_live(parent, v->start, v->end);
        if (r == 0)
            forget_range(child, v->start, v->end);
        return r;
    }
    return v->prot & PROT_W ? fork_writable(parent, v, budget) : 0;
}

int share_fork(struct mm *parent, struct mm *child)
{
    uint32_t budget = EAGER_TOTAL;
    int n = 0;
    for (uint32_t i = 0; n == 0 && i < parent->hold_count; i++)
        if (parent->holds[i].region->members > 2)
            n = fork_differing(parent, child, i);
    for (size_t i = 0; n == 0 && i < parent->vmas.count; i++)
        n = fork_mapping(parent, child, parent->vmas.v[i], &budget);
    return n;
}

void share_swap_roles(struct mm *parent, struct mm *child)
{
    for (uint32_t i = 0; i < parent->hold_count; i++) {
        struct holding *p = &parent->holds[i], *c = &child->holds[i];
        check(p->region == c->region && !p->saved.chunks);
        p->saved = c->saved;
        c->saved = (struct saved_table){0};
        granule_set_owner(p->region, child);
    }
}
