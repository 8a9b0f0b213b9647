/* What several files of /proc count with. */
#ifndef FS_PROC_NUMBERS_H
#define FS_PROC_NUMBERS_H
#include "libos/fs/proc/proc.h"
#include "libos/mm/mm.h"
#include "libos/task/clock.h"

/* In units of USER_HZ. */
static inline long ticks(int64_t ns)
{
    return (long) (ns / (NSEC_PER_SEC / 100));
}

int proc_stat_text(const struct proc_ref *ref, struct text *t);
void proc_memory(struct process *p, struct mm_stats *ret); /* zeros if it has none any more */
#endif
