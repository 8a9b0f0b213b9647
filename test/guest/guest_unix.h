/* Unix sockets: a pair, and sockets with abstract names of their own. */
#ifndef GUEST_UNIX_H
#define GUEST_UNIX_H
#include "guest_socket.h"
#include <sys/un.h>

static UNUSED int pair[2];

static UNUSED void make(int type)
{
    OK(socketpair(AF_UNIX, type, 0, pair));
}
static UNUSED void drop(void)
{
    close(pair[0]);
    close(pair[1]);
}

/* An abstract name of our own. */
static UNUSED socklen_t name(struct sockaddr_un *a, const char *tail)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path + 1, 90, "guest-%d-%s", (int) getpid(), tail);
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
}

static UNUSED int socket_of(int type)
{
    return (int) OK(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static UNUSED int bound(int type, const char *tail)
{
    struct sockaddr_un a;
    socklen_t n = name(&a, tail);
    int s = socket_of(type);
    OK(bind(s, (struct sockaddr *) &a, n));
    return s;
}

static UNUSED int join(int s, const char *tail)
{
    struct sockaddr_un a;
    socklen_t n = name(&a, tail);
    return connect(s, (struct sockaddr *) &a, n);
}

static UNUSED short events(int fd)
{
    return ready(fd, POLLIN | POLLOUT | POLLRDHUP, 0);
}
#endif
