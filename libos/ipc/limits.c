/* One word each, read and written without a lock. What a new value may be is Linux' choice, except that
 * SEMOPM stays small: so many operations are copied to the kernel and done under a lock in one call. */
#include "libos/ipc/limits.h"
#include "libos/base/atomic.h"
#include "libos/base/errno.h"
#include "libos/ipc/object.h"

#define HUGE_ (UINT64_MAX - (1ull << 24)) /* more is not needed, and sums do not overflow */

static struct {
    uint64_t value, max;
} limits[IPC_LIMIT_COUNT] = {
    [IPC_SEMMSL] = {32000, 65536},
    [IPC_SEMMNS] = {1024000000, INT32_MAX},
    [IPC_SEMOPM] = {500, 1024},
    [IPC_SEMMNI] = {32000, IPC_INDEX_MAX},
    [IPC_MSGMAX] = {8192, INT32_MAX},
    [IPC_MSGMNB] = {16384, INT32_MAX},
    [IPC_MSGMNI] = {32000, IPC_INDEX_MAX},
    [IPC_SHMMAX] = {HUGE_, UINT64_MAX},
    [IPC_SHMALL] = {HUGE_, UINT64_MAX},
    [IPC_SHMMNI] = {4096, IPC_INDEX_MAX},
};

uint64_t ipc_limit(enum ipc_limit which)
{
    return atomic_load(&limits[which].value);
}

int ipc_limit_set(enum ipc_limit which, uint64_t value)
{
    if (value > limits[which].max)
        return -EINVAL;
    atomic_store(&limits[which].value, value);
    return 0;
}
