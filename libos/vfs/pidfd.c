/* pidfd: holds a reference to a process, so the number cannot come to mean another one. Readable once
 * the process is a zombie. */
#include "abi/linux/fs.h"
#include "libos/base/printf.h"
#include "libos/vfs/pidfd.h"
#include "libos/vfs/vfs.h"

static uint32_t pidfd_poll(struct file *f, struct poll_table *pt)
{
    struct process *p = f->priv;
    poll_wait(pt, &p->exit_wait);
    SPIN_GUARD(&p->lock);
    return p->state != PROCESS_LIVE ? POLL_IN | POLL_RDNORM : 0;
}

static void pidfd_release(struct file *f)
{
    process_put(f->priv);
}

static void pidfd_fdinfo(struct file *f, struct text *t)
{
    const struct process *p = f->priv;
    text_add(t, "Pid:\t%d\nNSpid:\t%d\n", p->state == PROCESS_REAPED ? -1 : p->pid,
             p->state == PROCESS_REAPED ? -1 : p->pid);
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .release = pidfd_release,
    .fdinfo = pidfd_fdinfo,
    .name = "anon_inode:[pidfd]",
};

int pidfd_new(struct process *p, unsigned o_flags, struct file **ret)
{
    struct inode *i = anon_inode();
    process_get(p);
    struct file *f =
        file_new_pathless(i, &pidfd_ops, p, O_RDWR | (o_flags & O_NONBLOCK), FILE_STREAM);
    if (!f) {
        inode_put(i);
        process_put(p);
        return -ENOMEM;
    }
    *ret = f;
    return 0;
}

int pidfd_process_get(int fd, struct process **ret)
{
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || f->ops != &pidfd_ops)
        return -EBADF;
    process_get(f->priv);
    *ret = f->priv;
    return 0;
}
