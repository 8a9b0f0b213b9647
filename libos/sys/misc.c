/* Small ones, and those that answer as a kernel that was built without them or forbids them. */
#include "libos/base/atomic.h"
#include "libos/arch/random.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

enum { GRND_NONBLOCK_ = 1, GRND_RANDOM_ = 2, GRND_INSECURE_ = 4 };
#define RANDOM_STEP 256

/* full */
SYSCALL(getrandom, uaddr_t, buf, size_t, size, unsigned, flags)
{
    uint8_t chunk[RANDOM_STEP];
    if ((flags & ~(GRND_NONBLOCK_ | GRND_RANDOM_ | GRND_INSECURE_)) ||
        (flags & (GRND_RANDOM_ | GRND_INSECURE_)) == (GRND_RANDOM_ | GRND_INSECURE_))
        return -EINVAL;
    size = MIN(size, (size_t) INT32_MAX);
    size_t done = 0;
    while (done < size) {
        size_t n = MIN(size - done, sizeof chunk);
        random_bytes((struct span){chunk, n});
        if (copy_to_user(uaddr_add(buf, done), (struct cspan){chunk, n}) < 0)
            break;
        done += n;
        if (done >= RANDOM_STEP && thread_interrupted())
            break;
    }
    wipe(chunk, sizeof chunk);
    return done == 0 && size > 0 ? -EFAULT : (long) done;
}

/* ---- membarrier ------------------------------------------------------------------------------- */
enum {
    MEMBARRIER_QUERY = 0,
    MEMBARRIER_GLOBAL = 1,
    MEMBARRIER_GLOBAL_EXPEDITED = 2,
    MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4,
    MEMBARRIER_PRIVATE_EXPEDITED = 8,
    MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16,
};

/* There is no way to interrupt the other vCPUs at once, so only registering would be true: as a kernel
 * without membarrier. Programs fall back to fences or locks of their own. */
/* absent: EINVAL, a query finds no command */
SYSCALL(membarrier, int, cmd, unsigned, flags, int, cpu)
{
    return cmd == MEMBARRIER_QUERY && flags == 0 ? 0 : -EINVAL;
}

/* full */
SYSCALL(restart_syscall)
{
    return -EINTR; /* calls that go on keep what they need themselves: there is nothing to restart */
}

/* ---- not here --------------------------------------------------------------------------------- */
/* absent: ENOSYS, as a kernel without it; the C library does without */
SYSCALL(rseq, uaddr_t, area, uint32_t, len, int, flags, uint32_t, sig)
{
    return -ENOSYS; /* restartable sequences: the C library does without */
}

/* absent: EPERM, nobody may be traced */
SYSCALL(ptrace, long, request, int, pid, uint64_t, addr, uint64_t, data)
{
    return -EPERM;
}

/* The threads of a process share these for good; no other process ever has them. */
enum {
    UNSHARE_OF_THREADS = 0x00010f00, /* CLONE_VM, FS, FILES, SIGHAND, THREAD */
    UNSHARE_ALONE = 0x00040000,      /* CLONE_SYSVSEM */
    UNSHARE_NAMESPACES = 0x7e020080,
};

/* partial: what threads share stays shared (EINVAL); no namespaces (EPERM) */
SYSCALL(unshare, unsigned, flags)
{
    if (flags & ~(unsigned) (UNSHARE_OF_THREADS | UNSHARE_ALONE | UNSHARE_NAMESPACES))
        return -EINVAL;
    if (flags & UNSHARE_NAMESPACES)
        return -EPERM;
    struct process *p = current_process();
    SPIN_GUARD(&p->lock);
    return (flags & UNSHARE_OF_THREADS) && atomic_peek(&p->thread_count) > 1 ? -EINVAL : 0;
}

/* absent: EPERM, there is one of each namespace */
SYSCALL(setns, int, fd, int, type)
{
    return -EPERM;
}

/* absent: EPERM */
SYSCALL(reboot, unsigned, magic1, unsigned, magic2, unsigned, cmd, uaddr_t, arg)
{
    const unsigned first = 0xfee1dead, second[] = {672274793, 85072278, 369367448, 537993216};
    if (!capable(CAP_SYS_BOOT))
        return -EPERM;
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(second); i++)
        known |= magic2 == second[i];
    return magic1 == first && known ? -EPERM : -EINVAL;
}

/* absent: ENOSYS, as a kernel without it */
SYSCALL(acct, uaddr_t, name)
{
    return -ENOSYS;
}

/* absent: EPERM */
SYSCALL(vhangup)
{
    return -EPERM;
}

enum {
    SYSLOG_READ = 2,
    SYSLOG_READ_ALL = 3,
    SYSLOG_READ_CLEAR = 4,
    SYSLOG_CONSOLE_LEVEL = 8,
    SYSLOG_SIZE_BUFFER = 10,
};

/* partial: the log is the host's to see, not the program's, so it is always empty */
SYSCALL(syslog, int, type, uaddr_t, buf, int, size)
{
    bool anyone = type == SYSLOG_READ_ALL || type == SYSLOG_SIZE_BUFFER;
    if (!anyone && !capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (type < 0 || type > SYSLOG_SIZE_BUFFER)
        return -EINVAL;
    bool reads = type >= SYSLOG_READ && type <= SYSLOG_READ_CLEAR;
    if (reads && (uaddr_null(buf) || size < 0))
        return -EINVAL;
    if (type == SYSLOG_CONSOLE_LEVEL && (size < 1 || size > 8))
        return -EINVAL;
    return 0;
}
