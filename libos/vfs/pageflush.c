/* Changed pages to the store. One at a time does that per inode, under its flush mutex: so whoever finds nothing left
 * to write knows that it is there, and no page is written behind a cut. A page on its way is clean but not on the
 * clock: it stays in memory until the store has it, because until then the store has the old one. */
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/spare.h"
#include "libos/vfs/pagecache_priv.h"
#include "libos/vfs/writeback.h"

#define FLUSH_PAGES 64u

static size_t dirty_all;
static struct spare flush_spare;

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

/* The next run of changed pages at or above *first, copied and clean from now on: a later change makes
 * them dirty again. 0: none below end. */
static uint32_t flush_take(struct inode *i, uint64_t *first, uint64_t end, uint8_t *buf,
                           uint32_t room)
{
    struct pages *p = &i->pages;
    SPIN_GUARD(&p->lock);
    uint64_t index = pagetree_next_marked(p, *first);
    uint32_t n = 0;
    *first = index;
    for (; n < room && index < end && index + n < end; n++) {
        struct cpage *page = pagetree_lookup(p, index + n);
        if (!page || (!page->dirty && !page->at_home))
            break;
        cpage_clean_locked(i, page);
        atomic_fence(); /* pages_written: the mark first, then the bytes */
        memcpy(buf + n * PAGE_SIZE, page->data, PAGE_SIZE);
    }
    return n;
}

/* The store has them, or (r) has not. */
static void flush_done(struct inode *i, uint64_t first, uint32_t count, int r)
{
    SPIN_GUARD(&i->pages.lock);
    for (uint64_t index = first; index < first + count; index++) {
        struct cpage *page = pagetree_lookup(&i->pages, index);
        if (!page || page->dirty)
            continue;
        if (r < 0)
            cpage_dirty_locked(i, page);
        else if (!page->at_home)
            (void) pageclock_add(page); /* too many: the next new page sees to it */
    }
}

static int flush_locked(struct inode *i, uint64_t first, uint64_t end, uint8_t *buf, uint32_t room)
{
    int r = 0;
    for (uint32_t n; r == 0 && (n = flush_take(i, &first, end, buf, room)) > 0; first += n) {
        uint64_t size = inode_size(i);
        uint64_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
        uint32_t inside = first < pages ? (uint32_t) MIN((uint64_t) n, pages - first) : 0;
        if (inside)
            r = i->ops->write_pages(i, first, inside, buf, MIN(size, (first + inside) * PAGE_SIZE));
        flush_done(i, first, n, r);
        writeback_progress();
    }
    return r;
}

/* Under memory pressure a small buffer will do. */
static uint8_t *flush_buffer(uint32_t *room)
{
    *room = FLUSH_PAGES;
    uint8_t *buf = spare_take(&flush_spare, *room);
    if (!buf && pageclock_evict(2 * FLUSH_PAGES) > 0)
        buf = spare_take(&flush_spare, *room);
    if (!buf) {
        *room = 1;
        buf = kpages_alloc(*room);
    }
    return buf;
}

int pages_flush(struct inode *i, uint64_t first, uint64_t end)
{
    struct pages *p = &i->pages;
    uint32_t room;
    if (!i->ops->write_pages)
        return 0;
    MUTEX_GUARD(&p->flush);
    if (!atomic_load(&p->dirty) && !p->home)
        return 0;
    uint8_t *buf = flush_buffer(&room);
    if (!buf)
        return -ENOMEM;
    int r = flush_locked(i, first, end, buf, room);
    if (room == FLUSH_PAGES)
        spare_give(&flush_spare, buf, room);
    else
        kpages_free(buf, room);
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
