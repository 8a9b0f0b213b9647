/* The client's end of an instance's control socket. What comes back is the enclave's or the runtime's word;
 * sizes are checked, text is printed with client_text() only. */
#include "tools/occlum/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/lib/control.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/occlum/instance.h"
#include "tools/occlum/processes.h"

#define DATA_MAX (1u << 20)

static int not_running(bool quiet)
{
    if (!quiet) {
        msg_error("the instance does not run");
        msg_hint("occlum start");
    }
    return -ECONNREFUSED;
}

static int connect_to(const struct sockaddr_un *address, bool quiet)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *) address, sizeof *address) == 0)
        return fd;
    int e = errno;
    close(fd);
    /* Nobody listens: what is there was left by an instance that was killed. */
    return e == ENOENT || e == ECONNREFUSED ? not_running(quiet) : -e;
}

int client_connect(struct client *ret, bool quiet)
{
    struct sockaddr_un address;
    if (!instance_state(quiet))
        return -ENOENT;
    int r = control_dir_check(".");
    if (r == -ENOENT)
        return not_running(quiet);
    if (r == 0)
        r = control_address(".", &address);
    int fd = r < 0 ? r : connect_to(&address, quiet);
    if (fd >= 0 && !control_peer_ok(fd, &ret->pid) &&
        geteuid() != 0) { /* root looks after others' */
        close(fd);
        fd = -EPERM;
    }
    if (fd < 0 && fd != -ECONNREFUSED) {
        msg_error("cannot talk to the instance: %s", strerror(-fd));
        if (fd == -EPERM || fd == -EACCES)
            msg_hint("be the user who started it; " CONTROL_DIR "/ must be yours, with mode 0700");
    }
    ret->fd = fd;
    return fd < 0 ? fd : 0;
}

void client_close(struct client *c)
{
    close(c->fd);
}

static int send_all(int fd, const void *data, size_t size)
{
    for (const char *p = data; size > 0;) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t) n;
    }
    return 0;
}

static ssize_t send_with_fds(int fd, const void *data, size_t size, const int *fds)
{
    char room[CMSG_SPACE(3 * sizeof(int))] = {0};
    struct iovec v = {(void *) data, size};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fds) {
        m.msg_control = room;
        m.msg_controllen = sizeof room;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(3 * sizeof(int));
        memcpy(CMSG_DATA(h), fds, 3 * sizeof(int));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

int client_send(struct client *c, const struct control_request *request, const void *strings,
                const int *fds)
{
    ssize_t n = send_with_fds(c->fd, request, sizeof *request, fds);
    int r = n < 0 ? -errno : 0;
    if (r == 0)
        r = send_all(c->fd, (const char *) request + n, sizeof *request - (size_t) n);
    if (r == 0 && request->strings_size > 0)
        r = send_all(c->fd, strings, request->strings_size);
    if (r < 0)
        msg_error("the instance does not take the request: %s", strerror(-r));
    return r;
}

static int receive_all(int fd, void *data, size_t size)
{
    for (char *p = data; size > 0;) {
        ssize_t n = recv(fd, p, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -ECONNRESET;
        p += n;
        size -= (size_t) n;
    }
    return 0;
}

int client_receive(struct client *c, struct control_answer *ret, char **ret_data)
{
    int r = receive_all(c->fd, ret, sizeof *ret);
    if (r < 0)
        return r;
    if (ret->magic != CONTROL_MAGIC || ret->size > DATA_MAX)
        return -ECONNRESET;
    AUTO_FREE char *data = mem_zalloc(ret->size + 1ul);
    r = receive_all(c->fd, data, ret->size);
    if (r == 0)
        *ret_data = MEM_TAKE(data);
    return r;
}

void client_say_refusal(const struct control_answer *answer, const char *why)
{
    AUTO_FREE char *text = mem_strdup(*why ? why : strerror((int) answer->value));
    for (char *p = text; *p; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            *p = '?';
    msg_error("refused: %s", text);
    if (strstr(text, "control.inspect"))
        msg_hint("\"control\": { \"inspect\": \"full\" } in Occlum.json, then: occlum build");
}

static int collect(struct client *c, char **ret_data, size_t *ret_size)
{
    AUTO_FREE char *all = NULL;
    size_t size = 0;
    for (;;) {
        struct control_answer a;
        AUTO_FREE char *data = NULL;
        int r = client_receive(c, &a, &data);
        if (r < 0) {
            msg_error("the instance ended");
            return r;
        }
        if (a.kind == CONTROL_FAILED) {
            client_say_refusal(&a, data);
            return a.value > 0 && a.value < 4096 ? -(int) a.value : -EIO;
        }
        if (a.kind == CONTROL_DONE)
            break;
        all = mem_grow(all, size + a.size, 1);
        memcpy(all + size, data, a.size);
        size += a.size;
    }
    *ret_data = MEM_TAKE(all);
    *ret_size = size;
    return 0;
}

int client_ask(uint32_t op, int64_t a, int64_t b, char **ret_data, size_t *ret_size)
{
    struct client c;
    int r = client_connect(&c, false);
    if (r < 0)
        return r;
    struct control_request q = {.magic = CONTROL_MAGIC, .op = op, .a = a, .b = b};
    r = client_send(&c, &q, NULL, NULL);
    if (r == 0)
        r = collect(&c, ret_data, ret_size);
    client_close(&c);
    return r;
}

int processes_get(bool stacks, struct process_list *ret)
{
    char *data = NULL;
    size_t size = 0;
    int r = client_ask(CONTROL_LIST, stacks ? CONTROL_LIST_STACKS : 0, 0, &data, &size);
    if (r == 0) {
        r = processes_parse(data, size, ret);
        if (r < 0)
            msg_error("the instance's answer makes no sense");
    }
    return r;
}
