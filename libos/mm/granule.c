/* Who owns which 256 MiB of the user range. One table read answers it for any address. Single granules
 * are handed out last-in first-out: the most recently freed one is warm. */
#include "abi/layout.h"
#include "libos/base/errno.h"
#include "libos/base/lock.h"
#include "libos/base/panic.h"
#include "libos/mm/vma.h"

#define USER_GRANULES (USER_END / GRANULE_SIZE)

static struct {
    struct spinlock lock;
    struct mm *owner[USER_GRANULES];
    uint16_t warm[1024]; /* stack of freed single granules */
    uint32_t warm_count;
    uint32_t fresh; /* all from here on were never used as singles */
} granule = {.fresh = 1};

struct mm *granule_owner(uintptr_t addr)
{
    return addr < USER_END ? granule.owner[addr >> GRANULE_SHIFT] : NULL;
}

static uint32_t find_single_locked(void)
{
    while (granule.warm_count > 0) {
        uint32_t i = granule.warm[--granule.warm_count];
        if (!granule.owner[i])
            return i;
    }
    while (granule.fresh < USER_GRANULES && granule.owner[granule.fresh])
        granule.fresh++;
    if (granule.fresh < USER_GRANULES)
        return granule.fresh++;
    for (uint32_t i = 1; i < USER_GRANULES; i++)
        if (!granule.owner[i])
            return i;
    return 0;
}

/* From the top down, so that runs stay away from the singles. */
static uint32_t find_run_locked(uint32_t count)
{
    uint32_t run = 0;
    for (uint32_t i = USER_GRANULES; i-- > 1;) {
        run = granule.owner[i] ? 0 : run + 1;
        if (run == count)
            return i;
    }
    return 0;
}

int granule_take(struct mm *mm, uint32_t count, uintptr_t *ret_base)
{
    if (mm->granule_runs == ARRAY_SIZE(mm->granules))
        return -ENOMEM;
    SPIN_GUARD(&granule.lock);
    uint32_t first = count == 1 ? find_single_locked() : find_run_locked(count);
    if (!first)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        granule.owner[first + i] = mm;
    mm->granules[mm->granule_runs] = first;
    mm->run_length[mm->granule_runs++] = count;
    *ret_base = (uintptr_t) first << GRANULE_SHIFT;
    return 0;
}

void granule_set_low(struct mm *mm)
{
    SPIN_GUARD(&granule.lock);
    granule.owner[0] = mm;
}

void granule_give_all(struct mm *mm)
{
    SPIN_GUARD(&granule.lock);
    for (uint32_t r = mm->granule_runs; r-- > 0;) {
        for (uint32_t i = 0; i < mm->run_length[r]; i++)
            granule.owner[mm->granules[r] + i] = NULL;
        if (mm->run_length[r] == 1 && granule.warm_count < ARRAY_SIZE(granule.warm))
            granule.warm[granule.warm_count++] = (uint16_t) mm->granules[r];
    }
    mm->granule_runs = 0;
}
