/* POSIX message queues. */
#include "libos/ipc/mqueue.h"
#include "libos/net/netlink.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/sys/timespec.h"
#include "libos/task/clock.h"

static long name_from_user(char name[PATH_LIMIT], uaddr_t ua)
{
    long n = str_from_user(name, PATH_LIMIT, ua);
    return n == 0 ? -ENOENT : n;
}

/* full */
SYSCALL(mq_open, uaddr_t, name_ua, int, flags, uint32_t, mode, uaddr_t, attr_ua)
{
    struct linux_mq_attr attr;
    if (!uaddr_null(attr_ua) && get_user(&attr, attr_ua) < 0)
        return -EFAULT;
    UNINIT char name[PATH_LIMIT];
    long r = name_from_user(name, name_ua);
    if (r < 0)
        return r;
    struct file *f;
    r = mqueue_open(name, (unsigned) flags, mode, uaddr_null(attr_ua) ? NULL : &attr, &f);
    if (r < 0)
        return r;
    r = fd_install(f, O_CLOEXEC);
    if (r < 0)
        file_put(f);
    return r;
}

/* full */
SYSCALL(mq_unlink, uaddr_t, name_ua)
{
    UNINIT char name[PATH_LIMIT];
    long r = name_from_user(name, name_ua);
    return r < 0 ? r : mqueue_unlink(name);
}

/* An absolute CLOCK_REALTIME time as a monotonic deadline. */
static int deadline_from_user(uaddr_t timeout, int64_t *ret)
{
    *ret = FOREVER;
    if (uaddr_null(timeout))
        return 0;
    int64_t ns;
    int r = timespec_from_user(timeout, &ns);
    if (r == 0)
        *ret = MAX(ns - clock_boot_real_ns(), 0);
    return r;
}

/* full */
SYSCALL(mq_timedsend, int, fd, uaddr_t, buf, size_t, size, unsigned, priority, uaddr_t, timeout)
{
    int64_t deadline;
    int r = deadline_from_user(timeout, &deadline);
    if (r < 0)
        return r;
    if (priority >= MQ_PRIORITY_MAX)
        return -EINVAL;
    AUTO(file_put) struct file *f = fd_get(fd);
    uint64_t max;
    r = f ? mqueue_message_size(f, &max) : -EBADF;
    if (r < 0)
        return r;
    if (!(f->mode & FILE_WRITE))
        return -EBADF;
    if (size > max)
        return -EMSGSIZE;
    AUTO(msg_free) struct msg *m = msg_new(size);
    if (!m)
        return -ENOMEM;
    m->type = priority;
    if (copy_from_user((struct span){m->data, size}, buf) < 0)
        return -EFAULT;
    r = mqueue_send(f, m, deadline);
    if (r == 0)
        (void) TAKE(m); /* the queue's now */
    return r;
}

/* full */
SYSCALL(mq_timedreceive, int, fd, uaddr_t, buf, size_t, size, uaddr_t, ret_priority, uaddr_t,
        timeout)
{
    int64_t deadline;
    int r = deadline_from_user(timeout, &deadline);
    if (r < 0)
        return r;
    AUTO(file_put) struct file *f = fd_get(fd);
    AUTO(msg_free) struct msg *m = NULL;
    r = f ? mqueue_receive(f, size, deadline, &m) : -EBADF;
    if (r < 0)
        return r;
    uint32_t priority = (uint32_t) m->type;
    if (!uaddr_null(ret_priority) && put_user(ret_priority, priority) < 0)
        return -EFAULT;
    if (copy_to_user(buf, (struct cspan){m->data, m->size}) < 0)
        return -EFAULT;
    return (long) m->size;
}

/* The C library waits at a netlink socket and starts the thread itself. */
static int letter_for(const struct linux_sigevent *ev, struct mqueue_letter *ret)
{
    AUTO(file_put) struct file *f = fd_get(ev->signo);
    if (!f || !netlink_is(f))
        return -EBADF;
    if (copy_from_user(SPAN_OF(ret->bytes), UADDR(ev->value)) < 0)
        return -EFAULT;
    ret->deliver = netlink_deliver;
    ret->to = TAKE(f);
    return 0;
}

/* full */
SYSCALL(mq_notify, int, fd, uaddr_t, event)
{
    struct linux_sigevent ev;
    if (!uaddr_null(event) && get_user(&ev, event) < 0)
        return -EFAULT;
    struct mqueue_letter letter = {0};
    bool thread = !uaddr_null(event) && ev.notify == SIGEV_THREAD;
    int r = thread ? letter_for(&ev, &letter) : 0;
    if (r < 0)
        return r;
    AUTO(file_put) struct file *socket = letter.to;
    AUTO(file_put) struct file *f = fd_get(fd);
    r = f ? mqueue_notify(f, uaddr_null(event) ? NULL : &ev, &letter) : -EBADF;
    if (r == 0)
        socket = NULL; /* it is the queue's */
    return r;
}

/* full */
SYSCALL(mq_getsetattr, int, fd, uaddr_t, new_ua, uaddr_t, ret_old)
{
    struct linux_mq_attr new, old;
    if (!uaddr_null(new_ua) && get_user(&new, new_ua) < 0)
        return -EFAULT;
    AUTO(file_put) struct file *f = fd_get(fd);
    int r = f ? mqueue_attr(f, uaddr_null(new_ua) ? NULL : &new, &old) : -EBADF;
    if (r < 0 || uaddr_null(ret_old))
        return r;
    return put_user(ret_old, old);
}
