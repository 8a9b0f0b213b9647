/* Exchanging what is in place for what another address space keeps. Private to mm. */
#ifndef MM_UPAGES_SWAP_H
#define MM_UPAGES_SWAP_H
#include "libos/mm/vma.h"

/* n pages from start on, all in one chunk of 512, get what e[0..n), entries of comes, say. All of them are
 * in the set of pages that differ. The entries become what was in place and goes', or ABSENT if it was
 * nobody's (goes is NULL). False: some content is lost for lack of memory. */
must_check bool upages_swap(uintptr_t start, size_t n, struct saved_page *e, struct mm *goes,
                            const struct mm *comes);
/* What is in place at addr, as an entry; frame: for the copy of a page that needs one (its reference goes
 * to the entry; 0: none is needed). */
struct saved_page upage_entry(uintptr_t addr, uintptr_t frame);
bool upage_needs_frame(uintptr_t addr);
/* Page and entry are equal in content and permission. */
bool upage_equals(uintptr_t addr, const struct saved_page *e);
#endif
