/* wait4, waitid */
#include "abi/linux/wait.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/rusage.h"
#include "libos/sys/syscall.h"
#include "libos/task/wait.h"
#include "libos/vfs/pidfd.h"

static void wait4_who(int pid, struct wait_params *w)
{
    if (pid == -1) {
        w->type = LINUX_P_ALL;
    } else if (pid > 0) {
        w->type = LINUX_P_PID;
        w->id = pid;
    } else {
        w->type = LINUX_P_PGID;
        w->id = pid == 0 ? current_process()->pgid : -pid;
    }
}

/* partial: rusage as getrusage */
SYSCALL(wait4, int, pid, uaddr_t, ret_status, unsigned, options, uaddr_t, ret_rusage)
{
    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    struct wait_params w = {.options = options | WEXITED};
    wait4_who(pid, &w);
    struct wait_result res;
    int r = process_wait(&w, &res);
    if (r < 0 || res.pid == 0)
        return r;
    if (!uaddr_null(ret_status) && put_user(ret_status, res.status) < 0)
        return -EFAULT;
    struct linux_rusage ru = rusage_of(res.used, &res.usage);
    if (!uaddr_null(ret_rusage) && put_user(ret_rusage, ru) < 0)
        return -EFAULT;
    return res.pid;
}

static int waitid_who(int type, int id, struct wait_params *w)
{
    w->type = type;
    w->id = id;
    switch (type) {
    case LINUX_P_ALL:
        return 0;
    case LINUX_P_PID:
        return id > 0 ? 0 : -EINVAL;
    case LINUX_P_PGID:
        if (id == 0)
            w->id = current_process()->pgid;
        return id >= 0 ? 0 : -EINVAL;
    case LINUX_P_PIDFD:
        return id >= 0 ? pidfd_process_get(id, &w->target) : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int put_siginfo(uaddr_t where, const struct wait_result *res)
{
    if (uaddr_null(where))
        return 0;
    uint8_t out[LINUX_SIGINFO_SIZE] = {0};
    memcpy(out, &res->info, sizeof res->info);
    return copy_to_user(where, CSPAN_OF(out));
}

/* partial: rusage as getrusage */
SYSCALL(waitid, int, type, int, id, uaddr_t, ret_info, unsigned, options, uaddr_t, ret_rusage)
{
    const unsigned kinds = WEXITED | WSTOPPED | WCONTINUED;
    if ((options & ~(WNOHANG | WNOWAIT | kinds | __WNOTHREAD | __WCLONE | __WALL)) ||
        !(options & kinds))
        return -EINVAL;
    struct wait_params w = {.options = options};
    int r = waitid_who(type, id, &w);
    if (r < 0)
        return r;
    AUTO(process_put) struct process *target = w.target;
    struct wait_result res;
    r = process_wait(&w, &res);
    if (r < 0)
        return r;
    if (put_siginfo(ret_info, &res) < 0)
        return -EFAULT;
    struct linux_rusage ru = rusage_of(res.used, &res.usage);
    if (res.pid && !uaddr_null(ret_rusage) && put_user(ret_rusage, ru) < 0)
        return -EFAULT;
    return 0;
}
