/* One description of where bytes go to or come from, for read and write: user vectors or a kernel
 * buffer. File systems only call uio_put (data towards the caller) and uio_take (data from it). */
#ifndef MM_UIO_H
#define MM_UIO_H
#include "libos/base/span.h"

struct user_iovec { /* struct iovec of the guest ABI */
    uint64_t base, len;
};

struct uio {
    struct span kernel;            /* used if user is NULL */
    const struct user_iovec *user; /* kernel copy of the vector, lengths already bounded */
    size_t count, index, offset;   /* position in the vector (or in kernel: offset) */
    size_t left;                   /* bytes still to move */
    bool nowait;                   /* -EAGAIN instead of sleeping, whatever the file's flags say */
};

#define IOV_LIMIT 1024

struct uio uio_kernel(struct span s);
/* The cast away of const is sound: uio_take never writes. */
struct uio uio_kernel_source(struct cspan s);
/* One user buffer; *store must live as long as the uio. */
struct uio uio_user(struct user_iovec *store, uaddr_t base, size_t len);
struct uio uio_user_vec(const struct user_iovec *vec, size_t count);

/* Move exactly n <= uio->left bytes and advance; 0, or -EFAULT after what lay in the buffers before. */
must_check int uio_put(struct uio *uio, const void *src, size_t n);
must_check int uio_take(struct uio *uio, void *dst, size_t n);
must_check int uio_zero(struct uio *uio, size_t n);
#endif
