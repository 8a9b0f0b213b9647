/* Inside the page cache. pagecache.c has what files are read and written through, the others one concept each:
 *   pagetree.c   the radix tree of an inode's pages
 *   pageclock.c  which pages may go when there are too many, and allocation of pages
 *   pageload.c   reading pages from the store, many at once
 *   pageflush.c  writing changed pages to the store
 *   pagehome.c   the place of an inode's pages that are mapped shared
 * Lock order: flush mutex, pages lock, clock lock; eviction goes the other way round with a trylock. */
#ifndef VFS_PAGECACHE_PRIV_H
#define VFS_PAGECACHE_PRIV_H
#include "libos/vfs/inode.h"
#include "abi/layout.h"

/* pagetree.c */
struct cpage *pagetree_lookup(const struct pages *p, uint64_t index);
must_check int pagetree_insert(struct pages *p, struct cpage *page); /* at page->index; -ENOMEM */
void pagetree_remove(struct pages *p, uint64_t index);
/* The first page at or above index; UINT64_MAX: none. */
uint64_t pagetree_next(const struct pages *p, uint64_t index);
/* Marks: what a flush has to look at, changed pages and those at home. A page that leaves loses its mark. */
void pagetree_mark(struct pages *p, uint64_t index, bool on);
uint64_t pagetree_next_marked(const struct pages *p, uint64_t index);

/* pageclock.c */
struct cpage *cpage_new_at_home(uint64_t index); /* its place is known when it is published */
/* May page go from now on, may it not? With the pages lock held. add: true if there are too many. */
bool pageclock_add(struct cpage *page);
void pageclock_remove(struct cpage *page);
#define PAGECLOCK_BATCH 32u
size_t pageclock_evict(size_t n); /* at most n; how many went */
size_t pageclock_limit(void); /* how many pages of files that can be read again may be in memory */

/* pagecache.c */
/* A pinned page, if it is there. */
struct cpage *pages_find_locked(struct pages *p, uint64_t index);
/* Takes a page out of its tree; the caller drops the tree's pin. */
void cpage_detach_locked(struct pages *p, struct cpage *page);
/* Puts a new page into the tree, unless somebody was faster; *ret: the winner, pinned. page stays the caller's if it
 * is not that one, or on an error. full: there are too many pages now. */
must_check int cpage_publish(struct inode *i, struct cpage *page, struct cpage **ret);
must_check int cpage_publish_locked(struct inode *i, struct cpage *page, struct cpage **ret,
                                    bool *ret_full);
void cpage_dirty_locked(struct inode *i, struct cpage *page);
void cpage_clean_locked(struct inode *i, struct cpage *page);
/* A page in the home that may have no cpage yet: a process that maps it may have written to it all the
 * same, so the place itself is what it holds. File systems with a store are read before. */
bool pages_at_home(const struct inode *i, uint64_t index);
uint8_t *pages_home_data(const struct pages *p, uint64_t index);

/* pageload.c */
/* What was read from the store is old if the page was in memory and changed since. A reader notes before, and asks
 * under the pages lock. */
struct load_mark {
    uint32_t lost, cuts;
};
struct load_mark load_mark(const struct inode *i, uint64_t index);
bool load_stale_locked(const struct inode *i, uint64_t index, struct load_mark mark);
void load_lost(const struct inode *i, uint64_t index); /* a changed page leaves memory */

/* pageflush.c */
size_t pages_dirty_all(void); /* changed pages of all inodes */
void pages_dirty_count(struct inode *i, int change);
#endif
