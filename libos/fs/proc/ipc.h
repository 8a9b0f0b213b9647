/* /proc/sysvipc and the limits of IPC in /proc/sys. */
#ifndef FS_PROC_IPC_H
#define FS_PROC_IPC_H
#include "libos/fs/proc/proc.h"

extern const struct proc_entry proc_sysvipc_children[], proc_mqueue_children[];

/* A file with one or several limits that root may write. */
#define PROC_LIMIT(n)                                                                              \
    {                                                                                              \
        .name = #n, .mode = S_IFREG | 0644, .text = n##_limit_text, .write = n##_limit_write       \
    }
#define PROC_LIMIT_DECLARE(n)                                                                      \
    int n##_limit_text(const struct proc_ref *ref, struct text *t);                                \
    long n##_limit_write(const struct proc_ref *ref, const char *s, size_t n)
PROC_LIMIT_DECLARE(sem);
PROC_LIMIT_DECLARE(msgmax);
PROC_LIMIT_DECLARE(msgmnb);
PROC_LIMIT_DECLARE(msgmni);
PROC_LIMIT_DECLARE(shmmax);
PROC_LIMIT_DECLARE(shmall);
PROC_LIMIT_DECLARE(shmmni);
#endif
