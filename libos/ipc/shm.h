/* System V shared memory. */
#ifndef IPC_SHM_H
#define IPC_SHM_H
#include "abi/linux/ipc.h"
#include "libos/base/printf.h"
#include "libos/base/types.h"

must_check int shm_get(int key, uint64_t size, int flags);
/* The address. addr: 0, or where it has to be; -EINVAL: it is somewhere else. */
must_check long shm_attach(int id, uint64_t addr, int flags);
must_check int shm_detach(uint64_t addr);
/* shmctl; slot and any as in sem.h. */
must_check int shm_stat(int id, bool slot, bool any, struct linux_shmid_ds *ret);
must_check int shm_limits(struct linux_shminfo *ret);
must_check int shm_usage(struct linux_shm_info *ret);
must_check int shm_set_perm(int id, const struct linux_ipc_perm *perm);
must_check int shm_lock(int id, bool lock);
must_check int shm_remove(int id);

int shm_proc_text(struct text *t); /* /proc/sysvipc/shm */
#endif
