/* What an address space keeps of pages whose address holds another one's content: per region it has
 * (family.h) a table of saved pages, in chunks of 256. Private to mm. */
#ifndef MM_SAVED_H
#define MM_SAVED_H
#include "abi/layout.h"
#include "libos/base/types.h"

enum saved_kind {
    SAVED_ABSENT, /* nothing there: the next touch is a fault */
    SAVED_COPY,   /* a frame */
    SAVED_KEPT,   /* content of an immutable file, known by its key: not copied */
};

struct saved_page {
    uint64_t key;    /* KEPT; COPY: file content that had to make room, or 0 */
    uintptr_t frame; /* COPY: one reference */
    uint8_t kind, prot;
};

#define SAVED_CHUNK_PAGES 256u
#define SAVED_CHUNK_SIZE  (SAVED_CHUNK_PAGES * PAGE_SIZE)

struct saved_chunk {
    uint64_t bits[SAVED_CHUNK_PAGES / 64]; /* which pages have an entry */
    struct saved_page page[SAVED_CHUNK_PAGES];
};

struct saved_table {
    struct saved_chunk **chunks; /* by distance from the region's start; NULL: no entries at all */
    uint32_t lo, hi;             /* chunks outside [lo, hi) have none */
};

/* at: bytes from the region's start; count: granules of the region. */
struct saved_page *saved_peek(const struct saved_table *t, uintptr_t at); /* NULL: no entry */
must_check bool saved_reserve(struct saved_table *t, uintptr_t at, uint32_t count);
struct saved_page *saved_insert(struct saved_table *t, uintptr_t at); /* reserved before */
void saved_remove(struct saved_table *t, uintptr_t at);               /* frees its frame */
/* The first entry at or after *at, which becomes its place; NULL: none. */
struct saved_page *saved_next(const struct saved_table *t, uintptr_t *at);
void saved_clear(struct saved_table *t); /* with all frames */
#endif
