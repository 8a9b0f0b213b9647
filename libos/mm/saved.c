/* Tables of saved pages: an array of chunks, so that an entry is found by two loads and a whole table
 * changes hands by copying its head. A chunk is made with its first entry and lives as long as the
 * table: the set of pages that differ grows to what a program writes and then stays. */
#include "libos/mm/saved.h"
#include "libos/base/panic.h"
#include "libos/mm/frame.h"
#include "libos/mm/heap.h"

#define CHUNKS_PER_GRANULE (uint32_t)(GRANULE_SIZE / SAVED_CHUNK_SIZE)

static struct saved_chunk *chunk_at(const struct saved_table *t, uintptr_t at)
{
    size_t n = at / SAVED_CHUNK_SIZE;
    return t->chunks && n >= t->lo && n < t->hi ? t->chunks[n] : NULL;
}

static size_t index_of(uintptr_t at)
{
    return at / PAGE_SIZE % SAVED_CHUNK_PAGES;
}

struct saved_page *saved_peek(const struct saved_table *t, uintptr_t at)
{
    struct saved_chunk *c = chunk_at(t, at);
    size_t i = index_of(at);
    return c && (c->bits[i / 64] >> (i % 64) & 1) ? &c->page[i] : NULL;
}

bool saved_reserve(struct saved_table *t, uintptr_t at, uint32_t count)
{
    uint32_t n = (uint32_t) (at / SAVED_CHUNK_SIZE);
    if (!t->chunks) {
        t->chunks = kzalloc((size_t) count * CHUNKS_PER_GRANULE * sizeof(struct saved_chunk *));
        if (!t->chunks)
            return false;
        t->lo = t->hi = n;
    }
    if (!t->chunks[n])
        t->chunks[n] = new_zero(struct saved_chunk);
    if (!t->chunks[n])
        return false;
    t->lo = MIN(t->lo, n);
    t->hi = MAX(t->hi, n + 1);
    return true;
}

struct saved_page *saved_insert(struct saved_table *t, uintptr_t at)
{
    struct saved_chunk *c = chunk_at(t, at);
    size_t i = index_of(at);
    check(c && !(c->bits[i / 64] >> (i % 64) & 1));
    c->bits[i / 64] |= 1ull << (i % 64);
    c->page[i] = (struct saved_page){0};
    return &c->page[i];
}

void saved_remove(struct saved_table *t, uintptr_t at)
{
    struct saved_page *e = saved_peek(t, at);
    check(e);
    if (e->kind == SAVED_COPY)
        frame_put(e->frame);
    size_t i = index_of(at);
    chunk_at(t, at)->bits[i / 64] &= ~(1ull << (i % 64));
}

struct saved_page *saved_next(const struct saved_table *t, uintptr_t *at)
{
    uint32_t n = MAX((uint32_t) (*at / SAVED_CHUNK_SIZE), t->lo);
    size_t i = n * SAVED_CHUNK_SIZE > *at ? 0 : index_of(*at);
    for (; t->chunks && n < t->hi; n++, i = 0) {
        struct saved_chunk *c = t->chunks[n];
        while (c && i < SAVED_CHUNK_PAGES) {
            uint64_t bits = c->bits[i / 64] >> (i % 64);
            if (bits) {
                i += (size_t) __builtin_ctzll(bits);
                *at = n * SAVED_CHUNK_SIZE + i * PAGE_SIZE;
                return &c->page[i];
            }
            i = ROUND_UP(i + 1, 64ul);
        }
    }
    return NULL;
}

void saved_clear(struct saved_table *t)
{
    struct saved_page *e;
    for (uintptr_t at = 0; (e = saved_next(t, &at)); at += PAGE_SIZE)
        if (e->kind == SAVED_COPY)
            frame_put(e->frame);
    for (uint32_t n = t->lo; t->chunks && n < t->hi; n++)
        kfree(t->chunks[n]);
    kfree(t->chunks);
    *t = (struct saved_table){0};
}
