/* Kernel memory: pages from the heap region, slabs on top of them.
 *
 * The region KERNEL_HEAP .. KERNEL_HEAP_END starts with the page map (one struct page_info per heap
 * page, committed chunk by chunk), then the pages. Invariants, kept under heap.lock:
 *   - a page is free, the start or the rest of a run (kpages_alloc), or part of a slab;
 *   - free pages that are committed stay committed and are zeroed when they are handed out;
 *   - a slab's metadata (free bitmap) is out of line in slab_pool, so that an overflowing object cannot
 *     corrupt it; every kfree checks the pointer against it: double free, foreign pointer, interior
 *     pointer all panic.
 * Pages come from a next-fit search over the bitmap, single pages and kernel stacks from small caches
 * in front of it.
 */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/base/log.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/epc.h"
#include "libos/mm/heap.h"
#include "libos/mm/heap_init.h"

enum page_kind { PAGE_FREE, PAGE_RUN, PAGE_REST, PAGE_SLAB };

struct page_info {
    uint32_t run;  /* PAGE_RUN: pages in it */
    uint16_t slab; /* unused upper bits of slab id: see slab_hi */
    uint8_t slab_hi;
    uint8_t kind : 4, committed : 1, dirty : 1;
};

#define HEAP_PAGES   ((KERNEL_HEAP_END - KERNEL_HEAP) / PAGE_SIZE)
#define MAP_PAGES    (ROUND_UP(HEAP_PAGES * sizeof(struct page_info), PAGE_SIZE) / PAGE_SIZE)
#define COMMIT_BATCH 512u /* pages committed at once: fewer leaves, fewer VMAs in SIM */
#define SLAB_MAX     (1u << 20)
#define SLAB_OBJECTS 256u
#define LARGE        16384u

struct slab {
    uintptr_t base;
    uint16_t size_class, count, free_count, hint;
    uint32_t next, prev; /* partial list of the class; 0: none */
    bool listed;
    uint64_t used[SLAB_OBJECTS / 64]; /* bit set: handed out */
};

static const uint16_t class_size[] = {16,  32,   48,   64,   96,   128,  192,  256,  384,   512,
                                      768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384};
#define CLASSES ARRAY_SIZE(class_size)

static struct {
    struct spinlock lock;
    struct page_info *map;
    size_t map_committed; /* bytes of the map that are committed */
    size_t first;         /* page index of the first page after the map */
    size_t end;           /* one past the last page ever committed */
    size_t next;          /* next fit starts here */
    size_t limit, used;
    struct slab *slabs; /* slab 0 is never used */
    size_t slab_count;
    uint32_t slab_free; /* list of unused slab structs, through next */
    uint32_t partial[CLASSES];
    uint32_t singles[64], single_count; /* free single pages, ready to hand out */
} heap;

static size_t class_of(size_t size)
{
    for (size_t c = 0; c < CLASSES; c++)
        if (size <= class_size[c])
            return c;
    return CLASSES;
}

static void *page_addr(size_t index)
{
    return (void *) (KERNEL_HEAP + index * PAGE_SIZE);
}

static bool map_reach(size_t pages)
{
    size_t need = ROUND_UP(pages * sizeof(struct page_info), PAGE_SIZE);
    if (need <= heap.map_committed)
        return true;
    size_t step = ROUND_UP(need, 64 * PAGE_SIZE);
    need = MIN(step, MAP_PAGES * PAGE_SIZE);
    if (epc_commit(KERNEL_HEAP + heap.map_committed, (need - heap.map_committed) / PAGE_SIZE) < 0)
        return false;
    heap.map_committed = need;
    return true;
}

/* Makes pages [heap.end, heap.end + at least count) usable. */
static bool grow_locked(size_t count)
{
    size_t batch = MAX(count, (size_t) COMMIT_BATCH);
    size_t n = MIN(batch, HEAP_PAGES - heap.end);
    if (n < count || !map_reach(heap.end + n))
        return false;
    if (epc_commit(KERNEL_HEAP + heap.end * PAGE_SIZE, n) < 0)
        return false;
    heap.end += n;
    return true;
}

/* First run of count free pages in [from, to), or to. */
static size_t find_run(size_t from, size_t to, size_t count)
{
    size_t run = 0;
    for (size_t i = from; i < to; i++) {
        run = heap.map[i].kind == PAGE_FREE ? run + 1 : 0;
        if (run == count)
            return i + 1 - count;
        if (heap.map[i].kind == PAGE_RUN)
            i += heap.map[i].run - 1;
    }
    return to;
}

static size_t take_run_locked(size_t count)
{
    size_t i = find_run(heap.next, heap.end, count);
    if (i == heap.end)
        i = find_run(heap.first, heap.end, count);
    if (i == heap.end) {
        size_t tail = heap.end;
        while (tail > heap.first && heap.map[tail - 1].kind == PAGE_FREE)
            tail--;
        if (!grow_locked(count - (heap.end - tail)))
            return 0;
        i = tail;
    }
    heap.next = i + count;
    heap.map[i].kind = PAGE_RUN;
    heap.map[i].run = (uint32_t) count;
    for (size_t k = 1; k < count; k++)
        heap.map[i + k].kind = PAGE_REST;
    heap.used += count;
    return i;
}

static size_t take_pages_locked(size_t count)
{
    if (count == 0 || heap.used + count > heap.limit)
        return 0;
    if (count == 1 && heap.single_count > 0) {
        size_t i = heap.singles[--heap.single_count];
        heap.map[i].kind = PAGE_RUN;
        heap.map[i].run = 1;
        heap.used++;
        return i;
    }
    return take_run_locked(count);
}

void *kpages_alloc(size_t count)
{
    spin_lock(&heap.lock);
    size_t i = take_pages_locked(count);
    bool dirty = false;
    for (size_t k = 0; i && k < count; k++) {
        dirty |= heap.map[i + k].dirty;
        heap.map[i + k].dirty = 1;
    }
    spin_unlock(&heap.lock);
    if (!i)
        return NULL;
    if (dirty)
        memset(page_addr(i), 0, count * PAGE_SIZE);
    return page_addr(i);
}

static size_t index_of(const void *p)
{
    uintptr_t a = (uintptr_t) p;
    check(a >= KERNEL_HEAP && a < KERNEL_HEAP_END);
    size_t i = (a - KERNEL_HEAP) / PAGE_SIZE;
    check(i >= heap.first && i < heap.end);
    return i;
}

static void give_pages_locked(size_t i, size_t count)
{
    check(heap.map[i].kind == PAGE_RUN && heap.map[i].run == count);
    heap.used -= count;
    if (count == 1 && heap.single_count < ARRAY_SIZE(heap.singles)) {
        heap.map[i].kind = PAGE_REST; /* neither free for find_run nor freeable again */
        heap.singles[heap.single_count++] = (uint32_t) i;
        return;
    }
    for (size_t k = 0; k < count; k++)
        heap.map[i + k].kind = PAGE_FREE;
    heap.next = MIN(heap.next, i);
}

void kpages_free(void *p, size_t count)
{
    if (!p)
        return;
    check(IS_ALIGNED((uintptr_t) p, PAGE_SIZE));
    SPIN_GUARD(&heap.lock);
    give_pages_locked(index_of(p), count);
}

/* ---- slabs ------------------------------------------------------------------------------------ */
static size_t slab_pages(size_t c)
{
    return class_size[c] <= 512 ? 1 : class_size[c] <= 2048 ? 4 : 16;
}

static uint32_t slab_id(const struct page_info *pi)
{
    return pi->slab | (uint32_t) pi->slab_hi << 16;
}

static void list_push_locked(uint32_t id)
{
    struct slab *s = &heap.slabs[id];
    uint32_t *head = &heap.partial[s->size_class];
    s->next = *head;
    s->prev = 0;
    if (*head)
        heap.slabs[*head].prev = id;
    *head = id;
    s->listed = true;
}

static void list_remove_locked(uint32_t id)
{
    struct slab *s = &heap.slabs[id];
    if (s->prev)
        heap.slabs[s->prev].next = s->next;
    else
        heap.partial[s->size_class] = s->next;
    if (s->next)
        heap.slabs[s->next].prev = s->prev;
    s->listed = false;
}

#define SLAB_POOL_STEP 16u /* pages of slab structs added at a time */

static uint32_t slab_struct_locked(void)
{
    if (heap.slab_free) {
        uint32_t id = heap.slab_free;
        heap.slab_free = heap.slabs[id].next;
        return id;
    }
    return heap.slab_count < SLAB_POOL_STEP * PAGE_SIZE * 64 / sizeof(struct slab)
               ? (uint32_t) heap.slab_count++
               : 0;
}

static uint32_t slab_new_locked(size_t c)
{
    uint32_t id = slab_struct_locked();
    size_t pages = slab_pages(c);
    size_t first = id ? take_pages_locked(pages) : 0;
    if (!first)
        return 0;
    for (size_t k = 0; k < pages; k++) {
        struct page_info *pi = &heap.map[first + k];
        pi->slab = (uint16_t) id;
        pi->slab_hi = (uint8_t) (id >> 16);
        pi->kind = k == 0 ? PAGE_RUN : PAGE_SLAB;
        pi->dirty = 1;
    }
    struct slab *s = &heap.slabs[id];
    *s = (struct slab){.base = (uintptr_t) page_addr(first), .size_class = (uint16_t) c};
    s->count = (uint16_t) MIN(pages * PAGE_SIZE / class_size[c], (size_t) SLAB_OBJECTS);
    s->free_count = s->count;
    heap.map[first].slab = (uint16_t) id;
    list_push_locked(id);
    return id;
}

static void *slab_take_locked(uint32_t id)
{
    struct slab *s = &heap.slabs[id];
    for (size_t n = 0, w = s->hint; n < SLAB_OBJECTS / 64; n++, w = (w + 1) % (SLAB_OBJECTS / 64)) {
        uint64_t free = ~s->used[w];
        if (!free)
            continue;
        size_t i = w * 64 + (size_t) __builtin_ctzll(free);
        if (i >= s->count)
            continue;
        s->used[w] |= 1ull << (i % 64);
        s->hint = (uint16_t) w;
        if (--s->free_count == 0)
            list_remove_locked(id);
        return (void *) (s->base + i * class_size[s->size_class]);
    }
    panic("slab %u: free objects lost", id);
}

static void *large_alloc(size_t size)
{
    size_t n;
    if (ck_add(&n, size, PAGE_SIZE - 1))
        return NULL;
    return kpages_alloc(n / PAGE_SIZE);
}

void *kzalloc(size_t size)
{
    if (size > LARGE)
        return large_alloc(size);
    size_t c = class_of(size);
    spin_lock(&heap.lock);
    uint32_t id = heap.partial[c];
    if (!id)
        id = slab_new_locked(c);
    void *p = id ? slab_take_locked(id) : NULL;
    spin_unlock(&heap.lock);
    return p ? memset(p, 0, class_size[c]) : NULL;
}

/* The slab of p's page, or 0 if it is a page run. A slab's first page is PAGE_RUN with a slab id. */
static uint32_t slab_of_locked(size_t i)
{
    const struct page_info *pi = &heap.map[i];
    if (pi->kind != PAGE_RUN && pi->kind != PAGE_SLAB)
        return 0;
    return slab_id(pi);
}

static void slab_give_locked(uint32_t id, uintptr_t p)
{
    struct slab *s = &heap.slabs[id];
    size_t size = class_size[s->size_class], i = (p - s->base) / size;
    check(p == s->base + i * size && i < s->count); /* not into the middle of an object */
    check(s->used[i / 64] >> (i % 64) & 1);         /* not free already */
    s->used[i / 64] &= ~(1ull << (i % 64));
    if (++s->free_count == 1 && !s->listed)
        list_push_locked(id);
    if (s->free_count < s->count || heap.partial[s->size_class] == id)
        return;
    list_remove_locked(id);
    size_t first = (s->base - KERNEL_HEAP) / PAGE_SIZE, pages = slab_pages(s->size_class);
    for (size_t k = 0; k < pages; k++) {
        heap.map[first + k].slab = 0;
        heap.map[first + k].slab_hi = 0;
        heap.map[first + k].kind = k == 0 ? PAGE_RUN : PAGE_REST;
    }
    give_pages_locked(first, pages);
    s->next = heap.slab_free;
    heap.slab_free = id;
}

void kfree(void *p)
{
    if (!p)
        return;
    SPIN_GUARD(&heap.lock);
    size_t i = index_of(p);
    uint32_t id = slab_of_locked(i);
    if (id) {
        slab_give_locked(id, (uintptr_t) p);
        return;
    }
    check(IS_ALIGNED((uintptr_t) p, PAGE_SIZE) && heap.map[i].kind == PAGE_RUN);
    give_pages_locked(i, heap.map[i].run);
}

static size_t usable_size(void *p)
{
    SPIN_GUARD(&heap.lock);
    size_t i = index_of(p);
    uint32_t id = slab_of_locked(i);
    return id ? class_size[heap.slabs[id].size_class] : heap.map[i].run * PAGE_SIZE;
}

void *krealloc(void *p, size_t size)
{
    size_t have = p ? usable_size(p) : 0;
    if (p && size <= have && (size > LARGE || size * 2 >= have)) {
        memset((char *) p + size, 0, have - size); /* so that it is zero when it grows again */
        return p;
    }
    void *q = kzalloc(size);
    if (q && p) {
        memcpy(q, p, MIN(size, have));
        kfree(p);
    }
    return q;
}

char *kstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = kzalloc(n);
    return p ? memcpy(p, s, n) : NULL;
}

void heap_stats(struct heap_stats *ret)
{
    SPIN_GUARD(&heap.lock);
    *ret = (struct heap_stats){.limit = heap.limit,
                               .used_pages = heap.used,
                               .cached_pages = heap.end - heap.first - heap.used};
}

void heap_init(size_t limit_bytes)
{
    heap.map = (struct page_info *) KERNEL_HEAP;
    size_t slab_bytes = SLAB_POOL_STEP * PAGE_SIZE * 64;
    heap.first = MAP_PAGES + slab_bytes / PAGE_SIZE;
    heap.end = heap.next = heap.first;
    heap.limit = limit_bytes / PAGE_SIZE;
    heap.slabs = (struct slab *) page_addr(MAP_PAGES);
    heap.slab_count = 1;
    check(map_reach(heap.first + 1));
    check(epc_commit((uintptr_t) heap.slabs, slab_bytes / PAGE_SIZE) == 0);
}
