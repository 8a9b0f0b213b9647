/* Changed pages to the store. One at a time leads that per inode, under its flush mutex: so whoever finds nothing left
 * to write knows that it is there, and no page is written behind a cut. Others may help: each takes the next run of
 * changed pages behind those that were taken before, and the leader waits for all. A page on its way is pinned, and
 * clean but not on the clock: it stays in memory until the store has it, because until then the store has the old one.
 *
 * The store takes the bytes while programs may change them. Who does marks the page again, so what the store got from
 * two states is written once more. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/task/waitq.h"
#include "libos/vfs/pagecache_priv.h"
#include "libos/vfs/writeback.h"

#define FLUSH_PAGES 64u

struct flush { /* pages lock */
    uint64_t next, end;
    int r;            /* the first error: no more runs are taken */
    uint32_t helpers; /* atomic for the leader */
};

struct run {
    uint64_t first;
    uint32_t count;
    struct cpage *page[FLUSH_PAGES];
    const void *data[FLUSH_PAGES];
};

static size_t dirty_all;
static struct waitq helped = WAITQ_INIT(helped); /* of leaders, for the last helper to leave */

size_t pages_dirty_all(void)
{
    return atomic_load(&dirty_all);
}

void pages_dirty_count(struct inode *i, int change)
{
    atomic_add(&i->super->dirty_pages, (size_t) change);
    atomic_add(&dirty_all, (size_t) change);
}

bool pages_dirty_over(unsigned share)
{
    return pages_dirty_all() > MAX(pageclock_limit() / share, (size_t) 64);
}

/* The next run of changed pages, clean from now on: a later change makes them dirty again. False: there is none. */
static bool run_take(struct inode *i, struct flush *f, struct run *run)
{
    struct pages *p = &i->pages;
    SPIN_GUARD(&p->lock);
    uint64_t index = pagetree_next_marked(p, f->next);
    uint32_t n = 0;
    for (; f->r == 0 && n < FLUSH_PAGES && index < f->end && index + n < f->end; n++) {
        struct cpage *page = pagetree_lookup(p, index + n);
        if (!page || (!page->dirty && !page->at_home))
            break;
        cpage_clean_locked(i, page);
        atomic_add(&page->pins, 1);
        run->page[n] = page;
        run->data[n] = page->data;
    }
    atomic_fence(); /* pages_written: the marks first, then the bytes */
    run->first = index;
    run->count = n;
    f->next = n ? index + n : f->next;
    return n > 0;
}

/* The store has them, or (r) has not. What left the tree meanwhile is none of the file's any more. */
static void run_done(struct inode *i, struct flush *f, const struct run *run, int r)
{
    SPIN_GUARD(&i->pages.lock);
    f->r = f->r < 0 ? f->r : r;
    for (uint32_t n = 0; n < run->count; n++) {
        struct cpage *page = run->page[n];
        bool clean = page->inode && !page->dirty;
        cpage_unpin(page);
        if (clean && r < 0)
            cpage_dirty_locked(i, page);
        else if (clean && !page->at_home)
            (void) pageclock_add(page); /* too many: the next new page sees to it */
    }
}

static int run_write(struct inode *i, const struct run *run)
{
    uint64_t size = inode_size(i), pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t inside = run->first < pages ? MIN((uint64_t) run->count, pages - run->first) : 0;
    if (!inside)
        return 0;
    return i->ops->write_pages(i, run->first, (uint32_t) inside, run->data,
                               MIN(size, (run->first + inside) * PAGE_SIZE));
}

/* enough: NULL, or when to stop before the end. */
static void flush_some(struct inode *i, struct flush *f, bool (*enough)(void))
{
    struct run run UNINIT;
    while (!(enough && enough()) && run_take(i, f, &run)) {
        run_done(i, f, &run, run_write(i, &run));
        writeback_progress();
    }
}

static void flush_offer(struct inode *i, struct flush *f)
{
    SPIN_GUARD(&i->pages.lock);
    i->pages.flushing = f;
}

static int flush_lead(struct inode *i, uint64_t first, uint64_t end, bool (*enough)(void))
{
    struct pages *p = &i->pages;
    struct flush f = {.next = first, .end = end};
    if (!atomic_load(&p->dirty) && !p->home)
        return 0;
    flush_offer(i, &f);
    flush_some(i, &f, enough);
    flush_offer(i, NULL);
    while (atomic_load(&f.helpers))
        (void) wait_event(&helped, !atomic_load(&f.helpers), SLEEP_UNINTERRUPTIBLE,
                          FOREVER); /* the loop looks */
    return f.r;
}

int pages_flush(struct inode *i, uint64_t first, uint64_t end)
{
    if (!i->ops->write_pages)
        return 0;
    MUTEX_GUARD(&i->pages.flush);
    return flush_lead(i, first, end, NULL);
}

static struct flush *help_begin(struct inode *i)
{
    SPIN_GUARD(&i->pages.lock);
    struct flush *f = i->pages.flushing;
    if (f)
        atomic_store(&f->helpers, f->helpers + 1);
    return f;
}

/* f is gone when the leader sees the last one leave. */
static void help_end(struct inode *i, struct flush *f)
{
    spin_lock(&i->pages.lock);
    atomic_store(&f->helpers, f->helpers - 1);
    spin_unlock(&i->pages.lock);
    waitq_wake(&helped, ~0u);
}

int pages_flush_help(struct inode *i, bool (*enough)(void))
{
    struct flush *f = help_begin(i);
    if (f) {
        flush_some(i, f, enough);
        help_end(i, f);
        return 0;
    }
    if (!mutex_trylock(&i->pages.flush))
        return 0;
    int r = flush_lead(i, 0, UINT64_MAX, enough);
    mutex_unlock(&i->pages.flush);
    return r;
}

void pages_cut_begin(struct inode *i)
{
    mutex_lock(&i->pages.flush);
}

void pages_cut_end(struct inode *i)
{
    spin_lock(&i->pages.lock);
    i->pages.cuts++;
    spin_unlock(&i->pages.lock);
    mutex_unlock(&i->pages.flush);
}
