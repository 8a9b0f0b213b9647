/* The kernel's heap functions for the few kernel files that are also part of this tool: the scanner of
 * patch sites and what it needs (libos/exec). Each block remembers its size, so that a larger one can
 * be cleared behind it.
 */
#include <stdlib.h>
#include <string.h>
#include "libos/mm/heap.h"

struct block {
    size_t size;
    max_align_t data[];
};

static struct block *block_of(void *p)
{
    return (struct block *) (void *) ((char *) p - offsetof(struct block, data));
}

void *kzalloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    struct block *b = calloc(1, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    return b->data;
}

void kfree(void *p)
{
    if (p)
        free(block_of(p));
}

void *krealloc(void *p, size_t size)
{
    void *larger = kzalloc(size);
    if (!larger || !p)
        return larger;
    size_t old = block_of(p)->size;
    memcpy(larger, p, old < size ? old : size);
    kfree(p);
    return larger;
}
