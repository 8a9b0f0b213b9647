/* Messages to the freshness service and back (abi/anchor.h): a Unix socket, run/anchors/service in the instance. The
 * user makes it what it is to be: a service of this machine, or a way to one elsewhere (`ssh -L`, `socat`); messages
 * need no protection on their way. A connection carries one question. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "abi/anchor.h"
#include "host/runtime.h"

#define SERVICE_TIMEOUT_S 5

/* sun_path is short and the instance's directory may be deep: its descriptor stands for it. */
static int connect_to(int fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char path[4096];
    if ((size_t) snprintf(path, sizeof path, "%s/run/anchors", runtime.instance) >= sizeof path)
        return -ENAMETOOLONG;
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/service", dir);
    int r = connect(fd, (const struct sockaddr *) &a, sizeof a) < 0 ? -errno : 0;
    close(dir);
    return r;
}

static int exchange(int fd, struct anchor_message *m)
{
    if (send(fd, m, sizeof *m, MSG_NOSIGNAL) != sizeof *m)
        return -EIO;
    for (size_t done = 0; done < sizeof *m;) {
        ssize_t n = recv(fd, (char *) m + done, sizeof *m - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EIO;
        done += (size_t) n;
    }
    return 0;
}

int64_t host_call_anchor_ask(struct host_vcpu *v)
{
    const struct timeval limit = {.tv_sec = SERVICE_TIMEOUT_S};
    struct anchor_message m;
    if (v->in_size != sizeof m || v->out_size != sizeof m)
        return -EINVAL;
    memcpy(&m, v->data, sizeof m);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int r = connect_to(fd);
    if (r == 0)
        r = exchange(fd, &m);
    close(fd);
    if (r == 0)
        memcpy(v->data, &m, sizeof m);
    return r;
}
