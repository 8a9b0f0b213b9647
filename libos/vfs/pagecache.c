/* The page cache. Radix tree of 64 slots per node under pages->lock; pages of INODE_IMMUTABLE inodes are
 * on one clock list and go when there are more than CLOCK_SHARE of the kernel heap or memory is short.
 * Lock order: pages lock, then clock lock; eviction goes the other way round with a trylock. */
#include "libos/vfs/pagecache.h"
#include "libos/base/atomic.h"
#include "libos/mm/enclave_ptr.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/inode.h"
#include "abi/layout.h"

#define FAN_BITS     6
#define FAN          (1u << FAN_BITS)
#define MAX_HEIGHT   11
#define CLOCK_SHARE  3 /* at most 1/3 of the heap limit holds evictable pages */
#define HOME_SLACK   64
#define PASSED_WORDS 8192u /* files up to 2 GiB */

struct page_node {
    uint32_t used;
    void *slot[FAN]; /* nodes, or pages at height 1 */
};

static struct {
    struct spinlock lock;
    struct list list; /* oldest first */
    size_t count, limit;
} clock_list = {.list = LIST_INIT(clock_list.list)};

void pages_init(struct pages *p)
{
    *p = (struct pages){0};
}

bool pages_dirty_full(const struct inode *i)
{
    size_t limit = MAX(atomic_load(&clock_list.limit) / 2, (size_t) 64);
    return atomic_load(&i->super->dirty_pages) > limit;
}

size_t pages_cached(void)
{
    return atomic_load(&clock_list.count);
}

static bool fits(uint32_t height, uint64_t index)
{
    return height >= MAX_HEIGHT || index >> (height * FAN_BITS) == 0;
}

static struct cpage *lookup_locked(struct pages *p, uint64_t index)
{
    if (!p->root || !fits(p->height, index))
        return NULL;
    struct page_node *n = p->root;
    for (uint32_t h = p->height; h > 1 && n; h--)
        n = n->slot[(index >> ((h - 1) * FAN_BITS)) % FAN];
    struct cpage *page = n ? n->slot[index % FAN] : NULL;
    if (page && page->at_home)
        window_open((uintptr_t) page->data);
    return page;
}

static int tree_grow_locked(struct pages *p, uint64_t index)
{
    while (!p->root || !fits(p->height, index)) {
        struct page_node *n = new_zero(struct page_node);
        if (!n)
            return -ENOMEM;
        if (p->root) {
            n->slot[0] = p->root;
            n->used = 1;
        }
        p->root = n;
        p->height++;
    }
    return 0;
}

static int tree_insert_locked(struct pages *p, uint64_t index, struct cpage *page)
{
    int r = tree_grow_locked(p, index);
    struct page_node *n = p->root;
    for (uint32_t h = p->height; r == 0 && h > 1; h--) {
        void **s = &n->slot[(index >> ((h - 1) * FAN_BITS)) % FAN];
        if (!*s) {
            if (!(*s = new_zero(struct page_node)))
                return -ENOMEM; /* empty inner nodes do no harm */
            n->used++;
        }
        n = *s;
    }
    if (r < 0)
        return r;
    check(!n->slot[index % FAN]);
    n->slot[index % FAN] = page;
    n->used++;
    p->count++;
    return 0;
}

/* Removes and frees nodes that become empty. */
static void tree_remove_locked(struct pages *p, uint64_t index)
{
    struct page_node *trail[MAX_HEIGHT + 1];
    struct page_node *n = p->root;
    for (uint32_t h = p->height; h >= 1; h--) {
        trail[h] = n;
        if (h > 1)
            n = n->slot[(index >> ((h - 1) * FAN_BITS)) % FAN];
    }
    p->count--;
    for (uint32_t h = 1; h <= p->height; h++) {
        trail[h]->slot[(index >> ((h - 1) * FAN_BITS)) % FAN] = NULL;
        if (--trail[h]->used > 0)
            return;
        kfree(trail[h]);
    }
    p->root = NULL;
    p->height = 0;
}

static void cpage_free(struct cpage *page)
{
    if (!page->at_home)
        kpages_free(page->data, 1);
    kfree(page);
}

void cpage_unpin(struct cpage *page)
{
    uint32_t left = atomic_sub_new(&page->pins, 1);
    check(left < REF_MAX);
    if (left == 0)
        cpage_free(page);
}

static void clock_remove(struct cpage *page)
{
    if (!page->on_clock)
        return;
    SPIN_GUARD(&clock_list.lock);
    if (page->on_clock) {
        list_del(&page->clock);
        page->on_clock = 0;
        clock_list.count--;
    }
}

/* Takes a page out of its tree; the caller drops the tree's pin. Off the clock first: eviction finds the
 * inode by the page. */
static void detach_locked(struct pages *p, struct cpage *page)
{
    clock_remove(page);
    if (page->dirty) {
        page->dirty = 0;
        p->dirty--;
        atomic_sub(&page->inode->super->dirty_pages, 1);
    }
    tree_remove_locked(p, page->index);
    page->inode = NULL;
}

/* Frees up to n evictable pages; the number freed. */
static size_t clock_evict(size_t n)
{
    size_t freed = 0;
    spin_lock(&clock_list.lock);
    for (size_t steps = 2 * clock_list.count; steps > 0 && freed < n; steps--) {
        struct cpage *page = list_first(&clock_list.list, struct cpage, clock);
        if (!page)
            break;
        list_del(&page->clock);
        struct inode *i = page->inode; /* it is alive while its pages are on the list */
        bool busy = page->referenced || page->dirty || atomic_load(&page->pins) > 1;
        if (busy || !spin_trylock(&i->pages.lock)) {
            page->referenced = 0;
            list_add_tail(&clock_list.list, &page->clock);
            continue;
        }
        bool idle = atomic_load(&page->pins) == 1 && !page->dirty;
        if (idle) {
            page->on_clock = 0;
            clock_list.count--;
            detach_locked(&i->pages, page);
        } else {
            list_add_tail(&clock_list.list, &page->clock);
        }
        spin_unlock(&i->pages.lock);
        if (idle) {
            cpage_unpin(page);
            freed++;
        }
    }
    spin_unlock(&clock_list.lock);
    return freed;
}

/* With the pages lock held, so that a page never gets here after it left its tree. True: too many. */
static bool clock_add_locked(struct cpage *page)
{
    if (!clock_list.limit) {
        struct heap_stats s;
        heap_stats(&s);
        clock_list.limit = MAX(s.limit / CLOCK_SHARE, (size_t) 64);
    }
    spin_lock(&clock_list.lock);
    list_add_tail(&clock_list.list, &page->clock);
    page->on_clock = 1;
    bool full = ++clock_list.count > clock_list.limit;
    spin_unlock(&clock_list.lock);
    return full;
}

static struct cpage *cpage_new(uint64_t index)
{
    struct cpage *page = new_zero(struct cpage);
    if (!page)
        return NULL;
    page->data = kpages_alloc(1);
    if (!page->data && clock_evict(64) > 0)
        page->data = kpages_alloc(1);
    if (!page->data) {
        kfree(page);
        return NULL;
    }
    page->index = index;
    page->pins = 1;
    return page;
}

/* The place is known when it is published. */
static struct cpage *cpage_new_at_home(uint64_t index)
{
    struct cpage *page = new_zero(struct cpage);
    if (page) {
        page->index = index;
        page->pins = 1;
        page->at_home = 1;
    }
    return page;
}

/* A page in the home that may have no cpage yet: a process that maps it may have written to it all the
 * same, so the place itself is what it holds. File systems with a store are read before. */
static bool at_home(const struct inode *i, uint64_t index)
{
    return index < atomic_load(&i->pages.home_pages) && !i->ops->read_page;
}

static uint8_t *home_data(const struct pages *p, uint64_t index)
{
    uintptr_t addr = p->home + index * PAGE_SIZE;
    window_open(addr);
    return enclave_ptr(addr);
}

static struct cpage *find_locked(struct pages *p, uint64_t index)
{
    struct cpage *page = lookup_locked(p, index);
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
    return find_locked(&i->pages, index);
}

bool pages_has(struct inode *i, uint64_t index)
{
    SPIN_GUARD(&i->pages.lock);
    return lookup_locked(&i->pages, index) != NULL;
}

/* Can its clean pages be read again? */
static bool stored(const struct inode *i)
{
    return (i->flags & INODE_IMMUTABLE) || i->ops->write_pages;
}

/* Puts a new page into the tree, unless somebody was faster; the winner, pinned. */
static int publish(struct inode *i, struct cpage *page, struct cpage **ret)
{
    struct pages *p = &i->pages;
    spin_lock(&p->lock);
    struct cpage *other = find_locked(p, page->index);
    if (other) {
        spin_unlock(&p->lock);
        cpage_free(page);
        *ret = other;
        return 0;
    }
    if (p->home && page->index < p->home_pages) { /* home pages never leave the tree */
        uint8_t *home = home_data(p, page->index);
        if (i->ops->read_page)
            memcpy(home, page->data, PAGE_SIZE);
        if (page->data)
            kpages_free(page->data, 1);
        page->data = home;
        page->at_home = 1;
    }
    int r = tree_insert_locked(p, page->index, page);
    bool full = false;
    if (r == 0) {
        page->inode = i;
        page->pins = 2;
        full = stored(i) && !page->at_home && clock_add_locked(page);
    }
    spin_unlock(&p->lock);
    if (full)
        (void) clock_evict(32); /* the next one tries again */
    if (r < 0) {
        cpage_free(page);
        return r;
    }
    *ret = page;
    return 0;
}

int pages_get(struct inode *i, uint64_t index, bool create, struct cpage **ret)
{
    struct cpage *page = pages_find(i, index);
    if (page || (!create && !i->ops->read_page && !at_home(i, index))) {
        *ret = page;
        return 0;
    }
    page = at_home(i, index) ? cpage_new_at_home(index) : cpage_new(index);
    if (!page)
        return i->ops->read_page || !create ? -ENOMEM : -ENOSPC;
    if (i->ops->read_page) {
        int r = i->ops->read_page(i, index, page->data);
        if (r < 0) {
            cpage_free(page);
            return r;
        }
    }
    return publish(i, page, ret);
}

/* True if the page was never passed on before, which it is now. Files too large for a map are cached. */
static bool pass_first(struct inode *i, uint64_t index)
{
    struct pages *p = &i->pages;
    size_t words = i->size / PAGE_SIZE / 64 + 1;
    if (words > PASSED_WORDS)
        return false;
    uint64_t *fresh = atomic_load(&p->passed) ? NULL : kzalloc(words * sizeof *fresh), bit;
    SPIN_GUARD(&p->lock);
    if (!p->passed)
        p->passed = TAKE(fresh);
    kfree(fresh);
    bit = 1ull << (index % 64);
    if (!p->passed || index / 64 >= words || (p->passed[index / 64] & bit))
        return false;
    p->passed[index / 64] |= bit;
    return true;
}

int pages_pass(struct inode *i, uint64_t index, void *dst)
{
    struct cpage *page = pages_find(i, index);
    if (!page && pass_first(i, index))
        return i->ops->read_page(i, index, dst);
    int r = page ? 0 : pages_get(i, index, false, &page);
    if (r < 0 || !page)
        return r;
    memcpy(dst, page->data, PAGE_SIZE);
    cpage_unpin(page);
    return 0;
}

static void dirty_locked(struct inode *i, struct cpage *page)
{
    if (page->dirty)
        return;
    page->dirty = 1;
    i->pages.dirty++;
    atomic_add(&i->super->dirty_pages, 1);
}

void pages_written(struct inode *i, struct cpage *page, size_t off, size_t len)
{
    if (likely(atomic_load(&page->inode) != NULL) && (!i->ops->write_pages || page->dirty))
        return;
    SPIN_GUARD(&i->pages.lock);
    struct cpage *now = lookup_locked(&i->pages, page->index);
    if (now && now != page)
        memcpy(now->data + off, page->data + off, len);
    if (now && i->ops->write_pages)
        dirty_locked(i, now);
}

/* The first page at or above index in the subtree of n, which starts at base. */
static uint64_t next_data(const struct page_node *n, uint32_t height, uint64_t base, uint64_t index)
{
    uint32_t shift = (height - 1) * FAN_BITS;
    uint32_t s = index > base ? (uint32_t) ((index - base) >> shift) : 0;
    for (; s < FAN; s++) {
        if (!n->slot[s])
            continue;
        uint64_t start = base + ((uint64_t) s << shift);
        if (height == 1)
            return start;
        uint64_t found = next_data(n->slot[s], height - 1, start, MAX(index, start));
        if (found != UINT64_MAX)
            return found;
    }
    return UINT64_MAX;
}

/* The first cached page at or above index; UINT64_MAX: none. */
static uint64_t next_cached_locked(const struct pages *p, uint64_t index)
{
    return p->root && fits(p->height, index) ? next_data(p->root, p->height, 0, index) : UINT64_MAX;
}

/* Home pages keep their place: they are zeroed instead. */
void pages_drop(struct inode *i, uint64_t first, uint64_t end)
{
    struct pages *p = &i->pages;
    for (uint64_t index = first; index < end; index++) {
        spin_lock(&p->lock);
        bool home = at_home(i, index);
        uint64_t at = home ? index : next_cached_locked(p, index); /* skips holes */
        struct cpage *page = at < end ? lookup_locked(p, at) : NULL;
        bool gone = page && !page->at_home;
        if (gone)
            detach_locked(p, page);
        else if (page || home)
            memset(home_data(p, at), 0, PAGE_SIZE);
        spin_unlock(&p->lock);
        if (gone)
            cpage_unpin(page);
        if (at >= end)
            return;
        index = at;
    }
}

void pages_fini(struct inode *i)
{
    struct pages *p = &i->pages;
    while (p->count > 0) {
        spin_lock(&p->lock); /* eviction may still come by */
        uint64_t index = next_cached_locked(p, 0);
        struct cpage *page = index != UINT64_MAX ? lookup_locked(p, index) : NULL;
        if (page)
            detach_locked(p, page);
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
    if (!page && at_home(i, index)) {
        SPIN_GUARD(&i->pages.lock);
        memset(home_data(&i->pages, index) + off, 0, len);
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
        return at_home(i, index) ? index : next_cached_locked(p, index);
    while (at_home(i, index) || lookup_locked(p, index))
        index++;
    return index;
}

#define FLUSH_PAGES 32u

/* The next run of changed pages at or above *first, copied and clean from now on: a later change makes
 * them dirty again. 0: none below end. */
static uint32_t flush_take(struct inode *i, uint64_t *first, uint64_t end, uint8_t *buf)
{
    struct pages *p = &i->pages;
    SPIN_GUARD(&p->lock);
    uint64_t index = next_cached_locked(p, *first);
    struct cpage *page = NULL;
    while (index < end && (page = lookup_locked(p, index)) && !page->dirty && !page->at_home)
        index = next_cached_locked(p, index + 1);
    uint32_t n = 0;
    *first = index;
    for (; n < FLUSH_PAGES && index + n < end; n++) {
        page = lookup_locked(p, index + n);
        if (!page || (!page->dirty && !page->at_home))
            break;
        memcpy(buf + n * PAGE_SIZE, page->data, PAGE_SIZE);
        if (page->dirty) {
            p->dirty--;
            atomic_sub(&i->super->dirty_pages, 1);
        }
        page->dirty = 0;
    }
    return n;
}

static void flush_undo(struct inode *i, uint64_t first, uint32_t count)
{
    SPIN_GUARD(&i->pages.lock);
    for (uint64_t index = first; index < first + count; index++) {
        struct cpage *page = lookup_locked(&i->pages, index);
        if (page)
            dirty_locked(i, page);
    }
}

int pages_flush(struct inode *i, uint64_t first, uint64_t end)
{
    if (!i->ops->write_pages || (!atomic_load(&i->pages.dirty) && !i->pages.home))
        return 0;
    uint8_t *buf = kpages_alloc(FLUSH_PAGES);
    if (!buf)
        return -ENOMEM;
    int r = 0;
    for (uint32_t n; r == 0 && (n = flush_take(i, &first, end, buf)) > 0; first += n) {
        uint64_t size = inode_size(i);
        uint64_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
        if (first >= pages)
            break; /* cut off meanwhile */
        n = (uint32_t) MIN((uint64_t) n, pages - first);
        r = i->ops->write_pages(i, first, n, buf, MIN(size, (first + n) * PAGE_SIZE));
        if (r < 0)
            flush_undo(i, first, n);
    }
    kpages_free(buf, FLUSH_PAGES);
    return r;
}

/* Moves one cached page to its home; pages lock held. The old one is freed when unpinned. */
static int move_home_locked(struct inode *i, struct cpage *page, struct cpage **ret_old)
{
    struct pages *p = &i->pages;
    struct cpage *fresh = new_zero(struct cpage);
    if (!fresh)
        return -ENOMEM;
    fresh->data = home_data(p, page->index);
    fresh->index = page->index;
    fresh->inode = i;
    fresh->pins = 1;
    fresh->at_home = 1;
    memcpy(fresh->data, page->data, PAGE_SIZE);
    uint64_t index = page->index;
    detach_locked(p, page);
    int r = tree_insert_locked(p, index, fresh);
    if (r < 0) {
        kfree(fresh);
        return r; /* the content is in the home; the page is found there when it is read again */
    }
    if (i->ops->write_pages)
        dirty_locked(i, fresh);
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

int pages_shared_home(struct inode *i, uint64_t first, uint64_t count, uintptr_t *ret_addr)
{
    uint64_t end;
    if (ck_add(&end, first, count))
        return -ENOMEM;
    bool fresh = i->pages.home == 0;
    int r = home_reserve(i, end);
    if (r < 0)
        return r;
    /* everything cached moves at once; after that only the pages asked for */
    uint64_t size = (inode_size(i) + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t from = fresh ? 0 : first, to = MIN(fresh ? MAX(size, end) : end, i->pages.home_pages);
    for (uint64_t index = from; r == 0; index++) {
        if (!i->ops->read_page) { /* holes are zeros at home already */
            SPIN_GUARD(&i->pages.lock);
            index = next_cached_locked(&i->pages, index);
        }
        if (index >= to)
            break;
        r = home_page(i, index);
    }
    if (r == 0)
        *ret_addr = i->pages.home + first * PAGE_SIZE;
    return r;
}
