/* Sockets of the enclave: their events, and vCPUs that wait for them. */
#ifndef HOST_NET_H
#define HOST_NET_H

#include <stdbool.h>
#include <stdint.h>
#include "abi/hostcall.h"

extern struct host_net host_net; /* shared with the enclave */

/* From now on events of the socket fd are posted for its token, until net_forget. 0 or -errno. */
int net_watch(int fd, uint64_t token);
/* No event of the token is posted any more, nor left over: its slot may have a new owner. */
void net_forget(int fd, uint64_t token);
/* Posts what has happened; what this thread's own calls caused is posted when it returns. */
void net_post(void);

/* Parks a vCPU until it is kicked, events were posted or the time is over. False: there are no sockets
 * yet, park elsewhere. */
bool net_park(struct host_vcpu *v, uint64_t max_ns);
/* After v->kick was set: ends net_park of that vCPU. */
void net_kick(unsigned index);
#endif
