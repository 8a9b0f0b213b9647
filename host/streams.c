/* Streams: descriptors of the runtime and of the clients of `occlum exec`, and the thread that watches them.
 *
 * Calls never block, and O_NONBLOCK is never set on a descriptor that others share (the user's shell). So
 * pipes and terminals are opened once more through /proc/self/fd, which gives an open file of our own;
 * sockets take MSG_DONTWAIT; where neither works, poll first and then one read or write of what fits.
 *
 * A session's slot is free -> open -> closed by the enclave (stdio_close). Only then it is used again, so
 * no call can meet the descriptors of another session. Locks: streams.lock for the table and what is
 * watched. The calls themselves take none: the enclave closes a session when nothing in it uses it.
 */
#include "host/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "abi/enter.h"
#include "host/control.h"
#include "host/runtime.h"
#include "host/signals.h"

#define SHARED_WRITE_MAX 4096 /* a pipe with POLLOUT takes PIPE_BUF bytes without blocking */

enum stream_kind {
    STREAM_UNKNOWN, /* not used yet */
    STREAM_PRIVATE, /* an open file of our own, which does not block */
    STREAM_SOCKET,
    STREAM_PLAIN, /* a file or a device: reads and writes are short */
    STREAM_SHARED,
};

struct stream {
    int fd;                /* -1: there is none */
    enum stream_kind kind; /* set by the first call that transfers something */
    short want;            /* streams.lock */
};

struct session {
    bool open; /* streams.lock */
    struct stream stream[3];
    bool gated;   /* no input from a terminal; streams.lock */
    bool changed; /* the enclave changed the terminal's settings; saved has the old ones */
    struct termios saved;
};

static struct {
    pthread_mutex_t lock;
    struct session sessions[HOST_SESSIONS];
    int wake; /* eventfd: want changed; -1: the watcher does not run yet */
} streams = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .sessions[0] = {.open = true, .stream = {{.fd = 0}, {.fd = 1}, {.fd = 2}}},
    .wake = -1,
};

/* ---- sessions ---- */

int streams_open(const int fds[3])
{
    int found = -EBUSY;
    pthread_mutex_lock(&streams.lock);
    for (unsigned i = 1; i < HOST_SESSIONS && found < 0; i++) {
        struct session *s = &streams.sessions[i];
        if (s->open)
            continue;
        *s = (struct session){.open = true};
        for (int k = 0; k < 3; k++)
            s->stream[k].fd = fds[k];
        found = (int) i;
    }
    pthread_mutex_unlock(&streams.lock);
    return found;
}

void streams_close(unsigned session)
{
    if (session == 0 || session >= HOST_SESSIONS)
        return;
    streams_restore(session);
    pthread_mutex_lock(&streams.lock);
    struct session *s = &streams.sessions[session];
    for (int k = 0; s->open && k < 3; k++)
        close(s->stream[k].fd);
    *s = (struct session){0};
    pthread_mutex_unlock(&streams.lock);
}

int64_t host_call_stdio_close(struct host_vcpu *v)
{
    streams_close((unsigned) v->args[0]);
    return 0;
}

void streams_restore(unsigned session)
{
    struct session *s = &streams.sessions[session];
    if (!s->changed)
        return;
    s->changed = false;
    for (int k = 0; k < 3; k++)
        if (tcsetattr(s->stream[k].fd, TCSANOW, &s->saved) == 0)
            break;
}

void streams_restore_all(void)
{
    for (unsigned i = 0; i < HOST_SESSIONS; i++)
        streams_restore(i);
}

/* ---- one stream ---- */

static struct session *session_of(uint64_t stream)
{
    struct session *s = stream < HOST_STREAMS ? &streams.sessions[stream / 3] : NULL;
    return s && s->open ? s : NULL;
}

static struct stream *stream_of(uint64_t stream)
{
    struct session *s = session_of(stream);
    return s ? &s->stream[stream % 3] : NULL;
}

/* An open file of our own on the same pipe or terminal; the three descriptors of the runtime itself stay
 * open beside it, a client's makes way. */
static bool reopen(struct stream *s)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", s->fd);
    int flags = fcntl(s->fd, F_GETFL);
    int fd = flags < 0 ? -1 : open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (s->fd > 2)
        close(s->fd);
    s->fd = fd;
    return true;
}

static enum stream_kind find_kind(struct stream *s)
{
    struct stat st;
    if (fstat(s->fd, &st) < 0)
        return STREAM_PLAIN;
    if (S_ISSOCK(st.st_mode))
        return STREAM_SOCKET;
    if (!S_ISFIFO(st.st_mode) && !isatty(s->fd))
        return STREAM_PLAIN;
    return reopen(s) ? STREAM_PRIVATE : STREAM_SHARED;
}

static enum stream_kind kind_of(struct stream *s)
{
    pthread_mutex_lock(&streams.lock);
    if (s->kind == STREAM_UNKNOWN)
        s->kind = find_kind(s);
    pthread_mutex_unlock(&streams.lock);
    return s->kind;
}

static bool gated(const struct session *s, int fd)
{
    return __atomic_load_n(&s->gated, __ATOMIC_SEQ_CST) && isatty(fd);
}

static short ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

/* Our own terminal, while another job has it. */
static bool in_background(int fd)
{
    pid_t foreground = tcgetpgrp(fd);
    return foreground > 0 && foreground != getpgrp();
}

int64_t host_call_stdio_read(struct host_vcpu *v)
{
    struct stream *s = stream_of(v->args[0]);
    if (!s || v->out_size > HOST_DATA_MAX)
        return -EBADF;
    enum stream_kind kind = kind_of(s);
    if (gated(session_of(v->args[0]), s->fd)) {
        control_input_wanted((unsigned) v->args[0] / 3);
        return -EAGAIN;
    }
    if (kind == STREAM_SHARED && !ready_now(s->fd, POLLIN))
        return -EAGAIN;
    ssize_t n = kind == STREAM_SOCKET ? recv(s->fd, v->data, v->out_size, MSG_DONTWAIT)
                                      : read(s->fd, v->data, v->out_size);
    if (n < 0 && errno == EIO && in_background(s->fd))
        return signals_stop(SIGTTIN) ? -EAGAIN : -EIO;
    return n < 0 ? -errno : n;
}

int64_t host_call_stdio_write(struct host_vcpu *v)
{
    struct stream *s = stream_of(v->args[0]);
    if (!s || v->in_size > HOST_DATA_MAX)
        return -EBADF;
    enum stream_kind kind = kind_of(s);
    if (kind == STREAM_SHARED && !ready_now(s->fd, POLLOUT))
        return -EAGAIN;
    size_t n = v->in_size;
    if (kind == STREAM_SHARED && n > SHARED_WRITE_MAX)
        n = SHARED_WRITE_MAX;
    ssize_t r = kind == STREAM_SOCKET ? send(s->fd, v->data, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                                      : write(s->fd, v->data, n);
    return r < 0 ? -errno : r;
}

int64_t host_call_stdio_poll(struct host_vcpu *v)
{
    struct stream *s = stream_of(v->args[0]);
    if (!s)
        return 0;
    return ready_now(s->fd, gated(session_of(v->args[0]), s->fd) ? POLLOUT : POLLIN | POLLOUT);
}

int64_t host_call_stdio_stat(struct host_vcpu *v)
{
    struct stream *s = stream_of(v->args[0]);
    struct stat st;
    if (!s || fstat(s->fd, &st) < 0)
        return -EBADF;
    struct host_stat answer;
    host_stat_fill(&answer, &st);
    memcpy(v->data, &answer, sizeof answer);
    return 0;
}

static void remember_terminal(struct session *s, int fd)
{
    if (!s->changed && tcgetattr(fd, &s->saved) == 0)
        s->changed = true;
}

int64_t host_call_stdio_ioctl(struct host_vcpu *v)
{
    static const unsigned long allowed[] = {TCGETS,     TCSETS,     TCSETSW,  TCSETSF,
                                            TIOCGWINSZ, TIOCSWINSZ, FIONREAD, TCFLSH};
    struct session *session = session_of(v->args[0]);
    if (!session)
        return -EBADF;
    int fd = session->stream[v->args[0] % 3].fd;
    bool known = false;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        known |= v->args[1] == allowed[i];
    if (!known)
        return -ENOTTY;
    if (v->args[1] == TCSETS || v->args[1] == TCSETSW || v->args[1] == TCSETSF)
        remember_terminal(session, fd);
    unsigned long arg = v->args[1] == TCFLSH ? v->args[2] : (unsigned long) v->data;
    return ioctl(fd, v->args[1], arg) < 0 ? -errno : 0;
}

/* ---- the watcher ---- */

static void raise_streams(const uint64_t words[HOST_STREAMS / 64])
{
    bool any = false;
    for (unsigned w = 0; w < HOST_STREAMS / 64; w++) {
        if (words[w])
            __atomic_fetch_or(&runtime.boot->streams[w], words[w], __ATOMIC_SEQ_CST);
        any |= words[w] != 0;
    }
    if (!any)
        return;
    __atomic_fetch_or(&runtime.boot->events, HOST_EVENT_STREAMS, __ATOMIC_SEQ_CST);
    vcpu_kick_any();
}

/* What is watched, as an array for poll(); number[] says which streams. */
static nfds_t collect(struct pollfd *p, uint64_t *number)
{
    nfds_t n = 1;
    pthread_mutex_lock(&streams.lock);
    p[0] = (struct pollfd){.fd = streams.wake, .events = POLLIN};
    for (uint64_t i = 0; i < HOST_STREAMS; i++) {
        const struct stream *s = stream_of(i);
        short want = s ? s->want : 0;
        if (want && gated(session_of(i), s->fd))
            want &= (short) ~POLLIN;
        if (!want)
            continue;
        number[n] = i;
        p[n++] = (struct pollfd){.fd = s->fd, .events = want};
    }
    pthread_mutex_unlock(&streams.lock);
    return n;
}

static void *watcher(void *arg)
{
    static struct pollfd p[HOST_STREAMS + 1];
    static uint64_t number[HOST_STREAMS + 1];
    for (;;) {
        nfds_t n = collect(p, number);
        if (poll(p, n, -1) < 0)
            continue;
        uint64_t drained, words[HOST_STREAMS / 64] = {0};
        if (p[0].revents)
            (void) !read(streams.wake, &drained, sizeof drained);
        pthread_mutex_lock(&streams.lock);
        for (nfds_t i = 1; i < n; i++) {
            struct stream *s = p[i].revents ? stream_of(number[i]) : NULL;
            if (!s)
                continue;
            words[number[i] / 64] |= 1ull << number[i] % 64;
            s->want = 0;
        }
        pthread_mutex_unlock(&streams.lock);
        raise_streams(words);
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
    streams.wake = fd;
}

static void wake_watcher(void)
{
    uint64_t one = 1;
    (void) !write(streams.wake, &one, sizeof one);
}

void streams_gate(unsigned session, bool closed)
{
    pthread_mutex_lock(&streams.lock);
    __atomic_store_n(&streams.sessions[session].gated, closed, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&streams.lock);
    wake_watcher(); /* it watches something else now; one that does not run yet will */
}

int64_t host_call_stdio_watch(struct host_vcpu *v)
{
    pthread_mutex_lock(&streams.lock);
    struct stream *s = stream_of(v->args[0]);
    if (streams.wake < 0)
        start_watcher_locked();
    if (s)
        s->want |= (short) v->args[1];
    pthread_mutex_unlock(&streams.lock);
    wake_watcher();
    return 0;
}
