/* Readahead. A read that begins where the last one ended (or in the page where it did) is sequential; one that is as
 * far from the last one as that was from its predecessor is strided. The window doubles with each and is lost with
 * the first read that fits neither. */
#include "libos/vfs/readahead.h"
#include "libos/base/ckmath.h"

#define WINDOW_FIRST 4u

void readahead_note(struct readahead *a, uint64_t first, uint64_t next)
{
    if (first == a->first && next == a->next)
        return; /* the same again */
    int64_t stride = (int64_t) (first - a->first);
    bool sequential = first == a->next || (first + 1 == a->next && next >= a->next);
    bool strided = !sequential && stride == a->stride;
    if (sequential || strided)
        a->window = MIN(MAX(a->window * 2, WINDOW_FIRST), LOAD_PAGES);
    else
        a->window = 0;
    a->strided = strided;
    a->stride = stride;
    a->first = first;
    a->next = next;
}

struct load_plan readahead_plan(const struct readahead *a, uint64_t more)
{
    uint32_t run = (uint32_t) MIN(more, (uint64_t) LOAD_PAGES);
    if (a->strided)
        return (struct load_plan){.run = run, .repeats = a->window, .stride = a->stride};
    return (struct load_plan){.run = MIN(run + a->window, LOAD_PAGES)};
}
