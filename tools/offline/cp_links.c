/* Files with several names, by a table that is searched by halves: kept sorted by number. */
#include <stdlib.h>
#include <string.h>
#include "tools/lib/mem.h"
#include "tools/offline/cp.h"

/* Where it is, or would be. */
static size_t place_of(const struct cp_links *l, uint64_t dev, uint64_t ino)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct cp_link *e = &l->list[middle];
        if (e->dev < dev || (e->dev == dev && e->ino < ino))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct cp_link *cp_link_find(const struct cp_links *l, uint64_t dev, uint64_t ino)
{
    size_t at = place_of(l, dev, ino);
    bool found = at < l->count && l->list[at].dev == dev && l->list[at].ino == ino;
    return found ? &l->list[at] : NULL;
}

void cp_link_add(struct cp_links *l, uint64_t dev, uint64_t ino, uint64_t to, const char *name)
{
    size_t at = place_of(l, dev, ino);
    l->list = mem_grow(l->list, l->count + 1, sizeof *l->list);
    memmove(l->list + at + 1, l->list + at, (l->count - at) * sizeof *l->list);
    l->list[at] = (struct cp_link){dev, ino, to, name ? mem_strdup(name) : NULL};
    l->count++;
}

void cp_links_free(struct cp_links *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->list[i].name);
    free(l->list);
}
