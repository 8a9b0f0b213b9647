/* What heap.c (pages, shares) and slab.c (objects) know of each other. heap.lock guards everything
 * here except what says otherwise. */
#ifndef MM_HEAP_PRIV_H
#define MM_HEAP_PRIV_H
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/lock.h"
#include "libos/mm/heap.h"

/* PAGE_RUN is the first page of what was handed out, PAGE_REST the others; PAGE_GUARD stands behind a
 * run of several pages, holds a pattern and is never handed out. A slab's pages are all PAGE_SLAB. */
enum page_kind { PAGE_FREE, PAGE_RUN, PAGE_REST, PAGE_GUARD, PAGE_SLAB };

struct page_info {
    uint32_t run;   /* PAGE_RUN: pages in it, without the guard */
    uint32_t slab;  /* PAGE_SLAB: which */
    uint16_t owner; /* PAGE_RUN: who is charged */
    uint16_t slack; /* PAGE_RUN: bytes at its end that nobody asked for; zero */
    uint8_t kind, dirty;
};

#define HEAP_PAGES ((KERNEL_HEAP_END - KERNEL_HEAP) / PAGE_SIZE)
#define LARGE      16440u /* bytes; more than this is a run of pages */
#define CLASSES    25u

struct slab {
    uintptr_t base;
    uint16_t size_class, count, free_count;
    uint16_t next_object; /* where the search for a free one goes on: reuse as late as possible */
    uint32_t next, prev;  /* partial list of the class; 0: none */
    bool listed;
    uint64_t used[2]; /* bit set: handed out */
};
#define SLAB_OBJECTS 128u
#define SLAB_BYTES   (1024 * PAGE_SIZE) /* room for the structs, committed at boot */

struct heap {
    struct spinlock lock;
    struct page_info *map;
    size_t map_committed; /* bytes of the map that are committed */
    size_t first;         /* page index of the first page after the map */
    size_t end;           /* one past the last page ever committed */
    size_t next;          /* next fit starts here */
    size_t limit, used;   /* pages */
    uint64_t secret;      /* of the words behind objects; constant */
    struct slab *slabs;   /* slab 0 is never used */
    size_t slab_count;
    uint32_t slab_free; /* list of unused slab structs, through next */
    uint32_t partial[CLASSES];
    uint32_t empty[CLASSES]; /* slabs without objects, at most one after each call */
    struct heap_class_stats classes[CLASSES];
    uint32_t singles[64], single_count; /* free single pages, ready to hand out */
    size_t charged[HEAP_OWNERS];        /* bytes */
};
extern struct heap heap;

size_t heap_page_index(const void *p);             /* panics if p is not in the heap */
size_t heap_take_pages_locked(size_t count);       /* first page; 0: none left */
void heap_give_pages_locked(size_t i, size_t all); /* a run and its guard */
/* May owner have bytes more? If so it is charged. */
must_check bool heap_charge_locked(uint16_t owner, size_t bytes);
bool heap_all_zero(const void *p, size_t n); /* both multiples of 8 */

/* Runs of pages for objects above LARGE. */
void *run_alloc(size_t size);
void run_free(void *p);
size_t run_size(const void *p);              /* bytes asked for */
bool run_resize(const void *p, size_t size); /* in place, if it fits so well that it should */

void slab_init(void);
#endif
