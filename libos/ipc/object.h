/* System V objects: what semaphore sets, message queues and shared memory segments have in common.
 *
 * An object is found by its key or its identifier until it is removed, and lives as long as somebody
 * holds a reference. An identifier is a slot of its class and the slot's turn, so that an old one is
 * not taken for what stands in the slot now.
 */
#ifndef IPC_OBJECT_H
#define IPC_OBJECT_H
#include "abi/linux/ipc.h"
#include "libos/base/list.h"
#include "libos/base/printf.h"
#include "libos/base/ref.h"
#include "libos/ipc/limits.h"
#include "libos/task/mutex.h"

#define IPC_INDEX_MAX   32768u
#define IPC_KEY_BUCKETS 64u

struct ipc_class;
struct ipc_object {
    struct ref ref;
    struct ipc_class *class;
    int id;
    struct list key_link; /* class->lock, and everything below */
    int key;
    uint32_t uid, gid, cuid, cgid, mode;
    int64_t ctime; /* seconds */
    bool removed;
};

struct ipc_class {
    struct mutex making;  /* finding a key and making its object is one step */
    struct spinlock lock; /* inside the objects' own locks */
    struct ipc_object **slots;
    uint32_t capacity, count, first_free, turn; /* no slot below first_free is free */
    struct list keys[IPC_KEY_BUCKETS];
    bool ready;
    enum ipc_limit limit;               /* of the number of objects */
    void (*free)(struct ipc_object *o); /* the last reference is gone */
};

/* For semget and its like: the object with this key, or a new one. */
struct ipc_get {
    int key, flags;
    uint64_t size;
    /* Is the object that is there big enough? 0, -EINVAL. May be NULL. */
    int (*fits)(const struct ipc_object *o, uint64_t size);
    int (*make)(const struct ipc_get *g,
                struct ipc_object **ret); /* checks the size and makes it */
};
must_check int ipc_get(struct ipc_class *c,
                       const struct ipc_get *g); /* the identifier, or -errno */

/* By identifier, or by slot (for the *_STAT commands): a reference, or NULL. */
struct ipc_object *ipc_lookup_get(struct ipc_class *c, int id);
struct ipc_object *ipc_slot_get(struct ipc_class *c, int index);
/* The first object in slot *index or behind; *index becomes the slot behind it. NULL: no more. */
struct ipc_object *ipc_next_get(struct ipc_class *c, uint32_t *index);
void ipc_object_put(struct ipc_object *o);
DEFINE_AUTO(struct ipc_object, ipc_object_put)

int ipc_highest(struct ipc_class *c); /* slot in use, or 0; what the *_INFO commands return */
int ipc_used(struct ipc_class *c);    /* number of objects */
/* May the caller use it so? mode is of the form 0400, 0200 or both, or such bits for all. */
must_check int ipc_permission(struct ipc_object *o, unsigned mode);
must_check int ipc_owner(struct ipc_object *o); /* may it change or remove? 0, -EPERM */
void ipc_perm_get(struct ipc_object *o, struct linux_ipc_perm *ret);
void ipc_perm_set(struct ipc_object *o,
                  const struct linux_ipc_perm *perm); /* owner and mode; ctime */
void ipc_touch(struct ipc_object *o);                 /* ctime is now */
/* Nobody finds it by its key any more. */
void ipc_hide(struct ipc_object *o);
/* Nobody finds it any more. False: somebody else was faster. The table's reference is dropped. */
bool ipc_remove(struct ipc_object *o);
int64_t ipc_now(void); /* seconds */
#endif
