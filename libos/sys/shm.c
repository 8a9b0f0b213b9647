/* System V shared memory. */
#include "libos/ipc/shm.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"

/* full */
SYSCALL(shmget, int, key, size_t, size, int, flags)
{
    return shm_get(key, size, flags);
}

/* full */
SYSCALL(shmat, int, id, uint64_t, addr, int, flags)
{
    return id < 0 ? -EINVAL : shm_attach(id, addr, flags);
}

/* full */
SYSCALL(shmdt, uint64_t, addr)
{
    return shm_detach(addr);
}

/* ---- shmctl ----------------------------------------------------------------------------------- */
static long stat(int id, int cmd, uaddr_t arg)
{
    struct linux_shmid_ds ds;
    int r = shm_stat(id, cmd != IPC_STAT, cmd == LINUX_SHM_STAT_ANY, &ds);
    if (r < 0)
        return r;
    return put_user(arg, ds) < 0 ? -EFAULT : r;
}

static long limits(uaddr_t arg)
{
    struct linux_shminfo si;
    int highest = shm_limits(&si);
    return put_user(arg, si) < 0 ? -EFAULT : highest;
}

static long usage(uaddr_t arg)
{
    struct linux_shm_info si;
    int highest = shm_usage(&si);
    return put_user(arg, si) < 0 ? -EFAULT : highest;
}

static long set_perm(int id, uaddr_t arg)
{
    struct linux_shmid_ds ds;
    return get_user(&ds, arg) < 0 ? -EFAULT : shm_set_perm(id, &ds.perm);
}

/* full */
SYSCALL(shmctl, int, id, int, cmd, uaddr_t, arg)
{
    if (id < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_STAT:
    case LINUX_SHM_STAT:
    case LINUX_SHM_STAT_ANY:
        return stat(id, cmd, arg);
    case IPC_INFO:
        return limits(arg);
    case LINUX_SHM_INFO:
        return usage(arg);
    case IPC_SET:
        return set_perm(id, arg);
    case LINUX_SHM_LOCK:
    case LINUX_SHM_UNLOCK:
        return shm_lock(id, cmd == LINUX_SHM_LOCK);
    case IPC_RMID:
        return shm_remove(id);
    default:
        return -EINVAL;
    }
}
