/* Which pages may go: the clean ones of files that can be read again, on a list that a clock hand goes round. A
 * changed page is not on it, nor one on its way to the store: it comes back when it is clean. They go when there are
 * more than CLOCK_SHARE of the kernel's heap, or memory is short.
 *
 * Pages that were written as a whole and that nobody has looked at since are on a list of their own, the oldest first,
 * and go first, also when there are more than WRITTEN_SHARE of them: a long stream of writes takes its own pages again
 * instead of everybody's, and of memory that was never touched, which is dear. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/pagecache_priv.h"

#define CLOCK_SHARE   3  /* at most 1/3 of the heap limit holds pages that can be read again */
#define WRITTEN_SHARE 16 /* ... and 1/16 of that what was only written */

static struct {
    struct spinlock lock;
    struct list list, written; /* oldest first */
    size_t count, limit;       /* count: of both */
    size_t written_count;
} clock_list = {.list = LIST_INIT(clock_list.list), .written = LIST_INIT(clock_list.written)};

size_t pages_cached(void)
{
    return atomic_load(&clock_list.count);
}

size_t pageclock_limit(void)
{
    if (unlikely(!atomic_load(&clock_list.limit))) {
        struct heap_stats s;
        heap_stats(&s);
        atomic_store(&clock_list.limit, MAX(s.limit / CLOCK_SHARE, (size_t) 64));
    }
    return clock_list.limit;
}

void cpage_free(struct cpage *page)
{
    if (!page->at_home)
        kpages_free(page->data, 1);
    kfree(page);
}

enum { OFF_CLOCK, ON_CLOCK, ON_WRITTEN };

static void put_locked(struct cpage *page, uint8_t where)
{
    list_add_tail(where == ON_WRITTEN ? &clock_list.written : &clock_list.list, &page->clock);
    page->on_clock = where;
    clock_list.count++;
    clock_list.written_count += where == ON_WRITTEN;
}

static void take_locked(struct cpage *page)
{
    list_del(&page->clock);
    clock_list.count--;
    clock_list.written_count -= page->on_clock == ON_WRITTEN;
    page->on_clock = OFF_CLOCK;
}

void pageclock_remove(struct cpage *page)
{
    if (!page->on_clock)
        return;
    SPIN_GUARD(&clock_list.lock);
    if (page->on_clock)
        take_locked(page);
}

static struct cpage *oldest(void)
{
    struct cpage *page = list_first(&clock_list.written, struct cpage, clock);
    return page ? page : list_first(&clock_list.list, struct cpage, clock);
}

size_t pageclock_evict(size_t n)
{
    size_t freed = 0;
    spin_lock(&clock_list.lock);
    for (size_t steps = 2 * clock_list.count; steps > 0 && freed < n; steps--) {
        struct cpage *page = oldest();
        if (!page)
            break;
        uint8_t where = page->on_clock;
        take_locked(page);
        struct inode *i = page->inode; /* it is alive while its pages are on the list */
        bool busy = page->referenced || atomic_load(&page->pins) > 1;
        if (busy || !spin_trylock(&i->pages.lock)) {
            page->referenced = 0;
            put_locked(page, busy ? ON_CLOCK : where);
            continue;
        }
        bool idle = atomic_load(&page->pins) == 1;
        if (idle)
            cpage_detach_locked(&i->pages, page);
        else
            put_locked(page, ON_CLOCK);
        spin_unlock(&i->pages.lock);
        if (idle) {
            cpage_unpin(page);
            freed++;
        }
    }
    spin_unlock(&clock_list.lock);
    return freed;
}

void pages_shrink(void)
{
    (void) pageclock_evict(pages_cached()); /* what is in use stays */
}

/* With the pages lock held, so that a page never gets here after it left its tree. */
bool pageclock_add(struct cpage *page)
{
    size_t limit = pageclock_limit();
    SPIN_GUARD(&clock_list.lock);
    if (!page->on_clock)
        put_locked(page, page->written && !page->referenced ? ON_WRITTEN : ON_CLOCK);
    return clock_list.count + pages_dirty_all() > limit ||
           clock_list.written_count > limit / WRITTEN_SHARE;
}

struct cpage *cpage_new(uint64_t index)
{
    struct cpage *page = new_zero(struct cpage);
    if (!page)
        return NULL;
    page->data = kpages_alloc(1);
    if (!page->data && pageclock_evict(64) > 0)
        page->data = kpages_alloc(1);
    if (!page->data) {
        kfree(page);
        return NULL;
    }
    page->index = index;
    page->pins = 1;
    return page;
}

struct cpage *cpage_new_at_home(uint64_t index)
{
    struct cpage *page = new_zero(struct cpage);
    if (page) {
        page->index = index;
        page->pins = 1;
        page->at_home = 1;
    }
    return page;
}
