/* CPU time and other things used by threads and processes. */
#ifndef TASK_CPUTIME_H
#define TASK_CPUTIME_H
#include "libos/task/process.h"

struct cputime {
    int64_t user_ns, system_ns;
};
struct cputime thread_cputime(const struct thread *t); /* up to now if it runs */
struct cputime process_cputime(struct process *p);     /* all threads, also those that are gone */
struct cputime process_cputime_locked(struct process *p); /* p->lock held */
void process_usage(struct process *p, struct usage *ret);
void usage_add(struct usage *sum, const struct usage *more); /* of peaks the larger */
void usage_of_thread(const struct thread *t, struct usage *ret);
/* Memory use has its peak before it shrinks: exec and exit look here. */
void process_note_peak(struct process *p);
#endif
