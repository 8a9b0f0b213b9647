/* Who am I: process, thread, group and session ids. */
#include "libos/sys/syscall.h"
#include "libos/task/job.h"

/* full */
SYSCALL(getpid)
{
    return current_process()->pid;
}

/* full */
SYSCALL(gettid)
{
    return current()->tid;
}

/* full */
SYSCALL(getppid)
{
    return process_parent_pid(current_process());
}

/* full */
SYSCALL(getpgrp)
{
    return job_getpgid(0);
}

/* full */
SYSCALL(getpgid, int, pid)
{
    return job_getpgid(pid);
}

/* full */
SYSCALL(setpgid, int, pid, int, pgid)
{
    return pid < 0 ? -EINVAL : job_setpgid(pid, pgid);
}

/* full */
SYSCALL(getsid, int, pid)
{
    return job_getsid(pid);
}

/* full */
SYSCALL(setsid)
{
    return job_setsid();
}
