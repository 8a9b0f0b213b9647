/* Page states. Private to mm: every function runs with the owner mm's lock held on a page-aligned
 * range inside the owner's granules.
 *
 * A page is ABSENT (not committed), FREE (committed, no access, zero), LIVE (belongs to a mapping), or
 * left over from a dead process with its permissions: KEPT (read-only content of an immutable file,
 * named by key) or STALE (read-write, zero). Left-over pages are what makes the next start of the same
 * program cheap: upages_claim takes over what fits and takes access away from what does not.
 * Invariants: a committed page that is neither LIVE nor KEPT is zero; FREE pages have no access; kept
 * content is never writable.
 */
#ifndef MM_UPAGES_H
#define MM_UPAGES_H
#include "libos/base/types.h"
#include "libos/mm/mm.h"

struct page_meta {
    uint64_t key; /* KEPT or LIVE file page: identity of the content; 0: none */
    uint8_t prot; /* what the EPCM allows now */
    bool committed, live;
};

struct vma;
#define PAGE_KEY_STUB (~0ull) /* patch stubs: never dropped */

/* NULL if the page was never touched. */
struct page_meta *upage_peek(uintptr_t addr);
must_check int upages_populate_anon(uintptr_t start, uintptr_t end, int prot);
/* Fills from file page `index` on. Pages beyond the end of the file: -ENXIO if the first one is. */
must_check int upages_populate_file(struct mm *mm, const struct vma *vma, uintptr_t start,
                                    uintptr_t end);
must_check int upages_populate_stubs(uintptr_t start, uintptr_t end);
void upages_protect(uintptr_t start, uintptr_t end, int prot); /* LIVE pages */
void upages_drop(uintptr_t start, uintptr_t end);              /* LIVE and left over -> FREE */
void upages_drop_live(uintptr_t start, uintptr_t end);         /* LIVE -> FREE */
void upages_zero(uintptr_t start, uintptr_t end); /* LIVE anonymous pages -> zero, still LIVE */
/* A new mapping covers the range: take over or drop what is left there. */
must_check int upages_claim(struct mm *mm, const struct vma *vma);
/* The process is gone: LIVE -> KEPT, STALE or FREE. */
void upages_retire(const struct vma *vma);
/* What was left over and no mapping covers loses its access (after exec). */
void upages_sweep(uintptr_t start, uintptr_t end);
bool upages_all_committed(uintptr_t start, uintptr_t end);
uintptr_t upage_next_live(uintptr_t addr, uintptr_t end); /* or end */
void upage_set_live(uintptr_t addr, bool live);           /* a committed page */
size_t upages_count_live(uintptr_t start, uintptr_t end);
/* Makes LIVE pages writable for the kernel for a moment; upages_reseal puts prot back. */
void upages_unseal(uintptr_t start, uintptr_t end);
void upages_reseal(uintptr_t start, uintptr_t end, int prot);

/* Pages that change sides when the turn moves (upages_swap.c): live and writable, whatever the limit says;
 * as much is given back. */
must_check int upages_populate_moved(uintptr_t start, uintptr_t end);

/* Shared pages: live, and seen in place by other address spaces too (share.c). Nothing opens a shared
 * page for writing, and to free one is a bug (checked). */
void upages_share(uintptr_t start, uintptr_t end); /* the live ones of the range are shared now */
void upages_unshare(uintptr_t start, uintptr_t end);
bool upage_is_shared(uintptr_t addr);
uintptr_t upage_next_shared(uintptr_t addr, uintptr_t end); /* or end */
size_t upages_count_open(uintptr_t start, uintptr_t end);   /* shared and still writable */
void upages_close(uintptr_t start, uintptr_t end);          /* takes that from them */
void upages_drop_kept(uintptr_t start,
                      uintptr_t end); /* all that is left over, but stubs -> FREE */

uint32_t upages_committed(uint32_t granule);        /* pages of the granule that were ever used */
extern size_t upages_live_total, upages_live_limit; /* all processes together */
#endif
