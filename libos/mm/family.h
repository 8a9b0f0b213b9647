/* Families: address spaces that have addresses in common, and so take turns. Private to mm; docs/fork.md
 * has the whole picture. */
#ifndef MM_FAMILY_H
#define MM_FAMILY_H
#include "libos/mm/vma.h"

struct family {
    struct spinlock lock; /* everything here, and what members keep of pages (struct saved_table) */
    struct list members;
    uint32_t count;
    bool permanent;      /* of the fixed addresses: never dissolved */
    struct mm *resident; /* whose threads may run */
    struct mm *pinned;   /* the turn stays with it: a move in progress, or an exec that fills it */
    bool moving;         /* pages of the pinned one and of owners of its regions are on their way */
    struct mm *next;     /* waits for its turn; NULL: nobody */
    bool hand_over;      /* the resident had its time: only next may run */
    bool preempted;      /* the resident's last thread did not give its vCPU up: see turn_stays */
    int64_t since_ns;    /* the resident's turn began */
    int64_t stay_ns;     /* how long a turn lasts at least if others wait: see mm_turn_wanted */
    struct family *free; /* chain of families that are not in use */
};

struct family *family_new(struct mm *first);       /* resident: first; NULL: no memory */
void family_join(struct family *f, struct mm *mm); /* as a member that is away */
/* mm dies. True: nobody joins the family of the fixed addresses before the caller, who may be its last
 * member, has given its pages up and called family_unpin. */
must_check bool family_part(struct mm *mm);
bool family_is_here(struct mm *mm); /* mm's memory is in place: while the caller holds mm's lock */
/* Takes mm's lock for somebody who is not a thread of mm: no move is under way, none starts. */
void family_lock_outside(struct mm *mm);
/* May the turn go to the calling thread's new mm, and stay there? For exec; low.c. If not yet, mm may be next
 * from then on: who stops asking says so by family_give_up. */
must_check bool family_try_pin(struct family *f, struct mm *mm);
void family_give_up(struct family *f, const struct mm *mm);
void family_unpin(struct family *f, const struct mm *mm); /* if it is pinned */
void family_pinned_arrives(struct mm *mm);                /* a member now; its pages are in place */
extern struct family low_family;

#endif
