/* Who owns which 256 MiB of the user range. One table read answers it for any address: whose pages are
 * in place there. Regions (runs of granules) are shared by the members of a fork family; the owner then
 * changes with the turn.
 *
 * A freed single granule is warm: what its last program left is what the next start of that program
 * needs. So a program gets one back where it ran before. Another program would throw that away and
 * gets a granule that is no loss, one with much memory, as long as there are few warm ones; else the one
 * that was free for the longest time. The lock guards the table, the books of free granules and every region's members. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/base/string.h"
#include "libos/mm/heap.h"
#include "libos/mm/upages.h"
#include "libos/mm/vma.h"

#define USER_GRANULES (USER_END / GRANULE_SIZE)
/* The last ones are for frames: no program was ever there, so their pages are not committed yet. */
#define FRAME_GRANULES 64u
#define REGION_END     (USER_GRANULES - FRAME_GRANULES)
#define WARM_KEPT      16u   /* granules with at most SMALL_PAGES that nobody else gets */
#define SMALL_PAGES    4096u /* 16 MiB */

static struct {
    struct spinlock lock;
    struct mm *owner[USER_GRANULES]; /* whose pages are in place */
    bool taken[USER_GRANULES];       /* part of a region, or reserved */
    uint64_t program[USER_GRANULES]; /* whose text it was last taken for */
    uint16_t warm[1024];             /* freed single granules, the last one last */
    uint32_t warm_count;
    uint32_t reserved; /* of FRAME_GRANULES */
    /* All after this one were never used as singles. Zero at first, as all of this is: .bss is not
     * measured at each start. */
    uint32_t fresh;
} granule;

static struct region low_region = {.first = 0, .count = 1};

struct mm *granule_owner(uintptr_t addr)
{
    return addr < USER_END ? granule.owner[addr >> GRANULE_SHIFT] : NULL;
}

/* The warm granule at k, which is warm no more. */
static uint32_t take_warm_locked(uint32_t k)
{
    uint32_t i = granule.warm[k];
    granule.warm_count--;
    memmove(&granule.warm[k], &granule.warm[k + 1],
            (granule.warm_count - k) * sizeof granule.warm[0]);
    return i;
}

static uint32_t find_warm_locked(uint64_t program)
{
    uint32_t large = UINT32_MAX;
    for (uint32_t k = granule.warm_count; k-- > 0;) {
        uint32_t i = granule.warm[k];
        if (granule.taken[i]) /* of a longer region */
            (void) take_warm_locked(k);
        else if (granule.program[i] == program)
            return take_warm_locked(k);
        else if (large == UINT32_MAX && upages_committed(i) > SMALL_PAGES)
            large = i;
    }
    for (uint32_t k = granule.warm_count; large != UINT32_MAX && k-- > 0;)
        if (granule.warm[k] == large)
            return take_warm_locked(k);
    return granule.warm_count < WARM_KEPT ? 0 : take_warm_locked(0);
}

static uint32_t find_single_locked(uint64_t program)
{
    uint32_t warm = find_warm_locked(program);
    if (warm)
        return warm;
    while (granule.fresh + 1 < REGION_END)
        if (!granule.taken[++granule.fresh])
            return granule.fresh;
    if (granule.warm_count > 0)
        return take_warm_locked(0);
    for (uint32_t i = 1; i < REGION_END; i++)
        if (!granule.taken[i])
            return i;
    return 0;
}

/* From the top down, so that runs stay away from the singles. */
static uint32_t find_run_locked(uint32_t count)
{
    uint32_t run = 0;
    for (uint32_t i = REGION_END; i-- > 1;) {
        run = granule.taken[i] ? 0 : run + 1;
        if (run == count)
            return i;
    }
    return 0;
}

static struct region *find_locked(uint32_t count, uint64_t program)
{
    uint32_t first = count == 1 ? find_single_locked(program) : find_run_locked(count);
    struct region *r = first ? new_zero(struct region) : NULL;
    if (r) {
        *r = (struct region){.first = first, .count = count, .members = 1};
        memset(&granule.taken[first], 1, count);
        granule.program[first] = program;
    }
    return r;
}

static void set_owner_locked(const struct region *r, struct mm *mm)
{
    for (uint32_t i = 0; i < r->count; i++)
        granule.owner[r->first + i] = mm;
}

int granule_take(struct mm *mm, uint32_t count, uint64_t program, uintptr_t *ret_base)
{
    if (mm->hold_count == HOLDINGS_MAX)
        return -ENOMEM;
    SPIN_GUARD(&granule.lock);
    struct region *r = find_locked(count, program);
    if (!r)
        return -ENOMEM;
    set_owner_locked(r, mm);
    mm->holds[mm->hold_count++] = (struct holding){.region = r};
    *ret_base = region_start(r);
    return 0;
}

int granule_reserve(uintptr_t *ret_base)
{
    SPIN_GUARD(&granule.lock);
    if (granule.reserved == FRAME_GRANULES)
        return -ENOMEM;
    *ret_base = (uintptr_t) (REGION_END + granule.reserved++) << GRANULE_SHIFT;
    return 0;
}

int granule_add_low(struct mm *mm)
{
    if (mm->hold_count == HOLDINGS_MAX)
        return -ENOMEM;
    SPIN_GUARD(&granule.lock);
    low_region.members++;
    low_region.was_shared |= low_region.members > 1;
    mm->holds[mm->hold_count++] = (struct holding){.region = &low_region};
    return 0;
}

void granule_share_all(const struct mm *from, struct mm *to)
{
    SPIN_GUARD(&granule.lock);
    for (uint32_t i = 0; i < from->hold_count; i++) {
        struct region *r = from->holds[i].region;
        r->members++;
        r->was_shared = true;
        to->holds[i] = (struct holding){.region = r};
    }
    to->hold_count = from->hold_count;
}

static void give_locked(struct region *r, struct mm *mm)
{
    if (granule.owner[r->first] == mm)
        set_owner_locked(r, NULL);
    if (--r->members > 0 || r == &low_region)
        return;
    memset(&granule.taken[r->first], 0, r->count);
    if (r->count == 1 && granule.warm_count < ARRAY_SIZE(granule.warm))
        granule.warm[granule.warm_count++] = (uint16_t) r->first;
    kfree(r);
}

bool granule_leave(struct mm *mm, uint32_t i)
{
    SPIN_GUARD(&granule.lock);
    struct region *r = mm->holds[i].region;
    if (r->members == 1)
        return false;
    r->members--;
    mm->hold_count--;
    return true;
}

void granule_give_all(struct mm *mm)
{
    SPIN_GUARD(&granule.lock);
    while (mm->hold_count > 0) {
        struct holding *h = &mm->holds[--mm->hold_count];
        check(!h->saved.chunks);
        give_locked(TAKE(h->region), mm);
    }
}

void granule_set_owner(const struct region *r, struct mm *mm)
{
    SPIN_GUARD(&granule.lock);
    set_owner_locked(r, mm);
}

struct holding *mm_holding(struct mm *mm, uintptr_t addr)
{
    for (uint32_t i = 0; i < mm->hold_count; i++) {
        const struct region *r = mm->holds[i].region;
        if (addr >= region_start(r) && addr < region_end(r))
            return &mm->holds[i];
    }
    return NULL;
}

struct holding *mm_holding_of(struct mm *mm, const struct region *r)
{
    for (uint32_t i = 0; i < mm->hold_count; i++)
        if (mm->holds[i].region == r)
            return &mm->holds[i];
    return NULL;
}
