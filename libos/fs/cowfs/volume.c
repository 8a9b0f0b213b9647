/* The block device of a volume in the kernel: a file of the host, through the door. Nothing it answers
 * matters beyond "all of it" or an error: every block is authenticated above.
 *
 * Lists of one block, random reads, are copied from where the host has mapped the file, which costs no exit. What cannot be
 * had there (the file became shorter), or is not what it should be, is read again with a call. */
#include "libos/fs/cowfs/volume.h"
#include "libos/base/atomic.h"
#include "libos/base/log.h"
#include "libos/host/host.h"
#include "libos/host/validate.h"
#include "libos/task/clock.h"
#include "libos/task/sched.h"
#include "libos/task/waitq.h"

#define START_BLOCKS                                                                               \
    4096u             /* so many written: the disk has to begin, or a sync waits for all of it */
#define TRIES      32 /* of a call that is interrupted or does only a part */
#define CLAIM_TRY  (20 * NSEC_PER_MS)
#define CLAIM_WAIT NSEC_PER_SEC /* for others to end that only read */
#define ASK_TRIES  10           /* of a service that may be starting again */
#define ASK_PAUSE  (200 * NSEC_PER_MS)

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

static bool read_mapped(const struct volume *v, uint64_t block, void *dst)
{
    return block < v->map_blocks &&
           host_copy_in((struct span){dst, COW_BLOCK}, HADDR(v->map + block * COW_BLOCK)) == 0;
}

static long volume_read_list(struct cow_dev *d, const uint64_t *blocks, uint32_t count, void *dst)
{
    struct cspan in = {(const uint8_t *) blocks, count * sizeof *blocks};
    struct span out = {dst, (size_t) count * COW_BLOCK};
    if (count == 1 && read_mapped(volume_of(d), blocks[0], dst))
        return 1;
    long r = hostcall_io(HOSTCALL_volume_read, in, out, volume_of(d)->token, 0, 0, 0);
    return r < 0 ? r : r / COW_BLOCK;
}

void volume_start(struct volume *v)
{
    atomic_store(&v->unsent, 0u);
    (void) hostcall(HOSTCALL_file_sync, v->token, HOST_SYNC_START, 0); /* only speed */
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
    if (done != size)
        return -EIO;
    if (atomic_add(&volume_of(d)->unsent, count) + count >= START_BLOCKS)
        volume_start(volume_of(d));
    return 0;
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
    sched_share();
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

static int volume_claim(struct cow_dev *d)
{
    int64_t end = clock_mono_ns() + CLAIM_WAIT;
    for (;;) {
        int r = call(HOSTCALL_volume_claim, volume_of(d)->token, 0);
        if (r == -EBUSY && clock_mono_ns() >= end)
            log_once(LOG_ERROR,
                     "another program of this instance is running: no file can be changed (EBUSY) "
                     "before it ends; `occlum start` and `occlum exec` run several at once");
        if (r != -EBUSY || clock_mono_ns() >= end)
            return r;
        (void) thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + CLAIM_TRY);
    }
}

static int volume_born(struct cow_dev *d)
{
    return call(HOSTCALL_volume_made, volume_of(d)->token, 0);
}

static const struct cow_dev_ops volume_ops = {
    .read = volume_read,
    .read_list = volume_read_list,
    .write = volume_write,
    .barrier = volume_barrier,
    .grow = volume_grow,
    .claim = volume_claim,
    .born = volume_born,
};

int volume_open(struct volume *v, const char *name, bool order, bool *ret_create)
{
    struct host_volume h;
    struct cspan in = {(const uint8_t *) name, strlen(name)};
    long r = hostcall_io(HOSTCALL_volume_open, in, SPAN_OF(h), order, 0, 0, 0);
    if (r < 0)
        return (int) r;
    bool mapped = h.map && host_range_ok(h.map, h.map_size);
    *v = (struct volume){.dev = {&volume_ops, MIN(h.size / COW_BLOCK, COW_ADDR_MAX)},
                         .token = (uint32_t) r,
                         .map = mapped ? h.map : 0,
                         .map_blocks = mapped ? h.map_size / COW_BLOCK : 0};
    *ret_create = h.create != 0;
    return 0;
}

void volume_close(struct volume *v)
{
    (void) hostcall(HOSTCALL_file_close, v->token, 0, 0); /* a host that keeps it harms itself */
}

int volume_ask(struct service_anchor *s, const struct anchor_message *in,
               struct anchor_message *out)
{
    int r = -EIO;
    for (int i = 0; i < ASK_TRIES && r < 0; i++) {
        if (i)
            (void) thread_sleep(SLEEP_UNINTERRUPTIBLE, clock_mono_ns() + ASK_PAUSE);
        r = (int) hostcall_io(HOSTCALL_anchor_ask, (struct cspan){(const uint8_t *) in, sizeof *in},
                              (struct span){(uint8_t *) out, sizeof *out}, 0, 0, 0, 0);
    }
    return r;
}
