/* Which clone flags go together. */
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "libos/base/log.h"
#include "libos/task/clone.h"

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET | LINUX_CLONE_NEWTIME)

static int check_sharing(uint64_t f)
{
    if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
        return -EINVAL;
    if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
        return -EINVAL;
    if ((f & CLONE_SIGHAND) && (f & LINUX_CLONE_CLEAR_SIGHAND))
        return -EINVAL;
    if ((f & CLONE_FS) && (f & (CLONE_NEWNS | CLONE_NEWUSER)))
        return -EINVAL;
    return 0;
}

/* Descriptors and directories belong to the process here: a thread with its own is refused. */
static int check_offered(uint64_t f)
{
    if (f & CLONE_NAMESPACES)
        return -EPERM;
    if (f & LINUX_CLONE_INTO_CGROUP)
        return -EBADF;
    if ((f & CLONE_THREAD) && (~f & (CLONE_FILES | CLONE_FS))) {
        log_once(LOG_WARN, "clone: a thread with its own files or directory is not supported");
        return -EINVAL;
    }
    return 0;
}

int clone_check(const struct clone_params *c)
{
    int r = check_sharing(c->flags);
    if (r < 0)
        return r;
    if ((c->flags & CLONE_PIDFD) && (c->flags & (CLONE_THREAD | CLONE_DETACHED)))
        return -EINVAL;
    if (c->exit_signal < 0 || c->exit_signal > SIG_COUNT)
        return -EINVAL;
    return check_offered(c->flags);
}
