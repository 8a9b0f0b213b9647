/* The kernel heap over malloc, so that the sanitizers see every object: its bounds, its end of life,
 * its leak. A test can make any allocation fail. The kernel's own heap (mm/heap.c) has tests of its
 * own and is not used here. */
#include <stdlib.h>
#include "abi/layout.h"
#include "libos/host/posix/unit.h"
#include "libos/mm/heap.h"

static unsigned fail_in;
static size_t live;

void unit_fail_alloc(unsigned nth)
{
    fail_in = nth;
}

bool unit_fail_pending(void)
{
    return fail_in > 0;
}

size_t unit_alloc_count(void)
{
    return live;
}

static void *alloc(size_t align, size_t size)
{
    if (fail_in > 0 && --fail_in == 0)
        return NULL;
    void *p;
    if (size > 1ul << 32 || posix_memalign(&p, align, size ? size : 1) != 0)
        return NULL;
    memset(p, 0, size);
    live++;
    return p;
}

__attribute__((weak)) void *kzalloc(size_t size)
{
    return alloc(size >= 64 ? 64 : 16, size);
}

__attribute__((weak)) void kfree(void *p)
{
    if (p)
        live--;
    free(p);
}

size_t malloc_usable_size(void *p);
__attribute__((weak)) void *krealloc(void *p, size_t size)
{
    void *q = kzalloc(size);
    if (q && p) {
        memcpy(q, p, MIN(size, malloc_usable_size(p)));
        kfree(p);
    }
    return q;
}

__attribute__((weak)) char *kstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = kzalloc(n);
    if (p)
        memcpy(p, s, n);
    return p;
}

__attribute__((weak)) void *kpages_alloc(size_t count)
{
    return count > 1ul << 20 ? NULL : alloc(PAGE_SIZE, count * PAGE_SIZE);
}

__attribute__((weak)) void kpages_free(void *p, size_t count)
{
    kfree(p);
}

__attribute__((weak)) void heap_stats(struct heap_stats *ret)
{
    *ret = (struct heap_stats){.limit = 1ul << 16, .used_pages = live};
}

__attribute__((weak)) bool heap_class_stats(unsigned n, struct heap_class_stats *ret)
{
    *ret = (struct heap_class_stats){.used = (uint32_t) live};
    return n == 0;
}

__attribute__((weak)) uint16_t heap_owner_of(int pid)
{
    return 0;
}
