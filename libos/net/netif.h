/* The host's network interfaces, as it describes them. */
#ifndef NET_NETIF_H
#define NET_NETIF_H
#include "abi/hostnet.h"
#include "libos/base/types.h"

struct netif_list {
    size_t count;
    struct host_interface at[HOST_INTERFACES_MAX]; /* sound ones; interfaces are family 0 */
};
/* A list of what there is now; the caller frees it. NULL: no memory. */
must_check struct netif_list *netif_list(void);
/* SIOCGIF* of any socket; -ENOTTY: another request. */
must_check long netif_ioctl(unsigned cmd, uint64_t arg);
#endif
