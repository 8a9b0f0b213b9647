/* A freshness anchor at a service (abi/anchor.h) that the host carries messages to and from. */
#ifndef FS_COWFS_SERVICE_H
#define FS_COWFS_SERVICE_H
#include "libos/fs/cowfs/cow.h"
#include "abi/anchor.h"

struct service_anchor {
    struct cow_anchor anchor;
    const char *name; /* of the volume */
    /* Sends a message and receives one, whatever it may be: 0 or -errno. */
    int (*ask)(struct service_anchor *s, const struct anchor_message *in,
               struct anchor_message *out);
    bool known;         /* the service has the volume */
    const uint8_t *key; /* of the service, to register; NULL: not at hand */
};

/* -EHOSTUNREACH: nobody answers; -EPROTO: somebody who is not the service; -ENOKEY: the service does not know the volume,
 * and its key is not at hand. */
void service_anchor_init(struct service_anchor *s, const char *name, const uint8_t *key,
                         int (*ask)(struct service_anchor *s, const struct anchor_message *in,
                                    struct anchor_message *out));
#endif
