/* What others of the kernel put into netlink sockets. */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H
#include "libos/vfs/file.h"

bool netlink_is(const struct file *f);
/* One packet for the reader of f, which is a netlink socket. -ENOBUFS */
must_check int netlink_deliver(struct file *f, struct cspan bytes);
#endif
