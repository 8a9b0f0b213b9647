/* Small ones, and those that answer as a kernel that was built without them or forbids them. */
#include "libos/arch/random.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/process.h"

enum { GRND_NONBLOCK_ = 1, GRND_RANDOM_ = 2, GRND_INSECURE_ = 4 };
#define RANDOM_STEP 256

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
SYSCALL(membarrier, int, cmd, unsigned, flags, int, cpu)
{
    return cmd == MEMBARRIER_QUERY && flags == 0 ? 0 : -EINVAL;
}

/* ---- not here --------------------------------------------------------------------------------- */
SYSCALL(rseq, uaddr_t, area, uint32_t, len, int, flags, uint32_t, sig)
{
    return -ENOSYS; /* restartable sequences: the C library does without */
}

SYSCALL(kcmp, int, pid1, int, pid2, int, type, uint64_t, idx1, uint64_t, idx2)
{
    return -ENOSYS;
}

SYSCALL(ptrace, long, request, int, pid, uint64_t, addr, uint64_t, data)
{
    return -EPERM;
}

SYSCALL(process_vm_readv, int, pid, uaddr_t, local, uint64_t, local_count, uaddr_t, remote,
        uint64_t, remote_count, uint64_t, flags)
{
    return -EPERM;
}

SYSCALL(process_vm_writev, int, pid, uaddr_t, local, uint64_t, local_count, uaddr_t, remote,
        uint64_t, remote_count, uint64_t, flags)
{
    return -EPERM;
}

SYSCALL(unshare, unsigned, flags)
{
    const unsigned shared_anyway = 0x00040000; /* CLONE_SYSVSEM */
    return flags & ~shared_anyway ? -EPERM : 0;
}

SYSCALL(setns, int, fd, int, type)
{
    return -EPERM;
}

SYSCALL(reboot, unsigned, magic1, unsigned, magic2, unsigned, cmd, uaddr_t, arg)
{
    return -EPERM;
}

SYSCALL(acct, uaddr_t, name)
{
    return -ENOSYS;
}

SYSCALL(vhangup)
{
    return -EPERM;
}

enum { SYSLOG_READ_ALL = 3, SYSLOG_CONSOLE_LEVEL = 8, SYSLOG_SIZE_BUFFER = 10 };
SYSCALL(syslog, int, type, uaddr_t, buf, int, size)
{
    if (type < 0 || type > SYSLOG_SIZE_BUFFER)
        return -EINVAL;
    return 0; /* the log is the host's to see, not the program's: always empty */
}

SYSCALL(ioprio_get, int, which, int, who)
{
    return 0;
}

SYSCALL(ioprio_set, int, which, int, who, int, ioprio)
{
    return 0;
}
