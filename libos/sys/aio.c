/* Linux' asynchronous I/O. Operations are done while they are submitted, which Linux allows itself too
 * wherever it is not O_DIRECT; their events wait in the context (vfs/aio.c). The number of a context is
 * the address of a page in the program's memory, where the C library looks for Linux' ring and, finding
 * no magic number, makes the system call. */
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/sys/path.h"
#include "libos/sys/timespec.h"
#include "libos/task/process.h"
#include "libos/task/signal.h"
#include "libos/task/timers.h"
#include "libos/vfs/aio.h"
#include "libos/vfs/eventfd.h"
#include "abi/layout.h"

enum { OP_PREAD, OP_PWRITE, OP_FSYNC, OP_FDSYNC, OP_PREADV = 7, OP_PWRITEV = 8 };
enum { CONTROL_RESFD = 1, CONTROL_IOPRIO = 2 };

struct io_control {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t opcode;
    int16_t priority;
    uint32_t fd;
    uint64_t buf, count;
    int64_t offset;
    uint64_t reserved;
    uint32_t flags, resfd;
};
_Static_assert(sizeof(struct io_control) == 64, "Linux ABI");

/* full */
SYSCALL(io_setup, unsigned, count, uaddr_t, ret_context)
{
    uint64_t id;
    if (get_user(&id, ret_context) < 0)
        return -EFAULT;
    if (id || count == 0 || count > INT32_MAX / sizeof(struct linux_io_event))
        return -EINVAL;
    const int anonymous_private = 0x22;
    long page = mm_map(current_mm(), 0, PAGE_SIZE, PROT_R | PROT_W, anonymous_private, NULL, 0);
    if (page < 0)
        return page;
    int r = aio_create(current_fds(), (uint64_t) page, count);
    if (r == 0 && put_user(ret_context, (uint64_t) page) < 0) {
        (void) aio_destroy(current_fds(), (uint64_t) page); /* it was just made */
        r = -EFAULT;
    }
    if (r < 0)
        (void) mm_unmap(current_mm(), (uintptr_t) page, PAGE_SIZE); /* the first error counts */
    return r;
}

/* full */
SYSCALL(io_destroy, uint64_t, context)
{
    int r = aio_destroy(current_fds(), context);
    if (r == 0)
        (void) mm_unmap(current_mm(), context, PAGE_SIZE); /* the program may have done so itself */
    return r;
}

/* ---- submitting ------------------------------------------------------------------------------- */
static int control_check(const struct io_control *q)
{
    if (q->reserved || (q->flags & ~(uint32_t) (CONTROL_RESFD | CONTROL_IOPRIO)) || q->rw_flags)
        return -EINVAL;
    return (int64_t) q->count < 0 ? -EINVAL : 0;
}

static long transfer(struct file *f, const struct io_control *q, struct uio *uio, bool write)
{
    uint64_t at = (uint64_t) q->offset;
    const uint64_t *pos = f->mode & FILE_STREAM ? NULL : &at;
    return write ? file_write(f, uio, pos, false) : file_read(f, uio, pos);
}

static long transfer_vector(struct file *f, const struct io_control *q, bool write)
{
    if (q->count > IOV_LIMIT)
        return -EINVAL;
    struct user_iovec *vec = kzalloc((q->count + 1) * sizeof *vec);
    if (!vec)
        return -ENOMEM;
    long r = vec_from_user(vec, UADDR(q->buf), q->count);
    if (r == 0) {
        struct uio uio = uio_user_vec(vec, q->count);
        r = transfer(f, q, &uio, write);
    }
    kfree(vec);
    return r;
}

static long operate(struct file *f, const struct io_control *q)
{
    bool write = q->opcode == OP_PWRITE || q->opcode == OP_PWRITEV;
    struct user_iovec one;
    struct uio uio;
    switch (q->opcode) {
    case OP_PREAD:
    case OP_PWRITE:
        uio = uio_user(&one, UADDR(q->buf), MIN(q->count, RW_MAX));
        return transfer(f, q, &uio, write);
    case OP_PREADV:
    case OP_PWRITEV:
        return transfer_vector(f, q, write);
    default:
        return f->ops->fsync ? f->ops->fsync(f, q->opcode == OP_FDSYNC) : 0;
    }
}

/* What makes the submission itself fail, before anything is done. */
static int operation_check(const struct file *f, const struct io_control *q)
{
    bool write = q->opcode == OP_PWRITE || q->opcode == OP_PWRITEV;
    switch (q->opcode) {
    case OP_PREAD:
    case OP_PWRITE:
    case OP_PREADV:
    case OP_PWRITEV:
        return f->mode & (write ? FILE_WRITE : FILE_READ) ? 0 : -EBADF;
    case OP_FSYNC:
    case OP_FDSYNC:
        return 0;
    default:
        return -EINVAL;
    }
}

static int submit_one(struct aio_context *c, uaddr_t ua)
{
    struct io_control q;
    if (get_user(&q, ua) < 0)
        return -EFAULT;
    int r = control_check(&q);
    if (r < 0)
        return r;
    AUTO(file_put) struct file *f = fd_get((int) q.fd);
    if (!f)
        return -EBADF;
    bool tell = q.flags & CONTROL_RESFD;
    AUTO(file_put) struct file *told = tell ? fd_get((int) q.resfd) : NULL;
    if (tell && (!told || !file_is_eventfd(told)))
        return told ? -EINVAL : -EBADF;
    if (put_user(uaddr_add(ua, offsetof(struct io_control, key)), (uint32_t) 0) < 0)
        return -EFAULT;
    r = operation_check(f, &q);
    if (r < 0)
        return r;
    if (!aio_reserve(c))
        return -EAGAIN;
    long res = operate(f, &q);
    if (res == -ERESTARTSYS) { /* nothing moved: the submission itself is interrupted */
        aio_unreserve(c);
        return -ERESTARTSYS;
    }
    aio_complete(c, &(struct linux_io_event){q.data, ua.v, res, 0});
    if (told)
        eventfd_signal(told);
    return 0;
}

/* partial: no IOCB_CMD_POLL; operations that have to wait make the submission wait */
SYSCALL(io_submit, uint64_t, context, long, count, uaddr_t, list)
{
    AUTO(aio_put) struct aio_context *c = aio_lookup_get(current_fds(), context);
    if (!c || count < 0)
        return -EINVAL;
    long done = 0;
    int r = 0;
    for (; r == 0 && done < count; done += r == 0) {
        uint64_t control;
        r = get_user(&control, uaddr_add(list, (size_t) done * sizeof control));
        if (r == 0)
            r = submit_one(c, UADDR(control));
    }
    return done ? done : r;
}

/* full */
SYSCALL(io_cancel, uint64_t, context, uaddr_t, control, uaddr_t, ret_event)
{
    uint32_t key;
    if (get_user(&key, uaddr_add(control, offsetof(struct io_control, key))) < 0)
        return -EFAULT;
    return -EINVAL; /* nothing is ever in flight: it is over, or there is no such context */
}

/* ---- taking events ---------------------------------------------------------------------------- */
static long take_events(struct aio_context *c, long most, uaddr_t events)
{
    struct linux_io_event e;
    long n = 0;
    for (; n < most && aio_take(c, &e); n++) {
        if (put_user(uaddr_add(events, (size_t) n * sizeof e), e) < 0) {
            aio_give_back(c, &e);
            return n ? n : -EFAULT;
        }
        aio_unreserve(c);
    }
    return n;
}

static long get_events(uint64_t context, long least, long most, uaddr_t events, int64_t deadline)
{
    AUTO(aio_put) struct aio_context *c = aio_lookup_get(current_fds(), context);
    if (!c || least < 0 || most < least)
        return -EINVAL;
    int r = aio_wait(c, (uint32_t) MIN(least, (long) UINT32_MAX), deadline);
    long n = take_events(c, most, events);
    return n != 0 ? n : r;
}

static int deadline_of(uaddr_t timeout, int64_t *ret)
{
    int64_t ns;
    *ret = FOREVER;
    if (uaddr_null(timeout))
        return 0;
    int r = timespec_from_user(timeout, &ns);
    if (r == 0)
        *ret = sleep_deadline(ns);
    return r;
}

/* full */
SYSCALL(io_getevents, uint64_t, context, long, least, long, most, uaddr_t, events, uaddr_t, timeout)
{
    int64_t deadline;
    int r = deadline_of(timeout, &deadline);
    return r < 0 ? r : get_events(context, least, most, events, deadline);
}

/* full */
SYSCALL(io_pgetevents, uint64_t, context, long, least, long, most, uaddr_t, events, uaddr_t,
        timeout, uaddr_t, mask)
{
    struct {
        uint64_t set, size;
    } m = {0, 0};
    uint64_t blocked;
    int64_t deadline;
    if (!uaddr_null(mask) && get_user(&m, mask) < 0)
        return -EFAULT;
    int r = deadline_of(timeout, &deadline);
    if (r < 0)
        return r;
    if (m.set && m.size != sizeof blocked)
        return -EINVAL;
    if (m.set && get_user(&blocked, UADDR(m.set)) < 0)
        return -EFAULT;
    if (m.set)
        sigmask_set_temporary(blocked);
    long n = get_events(context, least, most, events, deadline);
    if (m.set)
        sigmask_restore_unless(n == -EINTR);
    return n == -EINTR ? -ERESTARTNOHAND : n;
}
