/* uname, sethostname, setdomainname, sysinfo */
#include "libos/mm/totals.h"
#include "libos/mm/uaccess.h"
#include "libos/sys/syscall.h"
#include "libos/task/load.h"
#include "libos/task/process.h"
#include "libos/task/sched.h"
#include "libos/task/uts.h"

#define NAME_LEN    64
#define LOADS_SHIFT (16 - LOAD_SHIFT) /* of SI_LOAD_SHIFT */

/* full */
SYSCALL(uname, uaddr_t, ret_names)
{
    struct linux_utsname names;
    uts_get(&names);
    return put_user(ret_names, names);
}

static long name_from_user(uaddr_t name, int len, char buf[NAME_LEN])
{
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (len < 0 || len > NAME_LEN)
        return -EINVAL;
    return copy_from_user((struct span){(uint8_t *) buf, (size_t) len}, name);
}

/* full */
SYSCALL(sethostname, uaddr_t, name, int, len)
{
    char buf[NAME_LEN];
    long r = name_from_user(name, len, buf);
    if (r == 0)
        uts_set_hostname(buf, (size_t) len);
    return r;
}

/* full */
SYSCALL(setdomainname, uaddr_t, name, int, len)
{
    char buf[NAME_LEN];
    long r = name_from_user(name, len, buf);
    if (r == 0)
        uts_set_domainname(buf, (size_t) len);
    return r;
}

/* full */
SYSCALL(sysinfo, uaddr_t, ret_info)
{
    struct mm_totals memory;
    mm_totals(&memory);
    uint64_t loads[3];
    load_averages(sched_running(), loads);
    struct linux_sysinfo info = {
        .uptime = clock_mono_ns() / NSEC_PER_SEC + 1, /* never 0: programs divide by it */
        .loads = {loads[0] << LOADS_SHIFT, loads[1] << LOADS_SHIFT, loads[2] << LOADS_SHIFT},
        .totalram = memory.total,
        .freeram = memory.free,
        .procs = (uint16_t) MIN(process_thread_total(), 65535),
        .mem_unit = 1,
    };
    return put_user(ret_info, info);
}
