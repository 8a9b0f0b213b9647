/* Who gets the signals of a file: F_SETOWN and its kin. */
#include "libos/sys/owner.h"
#include "libos/base/atomic.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"
#include "libos/vfs/async.h"

enum {
    F_SETOWN = 8,
    F_GETOWN = 9,
    F_SETSIG = 10,
    F_GETSIG = 11,
    F_SETOWN_EX = 15,
    F_GETOWN_EX = 16,
};
enum { FIOSETOWN = 0x8901, SIOCSPGRP = 0x8902, FIOGETOWN = 0x8903, SIOCGPGRP = 0x8904 };

struct owner_ex { /* struct f_owner_ex */
    int32_t type, pid;
};

static long set_owner(struct file *f, int type, int id)
{
    const struct cred *c = current_cred();
    if (id < 0)
        return -ESRCH;
    if (id != 0 && !process_number_used(id))
        return -ESRCH;
    struct signal_owner o = {.type = type, .id = id, .uid = c->uid, .euid = c->euid};
    return async_set_owner(f, &o);
}

/* The older form: a negative number is a process group. */
static long set_number(struct file *f, int who)
{
    if (who == INT32_MIN)
        return -EINVAL;
    return who < 0 ? set_owner(f, OWNER_PGRP, -who) : set_owner(f, OWNER_PID, who);
}

static int number_of(struct file *f)
{
    struct signal_owner o = async_owner(f);
    return o.type == OWNER_PGRP ? -o.id : o.id;
}

static long set_owner_ex(struct file *f, uint64_t arg)
{
    struct owner_ex x;
    if (get_user(&x, UADDR(arg)) < 0)
        return -EFAULT;
    if (x.type < OWNER_TID || x.type > OWNER_PGRP)
        return -EINVAL;
    return set_owner(f, x.type, x.pid);
}

static long get_owner_ex(struct file *f, uint64_t arg)
{
    struct signal_owner o = async_owner(f);
    struct owner_ex x = {o.type, o.id};
    return put_user(UADDR(arg), x);
}

long owner_fcntl(struct file *f, int cmd, uint64_t arg)
{
    switch (cmd) {
    case F_SETOWN:
        return set_number(f, (int) arg);
    case F_GETOWN:
        return number_of(f);
    case F_SETOWN_EX:
        return set_owner_ex(f, arg);
    case F_GETOWN_EX:
        return get_owner_ex(f, arg);
    case F_SETSIG:
        return arg > SIG_COUNT ? -EINVAL : async_set_signal(f, (int) arg);
    case F_GETSIG:
        return async_signal(f);
    default:
        return -EINVAL;
    }
}

long owner_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
    int who;
    if (!S_ISSOCK(f->inode->mode) || cmd < FIOSETOWN || cmd > SIOCGPGRP)
        return OWNER_OTHER;
    if (cmd == FIOGETOWN || cmd == SIOCGPGRP)
        return put_user(UADDR(arg), number_of(f));
    return get_user(&who, UADDR(arg)) < 0 ? -EFAULT : set_number(f, who);
}

int owner_set_async(struct file *f, int fd, bool on)
{
    if (!async_possible(f))
        return 0;
    int r = async_set(f, fd, on);
    return r < 0 ? r : on;
}
