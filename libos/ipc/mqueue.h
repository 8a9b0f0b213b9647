/* POSIX message queues. A descriptor of one is an open file like any other. */
#ifndef IPC_MQUEUE_H
#define IPC_MQUEUE_H
#include "abi/linux/ipc.h"
#include "abi/linux/signal.h"
#include "libos/ipc/msg.h"
#include "libos/vfs/file.h"

#define MQ_PRIORITY_MAX 32768u

/* name has no slash. attr: NULL for the defaults, looked at only if the queue is made. */
must_check int mqueue_open(const char *name, unsigned o_flags, uint32_t mode,
                           const struct linux_mq_attr *attr, struct file **ret);
must_check int mqueue_unlink(const char *name);
/* All below: -EBADF if f is no message queue, or not open for that. Deadlines are monotonic. */
must_check int mqueue_message_size(struct file *f, uint64_t *ret); /* the largest one */
/* Takes m over on success; its type is the priority. -EAGAIN, -ETIMEDOUT, -ERESTARTSYS, -EMSGSIZE. */
must_check int mqueue_send(struct file *f, struct msg *m, int64_t deadline_ns);
/* max: the caller's room; less than the largest message is -EMSGSIZE. */
must_check int mqueue_receive(struct file *f, size_t max, int64_t deadline_ns, struct msg **ret);
/* SIGEV_THREAD: what goes to the socket where a helper thread of the C library waits. The last byte of
 * it says whether a message came or nobody is told any more. */
struct mqueue_letter {
    struct file *to; /* a reference; NULL: there is none */
    int (*deliver)(struct file *to, struct cspan bytes);
    uint8_t bytes[32];
};
/* Tells the calling process once when a message comes to the empty queue; ev NULL: no longer. letter: for
 * SIGEV_THREAD; its reference is taken over on success. */
must_check int mqueue_notify(struct file *f, const struct linux_sigevent *ev,
                             const struct mqueue_letter *letter);
/* Of new (may be NULL) only O_NONBLOCK counts. */
must_check int mqueue_attr(struct file *f, const struct linux_mq_attr *new,
                           struct linux_mq_attr *ret_old);

/* The limits of /proc/sys/fs/mqueue. */
enum mqueue_limit {
    MQUEUE_QUEUES_MAX,
    MQUEUE_MSG_MAX,
    MQUEUE_MSGSIZE_MAX,
    MQUEUE_MSG_DEFAULT,
    MQUEUE_MSGSIZE_DEFAULT,
    MQUEUE_LIMIT_COUNT
};
uint64_t mqueue_limit(enum mqueue_limit which);
#endif
