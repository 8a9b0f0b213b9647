/* Inside of POSIX message queues, for mqueue*.c only. */
#ifndef IPC_MQUEUE_PRIV_H
#define IPC_MQUEUE_PRIV_H
#include "libos/ipc/mqueue.h"

struct mqueue {
    struct inode inode;
    struct list all_link, name_link;       /* mqueue_fs.c's locks */
    char name[NAME_LIMIT + 1];             /* constant */
    uint64_t max_count, max_size, charged; /* constant */

    struct mutex mutex;   /* all below */
    struct list messages; /* highest priority first, the oldest first among equals */
    uint64_t count, bytes;
    uint32_t receivers;       /* waiting */
    struct waitq queue;       /* of both sides, and of poll */
    struct process *notified; /* a reference; NULL: nobody */
    struct linux_sigevent event;
    struct mqueue_letter letter; /* SIGEV_THREAD */
};

static inline struct mqueue *mqueue_of(const struct inode *i)
{
    return container_of(unconst(i), struct mqueue, inode);
}

extern const struct file_ops mqueue_file_ops;
/* Initialises the queue's own part. -EINVAL: sizes nobody may have. */
void mqueue_init(struct mqueue *q, uint64_t max_count, uint64_t max_size);
void mqueue_drain(struct mqueue *q); /* the last reference is gone */
#endif
