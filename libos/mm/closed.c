/* Closed pages: live pages of a writable mapping that have no write permission, because they are shared
 * with other address spaces or were. A write to one faults; here it is opened, with those that will be
 * written next.
 *
 * While others have a shared page, to open it costs a copy now and one more when the turn moves, and a
 * fault as much as 30 copies. So without a pattern a few pages around the address are opened. When faults
 * come at equal distances the next ones are foreseen, twice as many each time: pages in a row if the
 * distance is that of such windows, else only the pages at that distance. Pages that nobody else has cost
 * nothing and are opened by the thousand.
 */
#include "libos/mm/closed.h"
#include "libos/base/errno.h"
#include "libos/mm/share.h"
#include "libos/mm/upages.h"

#define AROUND       (4 * PAGE_SIZE)
#define ALONE        (4096 * PAGE_SIZE)
#define DISTANCE_MAX (64 * PAGE_SIZE)
#define STEPS_MAX    64u

static int open_pages(struct mm *mm, const struct vma *v, uintptr_t start, uintptr_t end)
{
    int r = share_keep_written(mm, start, end, v->prot);
    if (r == 0)
        upages_protect(start, end, v->prot);
    return r;
}

static int open_window(struct mm *mm, const struct vma *v, uintptr_t addr, uintptr_t size)
{
    uintptr_t start = ROUND_DOWN(addr, size), end = start + size;
    start = MAX(start, v->start);
    end = MIN(end, v->end);
    return open_pages(mm, v, start, end);
}

/* Takes note of a write to page; how many steps of v->step to open from there on. */
static uint32_t foresee(struct vma *v, uintptr_t page)
{
    uintptr_t distance = page > v->last_opened ? page - v->last_opened : 0;
    bool again = distance && distance == v->step;
    v->steps = again ? MIN(v->steps * 2, STEPS_MAX) : 1;
    v->step = distance <= DISTANCE_MAX ? distance : 0;
    v->last_opened = page + (v->steps - 1) * v->step;
    return v->steps;
}

static int open_steps(struct mm *mm, const struct vma *v, uintptr_t page, uint32_t steps)
{
    uintptr_t end = MIN(page + steps * v->step, v->end);
    if (v->step <= AROUND)
        return open_pages(mm, v, page, end);
    int r = 0;
    for (uintptr_t a = page; a < end && r == 0; a += v->step)
        r = open_pages(mm, v, a, a + PAGE_SIZE);
    return r;
}

int closed_open(struct mm *mm, struct vma *v, uintptr_t addr)
{
    uintptr_t page = ROUND_DOWN(addr, PAGE_SIZE);
    if (!share_has(mm, page))
        return open_window(mm, v, page, ALONE);
    uint32_t steps = foresee(v, page);
    int r = steps > 1 ? open_steps(mm, v, page, steps) : open_window(mm, v, page, AROUND);
    return r == -ENOMEM ? open_pages(mm, v, page, page + PAGE_SIZE) : r;
}
