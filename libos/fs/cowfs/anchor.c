/* Reading and advancing the file. A block that was torn is not one; the other holds the number before, and the
 * volume may be ahead of its anchor, by the commit whose advance was cut off. */
#include "libos/fs/cowfs/anchor.h"
#include "libos/base/errno.h"
#include "libos/crypto/sha256.h"
#include "libos/mm/heap.h"

#define ANCHOR_MAGIC 0x32484352574f4323ull
#define COPIES       2u

struct anchor_disk {
    uint64_t magic;
    struct cow_mark mark;
    uint8_t uuid[16];
    uint8_t mac[SHA256_SIZE]; /* of all before */
};

struct anchor_block {
    struct anchor_disk d;
    uint8_t unused[COW_BLOCK - sizeof(struct anchor_disk)];
};

static void mac_of(const struct file_anchor *a, const struct anchor_disk *d,
                   uint8_t ret[SHA256_SIZE])
{
    hmac_sha256(CSPAN_OF(a->anchor.key),
                (struct cspan){(const uint8_t *) d, offsetof(struct anchor_disk, mac)}, ret);
}

static bool good(const struct file_anchor *a, const struct anchor_disk *d, const uint8_t uuid[16])
{
    uint8_t mac[SHA256_SIZE];
    mac_of(a, d, mac);
    return d->magic == ANCHOR_MAGIC && memcmp(d->uuid, uuid, sizeof d->uuid) == 0 &&
           equal_secret(mac, d->mac, sizeof mac);
}

static bool empty(const struct anchor_block *b)
{
    static const struct anchor_block zero;
    return memcmp(b, &zero, sizeof zero) == 0;
}

/* -ENOENT: nothing was ever written; -ESTALE: another volume's, or destroyed. */
static int file_read(struct cow_anchor *anchor, const uint8_t uuid[16], struct cow_mark *ret)
{
    struct file_anchor *a = container_of(anchor, struct file_anchor, anchor);
    if (a->dev->blocks == 0)
        return -ENOENT;
    if (a->dev->blocks < COPIES)
        return -ESTALE;
    struct anchor_block *b = kzalloc(COPIES * sizeof *b);
    if (!b)
        return -ENOMEM;
    int r = a->dev->ops->read(a->dev, 0, COPIES, b);
    struct cow_mark best = {0};
    for (unsigned i = 0; i < COPIES && r == 0; i++)
        if (good(a, &b[i].d, uuid) && b[i].d.mark.txg > best.txg)
            best = b[i].d.mark;
    if (r == 0 && best.txg == 0)
        r = empty(&b[0]) && empty(&b[1]) ? -ENOENT : -ESTALE;
    if (r == 0)
        *ret = best;
    kfree(b);
    return r;
}

static int file_write(struct file_anchor *a, const uint8_t uuid[16], const struct cow_mark *mark)
{
    struct anchor_block *b = new_zero(struct anchor_block);
    if (!b)
        return -ENOMEM;
    b->d = (struct anchor_disk){.magic = ANCHOR_MAGIC, .mark = *mark};
    memcpy(b->d.uuid, uuid, sizeof b->d.uuid);
    mac_of(a, &b->d, b->d.mac);
    int r = cow_dev_claim(a->dev);
    if (r == 0)
        r = a->dev->ops->grow(a->dev, COPIES);
    if (r == 0)
        r = a->dev->ops->write(a->dev, mark->txg % COPIES, 1, b);
    kfree(b);
    return r == 0 ? a->dev->ops->barrier(a->dev) : r;
}

/* Whoever finds a number that it did not write is not alone with the volume. */
static int file_advance(struct cow_anchor *anchor, const uint8_t uuid[16],
                        const struct cow_mark *to)
{
    struct cow_mark now = {0};
    int r = file_read(anchor, uuid, &now);
    if (r < 0 && r != -ENOENT)
        return r;
    return now.txg < to->txg
               ? file_write(container_of(anchor, struct file_anchor, anchor), uuid, to)
               : -ESTALE;
}

static const struct cow_anchor_ops file_ops = {file_read, file_advance};

void file_anchor_init(struct file_anchor *a, struct cow_dev *dev)
{
    *a = (struct file_anchor){{.ops = &file_ops}, dev};
}
