/* Key slots of a volume that exists: another key is a new slot in the header, and no data are written.
 *
 * The header lies in two blocks that are written one after the other with barriers between: whatever
 * happens, one of them is whole, and cow_header_find takes the one that opens. A slot has a generation, and the
 * next commit's superblock knows the last one of each kind, so that whoever has an old key cannot come back with
 * an old header: that takes the old superblock, too, which is what a freshness anchor is for. */
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

#define AHEAD 1000u /* a header may be, of its superblock; by that much it is believed */

struct change { /* of the slots, on its way */
    struct cow *c;
    struct cow_header_disk *h; /* COW_BLOCK bytes */
    struct cow_opened key;
};

static void change_fini(struct change *ch)
{
    wipe(&ch->key, sizeof ch->key);
    kfree(ch->h);
}

/* The volume as p opens it, ready to be changed. On failure nothing is left but ch, for change_fini. */
static int change_begin(struct change *ch, const struct cow_params *p)
{
    ch->h = kzalloc(COW_BLOCK);
    if (!ch->h)
        return -ENOMEM;
    int r = cow_header_find(p, (uint8_t *) ch->h, &ch->key);
    if (r == 0)
        r = cow_mount(p, &ch->c);
    if (r < 0)
        return r;
    r = cow_claim(ch->c);
    if (r < 0)
        cow_abandon(ch->c);
    return r;
}

/* s: the slot there is, or a free one. One that was written by a change that was cut off counts, too. */
static uint32_t next_generation(const struct cow *c, const struct cow_slot *s, uint32_t kind)
{
    uint32_t known = c->slot_generations[kind], there = s->kind == kind ? s->generation : 0;
    return MAX(known, MIN(there, known + AHEAD)) + 1;
}

/* First the header, then a commit that makes all older ones invalid. */
static int change_finish(struct change *ch, uint32_t kind, uint32_t generation, int r)
{
    if (r == 0)
        r = write_copies(ch->c->dev, ch->h);
    if (r < 0) {
        cow_abandon(ch->c);
        return r;
    }
    ch->c->slot_generations[kind] = generation;
    ch->c->super_changed = true;
    return cow_unmount(ch->c);
}

int cow_slot_put(const struct cow_params *p, const struct cow_params *fresh)
{
    struct change ch = {0};
    int r = change_begin(&ch, p);
    if (r == 0) {
        struct cow_slot *s = slot_for(ch.h, fresh->kind);
        uint32_t generation = s ? next_generation(ch.c, s, fresh->kind) : 0;
        r = s ? cow_slot_fill(fresh, ch.h, generation, s, ch.key.key) : -ENOSPC;
        r = change_finish(&ch, fresh->kind, generation, r);
    }
    change_fini(&ch);
    return r;
}

int cow_slot_remove(const struct cow_params *p, enum cow_slot_kind kind)
{
    struct change ch = {0};
    int r = kind == p->kind ? -EPERM : change_begin(&ch, p);
    if (r == 0) {
        struct cow_slot *s = slot_for(ch.h, kind), none = {0};
        uint32_t generation = next_generation(ch.c, s ? s : &none, kind);
        if (s)
            *s = none;
        r = change_finish(&ch, kind, generation, 0);
    }
    change_fini(&ch);
    return r;
}

int cow_slot_try(const struct cow_params *p, uint32_t *ret_generation)
{
    struct cow_opened o;
    uint8_t *block = kzalloc(COW_BLOCK);
    int r = block ? cow_header_find(p, block, &o) : -ENOMEM;
    if (r == 0)
        *ret_generation = o.generation;
    wipe(&o, sizeof o);
    kfree(block);
    return r;
}
