/* Memory of the whole enclave: what processes may have resident together, and what they have. */
#include "libos/mm/totals.h"
#include "libos/base/atomic.h"
#include "libos/mm/upages.h"
#include "abi/layout.h"

void mm_totals(struct mm_totals *ret)
{
    uint64_t limit = atomic_load(&upages_live_limit);
    uint64_t used = atomic_load(&upages_live_total);
    *ret = (struct mm_totals){limit * PAGE_SIZE, (limit - MIN(used, limit)) * PAGE_SIZE};
}
