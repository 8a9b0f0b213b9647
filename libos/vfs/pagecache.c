/* The page cache: finding pages, putting them into their tree, taking them out. pagecache_priv.h says what else
 * there is. A page is changed under a pin; whoever wrote to it says so before the pin goes. */
#include "libos/vfs/pagecache.h"
#include "libos/base/atomic.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/pagecache_priv.h"

#define PASSED_WORDS 8192u /* files up to 2 GiB */

void pages_init(struct pages *p)
{
    *p = (struct pages){0};
    mutex_init(&p->flush);
}

void cpage_unpin(struct cpage *page)
{
    uint32_t left = atomic_sub_new(&page->pins, 1);
    check(left < REF_MAX);
    if (left == 0)
        cpage_free(page);
}

/* One more page of a file system that may have only so many; false: that were too many. */
static bool limit_take(struct inode *i)
{
    struct super *s = i->super;
    if (likely(!s || !s->pages_max))
        return true;
    if (atomic_add(&s->pages, 1) < s->pages_max)
        return true;
    atomic_sub(&s->pages, 1);
    return false;
}

static void limit_give(const struct inode *i)
{
    if (unlikely(i->super && i->super->pages_max))
        atomic_sub(&i->super->pages, 1);
}

/* Off the clock first: eviction finds the inode by the page. */
void cpage_detach_locked(struct pages *p, struct cpage *page)
{
    pageclock_remove(page);
    cpage_clean_locked(page->inode, page);
    if (page->changed)
        load_lost(page->inode, page->index);
    pagetree_remove(p, page->index);
    limit_give(page->inode);
    page->inode = NULL;
}

bool pages_at_home(const struct inode *i, uint64_t index)
{
    return index < atomic_load(&i->pages.home_pages) && !i->ops->read_page;
}

uint8_t *pages_home_data(const struct pages *p, uint64_t index)
{
    uintptr_t addr = p->home + index * PAGE_SIZE;
    return window_open(addr, addr + PAGE_SIZE) == 0 ? enclave_ptr(addr) : NULL;
}

struct cpage *pages_find_locked(struct pages *p, uint64_t index)
{
    struct cpage *page = pagetree_lookup(p, index);
    if (page) {
        atomic_add(&page->pins, 1);
        if (!page->referenced)
            page->referenced = 1;
    }
    return page;
}

struct cpage *pages_find(struct inode *i, uint64_t index)
{
    if (!i->pages.root)
        return NULL;
    SPIN_GUARD(&i->pages.lock);
    return pages_find_locked(&i->pages, index);
}

bool pages_has(struct inode *i, uint64_t index)
{
    SPIN_GUARD(&i->pages.lock);
    return pagetree_lookup(&i->pages, index) != NULL;
}

/* Can its clean pages be read again? */
static bool stored(const struct inode *i)
{
    return (i->flags & INODE_IMMUTABLE) || i->ops->write_pages;
}

/* Home pages never leave the tree. */
static int settle_at_home_locked(struct inode *i, struct cpage *page)
{
    uint8_t *home = pages_home_data(&i->pages, page->index);
    if (!home)
        return -ENOMEM;
    if (i->ops->read_page)
        memcpy(home, page->data, PAGE_SIZE);
    if (page->data)
        kpages_free(page->data, 1);
    page->data = home;
    page->at_home = 1;
    return 0;
}

int cpage_publish_locked(struct inode *i, struct cpage *page, struct cpage **ret, bool *ret_full)
{
    struct pages *p = &i->pages;
    *ret = pages_find_locked(p, page->index);
    if (*ret)
        return 0;
    if (p->home && page->index < p->home_pages && settle_at_home_locked(i, page) < 0)
        return -ENOMEM;
    int r = limit_take(i) ? pagetree_insert(p, page) : -ENOSPC;
    if (r < 0) {
        if (r != -ENOSPC)
            limit_give(i);
        return r;
    }
    if (page->at_home)
        pagetree_mark(&i->pages, page->index, true);
    page->inode = i;
    page->pins = 2;
    *ret_full |= stored(i) && !page->at_home && pageclock_add(page);
    *ret = page;
    return 0;
}

int cpage_publish(struct inode *i, struct cpage *page, struct cpage **ret)
{
    bool full = false;
    spin_lock(&i->pages.lock);
    int r = cpage_publish_locked(i, page, ret, &full);
    spin_unlock(&i->pages.lock);
    if (full)
        (void) pageclock_evict(PAGECLOCK_BATCH); /* the next one tries again */
    return r;
}

int pages_get(struct inode *i, uint64_t index, bool create, struct cpage **ret)
{
    if (i->ops->read_page)
        return pages_get_ahead(i, index, &(struct load_plan){.run = 1}, ret);
    struct cpage *page = pages_find(i, index);
    if (page || (!create && !pages_at_home(i, index))) {
        *ret = page;
        return 0;
    }
    page = pages_at_home(i, index) ? cpage_new_at_home(index) : cpage_new(index);
    if (!page)
        return create ? -ENOSPC : -ENOMEM;
    int r = cpage_publish(i, page, ret);
    if (r < 0 || *ret != page)
        cpage_free(page);
    return r;
}

static void free_all(struct list *fresh)
{
    while (!list_empty(fresh)) {
        struct cpage *page = list_first(fresh, struct cpage, clock);
        list_del(&page->clock);
        cpage_free(page);
    }
}

/* A page for every place where there is none. */
static int fill_new(struct inode *i, uint64_t first, uint64_t end, struct list *fresh)
{
    const struct super *s = i->super;
    uint64_t left = s && s->pages_max ? s->pages_max - atomic_load(&s->pages) : UINT64_MAX;
    for (uint64_t index = first; index < end; index++) {
        if (pages_has(i, index))
            continue;
        struct cpage *page = pages_at_home(i, index) ? cpage_new_at_home(index) : cpage_new(index);
        if (!page)
            return -ENOSPC;
        list_add_tail(fresh, &page->clock);
        if (left-- == 0)
            return -ENOSPC;
    }
    return 0;
}

static int fill_publish(struct inode *i, struct list *fresh)
{
    int r = 0;
    while (r == 0 && !list_empty(fresh)) {
        struct cpage *page = list_first(fresh, struct cpage, clock), *there = NULL;
        list_del(&page->clock);
        r = cpage_publish(i, page, &there);
        if (there)
            cpage_unpin(there);
        if (there != page)
            cpage_free(page);
    }
    return r;
}

int pages_fill(struct inode *i, uint64_t first, uint64_t end)
{
    struct heap_stats heap;
    heap_stats(&heap);
    if (end - first > i->pages.count && end - first - i->pages.count > heap.limit)
        return -ENOSPC; /* no need to try */
    struct list fresh = LIST_INIT(fresh);
    int r = fill_new(i, first, end, &fresh);
    if (r == 0)
        r = fill_publish(i, &fresh);
    free_all(&fresh);
    return r < 0 ? -ENOSPC : 0;
}

int pages_put_whole(struct inode *i, struct cpage *page)
{
    struct cpage *there;
    page->written = 1;
    int r = cpage_publish(i, page, &there);
    if (r == 0 && there != page)
        memcpy(there->data, page->data, PAGE_SIZE);
    if (r < 0 || there != page)
        cpage_free(page);
    if (r < 0)
        return r;
    pages_written(i, there, 0, PAGE_SIZE);
    cpage_unpin(there);
    return 0;
}

/* True if the page was never passed on before, which it is now. Files too large for a map are cached. */
static bool pass_first(struct inode *i, uint64_t index)
{
    struct pages *p = &i->pages;
    size_t words = inode_size(i) / PAGE_SIZE / 64 + 1;
    if (words > PASSED_WORDS)
        return false;
    uint64_t *fresh = atomic_load(&p->passed) ? NULL : kzalloc(words * sizeof *fresh), bit;
    SPIN_GUARD(&p->lock);
    if (!p->passed && fresh) {
        p->passed = TAKE(fresh);
        p->passed_words = words;
    }
    kfree(fresh);
    bit = 1ull << (index % 64);
    if (!p->passed || index / 64 >= p->passed_words || (p->passed[index / 64] & bit))
        return false;
    p->passed[index / 64] |= bit;
    return true;
}

/* 1: dst has what the file has; 0: perhaps an older state. */
static int pass_read(struct inode *i, uint64_t index, void *dst)
{
    struct load_mark mark = load_mark(i, index);
    if (pages_has(i, index))
        return 0;
    int r = i->ops->read_page(i, index, dst);
    if (r < 0)
        return r;
    SPIN_GUARD(&i->pages.lock);
    return !load_stale_locked(i, index, mark) && !pagetree_lookup(&i->pages, index);
}

int pages_pass(struct inode *i, uint64_t index, void *dst)
{
    struct cpage *page = pages_find(i, index);
    int r = !page && pass_first(i, index) ? pass_read(i, index, dst) : 0;
    if (r != 0)
        return MIN(r, 0);
    r = page ? 0 : pages_get(i, index, false, &page);
    if (r < 0 || !page)
        return r;
    memcpy(dst, page->data, PAGE_SIZE);
    cpage_unpin(page);
    return 0;
}

void cpage_dirty_locked(struct inode *i, struct cpage *page)
{
    if (page->dirty)
        return;
    page->dirty = page->changed = 1;
    pageclock_remove(page);
    pagetree_mark(&i->pages, page->index, true);
    i->pages.dirty++;
    pages_dirty_count(i, 1);
}

/* From now on a change makes it dirty again. */
void cpage_clean_locked(struct inode *i, struct cpage *page)
{
    if (!page->dirty)
        return;
    page->dirty = 0;
    if (!page->at_home)
        pagetree_mark(&i->pages, page->index, false);
    i->pages.dirty--;
    pages_dirty_count(i, -1);
}

/* The bytes, then the look at the mark: whoever takes the page to the store clears the mark, then takes the bytes. */
void pages_written(struct inode *i, struct cpage *page, size_t off, size_t len)
{
    if (i->ops->write_pages)
        atomic_fence();
    if (likely(atomic_load(&page->inode) != NULL) &&
        (!i->ops->write_pages || atomic_load(&page->dirty)))
        return;
    SPIN_GUARD(&i->pages.lock);
    struct cpage *now = pagetree_lookup(&i->pages, page->index);
    if (now && now != page)
        memcpy(now->data + off, page->data + off, len);
    if (now && i->ops->write_pages)
        cpage_dirty_locked(i, now);
}

/* Those that are not open are zeros. */
static void home_zero_locked(struct pages *p, uint64_t index, size_t off, size_t len)
{
    uintptr_t addr = p->home + index * PAGE_SIZE;
    if (!window_closed(addr))
        memset((uint8_t *) enclave_ptr(addr) + off, 0, len);
}

/* Home pages keep their place: they are zeroed instead. */
void pages_drop(struct inode *i, uint64_t first, uint64_t end)
{
    struct pages *p = &i->pages;
    for (uint64_t index = first; index < end; index++) {
        spin_lock(&p->lock);
        bool home = pages_at_home(i, index);
        uint64_t at = home ? index : pagetree_next(p, index); /* skips holes */
        struct cpage *page = at < end ? pagetree_lookup(p, at) : NULL;
        bool gone = page && !page->at_home;
        if (gone)
            cpage_detach_locked(p, page);
        else if (page || home)
            home_zero_locked(p, at, 0, PAGE_SIZE);
        spin_unlock(&p->lock);
        if (gone)
            cpage_unpin(page);
        if (at >= end)
            return;
        index = at;
    }
}

void pages_close_behind(struct inode *i, uint64_t end)
{
    const struct pages *p = &i->pages;
    if (p->home && end < p->home_pages)
        window_close(p->home + end * PAGE_SIZE, p->home + p->home_pages * PAGE_SIZE);
}

void pages_fini(struct inode *i)
{
    struct pages *p = &i->pages;
    while (p->count > 0) {
        spin_lock(&p->lock); /* eviction may still come by */
        uint64_t index = pagetree_next(p, 0);
        struct cpage *page = index != UINT64_MAX ? pagetree_lookup(p, index) : NULL;
        if (page)
            cpage_detach_locked(p, page);
        spin_unlock(&p->lock);
        if (page)
            cpage_unpin(page);
    }
    if (p->home)
        window_free(p->home, p->home_pages);
    kfree(TAKE(p->passed));
}

void pages_zero_part(struct inode *i, uint64_t index, size_t off, size_t len)
{
    struct cpage *page = pages_find(i, index);
    if (!page && pages_at_home(i, index)) {
        SPIN_GUARD(&i->pages.lock);
        home_zero_locked(&i->pages, index, off, len);
    }
    if (!page)
        return;
    memset(page->data + off, 0, len);
    pages_written(i, page, off, len);
    cpage_unpin(page);
}

uint64_t pages_next(struct inode *i, uint64_t index, bool data)
{
    struct pages *p = &i->pages;
    SPIN_GUARD(&p->lock);
    if (data)
        return pages_at_home(i, index) ? index : pagetree_next(p, index);
    while (pages_at_home(i, index) || pagetree_lookup(p, index))
        index++;
    return index;
}
