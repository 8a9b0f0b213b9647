/* Host calls of hostfs, and the tokens that are in use. The errnos were judged by the rows; what is left is
 * an interruption, which is tried again a few times and then is -EIO: a host that only interrupts must not
 * keep a thread in the kernel. */
#include "libos/fs/hostfs/hostfs.h"
#include "libos/base/atomic.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"

#define TRIES 8

/* One bit per slot of the host's table: a token handed out twice would let one file's end be another's. */
static uint64_t live[HOST_FILE_SLOTS / 64];

static bool token_claim(uint32_t token)
{
    uint32_t slot = token & 0xffff, generation = token >> 16;
    if (slot >= HOST_FILE_SLOTS || generation == 0)
        return false;
    uint64_t bit = (uint64_t) 1 << slot % 64;
    return !(atomic_or(&live[slot / 64], bit) & bit);
}

/* The bit goes first: from here on the host may give the slot away. */
void hostfs_token_close(uint32_t token)
{
    uint32_t slot = token & 0xffff;
    atomic_and(&live[slot / 64], ~((uint64_t) 1 << slot % 64));
    (void) hostcall(HOSTCALL_file_close, token, 0, 0); /* a host that keeps it harms itself */
}

long hostfs_call_io(enum hostcall_nr nr, struct cspan in, struct span out, uint64_t a0, uint64_t a1,
                    uint64_t a2)
{
    for (int i = 0; i < TRIES; i++) {
        long r = hostcall_io(nr, in, out, a0, a1, a2, 0);
        if (r != -EINTR)
            return r;
    }
    return -EIO;
}

int hostfs_call(enum hostcall_nr nr, uint64_t a0, uint64_t a1)
{
    return (int) hostfs_call_io(nr, (struct cspan){0}, (struct span){0}, a0, a1, 0);
}

static struct cspan bytes(struct qname name)
{
    return (struct cspan){(const uint8_t *) name.p, name.n};
}

int hostfs_call_name(enum hostcall_nr nr, struct qname name, uint64_t a0, uint64_t a1)
{
    return (int) hostfs_call_io(nr, bytes(name), (struct span){0}, a0, a1, 0);
}

int hostfs_call_token(enum hostcall_nr nr, struct cspan in, uint64_t a0, uint64_t a1,
                      struct host_stat *ret_stat, uint32_t *ret_token)
{
    struct host_stat st;
    long r = hostfs_call_io(nr, in, SPAN_OF(st), a0, a1, 0);
    if (r < 0)
        return (int) r;
    uint32_t token = (uint32_t) r;
    if (!token_claim(token))
        return -EIO;
    if (hostfs_stat_check(&st) < 0) {
        hostfs_token_close(token);
        return -EIO;
    }
    *ret_stat = st;
    *ret_token = token;
    return 0;
}

int hostfs_join(struct cspan first, struct cspan second, struct span *ret)
{
    size_t n = first.n + 1 + second.n;
    uint8_t *p = kzalloc(n);
    if (!p)
        return -ENOMEM;
    memcpy(p, first.p, first.n);
    memcpy(p + first.n + 1, second.p, second.n);
    *ret = (struct span){p, n};
    return 0;
}
