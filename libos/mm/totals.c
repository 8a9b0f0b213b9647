/* Memory of the whole enclave: what processes may have resident together, and what they have. */
#include "libos/mm/totals.h"
#include "libos/mm/upages.h"
#include "abi/layout.h"

void mm_totals(struct mm_totals *ret)
{
    uint64_t limit = __atomic_load_n(&upages_live_limit, __ATOMIC_RELAXED);
    uint64_t used = __atomic_load_n(&upages_live_total, __ATOMIC_RELAXED);
    *ret = (struct mm_totals) {limit * PAGE_SIZE, (limit - MIN(used, limit)) * PAGE_SIZE};
}
