/* Who am I: process, thread, group and session ids. */
#include "libos/sys/syscall.h"
#include "libos/task/job.h"

SYSCALL(getpid)
{
    return current_process()->pid;
}

SYSCALL(gettid)
{
    return current()->tid;
}

SYSCALL(getppid)
{
    return process_parent_pid(current_process());
}

SYSCALL(getpgrp)
{
    return job_getpgid(0);
}

SYSCALL(getpgid, int, pid)
{
    return job_getpgid(pid);
}

SYSCALL(setpgid, int, pid, int, pgid)
{
    return pid < 0 ? -EINVAL : job_setpgid(pid, pgid);
}

SYSCALL(getsid, int, pid)
{
    return job_getsid(pid);
}

SYSCALL(setsid)
{
    return job_setsid();
}
