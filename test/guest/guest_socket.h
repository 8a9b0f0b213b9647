/* Options of sockets that are an int. */
#ifndef GUEST_SOCKET_H
#define GUEST_SOCKET_H
#include "guest_test.h"
#include <sys/socket.h>

static UNUSED void set(int s, int level, int which, int v)
{
    OK(setsockopt(s, level, which, &v, sizeof v));
}

static UNUSED int option(int s, int level, int which)
{
    int v = -1;
    socklen_t n = sizeof v;
    OK(getsockopt(s, level, which, &v, &n));
    CHECK_EQ(n, sizeof v);
    return v;
}
#endif
