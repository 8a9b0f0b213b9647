/* The numbers of /proc/sys/kernel that bound System V IPC; root may change them there. */
#ifndef IPC_LIMITS_H
#define IPC_LIMITS_H
#include "libos/base/types.h"

enum ipc_limit {
    IPC_SEMMSL, /* semaphores in a set; the order of the first four is that of /proc/sys/kernel/sem */
    IPC_SEMMNS, /* semaphores in all sets */
    IPC_SEMOPM, /* operations in a call */
    IPC_SEMMNI, /* sets */
    IPC_MSGMAX, /* bytes in a message */
    IPC_MSGMNB, /* bytes in a queue */
    IPC_MSGMNI, /* queues */
    IPC_SHMMAX, /* bytes in a segment */
    IPC_SHMALL, /* pages in all segments */
    IPC_SHMMNI, /* segments */
    IPC_LIMIT_COUNT
};
uint64_t ipc_limit(enum ipc_limit which);
must_check int ipc_limit_set(enum ipc_limit which, uint64_t value); /* -EINVAL: out of range */
#endif
