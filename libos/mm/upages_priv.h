/* The books of user pages: one struct page_meta per page, in chunks of 2 MiB that are made when a page of
 * them is first committed. Private to upages*.c, which hold the lock of the mm that owns the pages.
 *
 * Most of a granule was never touched, and a start of a small program walks its granule several times. So
 * chunks are found by two bitmaps, of those that are there and of those with left-over pages, and a chunk
 * knows which part of it was ever committed. A word of the bitmaps stands for half a granule: nobody else
 * writes it.
 */
#ifndef MM_UPAGES_PRIV_H
#define MM_UPAGES_PRIV_H
#include "abi/layout.h"
#include "libos/mm/upages.h"

#define CHUNK_PAGES 512u
#define CHUNK_SIZE  (CHUNK_PAGES * PAGE_SIZE)

struct chunk {
    uint32_t left_over;              /* committed, not live, with access */
    uint32_t used_first, used_end;   /* no page outside was ever committed */
    uint32_t number;                 /* address / CHUNK_SIZE */
    uint64_t live[CHUNK_PAGES / 64]; /* bit per page: meta.live */
    uint64_t shared[CHUNK_PAGES / 64];
    struct page_meta meta[CHUNK_PAGES];
};

/* The chunk of addr, made if it is not there: NULL if there is no memory. */
struct chunk *chunk_make(uintptr_t addr);
/* The first chunk that is there and has used pages in [*a, end). Moves *a to its first page that counts;
 * *ret_stop is the end of those. NULL: no more. The walk goes on at *ret_stop. */
struct chunk *chunk_next(uintptr_t *a, uintptr_t end, uintptr_t *ret_stop);
/* The same for chunks with left-over pages only. */
struct chunk *chunk_next_left_over(uintptr_t *a, uintptr_t end, uintptr_t *ret_stop);

static inline struct page_meta *meta_in(struct chunk *c, uintptr_t addr)
{
    return &c->meta[addr / PAGE_SIZE % CHUNK_PAGES];
}

/* The end of the part of [addr, end) that lies in addr's chunk. */
static inline uintptr_t chunk_end(uintptr_t addr, uintptr_t end)
{
    uintptr_t limit = ROUND_DOWN(addr, (uintptr_t) CHUNK_SIZE) + CHUNK_SIZE;
    return MIN(limit, end);
}

static inline bool left_over(const struct page_meta *m)
{
    return m->committed && !m->live && m->prot && m->key != PAGE_KEY_STUB;
}

static inline bool is_shared(const struct chunk *c, uintptr_t a)
{
    size_t i = a / PAGE_SIZE % CHUNK_PAGES;
    return c->shared[i / 64] >> (i % 64) & 1;
}

/* Changes of a page's books that the chunk's counts and bits follow. */
void chunk_set_committed(struct chunk *c, uintptr_t start, uintptr_t end, int prot); /* not live */
void chunk_set_live(struct chunk *c, struct page_meta *m, bool live);
void chunk_set_prot(struct chunk *c, struct page_meta *m, int prot);

/* ---- upages.c: permissions ---- */
/* Pages of [start, end), inside one chunk, that are not live become committed, RW, zero. */
must_check int upages_make_blank(struct chunk *c, uintptr_t start, uintptr_t end);
bool upages_room_for(size_t pages); /* under the limit of all processes together */

/* ---- upages_fill.c: content ---- */
struct vma;
/* Identity of a file page's content; patched code differs from plain content. 0: it has none. */
uint64_t upage_key_of(const struct vma *v, uintptr_t addr);
/* A committed page with write access becomes live with content, or if that is NULL, the file's. */
must_check int upage_fill(struct mm *mm, const struct vma *v, struct chunk *c, uintptr_t addr,
                          const void *content);
#endif
