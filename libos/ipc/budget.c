/* Linux bounds IPC objects by their number and by what a control group may use of kernel memory. Here
 * one heap serves all processes, so everything a program can put into it through IPC (semaphores, undo
 * records, messages) is counted and ends at a quarter of the heap. */
#include "libos/ipc/budget.h"
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/panic.h"
#include "libos/mm/heap.h"

static uint64_t used;

static uint64_t limit(void)
{
    struct heap_stats h;
    heap_stats(&h);
    return (uint64_t) h.limit * PAGE_SIZE / 4;
}

bool ipc_charge(size_t size)
{
    uint64_t most = limit();
    if (size > most)
        return false;
    if (atomic_add_new(&used, size) <= most)
        return true;
    ipc_uncharge(size);
    return false;
}

void ipc_uncharge(size_t size)
{
    uint64_t before = atomic_sub(&used, size);
    check(before >= size);
}
