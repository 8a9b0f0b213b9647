/* epoll sets, and waiting on several files at once for poll and select. */
#ifndef VFS_EPOLL_H
#define VFS_EPOLL_H
#include "libos/vfs/file.h"

must_check int epoll_new(struct file **ret);
enum { EPOLL_OP_ADD = 1, EPOLL_OP_DEL = 2, EPOLL_OP_MOD = 3 };
must_check int epoll_ctl(struct file *ep, int op, int fd, struct file *f,
                         const struct linux_epoll_event *event);
/* Descriptors in a set just now; 0: not a set. */
int epoll_count(const struct file *ep);
/* Up to max events; 0 at the deadline; -EINTR. */
must_check long epoll_wait(struct file *ep, struct linux_epoll_event *ret, int max,
                           int64_t deadline_ns);

/* poll and select: a table that registers the calling thread; fini takes it off all queues. */
#define POLL_SESSION_INLINE 8
struct poll_session {
    struct poll_table table; /* first: poll functions get it */
    struct waiter inline_waiters[POLL_SESSION_INLINE];
    unsigned count;
    struct poll_chunk *chunks;
    bool failed; /* out of memory: polling goes on without sleeping on that queue */
};
void poll_session_init(struct poll_session *s);
void poll_session_fini(struct poll_session *s);
#endif
