/* Contexts of Linux' asynchronous I/O: where events wait to be taken. */
#ifndef VFS_AIO_H
#define VFS_AIO_H
#include "libos/vfs/fdtable.h"

struct linux_io_event {
    uint64_t data, obj;
    int64_t res, res2;
};

/* A new context with room for count events, known by id; it belongs to the table until aio_destroy or
 * the table's end. -EAGAIN: too many; -ENOMEM. */
must_check int aio_create(struct fdtable *t, uint64_t id, uint32_t count);
must_check int aio_destroy(struct fdtable *t, uint64_t id); /* -EINVAL: no such context */

struct aio_context;
struct aio_context *aio_lookup_get(struct fdtable *t, uint64_t id); /* NULL: none */
void aio_put(struct aio_context *c);
DEFINE_AUTO(struct aio_context, aio_put)
bool aio_reserve(struct aio_context *c); /* a place for one event; false: full */
void aio_unreserve(struct aio_context *c);
void aio_complete(struct aio_context *c,
                  const struct linux_io_event *e); /* into a reserved place */
/* Waits until there are `least` events or the deadline is over. 0, -EINTR, -EINVAL: destroyed. */
must_check int aio_wait(struct aio_context *c, uint32_t least, int64_t deadline_ns);
bool aio_take(struct aio_context *c, struct linux_io_event *ret);
void aio_give_back(struct aio_context *c,
                   const struct linux_io_event *e); /* it could not be delivered */

/* For fdtable.c. */
struct aio_context **fdtable_aio(struct fdtable *t, struct spinlock **ret_lock);
void aio_drop_all(struct fdtable *t);
#endif
