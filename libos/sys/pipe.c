/* pipe, pipe2. */
#include "libos/sys/path.h"
#include "libos/vfs/pipe.h"

static long pipe_make(uaddr_t ua, int flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    AUTO(file_put) struct file *r = NULL;
    AUTO(file_put) struct file *w = NULL;
    int e = pipe_new((unsigned) flags, &r, &w);
    if (e < 0)
        return e;
    int fd[2];
    fd[0] = fd_install(r, (unsigned) flags);
    if (fd[0] < 0)
        return fd[0];
    r = NULL;
    fd[1] = fd_install(w, (unsigned) flags);
    if (fd[1] < 0) {
        (void) fdtable_close(current_fds(), fd[0]); /* ours, just made */
        return fd[1];
    }
    w = NULL;
    if (copy_to_user(ua, CSPAN_OF(fd)) == 0)
        return 0;
    (void) fdtable_close(current_fds(), fd[0]);
    (void) fdtable_close(current_fds(), fd[1]);
    return -EFAULT;
}

/* full */
SYSCALL(pipe, uaddr_t, fds)
{
    return pipe_make(fds, 0);
}

/* full */
SYSCALL(pipe2, uaddr_t, fds, int, flags)
{
    return pipe_make(fds, flags);
}
