/* Files on their way through sockets, and the rubbish that can become of them. */
#ifndef NET_INFLIGHT_H
#define NET_INFLIGHT_H
#include "libos/net/scm.h"

/* Before files go into the queue of `to`, and after they left it. -ETOOMANYREFS. */
must_check int inflight_add(struct scm_files *files, struct socket *to);
void inflight_remove(struct scm_files *files);
/* Finds sockets that only queues refer to, which nobody can reach, and empties their queues. Sleeps. */
void inflight_collect(void);
#endif
