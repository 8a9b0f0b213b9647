/* Host calls on the runtime's own descriptors 0, 1, 2, and the thread that watches them. The calls
 * never block: poll first, then one read or write of what fits. The descriptors are shared with other
 * processes (the user's shell), so O_NONBLOCK is never set on them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "abi/enter.h"
#include "host/runtime.h"

static struct {
    pthread_mutex_t lock;
    short want[3];
    int wake; /* eventfd: want changed; -1: the watcher does not run yet */
    bool raw;
    struct termios saved;
} stdio = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = -1};

static short ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int64_t host_call_stdio_read(struct host_vcpu *v)
{
    int fd = (int) v->args[0];
    if ((unsigned) fd > 2 || v->out_size > HOST_DATA_MAX)
        return -EBADF;
    if (!ready_now(fd, POLLIN))
        return -EAGAIN;
    ssize_t n = read(fd, v->data, v->out_size);
    return n < 0 ? -errno : n;
}

int64_t host_call_stdio_write(struct host_vcpu *v)
{
    int fd = (int) v->args[0];
    if ((unsigned) fd > 2 || v->in_size > HOST_DATA_MAX)
        return -EBADF;
    short ready = ready_now(fd, POLLOUT);
    if (!ready)
        return -EAGAIN;
    /* A pipe with POLLOUT takes PIPE_BUF bytes without blocking; more might block. */
    size_t n = v->in_size;
    if (n > 4096 && !is_regular(fd))
        n = 4096;
    ssize_t r = write(fd, v->data, n);
    return r < 0 ? -errno : r;
}

int64_t host_call_stdio_poll(struct host_vcpu *v)
{
    return (uint64_t) v->args[0] > 2 ? 0 : ready_now((int) v->args[0], POLLIN | POLLOUT);
}

int64_t host_call_stdio_stat(struct host_vcpu *v)
{
    struct stat st;
    if (v->args[0] > 2 || fstat((int) v->args[0], &st) < 0)
        return -EBADF;
    struct host_stat s;
    host_stat_fill(&s, &st);
    memcpy(v->data, &s, sizeof s);
    return 0;
}

static void remember_terminal(int fd)
{
    if (!stdio.raw && tcgetattr(fd, &stdio.saved) == 0)
        stdio.raw = true;
}

int64_t host_call_stdio_ioctl(struct host_vcpu *v)
{
    static const unsigned long allowed[] = {TCGETS,     TCSETS,     TCSETSW,  TCSETSF,
                                            TIOCGWINSZ, TIOCSWINSZ, FIONREAD, TCFLSH};
    int fd = (int) v->args[0];
    bool ok = (unsigned) fd <= 2;
    bool known = false;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        known |= v->args[1] == allowed[i];
    if (!ok || !known)
        return ok ? -ENOTTY : -EBADF;
    if (v->args[1] == TCSETS || v->args[1] == TCSETSW || v->args[1] == TCSETSF)
        remember_terminal(fd);
    unsigned long arg = v->args[1] == TCFLSH ? v->args[2] : (unsigned long) v->data;
    return ioctl(fd, v->args[1], arg) < 0 ? -errno : 0;
}

void stdio_restore(void)
{
    if (stdio.raw)
        for (int fd = 0; fd < 3; fd++)
            if (tcsetattr(fd, TCSANOW, &stdio.saved) == 0)
                break;
}

static void raise_events(uint64_t bits)
{
    if (!bits)
        return;
    __atomic_fetch_or(&runtime.boot->events, bits, __ATOMIC_SEQ_CST);
    vcpu_kick_any();
}

static void *watcher(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&stdio.lock);
        struct pollfd p[4] = {{.fd = stdio.wake, .events = POLLIN}};
        for (int fd = 0; fd < 3; fd++)
            p[fd + 1] = (struct pollfd){.fd = stdio.want[fd] ? fd : -1, .events = stdio.want[fd]};
        pthread_mutex_unlock(&stdio.lock);
        if (poll(p, 4, -1) < 0)
            continue;
        uint64_t n, bits = 0;
        if (p[0].revents)
            (void) !read(stdio.wake, &n, sizeof n);
        pthread_mutex_lock(&stdio.lock);
        for (int fd = 0; fd < 3; fd++)
            if (p[fd + 1].revents) {
                bits |= HOST_EVENT_STDIO(fd);
                stdio.want[fd] = 0;
            }
        pthread_mutex_unlock(&stdio.lock);
        raise_events(bits);
    }
    return NULL;
}

static void start_watcher_locked(void)
{
    pthread_t t;
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0 || pthread_create(&t, NULL, watcher, NULL) != 0) {
        fprintf(stderr, "occlum-run: cannot watch the standard files: %s\n", strerror(errno));
        runtime_exit(PANIC_STATUS);
    }
    stdio.wake = fd;
}

int64_t host_call_stdio_watch(struct host_vcpu *v)
{
    if (v->args[0] > 2)
        return 0;
    pthread_mutex_lock(&stdio.lock);
    if (stdio.wake < 0)
        start_watcher_locked();
    stdio.want[v->args[0]] |= (short) v->args[1];
    pthread_mutex_unlock(&stdio.lock);
    uint64_t one = 1;
    (void) !write(stdio.wake, &one, sizeof one);
    return 0;
}
