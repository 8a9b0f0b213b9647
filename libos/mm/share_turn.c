/* Shared regions when the turn moves, when a member comes or goes, and for who looks from outside. The
 * invariants are those of share.c.
 */
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/family.h"
#include "libos/mm/frame.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"
#include "libos/mm/upages_swap.h"

/* ---- a move ----------------------------------------------------------------------------------- */
/* Entries in a row from *at on inside one chunk; their number. */
static size_t entry_run(const struct saved_table *t, uintptr_t at)
{
    size_t n = 1, most = (SAVED_CHUNK_SIZE - at % SAVED_CHUNK_SIZE) / PAGE_SIZE;
    while (n < most && saved_peek(t, at + n * PAGE_SIZE))
        n++;
    return n;
}

static bool swap_table(const struct region *r, struct saved_table *t, struct mm *goes,
                       const struct mm *comes)
{
    bool ok = true;
    struct saved_page *e;
    size_t n;
    for (uintptr_t at = 0; (e = saved_next(t, &at)); at += n * PAGE_SIZE) {
        n = entry_run(t, at);
        ok &= upages_swap(region_start(r) + at, n, e, goes, comes);
    }
    return ok;
}

/* Pages that are equal on both sides differ no more. Only where there are two sides, and now and then:
 * after 8 and 64 moves, and every 512. */
static void forget_equal(const struct region *r, struct saved_table *t)
{
    struct saved_page *e;
    for (uintptr_t at = 0; (e = saved_next(t, &at)); at += PAGE_SIZE) {
        uintptr_t a = region_start(r) + at;
        if (!upage_equals(a, e))
            continue;
        saved_remove(t, at);
        upages_share(a, a + PAGE_SIZE);
        upages_close(a, a + PAGE_SIZE);
    }
}

static bool time_to_compare(const struct region *r)
{
    return r->members == 2 && (r->swaps == 8 || r->swaps == 64 || r->swaps % 512 == 0);
}

static void arrive_in(struct mm *mm, struct holding *h)
{
    struct region *r = h->region;
    struct mm *old = granule_owner(region_start(r));
    if (old == mm)
        return;
    struct holding *was = old ? mm_holding_of(old, r) : NULL;
    check(!old || (was && !was->saved.chunks));
    bool ok = swap_table(r, &h->saved, old, mm);
    if (!ok)
        *(old ? &old->doomed : &mm->doomed) = true;
    granule_set_owner(r, mm);
    if (!old) {
        saved_clear(&h->saved);
        return;
    }
    was->saved = h->saved;
    h->saved = (struct saved_table){0};
    r->swaps++;
    if (time_to_compare(r))
        forget_equal(r, &was->saved);
}

/* Nobody else has the region any more: its pages are ordinary again. */
static void end_sharing(struct mm *mm, struct region *r)
{
    for (size_t i = 0; i < mm->vmas.count; i++) {
        const struct vma *v = mm->vmas.v[i];
        if (v->start < region_end(r) && v->end > region_start(r))
            upages_unshare(MAX(v->start, region_start(r)), MIN(v->end, region_end(r)));
    }
    r->was_shared = false;
    r->swaps = 0;
}

void share_arrive(struct mm *mm)
{
    for (uint32_t i = 0; i < mm->hold_count; i++) {
        struct region *r = mm->holds[i].region;
        arrive_in(mm, &mm->holds[i]);
        if (r->was_shared && r->members == 1)
            end_sharing(mm, r);
    }
}

/* ---- members come and go ---------------------------------------------------------------------- */
void share_disown(struct mm *mm)
{
    for (uint32_t i = 0; i < mm->hold_count; i++) {
        const struct region *r = mm->holds[i].region;
        if (r->members > 1 && granule_owner(region_start(r)) == mm)
            granule_set_owner(r, NULL);
    }
}

void share_part(struct mm *mm)
{
    for (uint32_t i = 0; i < mm->hold_count;) {
        struct holding *h = &mm->holds[i];
        if (granule_leave(mm, i)) { /* others have it */
            saved_clear(&h->saved);
            *h = mm->holds[mm->hold_count];
            continue;
        }
        arrive_in(mm, h);
        if (h->region->was_shared)
            end_sharing(mm, h->region);
        i++;
    }
}

/* One live page of granule 0, or one that differs: everybody but mm keeps it; old, the owner until now,
 * from what is in place. */
static int save_low_page(struct mm *mm, struct mm *old, const struct region *r, uintptr_t a)
{
    const struct page_meta *m = upage_peek(a);
    bool live = m && m->live;
    if (live && m->key == PAGE_KEY_STUB)
        return 0;
    if (live && !share_differs(mm, r, a, old))
        return share_keep_page(mm, r, a);
    return old ? share_enter(mm_holding_of(old, r), a) : 0;
}

static int save_low(struct mm *mm, struct mm *old, const struct region *r)
{
    for (uintptr_t a = 0; (a = upage_next_live(a, GRANULE_SIZE)) < GRANULE_SIZE; a += PAGE_SIZE) {
        int n = save_low_page(mm, old, r, a);
        if (n < 0)
            return n;
    }
    struct saved_table *w = old ? share_witness(mm, r, old) : NULL;
    for (uintptr_t at = 0; w && saved_next(w, &at); at += PAGE_SIZE) {
        if (saved_peek(&mm_holding_of(old, r)->saved, at))
            continue;
        int n = share_enter(mm_holding_of(old, r), at);
        if (n < 0)
            return n;
    }
    return 0;
}

/* File content stays for whoever maps it next; everything else goes. */
static void empty_low(void)
{
    bool any = false;
    for (uintptr_t a = 0; (a = upage_next_live(a, GRANULE_SIZE)) < GRANULE_SIZE; a += PAGE_SIZE) {
        const struct page_meta *m = upage_peek(a);
        upages_unshare(a, a + PAGE_SIZE);
        if (m->key && m->key != PAGE_KEY_STUB)
            upage_set_live(a, false);
        else
            any = true;
    }
    if (any)
        upages_drop_live(0, GRANULE_SIZE);
}

int share_join_low(struct mm *mm)
{
    struct mm *old = granule_owner(0);
    int n = granule_add_low(mm);
    if (n < 0)
        return n;
    const struct region *r = mm->holds[mm->hold_count - 1].region;
    n = r->members > 1 ? save_low(mm, old, r) : 0;
    if (n < 0) {
        if (old)
            saved_clear(&mm_holding_of(old, r)->saved);
        (void) granule_leave(mm, mm->hold_count - 1); /* others have it */
        return n;
    }
    empty_low();
    granule_set_owner(r, mm);
    return 0;
}

/* ---- from outside ----------------------------------------------------------------------------- */
static struct vma *in_the_way(struct mm *mm, const struct region *r, uintptr_t at, size_t len)
{
    struct mm *m;
    list_for_each (m, &mm->family->members, family_link) {
        struct vma *v = mm_holding_of(m, r) ? vma_first(&m->vmas, at, at + len) : NULL;
        if (v)
            return v;
    }
    return NULL;
}

uintptr_t share_gap(struct mm *mm, uintptr_t low, uintptr_t high, size_t len)
{
    const struct region *r = mm_holding(mm, low)->region;
    SPIN_GUARD(&mm->family->lock);
    struct vma *v;
    uintptr_t at = low;
    while (at < high && len <= high - at && (v = in_the_way(mm, r, at, len)))
        at = v->end;
    return at < high && len <= high - at ? at : 0;
}

/* A page without an entry is the same for all; one with content that nobody read yet stays unread. */
static int read_away_page(struct mm *mm, struct span dst, uintptr_t addr)
{
    const struct holding *h = mm_holding(mm, addr);
    uintptr_t page = ROUND_DOWN(addr, PAGE_SIZE), from = addr - page;
    const struct saved_page *e = h ? saved_peek(&h->saved, page - region_start(h->region)) : NULL;
    const struct page_meta *m = upage_peek(page);
    if (e && e->kind == SAVED_COPY)
        memcpy(dst.p, (uint8_t *) enclave_ptr(e->frame) + from, dst.n);
    else if (!e && h && m && m->live && (m->prot & PROT_R))
        memcpy(dst.p, (uint8_t *) enclave_ptr(page) + from, dst.n);
    else
        return -EFAULT;
    return 0;
}

int share_read_away(struct mm *mm, struct span dst, uintptr_t addr)
{
    int r = 0;
    while (r == 0 && dst.n > 0) {
        size_t part = MIN(dst.n, PAGE_SIZE - addr % PAGE_SIZE);
        if (addr >= USER_END || !vma_find(&mm->vmas, addr))
            return -EFAULT;
        r = read_away_page(mm, (struct span){dst.p, part}, addr);
        addr += part;
        dst = (struct span){dst.p + part, dst.n - part};
    }
    return r;
}
