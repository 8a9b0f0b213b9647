/* The home of an inode's pages: the place in the shared window where processes map them. The first shared mapping
 * moves what is cached there, for good. */
#include "libos/base/atomic.h"
#include "libos/base/ckmath.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/pagecache_priv.h"

#define HOME_SLACK 64
#define OPEN_EARLY 16 /* pages: a mapping of so few will be touched */

/* Moves one cached page to its home; pages lock held. The old one is freed when unpinned. */
static int move_home_locked(struct inode *i, struct cpage *page, struct cpage **ret_old)
{
    struct pages *p = &i->pages;
    struct cpage *fresh = new_zero(struct cpage);
    if (!fresh)
        return -ENOMEM;
    fresh->data = pages_home_data(p, page->index);
    if (!fresh->data) {
        kfree(fresh);
        return -ENOMEM;
    }
    fresh->index = page->index;
    fresh->inode = i;
    fresh->pins = 1;
    fresh->at_home = 1;
    memcpy(fresh->data, page->data, PAGE_SIZE);
    cpage_detach_locked(p, page);
    int r = pagetree_insert(p, fresh);
    if (r < 0) {
        kfree(fresh);
        return r; /* the content is in the home; the page is found there when it is read again */
    }
    if (i->ops->write_pages)
        cpage_dirty_locked(i, fresh);
    else
        pagetree_mark(p, fresh->index, true);
    *ret_old = page;
    return 0;
}

static int home_page(struct inode *i, uint64_t index)
{
    struct cpage *page, *old = NULL;
    int r = pages_get(i, index, true, &page);
    if (r < 0)
        return r;
    spin_lock(&i->pages.lock);
    if (page->inode && !page->at_home)
        r = move_home_locked(i, page, &old);
    spin_unlock(&i->pages.lock);
    if (old)
        cpage_unpin(old);
    cpage_unpin(page);
    return r;
}

static int home_reserve(struct inode *i, uint64_t pages)
{
    struct pages *p = &i->pages;
    if (p->home)
        return pages <= p->home_pages ? 0 : -ENOMEM;
    uint64_t size = (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t want = MAX(pages, size);
    if (!(i->flags & INODE_IMMUTABLE) && want < HOME_SLACK * 16)
        want = MAX(want * 2, (uint64_t) HOME_SLACK);
    uintptr_t home;
    int r = window_alloc(want, &home);
    if (r < 0 && want > pages) {
        want = MAX(pages, size);
        r = window_alloc(want, &home);
    }
    if (r < 0)
        return r;
    spin_lock(&p->lock);
    bool lost = p->home != 0;
    if (!lost) {
        p->home = home;
        atomic_store(&p->home_pages, want);
    }
    spin_unlock(&p->lock);
    if (lost)
        window_free(home, want);
    return pages <= p->home_pages ? 0 : -ENOMEM;
}

/* The next page from index on that has to be at home: those that are asked for, and others only if they
 * are cached. Where a hole is no page (files without a store) it is zeros at home already. */
static uint64_t next_to_move(struct inode *i, uint64_t index, uint64_t first, uint64_t end)
{
    bool asked = index >= first && index < end;
    if (asked && i->ops->read_page)
        return index;
    SPIN_GUARD(&i->pages.lock);
    uint64_t cached = pagetree_next(&i->pages, index);
    return index < first && i->ops->read_page ? MIN(cached, first) : cached;
}

/* Opens what is about to get content, or so little that a fault for it would cost more. */
static int home_open(struct inode *i, uint64_t first, uint64_t end)
{
    uint64_t last = MIN(end, (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE);
    if ((!i->ops->read_page && end - first > OPEN_EARLY) || first >= last)
        return 0;
    return window_open(i->pages.home + first * PAGE_SIZE, i->pages.home + last * PAGE_SIZE);
}

int pages_shared_home(struct inode *i, uint64_t first, uint64_t count, uintptr_t *ret_addr)
{
    uint64_t end;
    if (ck_add(&end, first, count))
        return -ENOMEM;
    bool fresh = i->pages.home == 0;
    int r = home_reserve(i, end);
    if (r == 0)
        r = home_open(i, first, end);
    if (r < 0)
        return r;
    /* everything cached moves at once; after that only the pages asked for */
    uint64_t size = (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t to = MIN(fresh ? MAX(size, end) : end, i->pages.home_pages);
    for (uint64_t index = fresh ? 0 : first; r == 0; index++) {
        index = next_to_move(i, index, first, end);
        if (index >= to)
            break;
        r = home_page(i, index);
    }
    if (r == 0)
        *ret_addr = i->pages.home + first * PAGE_SIZE;
    return r;
}
