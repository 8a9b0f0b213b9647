/* Clients of a running instance. One thread accepts them, reads their requests and writes their answers;
 * requests wait in a queue until the enclave takes them (control_next), answers come back from vCPU
 * threads (control_answer), which only append to a client's buffer: a client that does not read stops nobody.
 *
 * A connection carries one request; that of an EXEC stays open as long as the program runs and carries
 * signals. When it closes before the program has ended, the enclave is told to end the session. Who may
 * connect: this user and root, by the directory's mode and by SO_PEERCRED.
 *
 * control.lock guards clients and queue; it is taken with no other lock held.
 */
#include "host/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "abi/control.h"
#include "host/runtime.h"
#include "host/streams.h"
#include "tools/lib/control.h"

#define CLIENTS_MAX 256
#define REPLY_LIMIT (64u << 20) /* bytes a client may leave unread */

struct request {
    struct request *next;
    size_t size;
    struct control_request head; /* strings behind it */
};

struct client {
    int fd; /* -1: this slot is free */
    uint32_t id;
    unsigned session; /* EXEC: its streams; 0: none */
    bool sent, ended; /* the request was passed on; the last answer was given */
    bool told_input;  /* INPUT was sent since it said who has its terminal */
    int fds[3];       /* received, not yet used */
    int fd_count;
    struct control_request head;
    size_t head_size;    /* bytes of it that are there */
    struct request *req; /* being read: head is complete */
    size_t req_size;     /* bytes of its strings that are there */
    uint8_t *out;
    size_t out_size, out_done;
};

static struct {
    pthread_mutex_t lock;
    struct client clients[CLIENTS_MAX];
    struct request *first, **last;
    uint32_t last_id;
    int listener, wake, ready_fd, lock_fd;
    struct sockaddr_un address;
} control = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .last = &control.first,
             .listener = -1,
             .wake = -1,
             .ready_fd = -1,
             .lock_fd = -1};

/* ---- to the enclave ---- */

static void push_locked(struct request *r)
{
    r->next = NULL;
    *control.last = r;
    control.last = &r->next;
    __atomic_fetch_or(&runtime.boot->events, HOST_EVENT_CONTROL, __ATOMIC_SEQ_CST);
    vcpu_kick_any();
}

/* A request without strings. Lack of memory loses it. */
static void push_simple_locked(uint32_t op, unsigned session, int64_t a)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r)
        return;
    r->size = sizeof r->head;
    r->head = (struct control_request){
        .magic = CONTROL_MAGIC, .op = op, .id = ++control.last_id, .session = session, .a = a};
    push_locked(r);
}

static struct request *pop_locked(void)
{
    struct request *r = control.first;
    if (!r)
        return NULL;
    control.first = r->next;
    if (!control.first)
        control.last = &control.first;
    return r;
}

static void say_ready(void)
{
    int fd = __atomic_exchange_n(&control.ready_fd, -1, __ATOMIC_SEQ_CST);
    if (fd < 0)
        return;
    (void) !write(fd, "r", 1); /* nobody waits any more: fine */
    close(fd);
}

int64_t host_call_control_next(struct host_vcpu *v)
{
    say_ready();
    pthread_mutex_lock(&control.lock);
    struct request *r = pop_locked();
    pthread_mutex_unlock(&control.lock);
    if (!r)
        return -EAGAIN;
    int64_t n = r->size <= v->out_size ? (int64_t) r->size : -EAGAIN;
    if (n > 0)
        memcpy(v->data, &r->head, r->size);
    free(r);
    return n;
}

void control_stop(int seconds)
{
    pthread_mutex_lock(&control.lock);
    push_simple_locked(CONTROL_STOP, 0, seconds);
    pthread_mutex_unlock(&control.lock);
}

/* ---- to a client ---- */

static void wake_server(void)
{
    uint64_t one = 1;
    (void) !write(control.wake, &one, sizeof one);
}

static void reply_locked(struct client *c, uint32_t kind, int64_t value, const void *data,
                         size_t size)
{
    struct control_answer head = {
        .magic = CONTROL_MAGIC, .kind = kind, .size = (uint32_t) size, .value = value};
    size_t total = c->out_size + sizeof head + size;
    uint8_t *out = total <= REPLY_LIMIT ? realloc(c->out, total) : NULL;
    if (!out) {
        shutdown(c->fd, SHUT_RDWR); /* the server sees its end */
        return;
    }
    memcpy(out + c->out_size, &head, sizeof head);
    if (size)
        memcpy(out + c->out_size + sizeof head, data, size);
    c->out = out;
    c->out_size = total;
    c->ended |= kind == CONTROL_FAILED || kind == CONTROL_DONE || kind == CONTROL_EXITED;
}

static struct client *client_by_id_locked(uint32_t id)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (control.clients[i].fd >= 0 && control.clients[i].sent && control.clients[i].id == id)
            return &control.clients[i];
    return NULL;
}

int64_t host_call_control_answer(struct host_vcpu *v)
{
    size_t size = v->in_size <= HOST_DATA_MAX ? v->in_size : 0;
    pthread_mutex_lock(&control.lock);
    struct client *c = client_by_id_locked((uint32_t) v->args[0]);
    if (c && !c->ended) {
        if (v->args[1] == CONTROL_EXITED)
            streams_restore(c->session);
        reply_locked(c, (uint32_t) v->args[1], (int64_t) v->args[2], v->data, size);
    }
    pthread_mutex_unlock(&control.lock);
    wake_server();
    return (int64_t) size;
}

void control_input_wanted(unsigned session)
{
    pthread_mutex_lock(&control.lock);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &control.clients[i];
        if (c->fd < 0 || c->session != session || c->ended || c->told_input)
            continue;
        c->told_input = true;
        reply_locked(c, CONTROL_INPUT, 0, NULL, 0);
    }
    pthread_mutex_unlock(&control.lock);
    wake_server();
}

static void refuse_locked(struct client *c, int error, const char *why)
{
    reply_locked(c, CONTROL_FAILED, error, why, strlen(why));
}

/* ---- clients ---- */

static void close_fds(struct client *c)
{
    while (c->fd_count > 0)
        close(c->fds[--c->fd_count]);
}

static void drop_locked(struct client *c)
{
    if (c->session && c->sent && !c->ended) {
        streams_restore(c->session);
        push_simple_locked(CONTROL_HANGUP, c->session, 0);
    }
    close_fds(c);
    close(c->fd);
    free(c->req);
    free(c->out);
    *c = (struct client){.fd = -1};
}

static bool may_connect(int fd)
{
    pid_t pid;
    return control_peer_ok(fd, &pid);
}

static void accept_client(void)
{
    int fd = accept4(control.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    pthread_mutex_lock(&control.lock);
    struct client *free_slot = NULL;
    for (size_t i = 0; i < CLIENTS_MAX && !free_slot; i++)
        free_slot = control.clients[i].fd < 0 ? &control.clients[i] : NULL;
    if (free_slot && may_connect(fd))
        *free_slot = (struct client){.fd = fd};
    else
        close(fd);
    pthread_mutex_unlock(&control.lock);
}

static void submit_exec_locked(struct client *c, struct request *r)
{
    int session = c->fd_count == 3 ? streams_open(c->fds) : -EINVAL;
    if (session < 0) {
        free(r);
        refuse_locked(c, -session,
                      session == -EBUSY ? "too many programs run already"
                                        : "three descriptors must come along");
        return;
    }
    c->fd_count = 0;
    c->session = (unsigned) session;
    streams_gate(c->session, r->head.a == 1);
    r->head.a = 0;
    r->head.session = c->session;
    push_locked(r);
}

/* A complete request of c. */
static void submit_locked(struct client *c, struct request *r)
{
    bool first = !c->sent;
    bool later = c->session && !c->ended && r->head.op == CONTROL_SIGNAL;
    r->head.session = 0;
    r->head.id = ++control.last_id;
    if (c->session && r->head.op == CONTROL_TERMINAL) {
        streams_gate(c->session, r->head.a == 0);
        c->told_input = false;
        free(r);
    } else if (later) {
        r->head.session = c->session;
        push_locked(r);
    } else if (!first || r->head.op == CONTROL_SIGNAL || r->head.op == CONTROL_HANGUP) {
        free(r);
        refuse_locked(c, EINVAL, "not now");
    } else {
        c->sent = true;
        c->id = r->head.id;
        if (r->head.op == CONTROL_EXEC)
            submit_exec_locked(c, r);
        else
            push_locked(r);
    }
}

/* ---- reading: false when the client is gone or breaks the protocol ---- */

static void take_fds(struct client *c, struct msghdr *m)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (c->fd_count < 3)
                c->fds[c->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

static ssize_t receive(struct client *c, void *to, size_t size)
{
    char room[CMSG_SPACE(4 * sizeof(int))];
    struct iovec v = {to, size};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
    if (n >= 0)
        take_fds(c, &m);
    return n;
}

/* Bytes for the head or the strings; 0: none now, or the request is complete. */
static ssize_t read_part(struct client *c)
{
    if (c->head_size < sizeof c->head)
        return receive(c, (uint8_t *) &c->head + c->head_size, sizeof c->head - c->head_size);
    uint8_t *strings = (uint8_t *) (&c->req->head + 1);
    return receive(c, strings + c->req_size, c->head.strings_size - c->req_size);
}

static bool begin_request(struct client *c)
{
    const struct control_request *h = &c->head;
    if (h->magic != CONTROL_MAGIC || h->strings_size > CONTROL_STRINGS_MAX)
        return false;
    c->req = calloc(1, sizeof *c->req + h->strings_size);
    if (!c->req)
        return false;
    c->req->head = *h;
    c->req->size = sizeof *h + h->strings_size;
    c->req_size = 0;
    return true;
}

static bool read_client_locked(struct client *c)
{
    for (;;) {
        ssize_t n = read_part(c);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (c->head_size < sizeof c->head) {
            c->head_size += (size_t) n;
            if (c->head_size == sizeof c->head && !begin_request(c))
                return false;
        } else {
            c->req_size += (size_t) n;
        }
        if (c->req && c->req_size == c->head.strings_size) {
            struct request *r = c->req;
            c->req = NULL;
            c->head_size = 0;
            submit_locked(c, r);
        }
    }
}

static bool write_client_locked(struct client *c)
{
    ssize_t n = send(c->fd, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN;
    c->out_done += (size_t) n;
    if (c->out_done == c->out_size) {
        free(c->out);
        c->out = NULL;
        c->out_done = c->out_size = 0;
    }
    return true;
}

/* ---- the server's thread ---- */

static nfds_t collect(struct pollfd *p, size_t *number)
{
    nfds_t n = 2;
    p[0] = (struct pollfd){.fd = control.listener, .events = POLLIN};
    p[1] = (struct pollfd){.fd = control.wake, .events = POLLIN};
    pthread_mutex_lock(&control.lock);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *c = &control.clients[i];
        if (c->fd < 0)
            continue;
        number[n] = i;
        p[n++] =
            (struct pollfd){.fd = c->fd, .events = (short) (POLLIN | (c->out_size ? POLLOUT : 0))};
    }
    pthread_mutex_unlock(&control.lock);
    return n;
}

static void serve_client(struct client *c, short events)
{
    pthread_mutex_lock(&control.lock);
    bool alive = true;
    if ((events & POLLOUT) && c->out_size)
        alive = write_client_locked(c);
    if (alive && (events & (POLLIN | POLLHUP | POLLERR)))
        alive = read_client_locked(c);
    if (!alive)
        drop_locked(c);
    pthread_mutex_unlock(&control.lock);
}

static void *server(void *arg)
{
    static struct pollfd p[CLIENTS_MAX + 2];
    static size_t number[CLIENTS_MAX + 2];
    for (;;) {
        nfds_t n = collect(p, number);
        if (poll(p, n, -1) < 0)
            continue;
        uint64_t drained;
        if (p[1].revents)
            (void) !read(control.wake, &drained, sizeof drained);
        for (nfds_t i = 2; i < n; i++)
            if (p[i].revents)
                serve_client(&control.clients[number[i]], p[i].revents);
        if (p[0].revents)
            accept_client();
    }
    return NULL;
}

/* ---- start and end ---- */

static int fail(const char *what, int error)
{
    fprintf(stderr, "occlum-run: %s: %s\n", what, strerror(error));
    return -error;
}

/* Held as long as this process lives; the number in it is for people. */
static int take_lock(const char *instance)
{
    char path[4096], pid[16];
    snprintf(path, sizeof path, "%s/" CONTROL_DIR "/" CONTROL_LOCK, instance);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(path, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        fprintf(stderr, "occlum-run: the instance runs already\n");
        close(fd);
        return -EBUSY;
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int) getpid());
    if (ftruncate(fd, 0) == 0)
        (void) !write(fd, pid, (size_t) n);
    control.lock_fd = fd;
    return 0;
}

/* Whoever holds the lock may remove a socket that an earlier one left. */
static int listen_at(const char *instance)
{
    int r = control_address(instance, &control.address);
    if (r < 0)
        return fail(instance, -r);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail("socket", errno);
    (void) unlink(control.address.sun_path); /* mostly there is none */
    mode_t mask = umask(0177);
    r = bind(fd, (struct sockaddr *) &control.address, sizeof control.address);
    umask(mask);
    if (r < 0 || listen(fd, 64) < 0)
        return fail(control.address.sun_path, errno);
    control.listener = fd;
    return 0;
}

int control_start(const char *instance, int ready_fd)
{
    int r = control_dir_check(instance);
    if (r < 0)
        return fail(CONTROL_DIR, -r);
    r = take_lock(instance);
    if (r == 0)
        r = listen_at(instance);
    if (r < 0)
        return r;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        control.clients[i].fd = -1;
    control.ready_fd = ready_fd;
    control.wake = eventfd(0, EFD_CLOEXEC);
    pthread_t t;
    if (control.wake < 0 || pthread_create(&t, NULL, server, NULL) != 0)
        return fail("the control thread", errno);
    return 0;
}

static void flush_locked(struct client *c)
{
    struct timeval limit = {.tv_sec = 1};
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    while (c->out_size && write_client_locked(c) && c->out_size)
        continue;
}

void control_finish(void)
{
    if (control.listener < 0)
        return;
    (void) unlink(control.address.sun_path); /* already gone: fine */
    pthread_mutex_lock(&control.lock);       /* for good */
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (control.clients[i].fd >= 0)
            flush_locked(&control.clients[i]);
}
