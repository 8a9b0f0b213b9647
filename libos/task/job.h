/* Process groups and sessions as system calls and terminals use them. 0 as pid: the caller. */
#ifndef TASK_JOB_H
#define TASK_JOB_H
#include "libos/task/process.h"

must_check int job_setpgid(int pid, int pgid);
int job_getpgid(int pid);
int job_getsid(int pid);
int job_setsid(void);
bool job_group_in_session(int pgid, int sid);
bool job_group_orphaned(int pgid); /* stops of terminals do not apply to it */
#endif
