/* The block device of a volume in the kernel: a file of the host, through the door. Nothing it answers
 * matters beyond "all of it" or an error: every block is authenticated above. */
#include "libos/fs/cowfs/volume.h"
#include "libos/host/host.h"

#define TRIES 32 /* of a call that is interrupted or does only a part */

static struct volume *volume_of(struct cow_dev *d)
{
    return container_of(d, struct volume, dev);
}

static int volume_read(struct cow_dev *d, uint64_t block, uint32_t count, void *dst)
{
    size_t size = (size_t) count * COW_BLOCK, done = 0;
    for (int i = 0; i < TRIES && done < size; i++) {
        struct span part = {(uint8_t *) dst + done, size - done};
        long r = hostcall_io(HOSTCALL_file_read, (struct cspan){0}, part, volume_of(d)->token,
                             block * COW_BLOCK + done, 0, 0);
        if (r < 0 && r != -EINTR)
            return (int) r;
        if (r == 0)
            break; /* the file is shorter than it was: never a short read's zeros */
        done += r > 0 ? (size_t) r : 0;
    }
    return done == size ? 0 : -EIO;
}

static int volume_write(struct cow_dev *d, uint64_t block, uint32_t count, const void *src)
{
    size_t size = (size_t) count * COW_BLOCK, done = 0;
    for (int i = 0; i < TRIES && done < size; i++) {
        struct cspan part = {(const uint8_t *) src + done, size - done};
        long r = hostcall_io(HOSTCALL_file_write, part, (struct span){0}, volume_of(d)->token,
                             block * COW_BLOCK + done, 0, 0);
        if (r < 0 && r != -EINTR)
            return (int) r;
        done += r > 0 ? (size_t) r : 0;
    }
    return done == size ? 0 : -EIO;
}

static int call(enum hostcall_nr nr, uint64_t token, uint64_t arg)
{
    long r = -EINTR;
    for (int i = 0; i < TRIES && r == -EINTR; i++)
        r = hostcall(nr, token, arg, 0);
    return r == -EINTR ? -EIO : (int) r;
}

static int volume_barrier(struct cow_dev *d)
{
    return call(HOSTCALL_file_sync, volume_of(d)->token, HOST_SYNC_DATA);
}

static int volume_grow(struct cow_dev *d, uint64_t blocks)
{
    int r = blocks > d->blocks ? call(HOSTCALL_volume_grow, volume_of(d)->token, blocks * COW_BLOCK)
                               : 0;
    if (r == 0)
        d->blocks = MAX(d->blocks, blocks);
    return r;
}

static const struct cow_dev_ops volume_ops = {volume_read, volume_write, volume_barrier,
                                              volume_grow};

int volume_open(struct volume *v, const char *name, bool *ret_create)
{
    struct host_volume h;
    struct cspan in = {(const uint8_t *) name, strlen(name)};
    long r = hostcall_io(HOSTCALL_volume_open, in, SPAN_OF(h), 0, 0, 0, 0);
    if (r < 0)
        return (int) r;
    *v = (struct volume){{&volume_ops, MIN(h.size / COW_BLOCK, COW_ADDR_MAX)}, (uint32_t) r};
    *ret_create = h.create != 0;
    return 0;
}

void volume_made(struct volume *v)
{
    (void) hostcall(HOSTCALL_volume_made, v->token, 0,
                    0); /* else it is made anew: the host's loss */
}

void volume_close(struct volume *v)
{
    (void) hostcall(HOSTCALL_file_close, v->token, 0, 0); /* a host that keeps it harms itself */
}
