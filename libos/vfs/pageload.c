/* Reading pages from the store, several at once: one request of the file system has the page that is wanted and
 * those that will be. A page that cannot be read is an error for whoever wants that page, nobody else.
 *
 * What comes from the store may be old when it arrives: the page was in memory meanwhile, was changed, written and
 * evicted, or the file was cut. Losing a changed page counts up one of LOST_MARKS counters, a cut the inode's;
 * a reader whose counters moved reads again. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/pagecache_priv.h"

#define LOST_MARKS 1024u

static uint32_t lost_marks[LOST_MARKS];

static uint32_t *lost_mark(const struct inode *i, uint64_t index)
{
    uint64_t k = (uintptr_t) i * 0x9e3779b97f4a7c15ull + index * 0xc2b2ae3d27d4eb4full;
    return &lost_marks[(k >> 40) % LOST_MARKS];
}

struct load_mark load_mark(const struct inode *i, uint64_t index)
{
    return (struct load_mark){atomic_load(lost_mark(i, index)), atomic_load(&i->pages.cuts)};
}

bool load_stale_locked(const struct inode *i, uint64_t index, struct load_mark mark)
{
    return atomic_load(lost_mark(i, index)) != mark.lost || i->pages.cuts != mark.cuts;
}

void load_lost(const struct inode *i, uint64_t index)
{
    atomic_add(lost_mark(i, index), 1);
}

struct load {
    uint32_t count;
    uint64_t index[LOAD_PAGES];
    struct cpage *page[LOAD_PAGES];
    void *dst[LOAD_PAGES];
    int result[LOAD_PAGES];
    struct load_mark mark[LOAD_PAGES];
};

static bool load_add(struct inode *i, struct load *l, uint64_t index)
{
    struct load_mark mark = load_mark(i, index);
    struct cpage *page = l->count < LOAD_PAGES ? cpage_new(index) : NULL;
    if (!page)
        return false;
    l->index[l->count] = index;
    l->page[l->count] = page;
    l->dst[l->count] = page->data;
    l->mark[l->count] = mark;
    l->result[l->count] = 0;
    l->count++;
    return true;
}

/* The first page is the one that is wanted, and is not in memory. */
static int load_choose(struct inode *i, uint64_t index, const struct load_plan *plan,
                       struct load *l)
{
    uint64_t end = (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE;
    l->count = 0;
    if (!load_add(i, l, index))
        return -ENOMEM;
    for (uint32_t step = 0; step <= plan->repeats; step++) {
        uint64_t at = index + step * (uint64_t) plan->stride;
        for (uint32_t k = step == 0; k < plan->run; k++) {
            if (at + k >= end)
                break; /* also what a negative stride wraps to */
            if (!pages_has(i, at + k) && !load_add(i, l, at + k))
                return 0;
        }
    }
    return 0;
}

static void load_read(struct inode *i, struct load *l)
{
    if (l->count > 1 && i->ops->read_pages) {
        i->ops->read_pages(i, l->index, l->count, l->dst, l->result);
        return;
    }
    for (uint32_t k = 0; k < l->count; k++)
        l->result[k] = i->ops->read_page(i, l->index[k], l->dst[k]);
}

/* 0; *ret NULL: what was read is old. */
static int load_publish(struct inode *i, struct load *l, uint32_t k, struct cpage **ret)
{
    bool full = false;
    int r = l->result[k];
    *ret = NULL;
    if (r == 0) {
        SPIN_GUARD(&i->pages.lock);
        if (!load_stale_locked(i, l->index[k], l->mark[k]))
            r = cpage_publish_locked(i, l->page[k], ret, &full);
    }
    if (r < 0 || *ret != l->page[k])
        cpage_free(l->page[k]);
    if (full)
        (void) pageclock_evict(PAGECLOCK_BATCH);
    return r;
}

int pages_get_ahead(struct inode *i, uint64_t index, const struct load_plan *plan,
                    struct cpage **ret)
{
    struct load l UNINIT;
    struct cpage *page = pages_find(i, index);
    while (!page) {
        int r = load_choose(i, index, plan, &l);
        if (r < 0)
            return r;
        load_read(i, &l);
        for (uint32_t k = 1; k < l.count; k++) {
            struct cpage *other;
            if (load_publish(i, &l, k, &other) == 0 && other)
                cpage_unpin(other);
        }
        r = load_publish(i, &l, 0, &page);
        if (r < 0)
            return r;
    }
    *ret = page;
    return 0;
}
