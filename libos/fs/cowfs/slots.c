/* Key slots of a volume that exists: another key is a new slot in the header, and nothing else is written.
 *
 * The header lies in two blocks that are written one after the other with barriers between: whatever
 * happens, one of them is whole, and cow_header_find takes the one that opens. */
#include "libos/fs/cowfs/priv.h"

/* The slot of that kind, else a free one; NULL: all are in use. */
static struct cow_slot *slot_for(struct cow_header_disk *h, enum cow_slot_kind kind)
{
    struct cow_slot *found = NULL;
    for (unsigned i = 0; i < COW_SLOTS; i++) {
        if (h->slots[i].kind == (uint32_t) kind)
            return &h->slots[i];
        if (h->slots[i].kind == COW_SLOT_NONE && !found)
            found = &h->slots[i];
    }
    return found;
}

static int write_copies(struct cow_dev *d, const void *header)
{
    int r = 0;
    for (uint64_t copy = 0; copy < 2 && r == 0; copy++) {
        r = d->ops->write(d, copy, 1, header);
        if (r == 0)
            r = d->ops->barrier(d);
    }
    return r;
}

int cow_slot_put(const struct cow_params *p, const struct cow_params *fresh)
{
    uint8_t key[32], uuid[16];
    uint8_t *block = kzalloc(COW_BLOCK);
    if (!block)
        return -ENOMEM;
    struct cow_header_disk *h = (struct cow_header_disk *) block;
    int r = cow_header_find(p, block, uuid, key);
    struct cow_slot *s = r == 0 ? slot_for(h, fresh->kind) : NULL;
    if (r == 0)
        r = cow_dev_claim(p->dev);
    if (r == 0)
        r = s ? cow_slot_fill(fresh, h, s, key) : -ENOSPC;
    if (r == 0)
        r = write_copies(p->dev, block);
    wipe(key, sizeof key);
    kfree(block);
    return r;
}

int cow_slot_try(const struct cow_params *p)
{
    uint8_t key[32], uuid[16];
    int r = cow_header_read(p, uuid, key);
    wipe(key, sizeof key);
    return r;
}
