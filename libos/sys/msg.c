/* System V message queues. */
#include "libos/ipc/limits.h"
#include "libos/ipc/msg.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"

/* full */
SYSCALL(msgget, int, key, int, flags)
{
    return msg_get(key, flags);
}

/* struct msgbuf: the type, then the bytes. */
/* full */
SYSCALL(msgsnd, int, id, uaddr_t, buf, size_t, size, int, flags)
{
    int64_t type;
    if (get_user(&type, buf) < 0)
        return -EFAULT;
    if (size > ipc_limit(IPC_MSGMAX) || id < 0 || type < 1)
        return -EINVAL;
    AUTO(msg_free) struct msg *m = msg_new(size);
    if (!m)
        return -ENOMEM;
    m->type = type;
    if (copy_from_user((struct span){m->data, size}, uaddr_add(buf, sizeof type)) < 0)
        return -EFAULT;
    int r = msg_send(id, m, flags);
    if (r == 0)
        (void) TAKE(m); /* the queue's now */
    return r;
}

/* full */
SYSCALL(msgrcv, int, id, uaddr_t, buf, size_t, size, int64_t, type, int, flags)
{
    if (id < 0 || size > INT64_MAX)
        return -EINVAL;
    AUTO(msg_free) struct msg *m = NULL;
    int r = msg_receive(id, type, size, flags, &m);
    if (r < 0)
        return r;
    size_t n = MIN(size, m->size);
    if (put_user(buf, m->type) < 0 ||
        copy_to_user(uaddr_add(buf, sizeof m->type), (struct cspan){m->data, n}) < 0)
        return -EFAULT;
    return (long) n;
}

/* ---- msgctl ----------------------------------------------------------------------------------- */
static long stat(int id, int cmd, uaddr_t arg)
{
    struct linux_msqid_ds ds;
    int r = msg_stat(id, cmd != IPC_STAT, cmd == LINUX_MSG_STAT_ANY, &ds);
    if (r < 0)
        return r;
    return put_user(arg, ds) < 0 ? -EFAULT : r;
}

static long info(int cmd, uaddr_t arg)
{
    struct linux_msginfo mi;
    int highest = msg_info(cmd == LINUX_MSG_INFO, &mi);
    return put_user(arg, mi) < 0 ? -EFAULT : highest;
}

static long set(int id, uaddr_t arg)
{
    struct linux_msqid_ds ds;
    return get_user(&ds, arg) < 0 ? -EFAULT : msg_set(id, &ds.perm, ds.qbytes);
}

/* full */
SYSCALL(msgctl, int, id, int, cmd, uaddr_t, arg)
{
    if (id < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_STAT:
    case LINUX_MSG_STAT:
    case LINUX_MSG_STAT_ANY:
        return stat(id, cmd, arg);
    case IPC_INFO:
    case LINUX_MSG_INFO:
        return info(cmd, arg);
    case IPC_SET:
        return set(id, arg);
    case IPC_RMID:
        return msg_remove(id);
    default:
        return -EINVAL;
    }
}
