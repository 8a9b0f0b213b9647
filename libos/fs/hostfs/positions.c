/* Directory positions. The host's may be any 63 bits (ext4: hashes of names), and the VFS and the unions above need room: two
 * positions for "." and "..", marks for layers. Small ones are passed on; a large one gets the next number of this
 * directory, the same each time it comes, as long as the inode lives: a position that a program keeps stays good
 * whatever others read. A host that invents positions without end fills a table of limited size. */
#include "libos/base/errno.h"
#include "libos/fs/hostfs/hostfs.h"
#include "libos/mm/heap.h"

#define FIRST     2u                   /* behind "." and ".." */
#define NUMBERED  ((uint64_t) 1 << 40) /* from here on: numbers of large ones */
#define COUNT_MAX (1u << 22)

/* Where in slot the cookie is, or would be. */
static uint32_t *slot_of(const struct hostfs_positions *p, uint64_t cookie)
{
    uint32_t mask = 2 * p->room - 1, n = (uint32_t) (cookie * 0x9e3779b97f4a7c15ull >> 32);
    for (;; n++) {
        uint32_t *slot = &p->slot[n & mask];
        if (!*slot || p->cookie[*slot - 1] == cookie)
            return slot;
    }
}

void hostfs_positions_free(struct hostfs_positions *p)
{
    kfree(p->cookie);
    kfree(p->slot);
    *p = (struct hostfs_positions){0};
}

static int grow(struct hostfs_positions *p)
{
    uint32_t room = p->room ? 2 * p->room : 64;
    struct hostfs_positions fresh = {
        .cookie = kzalloc(room * sizeof *fresh.cookie),
        .slot = kzalloc(2 * room * sizeof *fresh.slot),
        .room = room,
    };
    if (!fresh.cookie || !fresh.slot || room > COUNT_MAX) {
        hostfs_positions_free(&fresh);
        return -ENOMEM;
    }
    for (; fresh.count < p->count; fresh.count++) {
        fresh.cookie[fresh.count] = p->cookie[fresh.count];
        *slot_of(&fresh, p->cookie[fresh.count]) = fresh.count + 1;
    }
    hostfs_positions_free(p);
    *p = fresh;
    return 0;
}

int hostfs_position(struct hostfs_positions *p, uint64_t cookie, uint64_t *ret)
{
    if (cookie < NUMBERED) {
        *ret = cookie + FIRST;
        return 0;
    }
    int r = p->count == p->room ? grow(p) : 0;
    if (r < 0)
        return r;
    uint32_t *slot = slot_of(p, cookie);
    if (!*slot) {
        p->cookie[p->count] = cookie;
        *slot = ++p->count;
    }
    *ret = NUMBERED + FIRST + *slot - 1;
    return 0;
}

bool hostfs_cookie(const struct hostfs_positions *p, uint64_t position, uint64_t *ret)
{
    uint64_t n = position - FIRST;
    if (n >= NUMBERED && n - NUMBERED >= p->count)
        return false;
    *ret = n < NUMBERED ? n : p->cookie[n - NUMBERED];
    return true;
}
