/* Memory of the whole enclave, for sysinfo and /proc/meminfo. */
#ifndef MM_TOTALS_H
#define MM_TOTALS_H
#include "libos/base/types.h"

struct mm_totals { /* bytes */
    uint64_t total, free;
};
void mm_totals(struct mm_totals *ret);
#endif
