/* Chunks of page books; see upages_priv.h. */
#include "libos/mm/upages_priv.h"
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"

#define CHUNKS       (USER_END / CHUNK_SIZE)
#define LEVEL_CHUNKS 512u

enum bits { PRESENT, LEFT_OVER, BITMAPS };
struct level {
    uint64_t bits[BITMAPS][LEVEL_CHUNKS / 64];
    struct chunk *chunk[LEVEL_CHUNKS];
};

static struct level *levels[CHUNKS / LEVEL_CHUNKS + 1];
static uint32_t committed[USER_END / GRANULE_SIZE]; /* pages; changes with the owner's lock */
size_t upages_live_total, upages_live_limit = SIZE_MAX;

/* ---- finding chunks --------------------------------------------------------------------------- */
static struct chunk *chunk_at(uintptr_t addr)
{
    size_t n = addr / CHUNK_SIZE;
    check(addr < USER_END);
    const struct level *l = levels[n / LEVEL_CHUNKS];
    return l ? l->chunk[n % LEVEL_CHUNKS] : NULL;
}

static void set_bit(uint32_t n, enum bits which, bool on)
{
    uint64_t *w = &levels[n / LEVEL_CHUNKS]->bits[which][n % LEVEL_CHUNKS / 64];
    uint64_t bit = 1ull << (n % 64);
    *w = on ? *w | bit : *w & ~bit;
}

static struct level *level_make(size_t i)
{
    if (levels[i])
        return levels[i];
    struct level *fresh = new_zero(struct level), *none = NULL;
    if (fresh && !atomic_cas(&levels[i], &none, fresh))
        kfree(fresh);
    return levels[i];
}

struct chunk *chunk_make(uintptr_t addr)
{
    struct chunk *c = chunk_at(addr);
    if (likely(c))
        return c;
    size_t n = addr / CHUNK_SIZE;
    struct level *l = level_make(n / LEVEL_CHUNKS);
    c = l ? new_zero(struct chunk) : NULL;
    if (!c)
        return NULL;
    c->number = (uint32_t) n;
    l->chunk[n % LEVEL_CHUNKS] = c;
    set_bit(c->number, PRESENT, true);
    return c;
}

/* The number of the first chunk in [n, end) whose bit is set, or end. */
static size_t next_number(enum bits which, size_t n, size_t end)
{
    while (n < end) {
        const struct level *l = levels[n / LEVEL_CHUNKS];
        uint64_t word = l ? l->bits[which][n % LEVEL_CHUNKS / 64] >> (n % 64) : 0;
        if (word) {
            n += (size_t) __builtin_ctzll(word);
            return MIN(n, end);
        }
        n = ROUND_DOWN(n, l ? 64ul : (size_t) LEVEL_CHUNKS) + (l ? 64 : LEVEL_CHUNKS);
    }
    return end;
}

static struct chunk *next_chunk(enum bits which, uintptr_t *a, uintptr_t end, uintptr_t *ret_stop)
{
    check(end <= USER_END);
    size_t past = ROUND_UP(end, (uintptr_t) CHUNK_SIZE) / CHUNK_SIZE;
    size_t n = next_number(which, *a / CHUNK_SIZE, past);
    for (; n < past; n = next_number(which, n + 1, past)) {
        struct chunk *c = levels[n / LEVEL_CHUNKS]->chunk[n % LEVEL_CHUNKS];
        uintptr_t base = n * CHUNK_SIZE, first = base + c->used_first * PAGE_SIZE,
                  stop = base + c->used_end * PAGE_SIZE;
        first = MAX(first, *a);
        *ret_stop = MIN(stop, end);
        if (first >= *ret_stop)
            continue;
        *a = first;
        return c;
    }
    return NULL;
}

struct chunk *chunk_next(uintptr_t *a, uintptr_t end, uintptr_t *ret_stop)
{
    return next_chunk(PRESENT, a, end, ret_stop);
}

struct chunk *chunk_next_left_over(uintptr_t *a, uintptr_t end, uintptr_t *ret_stop)
{
    return next_chunk(LEFT_OVER, a, end, ret_stop);
}

/* ---- books of a page -------------------------------------------------------------------------- */
/* m was left over before or not: the count follows what it is now. */
static void recount(struct chunk *c, const struct page_meta *m, bool before)
{
    bool now = left_over(m);
    if (now == before)
        return;
    c->left_over += now ? 1 : -1u;
    if (c->left_over == (now ? 1 : 0))
        set_bit(c->number, LEFT_OVER, now);
}

void chunk_set_committed(struct chunk *c, uintptr_t start, uintptr_t end, int prot)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        struct page_meta *m = meta_in(c, a);
        *m = (struct page_meta){.committed = true, .prot = (uint8_t) prot};
        recount(c, m, false);
    }
    atomic_add(&committed[start >> GRANULE_SHIFT], (uint32_t) ((end - start) / PAGE_SIZE));
    uint32_t first = start / PAGE_SIZE % CHUNK_PAGES;
    uint32_t past = first + (uint32_t) ((end - start) / PAGE_SIZE);
    c->used_first = c->used_end ? MIN(c->used_first, first) : first;
    c->used_end = MAX(c->used_end, past);
}

void chunk_set_live(struct chunk *c, struct page_meta *m, bool live)
{
    bool before = left_over(m);
    if (m->live != live)
        atomic_add(&upages_live_total, live ? 1 : (size_t) -1);
    m->live = live;
    recount(c, m, before);
    size_t i = (size_t) (m - c->meta);
    uint64_t bit = 1ull << (i % 64);
    c->live[i / 64] = live ? c->live[i / 64] | bit : c->live[i / 64] & ~bit;
}

void chunk_set_prot(struct chunk *c, struct page_meta *m, int prot)
{
    bool before = left_over(m);
    m->prot = (uint8_t) prot;
    recount(c, m, before);
}

uint32_t upages_committed(uint32_t granule)
{
    return atomic_load(&committed[granule]);
}

/* ---- questions -------------------------------------------------------------------------------- */
struct page_meta *upage_peek(uintptr_t addr)
{
    struct chunk *c = chunk_at(addr);
    return c ? meta_in(c, addr) : NULL;
}

/* The first page of [a, stop), inside one chunk, whose bit is set, or stop. */
static uintptr_t next_bit(const uint64_t *map, uintptr_t a, uintptr_t stop)
{
    while (a < stop) {
        size_t i = a / PAGE_SIZE % CHUNK_PAGES;
        uint64_t bits = map[i / 64] >> (i % 64);
        if (bits) {
            uintptr_t found = a + (uintptr_t) __builtin_ctzll(bits) * PAGE_SIZE;
            return MIN(found, stop);
        }
        a += (64 - i % 64) * PAGE_SIZE;
    }
    return stop;
}

uintptr_t upage_next_live(uintptr_t a, uintptr_t end)
{
    uintptr_t stop;
    for (struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        if ((a = next_bit(c->live, a, stop)) < stop)
            return a;
    return end;
}

uintptr_t upage_next_shared(uintptr_t a, uintptr_t end)
{
    uintptr_t stop;
    for (struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        if ((a = next_bit(c->shared, a, stop)) < stop)
            return a;
    return end;
}

bool upages_all_committed(uintptr_t start, uintptr_t end)
{
    for (uintptr_t a = start; a < end; a += PAGE_SIZE) {
        const struct page_meta *m = upage_peek(a);
        if (!m || !m->committed)
            return false;
    }
    return true;
}

void upage_set_live(uintptr_t addr, bool live)
{
    struct chunk *c = chunk_at(addr);
    check(c && meta_in(c, addr)->committed);
    chunk_set_live(c, meta_in(c, addr), live);
}

/* Bits of word w that stand for pages of [start, stop), which lies in one chunk. */
static uint64_t word_mask(size_t w, uintptr_t start, uintptr_t stop)
{
    size_t first = start / PAGE_SIZE % CHUNK_PAGES, past = first + (stop - start) / PAGE_SIZE;
    size_t lo = MAX(first, w * 64), hi = MIN(past, w * 64 + 64);
    if (lo >= hi)
        return 0;
    uint64_t ones = hi - lo == 64 ? ~0ull : (1ull << (hi - lo)) - 1;
    return ones << (lo - w * 64);
}

size_t upages_count_live(uintptr_t start, uintptr_t end)
{
    size_t n = 0;
    uintptr_t a = start, stop;
    for (const struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        for (size_t w = 0; w < ARRAY_SIZE(c->live); w++)
            n += (size_t) __builtin_popcountll(c->live[w] & word_mask(w, a, stop));
    return n;
}

/* ---- shared pages ----------------------------------------------------------------------------- */
static void set_shared(uintptr_t start, uintptr_t end, bool shared)
{
    uintptr_t a = start, stop;
    for (struct chunk *c; (c = chunk_next(&a, end, &stop)); a = stop)
        for (size_t w = 0; w < ARRAY_SIZE(c->shared); w++) {
            uint64_t mask = word_mask(w, a, stop);
            c->shared[w] = shared ? c->shared[w] | (c->live[w] & mask) : c->shared[w] & ~mask;
        }
}

void upages_share(uintptr_t start, uintptr_t end)
{
    set_shared(start, end, true);
}

void upages_unshare(uintptr_t start, uintptr_t end)
{
    set_shared(start, end, false);
}

bool upage_is_shared(uintptr_t addr)
{
    const struct chunk *c = chunk_at(addr);
    return c && is_shared(c, addr);
}
