/* Books of stub slots. Slots live as long as the page they serve keeps its content, which is longer
 * than any process: mm keeps patched pages for the next start of the same program. When a page gets
 * other content its slots are freed at once, since an address holds one page at a time; so an area
 * cannot leak. Chunks of books are never given back, and a slot's content only changes when its page
 * is refilled, while nobody of its address space runs there: readers need no lock.
 */
#include "libos/exec/stubarea.h"
#include "libos/base/atomic.h"
#include "libos/mm/heap.h"
#include "abi/layout.h"

struct stubarea *stubarea_new(uintptr_t base, uintptr_t end)
{
    struct stubarea *a = new_zero(struct stubarea);
    if (!a)
        return NULL;
    a->base = base;
    a->end = end;
    a->slot_count = (uint32_t) MIN((end - base) / STUB_SIZE, (uintptr_t) STUBAREA_SLOTS_MAX);
    a->free = STUB_NONE;
    return a;
}

static struct stub_slot *slot_get(const struct stubarea *a, uint32_t slot)
{
    struct stub_slot *chunk = a->chunks[slot / STUBAREA_CHUNK];
    return chunk ? &chunk[slot % STUBAREA_CHUNK] : NULL;
}

const struct stub_slot *stubarea_slot(const struct stubarea *a, uint32_t slot)
{
    return slot < a->slot_count ? slot_get(a, slot) : NULL;
}

const struct stub_slot *stubarea_slot_at(const struct stubarea *a, uintptr_t addr)
{
    if (addr < a->base || addr >= a->end)
        return NULL;
    uintptr_t slot = (addr - a->base) / STUB_SIZE;
    const struct stub_slot *s = slot < a->slot_count ? slot_get(a, (uint32_t) slot) : NULL;
    return s && s->window != 0 ? s : NULL;
}

static struct stub_page **bucket_of(struct stubarea *a, uintptr_t addr)
{
    return &a->pages[(addr >> PAGE_SHIFT) % STUBAREA_BUCKETS];
}

static void page_release_locked(struct stubarea *a, struct stub_page *page)
{
    uint32_t slot = page->first;
    while (slot != STUB_NONE) {
        struct stub_slot *s = slot_get(a, slot);
        uint32_t next = s->next;
        s->window = 0;
        s->next = a->free;
        a->free = slot;
        slot = next;
    }
    page->first = STUB_NONE;
}

static struct stub_page *page_peek_locked(struct stubarea *a, uintptr_t addr)
{
    struct stub_page *p = *bucket_of(a, addr);
    while (p && p->addr != addr)
        p = p->next;
    return p;
}

struct stub_page *stubarea_page_peek(struct stubarea *a, uintptr_t addr)
{
    SPIN_GUARD(&a->lock);
    return page_peek_locked(a, addr);
}

struct stub_page *stubarea_page_begin(struct stubarea *a, uintptr_t addr, uint64_t unique,
                                      uint64_t index)
{
    SPIN_GUARD(&a->lock);
    struct stub_page *p = page_peek_locked(a, addr);
    if (p) {
        page_release_locked(a, p);
    } else {
        p = new_zero(struct stub_page);
        if (!p)
            return NULL;
        struct stub_page **bucket = bucket_of(a, addr);
        *p = (struct stub_page){.next = *bucket, .addr = addr, .first = STUB_NONE};
        *bucket = p;
    }
    p->unique = unique;
    p->index = index;
    return p;
}

static uint32_t slot_take_locked(struct stubarea *a)
{
    uint32_t slot = a->free;
    if (slot != STUB_NONE) {
        a->free = slot_get(a, slot)->next;
        return slot;
    }
    if (a->used == a->slot_count)
        return STUB_NONE;
    struct stub_slot **chunk = &a->chunks[a->used / STUBAREA_CHUNK];
    if (!*chunk)
        *chunk = kzalloc(STUBAREA_CHUNK * sizeof **chunk);
    return *chunk ? a->used++ : STUB_NONE;
}

uintptr_t stubarea_slot_take(struct stubarea *a, struct stub_page *page, uint32_t *ret_slot)
{
    SPIN_GUARD(&a->lock);
    uint32_t slot = slot_take_locked(a);
    if (slot == STUB_NONE)
        return 0;
    struct stub_slot *s = slot_get(a, slot);
    s->window = 0;
    s->next = page->first;
    page->first = slot;
    *ret_slot = slot;
    return stubarea_slot_addr(a, slot);
}

void stubarea_slot_set(struct stubarea *a, uint32_t slot, uintptr_t window, const struct site *site,
                       const struct stub *stub)
{
    struct stub_slot *s = slot_get(a, slot);
    s->site = site->before;
    s->len = site->len;
    s->point_count = stub->point_count;
    memcpy(s->points, stub->points, sizeof s->points);
    atomic_store(&s->window, window);
}

void stubarea_clear(struct stubarea *a)
{
    SPIN_GUARD(&a->lock);
    for (unsigned b = 0; b < STUBAREA_BUCKETS; b++) {
        while (a->pages[b]) {
            struct stub_page *p = a->pages[b];
            a->pages[b] = p->next;
            page_release_locked(a, p);
            kfree(p);
        }
    }
}
