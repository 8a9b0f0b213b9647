/* System V semaphores. */
#include "libos/base/ckmath.h"
#include "libos/ipc/limits.h"
#include "libos/ipc/sem.h"
#include "libos/mm/heap.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/clock.h"

#define OPS_ON_STACK 16

/* full */
SYSCALL(semget, int, key, int, count, int, flags)
{
    return sem_get(key, count, flags);
}

static long operate(int id, uaddr_t ops, size_t count, int64_t deadline_ns)
{
    struct linux_sembuf few[OPS_ON_STACK], *copy = few;
    if (count > OPS_ON_STACK && !(copy = kzalloc(count * sizeof *copy)))
        return -ENOMEM;
    int r = copy_from_user((struct span){(uint8_t *) copy, count * sizeof *copy}, ops);
    if (r == 0)
        r = sem_operate(id, copy, count, deadline_ns);
    if (copy != few)
        kfree(copy);
    return r;
}

static int check_count(int id, size_t count)
{
    if (count == 0 || id < 0)
        return -EINVAL;
    return count > ipc_limit(IPC_SEMOPM) ? -E2BIG : 0;
}

/* full */
SYSCALL(semtimedop, int, id, uaddr_t, ops, unsigned, count, uaddr_t, timeout)
{
    int64_t deadline = FOREVER;
    int r = 0;
    if (!uaddr_null(timeout)) {
        r = timespec_from_user(timeout, &deadline);
        if (r == 0 && ck_add(&deadline, deadline, clock_mono_ns()))
            deadline = FOREVER;
    }
    if (r == 0)
        r = check_count(id, count);
    return r < 0 ? r : operate(id, ops, count, deadline);
}

/* full */
SYSCALL(semop, int, id, uaddr_t, ops, unsigned, count)
{
    int r = check_count(id, count);
    return r < 0 ? r : operate(id, ops, count, FOREVER);
}

/* ---- semctl ----------------------------------------------------------------------------------- */
static long stat(int id, int cmd, uaddr_t arg)
{
    struct linux_semid_ds ds;
    int r = sem_stat(id, cmd != IPC_STAT, cmd == LINUX_SEM_STAT_ANY, &ds);
    if (r < 0)
        return r;
    return put_user(arg, ds) < 0 ? -EFAULT : r;
}

static long info(int cmd, uaddr_t arg)
{
    struct linux_seminfo si;
    int highest = sem_info(cmd == LINUX_SEM_INFO, &si);
    return put_user(arg, si) < 0 ? -EFAULT : highest;
}

static long set_perm(int id, uaddr_t arg)
{
    struct linux_semid_ds ds;
    return get_user(&ds, arg) < 0 ? -EFAULT : sem_set_perm(id, &ds.perm);
}

static long all(int id, uaddr_t arg, bool set)
{
    int n = sem_count(id, set);
    if (n < 0)
        return n;
    size_t count = (size_t) n, size = count * sizeof(uint16_t);
    uint16_t *values = kzalloc(size);
    if (!values)
        return -ENOMEM;
    int r;
    if (set) {
        r = copy_from_user((struct span){(uint8_t *) values, size}, arg);
        r = r < 0 ? r : sem_set_all(id, values, count);
    } else {
        r = sem_get_all(id, values, count);
        r = r < 0 ? r : copy_to_user(arg, (struct cspan){(const uint8_t *) values, size});
    }
    kfree(values);
    return r;
}

/* full */
SYSCALL(semctl, int, id, int, number, int, cmd, uint64_t, arg)
{
    if (id < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_STAT:
    case LINUX_SEM_STAT:
    case LINUX_SEM_STAT_ANY:
        return stat(id, cmd, UADDR(arg));
    case IPC_INFO:
    case LINUX_SEM_INFO:
        return info(cmd, UADDR(arg));
    case IPC_SET:
        return set_perm(id, UADDR(arg));
    case IPC_RMID:
        return sem_remove(id);
    case LINUX_SEM_GETVAL:
    case LINUX_SEM_GETPID:
    case LINUX_SEM_GETNCNT:
    case LINUX_SEM_GETZCNT:
        return sem_query(id, cmd, number);
    case LINUX_SEM_SETVAL:
        return sem_set_value(id, number, (int) arg);
    case LINUX_SEM_GETALL:
        return all(id, UADDR(arg), false);
    case LINUX_SEM_SETALL:
        return all(id, UADDR(arg), true);
    default:
        return -EINVAL;
    }
}
