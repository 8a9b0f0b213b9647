/* System V message queues. Bytes come and go in kernel memory; user memory is the system call's. */
#ifndef IPC_MSG_H
#define IPC_MSG_H
#include "abi/linux/ipc.h"
#include "libos/base/list.h"
#include "libos/base/printf.h"

struct msg {
    struct list link;
    int64_t type;
    uint64_t size;
    uint8_t data[] counted_by(size);
};
struct msg *msg_new(size_t size); /* NULL: out of memory, the IPC budget included */
void msg_free(struct msg *m);
DEFINE_AUTO(struct msg, msg_free)

must_check int msg_get(int key, int flags);
/* Takes m over on success. -EAGAIN, -EACCES, -EIDRM, -EINVAL, -ERESTARTNOHAND. */
must_check int msg_send(int id, struct msg *m, int flags);
/* The message, now the caller's; for MSG_COPY a copy of it. -E2BIG, -ENOMSG, ... */
must_check int msg_receive(int id, int64_t type, size_t max, int flags, struct msg **ret);
/* msgctl; slot and any as in sem.h. */
must_check int msg_stat(int id, bool slot, bool any, struct linux_msqid_ds *ret);
must_check int msg_info(bool usage, struct linux_msginfo *ret);
must_check int msg_set(int id, const struct linux_ipc_perm *perm, uint64_t qbytes);
must_check int msg_remove(int id);

int msg_proc_text(struct text *t); /* /proc/sysvipc/msg */
#endif
