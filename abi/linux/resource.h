/* Linux' resource and system-information ABI on x86-64. */
#ifndef ABI_LINUX_RESOURCE_H
#define ABI_LINUX_RESOURCE_H
#include <stdint.h>
#include "abi/linux/time.h"

#ifndef RLIMIT_CPU
#define RLIMIT_CPU        0
#define RLIMIT_FSIZE      1
#define RLIMIT_DATA       2
#define RLIMIT_STACK      3
#define RLIMIT_CORE       4
#define RLIMIT_RSS        5
#define RLIMIT_NPROC      6
#define RLIMIT_NOFILE     7
#define RLIMIT_MEMLOCK    8
#define RLIMIT_AS         9
#define RLIMIT_LOCKS      10
#define RLIMIT_SIGPENDING 11
#define RLIMIT_MSGQUEUE   12
#define RLIMIT_NICE       13
#define RLIMIT_RTPRIO     14
#define RLIMIT_RTTIME     15
#endif
#define LINUX_RLIM_INFINITY UINT64_MAX

#ifndef RUSAGE_SELF
#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD   1
#endif

struct linux_rlimit {
    uint64_t cur, max;
};
_Static_assert(sizeof(struct linux_rlimit) == 16, "Linux ABI");

struct linux_rusage {
    struct linux_timeval utime, stime;
    int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock;
    int64_t msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "Linux ABI");

struct linux_sysinfo {
    int64_t uptime;
    uint64_t loads[3];
    uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t pad2;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit, pad3;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "Linux ABI");

struct linux_utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
_Static_assert(sizeof(struct linux_utsname) == 390, "Linux ABI");

struct linux_cap_header {
    uint32_t version;
    int32_t pid;
};
struct linux_cap_data {
    uint32_t effective, permitted, inheritable;
};
#define LINUX_CAP_VERSION_1 0x19980330u
#define LINUX_CAP_VERSION_2 0x20071026u
#define LINUX_CAP_VERSION_3 0x20080522u
#define LINUX_CAP_LAST      40
#endif
