/* Where bytes go to or come from: user vectors or kernel buffers behind one interface. */
#include "libos/base/errno.h"
#include "libos/base/panic.h"
#include "libos/mm/uaccess.h"
#include "libos/mm/uio.h"

struct uio uio_kernel(struct span s)
{
    return (struct uio){.kernel = s, .left = s.n};
}

struct uio uio_kernel_source(struct cspan s)
{
    return uio_kernel((struct span){unconst(s.p), s.n});
}

struct uio uio_user(struct user_iovec *store, uaddr_t base, size_t len)
{
    *store = (struct user_iovec){base.v, len};
    return (struct uio){.user = store, .count = 1, .left = len};
}

struct uio uio_user_vec(const struct user_iovec *vec, size_t count)
{
    struct uio u = {.user = vec, .count = count};
    for (size_t i = 0; i < count; i++)
        u.left += vec[i].len;
    return u;
}

enum uio_op { UIO_PUT, UIO_TAKE, UIO_ZERO };

static int move_kernel(struct uio *u, enum uio_op op, uint8_t *buf, size_t n)
{
    uint8_t *p = u->kernel.p + u->offset;
    if (op == UIO_PUT)
        memcpy(p, buf, n);
    else if (op == UIO_TAKE)
        memcpy(buf, p, n);
    else
        memset(p, 0, n);
    u->offset += n;
    u->left -= n;
    return 0;
}

static int move_user(enum uio_op op, uaddr_t at, uint8_t *buf, size_t n)
{
    if (op == UIO_PUT)
        return copy_to_user(at, (struct cspan){buf, n});
    if (op == UIO_TAKE)
        return copy_from_user((struct span){buf, n}, at);
    return clear_user(at, n);
}

static int move(struct uio *u, enum uio_op op, uint8_t *buf, size_t n)
{
    check(n <= u->left);
    if (!u->user)
        return move_kernel(u, op, buf, n);
    struct uio at = *u;
    while (n > 0) {
        const struct user_iovec *v = &at.user[at.index];
        size_t part = MIN(n, (size_t) v->len - at.offset);
        int r = part ? move_user(op, UADDR(v->base + at.offset), buf, part) : 0;
        if (r < 0) {
            *u = at;
            return r;
        }
        at.offset += part;
        at.left -= part;
        n -= part;
        buf = buf ? buf + part : NULL;
        if (at.offset == v->len) {
            at.index++;
            at.offset = 0;
        }
    }
    *u = at;
    return 0;
}

int uio_put(struct uio *u, const void *src, size_t n)
{
    return move(u, UIO_PUT, unconst(src), n);
}

int uio_take(struct uio *u, void *dst, size_t n)
{
    return move(u, UIO_TAKE, dst, n);
}

int uio_zero(struct uio *u, size_t n)
{
    return move(u, UIO_ZERO, NULL, n);
}
