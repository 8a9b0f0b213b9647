/* The tree of one inode's pages: radix, 64 slots per node. All under the pages lock. Empty inner nodes, which a
 * failed insertion may leave, do no harm. */
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/vfs/pagecache_priv.h"

#define FAN_BITS   6
#define FAN        (1u << FAN_BITS)
#define MAX_HEIGHT 11

struct page_node {
    uint32_t used;
    uint64_t marked; /* bit per slot: a page there or below is marked */
    void *slot[FAN]; /* nodes, or pages at height 1 */
};

static bool fits(uint32_t height, uint64_t index)
{
    return height >= MAX_HEIGHT || index >> (height * FAN_BITS) == 0;
}

struct cpage *pagetree_lookup(const struct pages *p, uint64_t index)
{
    if (!p->root || !fits(p->height, index))
        return NULL;
    struct page_node *n = p->root;
    for (uint32_t h = p->height; h > 1 && n; h--)
        n = n->slot[(index >> ((h - 1) * FAN_BITS)) % FAN];
    struct cpage *page = n ? n->slot[index % FAN] : NULL;
    if (page && page->at_home)
        check(window_open((uintptr_t) page->data, (uintptr_t) page->data + PAGE_SIZE) ==
              0); /* it was before */
    return page;
}

static int grow(struct pages *p, uint64_t index)
{
    while (!p->root || !fits(p->height, index)) {
        struct page_node *n = new_zero(struct page_node);
        if (!n)
            return -ENOMEM;
        if (p->root) {
            n->slot[0] = p->root;
            n->used = 1;
            n->marked = p->root->marked != 0;
        }
        p->root = n;
        p->height++;
    }
    return 0;
}

int pagetree_insert(struct pages *p, struct cpage *page)
{
    uint64_t index = page->index;
    int r = grow(p, index);
    struct page_node *n = p->root;
    for (uint32_t h = p->height; r == 0 && h > 1; h--) {
        void **s = &n->slot[(index >> ((h - 1) * FAN_BITS)) % FAN];
        if (!*s) {
            if (!(*s = new_zero(struct page_node)))
                return -ENOMEM; /* empty inner nodes do no harm */
            n->used++;
        }
        n = *s;
    }
    if (r < 0)
        return r;
    check(!n->slot[index % FAN]);
    n->slot[index % FAN] = page;
    n->used++;
    p->count++;
    return 0;
}

static uint32_t slot_at(uint64_t index, uint32_t height)
{
    return (uint32_t) (index >> ((height - 1) * FAN_BITS)) % FAN;
}

/* The nodes above a page that is there. */
static void walk(const struct pages *p, uint64_t index, struct page_node *trail[MAX_HEIGHT + 1])
{
    struct page_node *n = p->root;
    for (uint32_t h = p->height; h >= 1; h--) {
        trail[h] = n;
        if (h > 1)
            n = n->slot[slot_at(index, h)];
    }
}

void pagetree_mark(struct pages *p, uint64_t index, bool on)
{
    struct page_node *trail[MAX_HEIGHT + 1];
    walk(p, index, trail);
    for (uint32_t h = 1; h <= p->height; h++) {
        uint64_t bit = 1ull << slot_at(index, h);
        trail[h]->marked = on ? trail[h]->marked | bit : trail[h]->marked & ~bit;
        if (!on && trail[h]->marked)
            return;
    }
}

/* Nodes that become empty are freed. */
void pagetree_remove(struct pages *p, uint64_t index)
{
    struct page_node *trail[MAX_HEIGHT + 1];
    pagetree_mark(p, index, false);
    walk(p, index, trail);
    p->count--;
    for (uint32_t h = 1; h <= p->height; h++) {
        trail[h]->slot[(index >> ((h - 1) * FAN_BITS)) % FAN] = NULL;
        if (--trail[h]->used > 0)
            return;
        kfree(trail[h]);
    }
    p->root = NULL;
    p->height = 0;
}

/* The first page at or above index in the subtree of n, which starts at base. */
static uint64_t next_data(const struct page_node *n, uint32_t height, uint64_t base, uint64_t index,
                          bool marked)
{
    uint32_t shift = (height - 1) * FAN_BITS;
    uint32_t s = index > base ? (uint32_t) ((index - base) >> shift) : 0;
    for (; s < FAN; s++) {
        if (marked ? !(n->marked >> s & 1) : !n->slot[s])
            continue;
        uint64_t start = base + ((uint64_t) s << shift);
        if (height == 1)
            return start;
        uint64_t found = next_data(n->slot[s], height - 1, start, MAX(index, start), marked);
        if (found != UINT64_MAX)
            return found;
    }
    return UINT64_MAX;
}

static uint64_t next_of(const struct pages *p, uint64_t index, bool marked)
{
    return p->root && fits(p->height, index) ? next_data(p->root, p->height, 0, index, marked)
                                             : UINT64_MAX;
}

uint64_t pagetree_next(const struct pages *p, uint64_t index)
{
    return next_of(p, index, false);
}

uint64_t pagetree_next_marked(const struct pages *p, uint64_t index)
{
    return next_of(p, index, true);
}
