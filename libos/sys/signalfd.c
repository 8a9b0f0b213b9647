/* signalfd, signalfd4 */
#include "abi/linux/fs.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/vfs/signalfd.h"
#include "libos/vfs/vfs.h"

static long signalfd(int fd, uaddr_t set, size_t size, int flags)
{
    uint64_t mask;
    if (size != sizeof mask || (flags & ~(O_CLOEXEC | O_NONBLOCK)))
        return -EINVAL;
    if (get_user(&mask, set) < 0)
        return -EFAULT;
    if (fd != -1) {
        AUTO(file_put) struct file *old = fd_get(fd);
        int r = old ? signalfd_set(old, mask) : -EBADF;
        return r < 0 ? r : fd;
    }
    AUTO(file_put) struct file *f = NULL;
    int r = signalfd_new(mask, (unsigned) flags, &f);
    if (r == 0)
        r = fd_install(f, (unsigned) flags);
    if (r >= 0)
        (void) TAKE(f); /* the table has it */
    return r;
}

/* full */
SYSCALL(signalfd, int, fd, uaddr_t, set, size_t, size)
{
    return signalfd(fd, set, size, 0);
}

/* full */
SYSCALL(signalfd4, int, fd, uaddr_t, set, size_t, size, int, flags)
{
    return signalfd(fd, set, size, flags);
}
