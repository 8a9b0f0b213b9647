/* Readiness. One mechanism for poll, select, epoll and blocking: an object has a waitq; its poll
 * function registers the caller's waiters on it and returns the events that hold right now. */
#ifndef VFS_POLL_H
#define VFS_POLL_H
#include "libos/task/waitq.h"

enum {
    POLL_IN = 0x001,
    POLL_PRI = 0x002,
    POLL_OUT = 0x004,
    POLL_ERR = 0x008,
    POLL_HUP = 0x010,
    POLL_NVAL = 0x020,
    POLL_RDNORM = 0x040,
    POLL_RDBAND = 0x080,
    POLL_WRNORM = 0x100,
    POLL_WRBAND = 0x200,
    POLL_RDHUP = 0x2000,
};

struct poll_table {
    /* Called by poll functions for each queue the object may be woken on; NULL: do not register. */
    void (*add)(struct poll_table *pt, struct waitq *q);
};

static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
    if (pt && pt->add)
        pt->add(pt, q);
}
#endif
