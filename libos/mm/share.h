/* Pages of regions that several address spaces have (share.c, share_turn.c). Private to mm. */
#ifndef MM_SHARE_H
#define MM_SHARE_H
#include "libos/mm/vma.h"

/* The view of mm, which is resident, changes in the range: members that are away keep theirs. For live
 * pages: before content, permission or mapping changes. -ENOMEM: nothing may be changed. */
must_check int share_keep_live(struct mm *mm, uintptr_t start, uintptr_t end);
/* The same for pages about to be written; prot: what the mapping allows to all. */
must_check int share_keep_written(struct mm *mm, uintptr_t start, uintptr_t end, int prot);
/* Before pages of the range that are not live become so. */
must_check int share_keep_absent(struct mm *mm, uintptr_t start, uintptr_t end);
/* After family_join: all that parent has is child's too. */
must_check int share_fork(struct mm *parent, struct mm *child);
/* Child's pages are in place instead of parent's. No copy: nothing was written since share_fork. */
void share_swap_roles(struct mm *parent, struct mm *child);
void share_arrive(struct mm *mm); /* brings mm's pages in place wherever another one's are */
/* mm, pinned and a member, gets the region of granule 0, empty. -ENOMEM: it has not got it. */
must_check int share_join_low(struct mm *mm);
void share_disown(
    struct mm *mm);             /* shared regions where mm's pages are in place have no owner now */
void share_part(struct mm *mm); /* mm, no member any more, gives up the regions that others have */
bool share_has(struct mm *mm, uintptr_t addr); /* do others have pages in the region of addr? */
/* First address from low on where len bytes are free for all members of low's region; 0: none. */
uintptr_t share_gap(struct mm *mm, uintptr_t low, uintptr_t high, size_t len);
/* Reads memory of mm, which is away and locked by family_lock_outside. -EFAULT. */
must_check int share_read_away(struct mm *mm, struct span dst, uintptr_t addr);

/* Between share.c and share_turn.c. The page at addr gets an entry: in h; of all members but mm. */
must_check int share_enter(struct holding *h, uintptr_t addr);
must_check int share_keep_page(struct mm *mm, const struct region *r, uintptr_t addr);
/* The table of some member but mm and except, which says what differs; NULL: there is none. */
struct saved_table *share_witness(struct mm *mm, const struct region *r, const struct mm *except);
bool share_differs(struct mm *mm, const struct region *r, uintptr_t addr, const struct mm *except);
#endif
