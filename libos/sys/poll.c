/* poll, ppoll, select, pselect6. Both forms become a list of descriptors with wanted events; one round
 * registers the thread on every queue, later rounds only look. */
#include "libos/mm/heap.h"
#include "libos/sys/path.h"
#include "libos/sys/timespec.h"
#include "libos/task/clock.h"
#include "libos/task/process.h"
#include "libos/task/signal.h"
#include "libos/vfs/epoll.h"

#define FDS_INLINE 16
#define ALWAYS     (POLL_ERR | POLL_HUP | POLL_NVAL)

static uint32_t look(struct linux_pollfd *p, struct file *f, struct poll_table *pt)
{
    p->revents = 0;
    if (p->fd < 0)
        return 0;
    uint32_t events = POLL_NVAL;
    if (f && !(f->mode & FILE_PATH))
        events = file_poll(f, pt) & ((uint16_t) p->events | ALWAYS);
    p->revents = (int16_t) events;
    return events;
}

static int look_once(struct linux_pollfd *p, size_t count)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        AUTO(file_put) struct file *f = p[i].fd >= 0 ? fd_get(p[i].fd) : NULL;
        if (look(&p[i], f, NULL))
            ready++;
    }
    return ready;
}

static int look_all(struct linux_pollfd *p, struct file *const *held, size_t count,
                    struct poll_table *pt)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++)
        if (look(&p[i], held[i], ready ? NULL : pt))
            ready++;
    return ready;
}

/* The number of ready entries; 0 at the deadline; -EINTR. A file that another thread closes while we
 * sleep must keep its queue until we are off it: the references are taken once, and all rounds look at
 * those files whatever the numbers mean by then. */
static long poll_loop(struct linux_pollfd *p, size_t count, int64_t deadline_ns)
{
    int ready = look_once(p, count);
    if (ready || deadline_ns <= 0)
        return ready;
    struct file **held = kzalloc((count + 1) * sizeof *held);
    if (!held)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        held[i] = p[i].fd >= 0 ? fd_get(p[i].fd) : NULL;
    UNINIT struct poll_session s;
    poll_session_init(&s);
    struct poll_table *pt = &s.table;
    long r = 0;
    while (!(ready = look_all(p, held, count, pt)) && r == 0) {
        pt = NULL;
        if (s.failed)
            r = -ENOMEM;
        else
            r = thread_sleep(SLEEP_INTERRUPTIBLE, deadline_ns);
    }
    poll_session_fini(&s);
    for (size_t i = 0; i < count; i++)
        if (held[i])
            file_put(held[i]);
    kfree(held);
    return ready ? ready : r == -ETIMEDOUT ? 0 : r;
}

static long poll_user(uaddr_t ua, size_t count, int64_t deadline_ns)
{
    if (count > current_process()->rlimits[7].cur || count > 65536)
        return -EINVAL;
    struct linux_pollfd few[FDS_INLINE], *p = few;
    if (count > FDS_INLINE && !(p = kzalloc(count * sizeof *p)))
        return -ENOMEM;
    struct span bytes = {(uint8_t *) p, count * sizeof *p};
    long r = copy_from_user(bytes, ua);
    if (r == 0)
        r = poll_loop(p, count, deadline_ns);
    if (r >= 0 && count && copy_to_user(ua, cspan(bytes)) < 0)
        r = -EFAULT;
    if (p != few)
        kfree(p);
    return r;
}

static int64_t deadline_of_ms(int64_t ms)
{
    if (ms < 0)
        return FOREVER;
    return ms == 0 ? 0 : clock_mono_ns() + ms * NSEC_PER_MS;
}

/* full */
SYSCALL(poll, uaddr_t, fds, unsigned, count, int, timeout)
{
    long r = poll_user(fds, count, deadline_of_ms(timeout));
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

static int deadline_of_timespec(uaddr_t ua, int64_t *ret)
{
    struct linux_timespec t;
    *ret = FOREVER;
    if (uaddr_null(ua))
        return 0;
    if (get_user(&t, ua) < 0)
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= NSEC_PER_SEC)
        return -EINVAL;
    if (t.tv_sec == 0 && t.tv_nsec == 0)
        *ret = 0;
    else if (t.tv_sec < INT64_MAX / NSEC_PER_SEC / 2)
        *ret = clock_mono_ns() + t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
    return 0;
}

/* What is left of the timeout goes back to the guest, as Linux does; a read-only timespec is fine. */
static void timeout_left(uaddr_t ua, int64_t deadline_ns, int64_t unit_ns)
{
    if (uaddr_null(ua) || deadline_ns == FOREVER)
        return;
    int64_t left = deadline_ns ? MAX(deadline_ns - clock_mono_ns(), (int64_t) 0) : 0;
    int64_t t[2] = {left / NSEC_PER_SEC, left % NSEC_PER_SEC / unit_ns};
    (void) copy_to_user(ua, CSPAN_OF(t)); /* Linux ignores it too */
}

/* The temporary mask; done: call sigmask_restore_unless afterwards. */
static int mask_enter(uaddr_t mask, size_t size, bool *ret_set)
{
    *ret_set = !uaddr_null(mask);
    if (!*ret_set)
        return 0;
    uint64_t m;
    if (size != sizeof m)
        return -EINVAL;
    if (get_user(&m, mask) < 0)
        return -EFAULT;
    sigmask_set_temporary(m);
    return 0;
}

/* full */
SYSCALL(ppoll, uaddr_t, fds, unsigned, count, uaddr_t, timeout, uaddr_t, mask, size_t, size)
{
    int64_t deadline;
    bool masked;
    int e = deadline_of_timespec(timeout, &deadline);
    if (e == 0)
        e = mask_enter(mask, size, &masked);
    if (e < 0)
        return e;
    long r = poll_user(fds, count, deadline);
    if (masked)
        sigmask_restore_unless(r == -EINTR);
    timeout_left(timeout, deadline, 1);
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

/* ---- select ---- */

#define SELECT_MAX 65536
#define SELECT_IN  (POLL_IN | POLL_RDNORM | POLL_RDBAND | POLL_HUP | POLL_ERR)
#define SELECT_OUT (POLL_OUT | POLL_WRNORM | POLL_WRBAND | POLL_ERR)
#define SELECT_PRI POLL_PRI

static const uint32_t select_ready[3] = {SELECT_IN, SELECT_OUT, SELECT_PRI};

struct select_sets {
    size_t bytes;     /* of each set: whole longs */
    uint8_t *bits[3]; /* in; NULL: not given */
    uint8_t *memory;
};

static bool bit(const uint8_t *set, unsigned n)
{
    return set && (set[n / 8] >> (n % 8) & 1);
}

static int sets_from_user(struct select_sets *s, int n, const uaddr_t ua[3])
{
    s->bytes = ROUND_UP(((size_t) n + 7) / 8, 8ul);
    s->memory = kzalloc(3 * s->bytes + 1);
    if (!s->memory)
        return -ENOMEM;
    for (int i = 0; i < 3; i++) {
        if (uaddr_null(ua[i]))
            continue;
        s->bits[i] = s->memory + (size_t) i * s->bytes;
        if (copy_from_user((struct span){s->bits[i], s->bytes}, ua[i]) < 0)
            return -EFAULT;
    }
    return 0;
}

/* Descriptors with any bit set, as poll entries; -EBADF if one is not open. */
static long sets_to_poll(const struct select_sets *s, int n, struct linux_pollfd *p)
{
    long count = 0;
    for (unsigned fd = 0; fd < (unsigned) n; fd++) {
        uint32_t events = (bit(s->bits[0], fd) ? POLL_IN | POLL_RDNORM | POLL_RDBAND : 0u) |
                          (bit(s->bits[1], fd) ? POLL_OUT | POLL_WRNORM | POLL_WRBAND : 0u) |
                          (bit(s->bits[2], fd) ? POLL_PRI : 0u);
        if (!events)
            continue;
        struct file *f = fd_get((int) fd);
        if (!f)
            return -EBADF;
        file_put(f);
        p[count++] = (struct linux_pollfd){.fd = (int) fd, .events = (int16_t) events};
    }
    return count;
}

/* Clears the sets and marks what is ready; the number of marks. */
static long sets_from_poll(struct select_sets *s, const struct linux_pollfd *p, long count)
{
    long marks = 0;
    for (int i = 0; i < 3; i++) {
        if (!s->bits[i])
            continue;
        uint8_t *set = s->bits[i];
        for (long k = 0; k < count; k++) {
            unsigned fd = (unsigned) p[k].fd;
            bool ready = bit(set, fd) && ((uint16_t) p[k].revents & select_ready[i]);
            if (bit(set, fd) && !ready)
                set[fd / 8] &= (uint8_t) ~(1u << (fd % 8));
            marks += ready;
        }
    }
    return marks;
}

static long select_sets_wait(struct select_sets *s, int n, int64_t deadline_ns)
{
    struct linux_pollfd *p = kzalloc(((size_t) n + 1) * sizeof *p);
    if (!p)
        return -ENOMEM;
    long count = sets_to_poll(s, n, p);
    long r = count < 0 ? count : poll_loop(p, (size_t) count, deadline_ns);
    if (r >= 0)
        r = sets_from_poll(s, p, count);
    kfree(p);
    return r;
}

static long select_user(int n, const uaddr_t ua[3], int64_t deadline_ns)
{
    if (n < 0)
        return -EINVAL;
    n = MIN(n, SELECT_MAX);
    struct select_sets s = {0};
    long r = sets_from_user(&s, n, ua);
    if (r == 0)
        r = select_sets_wait(&s, n, deadline_ns);
    for (int i = 0; i < 3 && r >= 0; i++)
        if (s.bits[i] && copy_to_user(ua[i], (struct cspan){s.bits[i], s.bytes}) < 0)
            r = -EFAULT;
    kfree(s.memory);
    return r;
}

/* full */
SYSCALL(select, int, n, uaddr_t, in, uaddr_t, out, uaddr_t, except, uaddr_t, timeout)
{
    int64_t deadline = FOREVER, tv[2];
    if (!uaddr_null(timeout)) {
        if (get_user(&tv, timeout) < 0)
            return -EFAULT;
        if (tv[0] < 0 || tv[1] < 0)
            return -EINVAL;
        if (tv[0] < INT64_MAX / NSEC_PER_SEC / 2)
            deadline =
                tv[0] || tv[1] ? clock_mono_ns() + tv[0] * NSEC_PER_SEC + tv[1] * NSEC_PER_US : 0;
    }
    const uaddr_t sets[3] = {in, out, except};
    long r = select_user(n, sets, deadline);
    timeout_left(timeout, deadline, 1000);
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

/* full */
SYSCALL(pselect6, int, n, uaddr_t, in, uaddr_t, out, uaddr_t, except, uaddr_t, timeout, uaddr_t,
        sig)
{
    uint64_t arg[2] = {0, 0};
    int64_t deadline;
    bool masked;
    if (!uaddr_null(sig) && get_user(&arg, sig) < 0)
        return -EFAULT;
    int e = deadline_of_timespec(timeout, &deadline);
    if (e == 0)
        e = mask_enter(UADDR(arg[0]), arg[1], &masked);
    if (e < 0)
        return e;
    const uaddr_t sets[3] = {in, out, except};
    long r = select_user(n, sets, deadline);
    if (masked)
        sigmask_restore_unless(r == -EINTR);
    timeout_left(timeout, deadline, 1);
    return r == -EINTR ? -ERESTARTNOHAND : r;
}

/* ---- epoll ---- */

/* full */
SYSCALL(epoll_create1, int, flags)
{
    if (flags & ~O_CLOEXEC)
        return -EINVAL;
    struct file *f;
    int r = epoll_new(&f);
    if (r < 0)
        return r;
    r = fd_install(f, (unsigned) flags);
    if (r < 0)
        file_put(f);
    return r;
}

/* full */
SYSCALL(epoll_create, int, size)
{
    const struct syscall_args none = {0};
    return size <= 0 ? -EINVAL : sys_epoll_create1(&none);
}

/* full */
SYSCALL(epoll_ctl, int, epfd, int, op, int, fd, uaddr_t, event)
{
    struct linux_epoll_event ev = {0};
    if (op != EPOLL_OP_DEL && get_user(&ev, event) < 0)
        return -EFAULT;
    AUTO(file_put) struct file *ep = fd_get(epfd);
    AUTO(file_put) struct file *f = fd_get(fd);
    if (!ep || !f || ((ep->mode | f->mode) & FILE_PATH))
        return -EBADF;
    return epoll_ctl(ep, op, fd, f, &ev);
}

#define EPOLL_EVENTS_MIN 1024

static long epoll_wait_user(int epfd, uaddr_t events, int max, int64_t deadline_ns)
{
    if (max <= 0 || max > INT32_MAX / (int) sizeof(struct linux_epoll_event))
        return -EINVAL;
    AUTO(file_put) struct file *ep = fd_get(epfd);
    if (!ep || (ep->mode & FILE_PATH))
        return -EBADF;
    UNINIT struct linux_epoll_event few[32];
    struct linux_epoll_event *ev = few;
    max = MIN(max, MAX(EPOLL_EVENTS_MIN, epoll_count(ep))); /* more cannot be ready */
    if (max > (int) ARRAY_SIZE(few) && !(ev = kzalloc((size_t) max * sizeof *ev)))
        return -ENOMEM;
    long r = epoll_wait(ep, ev, max, deadline_ns);
    if (r > 0 &&
        copy_to_user(events, (struct cspan){(const uint8_t *) ev, (size_t) r * sizeof *ev}) < 0)
        r = -EFAULT;
    if (ev != few)
        kfree(ev);
    return r;
}

/* full */
SYSCALL(epoll_wait, int, epfd, uaddr_t, events, int, max, int, timeout)
{
    return epoll_wait_user(epfd, events, max, deadline_of_ms(timeout));
}

static long epoll_pwait_user(int epfd, uaddr_t events, int max, int64_t deadline_ns, uaddr_t mask,
                             size_t size)
{
    bool masked;
    int e = mask_enter(mask, size, &masked);
    if (e < 0)
        return e;
    long r = epoll_wait_user(epfd, events, max, deadline_ns);
    if (masked)
        sigmask_restore_unless(r == -EINTR);
    return r;
}

/* full */
SYSCALL(epoll_pwait, int, epfd, uaddr_t, events, int, max, int, timeout, uaddr_t, mask, size_t,
        size)
{
    return epoll_pwait_user(epfd, events, max, deadline_of_ms(timeout), mask, size);
}

/* full */
SYSCALL(epoll_pwait2, int, epfd, uaddr_t, events, int, max, uaddr_t, timeout, uaddr_t, mask, size_t,
        size)
{
    int64_t deadline;
    int e = deadline_of_timespec(timeout, &deadline);
    return e < 0 ? e : epoll_pwait_user(epfd, events, max, deadline, mask, size);
}
