/* /proc/net. */
#ifndef FS_PROC_NET_H
#define FS_PROC_NET_H
#include "libos/fs/proc/proc.h"

extern const struct proc_entry proc_net_children[];
#endif
