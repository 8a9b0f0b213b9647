/* Entries of /proc/PID and /proc/PID/task/TID that attributes.c makes. */
#ifndef FS_PROC_ATTRIBUTES_H
#define FS_PROC_ATTRIBUTES_H
#include "libos/fs/proc/proc.h"

int proc_auxv_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos);
int proc_personality_text(const struct proc_ref *ref, struct text *t);
int proc_schedstat_text(const struct proc_ref *ref, struct text *t);
int proc_loginuid_text(const struct proc_ref *ref, struct text *t);
long proc_loginuid_write(const struct proc_ref *ref, const char *s, size_t n);
int proc_sessionid_text(const struct proc_ref *ref, struct text *t);
int proc_wchan_text(const struct proc_ref *ref, struct text *t);
int proc_id_map_text(const struct proc_ref *ref, struct text *t);
int proc_setgroups_text(const struct proc_ref *ref, struct text *t);
int proc_oom_score_text(const struct proc_ref *ref, struct text *t);
int proc_oom_score_adj_text(const struct proc_ref *ref, struct text *t);
long proc_oom_score_adj_write(const struct proc_ref *ref, const char *s, size_t n);
int proc_timerslack_text(const struct proc_ref *ref, struct text *t);
long proc_timerslack_write(const struct proc_ref *ref, const char *s, size_t n);
int proc_children_text(const struct proc_ref *ref, struct text *t);
extern const struct proc_entry proc_ns_children[];
#endif
