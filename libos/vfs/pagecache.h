/* The page cache: the pages of one inode, in a radix tree.
 *
 * A page is in the tree of one inode and has a pin count; whoever copies to or from it holds a pin, so
 * that user faults may happen meanwhile. Truncation and eviction take pages out of the tree; the
 * last pin frees them. For RAM file systems the cache is the storage; pages that can be read again
 * (INODE_IMMUTABLE) are on a clock list and are evicted when there are too many.
 *
 * Shared mappings: the first one moves the pages into the shared window (the home), for good; from
 * then on page i of the file is at home + i * PAGE_SIZE, be it in the tree or not: a hole there is
 * memory that a process may write to. It comes into the tree when it is read or written. A writer that copied into a page which moved
 * meanwhile repeats its bytes in the new place (pages_written).
 */
#ifndef VFS_PAGECACHE_H
#define VFS_PAGECACHE_H
#include "libos/base/list.h"
#include "libos/base/lock.h"
#include "libos/base/types.h"
#include "libos/task/mutex.h"

struct flush;
struct inode;
struct page_node;

struct cpage {
    uint8_t *data;
    struct inode *inode; /* NULL: no longer in a tree; pages lock */
    uint64_t index;
    uint32_t pins; /* pages lock to leave 0; the tree itself holds one */
    uint8_t referenced, at_home, on_clock;
    uint8_t written;        /* as a whole, before anybody saw it */
    uint8_t dirty, changed; /* pages lock; changed: it was dirty once */
    struct list clock;      /* clock lock */
};

struct pages {
    struct spinlock lock;
    struct page_node *root;
    uint32_t height; /* 0: empty or only page 0 in root as a page */
    uint64_t count;
    uint64_t dirty; /* pages that differ from the store */
    uintptr_t home; /* 0: none */
    uint64_t home_pages;
    uint32_t cuts;      /* times that pages were cut off or out */
    struct mutex flush; /* of whoever writes pages to the store, or cuts the store: one at a time */
    struct flush *flushing; /* pages lock: that others can help with; NULL: none */
    uint64_t *passed;       /* bit per page that pages_pass() read; NULL: none */
    size_t passed_words;
};

void pages_init(struct pages *p);
/* A pinned page, or NULL if it is not cached. */
struct cpage *pages_find(struct inode *i, uint64_t index);
bool pages_has(struct inode *i, uint64_t index); /* is it cached now? */
/* A pinned page: cached, or read by the file system, or (create) a zeroed one. 0; *ret is NULL for a
 * hole that need not exist. -EIO, -ENOMEM. */
must_check int pages_get(struct inode *i, uint64_t index, bool create, struct cpage **ret);
/* The same without create, of a file system that reads pages, and others are read with it: `run` pages from index
 * on, and as many again each `stride` pages further, `repeats` times. What is wrong with the others does not matter;
 * at most LOAD_PAGES are read. */
struct load_plan {
    uint32_t run, repeats;
    int64_t stride;
};
#define LOAD_PAGES 64u
must_check int pages_get_ahead(struct inode *i, uint64_t index, const struct load_plan *plan,
                               struct cpage **ret);
/* Zeroed pages first .. end - 1 of a file without a store, where there are none yet. -ENOSPC: no page has been kept
 * (but for those whose place in the tree could be had before there was no memory for others'). */
must_check int pages_fill(struct inode *i, uint64_t first, uint64_t end);
/* Puts a page that nobody has seen yet (cpage_new) in the place of what the file has there; consumed. */
must_check int pages_put_whole(struct inode *i, struct cpage *page);
/* A page for that, zeroed. NULL: no memory. */
struct cpage *cpage_new(uint64_t index);
void cpage_free(struct cpage *page); /* one that is in no tree */
void cpage_unpin(struct cpage *p);
/* A page of a file that can be read again for somebody who keeps it, or reads here and there: the first time it is read
 * straight to dst (zeroed, undefined on failure), and only the second reader makes the cache keep it. */
must_check int pages_pass(struct inode *i, uint64_t index, void *dst);
/* After a copy into p at off, len: repeats it if the page moved to its home meanwhile. */
void pages_written(struct inode *i, struct cpage *p, size_t off, size_t len);
/* Removes pages first .. end - 1. */
void pages_drop(struct inode *i, uint64_t first, uint64_t end);
/* The file ends before page end: who has mapped what is behind gets SIGBUS there until it grows again. */
void pages_close_behind(struct inode *i, uint64_t end);
/* Everything, the home too; the inode goes. */
void pages_fini(struct inode *i);
/* Zeroes bytes of a page if it is cached. */
void pages_zero_part(struct inode *i, uint64_t index, size_t off, size_t len);
/* First page >= index that exists (data) or does not (hole); UINT64_MAX: none. For SEEK_DATA. */
uint64_t pages_next(struct inode *i, uint64_t index, bool data);
must_check int pages_shared_home(struct inode *i, uint64_t first, uint64_t count,
                                 uintptr_t *ret_addr);
/* Writes changed pages first .. end - 1 to the store (inode_ops.write_pages). Returns when they are there, whoever
 * wrote them. Pages that processes have mapped shared count as changed: nobody sees what they write. */
must_check int pages_flush(struct inode *i, uint64_t first, uint64_t end);
/* Writes some of them, together with whoever does it already, until enough() or there are no more to take. Others
 * may still be on their way. */
must_check int pages_flush_help(struct inode *i, bool (*enough)(void));
/* Around a change of the store that takes content away, so that no page is written there, or found there, that was
 * before it: the inode's pages beyond it have to go between the two. */
void pages_cut_begin(struct inode *i);
void pages_cut_end(struct inode *i);
bool pages_dirty_over(
    unsigned share);       /* are more than 1/share of all pages that may be there changed? */
void pages_shrink(void);   /* frees those that may go now, whoever read them */
size_t pages_cached(void); /* evictable ones, all inodes: Cached in /proc/meminfo */
#endif
