/* pidfd_open, pidfd_send_signal, pidfd_getfd */
#include "abi/linux/fs.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/signal.h"
#include "libos/vfs/pidfd.h"
#include "libos/vfs/vfs.h"

static long install(struct file *f, unsigned o_flags)
{
    int fd = fd_install(f, o_flags);
    if (fd < 0)
        file_put(f);
    return fd;
}

/* full */
SYSCALL(pidfd_open, int, pid, unsigned, flags)
{
    if (pid <= 0 || (flags & ~(unsigned) O_NONBLOCK))
        return -EINVAL;
    AUTO(process_put) struct process *p = process_lookup_get(pid);
    if (!p)
        return -ESRCH;
    struct file *f;
    int r = pidfd_new(p, flags, &f);
    return r < 0 ? r : install(f, O_CLOEXEC);
}

/* A pidfd or, for signals only, an open /proc/PID. */
static int signal_target_get(int fd, struct process **ret)
{
    int r = pidfd_process_get(fd, ret);
    if (r != -EBADF)
        return r;
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!f || (f->mode & FILE_PATH) || !f->inode->ops->pid)
        return -EBADF;
    int pid = f->inode->ops->pid(f->inode);
    if (!pid)
        return -EBADF;
    *ret = process_lookup_get(pid);
    return *ret ? 0 : -ESRCH;
}

/* full */
SYSCALL(pidfd_send_signal, int, fd, int, sig, uaddr_t, uinfo, unsigned, flags)
{
    if (flags)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    int r = signal_target_get(fd, &p);
    if (r < 0)
        return r;
    if (sig < 0 || sig > SIG_COUNT)
        return -EINVAL;
    struct linux_siginfo info = siginfo_user(sig, SI_USER);
    if (!uaddr_null(uinfo)) {
        if (get_user(&info, uinfo) < 0)
            return -EFAULT;
        if (info.signo != sig)
            return -EINVAL;
        if (p != current_process() && (info.code >= 0 || info.code == SI_TKILL))
            return -EPERM;
    }
    if (p->state == PROCESS_REAPED)
        return -ESRCH;
    return signal_permitted(p, sig) ? signal_send(p, &info) : -EPERM;
}

/* full */
SYSCALL(pidfd_getfd, int, pidfd, int, target_fd, unsigned, flags)
{
    if (flags)
        return -EINVAL;
    AUTO(process_put) struct process *p = NULL;
    int r = pidfd_process_get(pidfd, &p);
    if (r < 0)
        return r;
    if (!signal_permitted(p, 0))
        return -EPERM;
    struct fdtable *files = process_files_get(p);
    if (!files)
        return -ESRCH;
    struct file *f = fdtable_lookup_get(files, target_fd);
    fdtable_put(files);
    return f ? install(f, O_CLOEXEC) : -EBADF;
}
