/* System V semaphores. Identifiers come from the program; user memory is the system call's business. */
#ifndef IPC_SEM_H
#define IPC_SEM_H
#include "abi/linux/ipc.h"
#include "libos/base/printf.h"
#include "libos/base/types.h"

struct process;

must_check int sem_get(int key, int count, int flags);
/* -EAGAIN: IPC_NOWAIT, or the deadline passed; -EFBIG, -EACCES, -ERANGE, -EIDRM, -EINTR, -ENOSPC,
 * -ENOMEM. ops are the caller's until it returns. count > 0. */
must_check int sem_operate(int id, const struct linux_sembuf *ops, size_t count,
                           int64_t deadline_ns);
/* semctl. stat: by slot instead of identifier; any: without permission. Both give the identifier. */
must_check int sem_stat(int id, bool slot, bool any, struct linux_semid_ds *ret);
must_check int sem_info(bool usage, struct linux_seminfo *ret); /* the highest slot */
must_check int sem_set_perm(int id, const struct linux_ipc_perm *perm);
must_check int sem_remove(int id);
/* LINUX_SEM_GETVAL, GETPID, GETNCNT, GETZCNT */
must_check int sem_query(int id, int cmd, int number);
must_check int sem_set_value(int id, int number, int value);
/* GETALL, SETALL: values has room for the count that sem_count told; a set never changes its size. */
must_check int sem_count(int id, bool writing);
must_check int sem_get_all(int id, uint16_t *values, size_t count);
must_check int sem_set_all(int id, const uint16_t *values, size_t count);

void sem_process_exit(struct process *p); /* SEM_UNDO */
int sem_proc_text(struct text *t);        /* /proc/sysvipc/sem */
#endif
