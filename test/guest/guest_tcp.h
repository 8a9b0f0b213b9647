/* A connection of TCP over loopback: a listener, its client, and the peer that it accepted. */
#ifndef GUEST_TCP_H
#define GUEST_TCP_H
#include "guest_socket.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static UNUSED int family = AF_INET;
static UNUSED struct sockaddr_storage server; /* where listening() listens */
static UNUSED socklen_t server_size;
static UNUSED int client, peer; /* joined() */

static UNUSED int socket_of(int type)
{
    return (int) OK(socket(family, type | SOCK_CLOEXEC, 0));
}

static UNUSED struct sockaddr *any_port(struct sockaddr_storage *a, socklen_t *n)
{
    memset(a, 0, sizeof *a);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *) a;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *n = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *) a;
        in->sin6_family = AF_INET6;
        in->sin6_addr = in6addr_loopback;
        *n = sizeof *in;
    }
    return (struct sockaddr *) a;
}

static UNUSED in_port_t port_of(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET ? ((const struct sockaddr_in *) a)->sin_port
                                   : ((const struct sockaddr_in6 *) a)->sin6_port;
}

static UNUSED int listening(int backlog)
{
    int s = socket_of(SOCK_STREAM);
    struct sockaddr *a = any_port(&server, &server_size);
    set(s, SOL_SOCKET, SO_REUSEADDR, 1); /* for the next to use the port, it must be set now */
    OK(bind(s, a, server_size));
    OK(listen(s, backlog));
    OK(getsockname(s, (struct sockaddr *) &server, &server_size));
    CHECK(port_of(&server) != 0);
    return s;
}

static UNUSED int call_server(void)
{
    int s = socket_of(SOCK_STREAM);
    OK(connect(s, (struct sockaddr *) &server, server_size));
    return s;
}

/* client and peer are the ends of a connection. */
static UNUSED void joined(void)
{
    int l = listening(4);
    client = call_server();
    peer = (int) OK(accept4(l, NULL, NULL, SOCK_CLOEXEC));
    OK(close(l));
}

static UNUSED void drop(void)
{
    close(client);
    close(peer);
}

static UNUSED void nonblock(int s)
{
    OK(fcntl(s, F_SETFL, O_NONBLOCK));
}
#endif
