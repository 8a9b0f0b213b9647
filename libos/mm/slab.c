/* Objects of the kernel heap: slabs of one size each, cut from pages (heap.c).
 *
 * A slot is an object and behind it its tail: one word that says how many bytes were asked for and who
 * is charged, mixed with a secret and the address. Invariants:
 *   - a slab's metadata is out of line, so that an overflowing object cannot corrupt it; every kfree
 *     checks the pointer against it: double free, foreign pointer, interior pointer all panic;
 *   - the bytes between the end of an object and its tail are zero and the tail is what it was: kfree
 *     looks, so that writing over the end is found when the object is freed;
 *   - a free slot is zero, tail included: kzalloc looks, so that writing to a freed object is found when
 *     its slot is handed out again. A slab hands out its slots in turn, so this is not at once.
 * A slot belongs to whoever holds the object, so its bytes are looked at and cleared without the lock.
 */
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/heap_priv.h"
#include "libos/task/thread.h"

#define TAIL_SIZE   8u
#define TAIL_MAGIC  0x5a1d3c7ull
#define SIZE_BITS   15u
#define OWNER_SHIFT 16u
#define MAGIC_SHIFT 32u

/* Slots; the powers of two that programs like fit with their tail into the one behind. From 64 on
 * multiples of 64, for alignment. */
static const uint16_t slot_size[CLASSES] = {32,   48,   64,   128,  192,   256,   320,  384,  512,
                                            576,  768,  1024, 1088, 1536,  2048,  2112, 3072, 4096,
                                            4160, 6144, 8192, 8256, 12288, 16384, 16448};
_Static_assert(LARGE == 16448 - TAIL_SIZE, "the largest object");

/* 2^32 / slot_size, rounded up: at * inverse >> 32 is at / slot_size for the at < 2^17 of a slab. */
static uint32_t inverse[CLASSES];
_Static_assert(16 * PAGE_SIZE <= 1u << 17, "offsets in a slab");
static uint8_t class_by_64[LARGE / 64 + 2]; /* class of a slot of up to 64 * index bytes */

static size_t class_of(size_t size)
{
    size_t slot = size + TAIL_SIZE;
    if (slot <= 64)
        return slot <= 32 ? 0 : slot <= 48 ? 1 : 2;
    return class_by_64[(slot + 63) / 64];
}

static size_t slab_pages(size_t c)
{
    return slot_size[c] <= 512 ? 1 : slot_size[c] <= 1536 ? 4 : 16;
}

/* ---- slots ------------------------------------------------------------------------------------ */
static uint64_t *tail_of(uintptr_t p, size_t c)
{
    return (uint64_t *) (p + slot_size[c] - TAIL_SIZE);
}

static uint64_t tail_word(uintptr_t p, size_t size, uint16_t owner)
{
    uint64_t word = TAIL_MAGIC << MAGIC_SHIFT | (uint64_t) owner << OWNER_SHIFT | size;
    return word ^ heap.secret ^ p;
}

/* Panics unless the tail is what kzalloc wrote. */
static size_t tail_size(uintptr_t p, size_t c, uint16_t *ret_owner)
{
    uint64_t word = *tail_of(p, c) ^ heap.secret ^ p;
    size_t size = word & ((1u << SIZE_BITS) - 1);
    *ret_owner = (uint16_t) (word >> OWNER_SHIFT);
    if (unlikely(word >> MAGIC_SHIFT != TAIL_MAGIC || size + TAIL_SIZE > slot_size[c] ||
                 *ret_owner >= HEAP_OWNERS))
        panic("heap: written over the end of the object of %u bytes at 0x%lx",
              slot_size[c] - TAIL_SIZE, p);
    return size;
}

static void check_slack(uintptr_t p, size_t size, size_t c)
{
    size_t end = slot_size[c] - TAIL_SIZE, aligned = ROUND_UP(size, 8ul);
    const uint8_t *b = (const uint8_t *) p;
    uint8_t any = 0;
    for (size_t i = size; i < aligned; i++)
        any |= b[i];
    if (unlikely(any || !heap_all_zero(b + aligned, end - aligned)))
        panic("heap: written over the end of the object of %zu bytes at 0x%lx", size, p);
}

static void clear(void *p, size_t n)
{
    if (n > 256) {
        memset(p, 0, n);
        return;
    }
    uint64_t *w = p;
    for (size_t i = 0; i < (n + 7) / 8; i++)
        w[i] = 0;
}

/* ---- slabs ------------------------------------------------------------------------------------ */
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

static uint32_t slab_struct_locked(void)
{
    if (heap.slab_free) {
        uint32_t id = heap.slab_free;
        heap.slab_free = heap.slabs[id].next;
        return id;
    }
    return heap.slab_count < SLAB_BYTES / sizeof(struct slab) ? (uint32_t) heap.slab_count++ : 0;
}

static uint32_t slab_new_locked(size_t c)
{
    uint32_t id = slab_struct_locked();
    if (!id)
        return 0;
    size_t pages = slab_pages(c), first = heap_take_pages_locked(pages);
    if (!first) {
        heap.slabs[id].next = heap.slab_free;
        heap.slab_free = id;
        return 0;
    }
    uintptr_t base = KERNEL_HEAP + first * PAGE_SIZE;
    for (size_t k = 0; k < pages; k++) {
        struct page_info *pi = &heap.map[first + k];
        if (pi->dirty)
            memset((void *) (base + k * PAGE_SIZE), 0, PAGE_SIZE);
        *pi = (struct page_info){.slab = id, .kind = PAGE_SLAB, .dirty = 1};
    }
    struct slab *s = &heap.slabs[id];
    *s = (struct slab){.base = base, .size_class = (uint16_t) c};
    s->count = (uint16_t) MIN(pages * PAGE_SIZE / slot_size[c], (size_t) SLAB_OBJECTS);
    s->free_count = s->count;
    heap.classes[c].objects += s->count;
    heap.classes[c].slabs++;
    heap.empty[c]++;
    list_push_locked(id);
    return id;
}

/* The first free slot at or after from, or SLAB_OBJECTS. */
static size_t free_slot(const struct slab *s, size_t from)
{
    for (size_t w = from / 64; w < ARRAY_SIZE(s->used); w++) {
        uint64_t free = ~s->used[w];
        if (w == from / 64)
            free &= ~0ull << (from % 64);
        if (free)
            return w * 64 + (size_t) __builtin_ctzll(free);
    }
    return SLAB_OBJECTS;
}

static uintptr_t slab_take_locked(uint32_t id)
{
    struct slab *s = &heap.slabs[id];
    size_t i = free_slot(s, s->next_object);
    if (i >= s->count)
        i = free_slot(s, 0);
    check(i < s->count);
    atomic_post(&s->used[i / 64], s->used[i / 64] | 1ull << (i % 64));
    s->next_object = (uint16_t) ((i + 1) % SLAB_OBJECTS);
    heap.classes[s->size_class].used++;
    if (s->free_count == s->count)
        heap.empty[s->size_class]--;
    if (--s->free_count == 0)
        list_remove_locked(id);
    return s->base + i * slot_size[s->size_class];
}

static void slab_release_locked(uint32_t id)
{
    struct slab *s = &heap.slabs[id];
    size_t first = (s->base - KERNEL_HEAP) / PAGE_SIZE;
    list_remove_locked(id);
    heap.classes[s->size_class].objects -= s->count;
    heap.classes[s->size_class].slabs--;
    heap_give_pages_locked(first, slab_pages(s->size_class));
    s->next = heap.slab_free;
    heap.slab_free = id;
}

static void slab_give_locked(uint32_t id, size_t i)
{
    struct slab *s = &heap.slabs[id];
    check(s->used[i / 64] >> (i % 64) & 1);
    atomic_post(&s->used[i / 64], s->used[i / 64] & ~(1ull << (i % 64)));
    heap.classes[s->size_class].used--;
    if (++s->free_count == 1 && !s->listed)
        list_push_locked(id);
    if (s->free_count < s->count)
        return;
    if (heap.empty[s->size_class] == 0) /* one is kept: to make a slab is dear */
        heap.empty[s->size_class]++;
    else
        slab_release_locked(id);
}

/* ---- entries ---------------------------------------------------------------------------------- */
static uintptr_t take(size_t c, uint16_t owner)
{
    SPIN_GUARD(&heap.lock);
    if (!heap_charge_locked(owner, slot_size[c]))
        return 0;
    uint32_t id = heap.partial[c];
    if (!id)
        id = slab_new_locked(c);
    if (id)
        return slab_take_locked(id);
    heap.charged[owner] -= slot_size[c];
    return 0;
}

void *kzalloc(size_t size)
{
    if (size > LARGE)
        return run_alloc(size);
    size_t c = class_of(size);
    const struct thread *t = current();
    uint16_t owner = t ? t->heap_owner : 0;
    uintptr_t p = take(c, owner);
    if (!p)
        return NULL;
    if (unlikely(!heap_all_zero((const void *) p, slot_size[c])))
        panic("heap: an object of %u bytes at 0x%lx was written to after it was freed",
              slot_size[c] - TAIL_SIZE, p);
    *tail_of(p, c) = tail_word(p, size, owner);
    return (void *) p;
}

/* The slab that p is an object of and its number in it; 0: p is no object of a slab. Needs no lock: the
 * slab of a live object does not change, and for a dead one this panics now or in slab_give_locked. */
static uint32_t slab_of(const void *p, size_t *ret_index)
{
    const struct page_info *pi = &heap.map[heap_page_index(p)];
    if (pi->kind != PAGE_SLAB)
        return 0;
    const struct slab *s = &heap.slabs[pi->slab];
    size_t at = (uintptr_t) p - s->base, i = at * inverse[s->size_class] >> 32;
    check(at == i * slot_size[s->size_class] &&
          i < s->count);                                  /* not into the middle of an object */
    check(atomic_peek(&s->used[i / 64]) >> (i % 64) & 1); /* not free already */
    *ret_index = i;
    return pi->slab;
}

void kfree(void *p)
{
    if (!p)
        return;
    size_t i;
    uint32_t id = slab_of(p, &i);
    if (!id) {
        run_free(p);
        return;
    }
    size_t c = heap.slabs[id].size_class;
    uint16_t owner;
    size_t size = tail_size((uintptr_t) p, c, &owner);
    check_slack((uintptr_t) p, size, c);
    clear(p, size);
    *tail_of((uintptr_t) p, c) = 0;
    SPIN_GUARD(&heap.lock);
    heap.charged[owner] -= slot_size[c];
    slab_give_locked(id, i);
}

static size_t size_of(const void *p, size_t *ret_class)
{
    size_t i;
    uint32_t id = slab_of(p, &i);
    *ret_class = id ? heap.slabs[id].size_class : CLASSES;
    uint16_t owner;
    return id ? tail_size((uintptr_t) p, *ret_class, &owner) : run_size(p);
}

/* In place: the same class, or the same pages. */
static bool resize(uint8_t *p, size_t old, size_t c, size_t size)
{
    if (c == CLASSES) {
        if (!run_resize(p, size))
            return false;
    } else {
        if (size > LARGE || class_of(size) != c)
            return false;
        uint16_t owner;
        (void) tail_size((uintptr_t) p, c, &owner);
        *tail_of((uintptr_t) p, c) = tail_word((uintptr_t) p, size, owner);
    }
    if (size < old)
        memset(p + size, 0, old - size); /* what lies behind an object is zero */
    return true;
}

void *krealloc(void *p, size_t size)
{
    size_t c = CLASSES, old = p ? size_of(p, &c) : 0;
    if (p && resize(p, old, c, size))
        return p;
    void *q = kzalloc(size);
    if (q && p) {
        memcpy(q, p, MIN(size, old));
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

bool heap_class_stats(unsigned n, struct heap_class_stats *ret)
{
    if (n >= CLASSES)
        return false;
    SPIN_GUARD(&heap.lock);
    *ret = heap.classes[n];
    ret->size = slot_size[n] - TAIL_SIZE;
    ret->slab_pages = (uint32_t) slab_pages(n);
    return true;
}

void slab_init(void)
{
    heap.slab_count = 1;
    for (size_t i = 0; i < CLASSES; i++)
        inverse[i] = (uint32_t) (((1ull << 32) - 1) / slot_size[i] + 1);
    size_t c = 0;
    for (size_t i = 0; i < ARRAY_SIZE(class_by_64); i++) {
        while (c + 1 < CLASSES && slot_size[c] < i * 64)
            c++;
        class_by_64[i] = (uint8_t) c;
    }
}
