/* TCP and UDP on loopback between two processes: round trips of one byte, throughput, connections, and a
 * server with many connections in an epoll set. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "bench.h"

enum { CHUNK = 128 * 1024, CONNECTIONS = 64 };
static const long stream_bytes = 64L << 20;
static int to = -1, listener = -1;
static struct sockaddr_in where;

static void bound(int type)
{
    socklen_t n = sizeof where;
    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    listener = (int) MUST(socket(AF_INET, type, 0));
    MUST(bind(listener, (struct sockaddr *) &where, sizeof where));
    MUST(getsockname(listener, (struct sockaddr *) &where, &n));
    if (type == SOCK_STREAM)
        MUST(listen(listener, 128));
}

static int call(int type)
{
    int one = 1, s = (int) MUST(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    MUST(connect(s, (struct sockaddr *) &where, sizeof where));
    if (type == SOCK_STREAM)
        MUST(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    return s;
}

static void round_trips(long n)
{
    char c = 'x';
    while (n--) {
        MUST(send(to, &c, 1, 0));
        if (MUST(recv(to, &c, 1, 0)) != 1)
            die("the other side is gone");
    }
}

/* ---- the other side; its argument is the listening or the bound socket ---- */

static int echo(int l)
{
    char c;
    int s = accept(l, NULL, NULL), one = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (recv(s, &c, 1, 0) == 1)
        if (send(s, &c, 1, 0) != 1)
            return 1;
    return 0;
}

static int echo_udp(int s)
{
    struct sockaddr_in a;
    char c[8];
    for (;;) {
        socklen_t n = sizeof a;
        ssize_t r = recvfrom(s, c, sizeof c, 0, (struct sockaddr *) &a, &n);
        if (r != 1)
            return 0;
        sendto(s, c, 1, 0, (struct sockaddr *) &a, n);
    }
}

static int sink(int l)
{
    static char b[CHUNK];
    int s = accept(l, NULL, NULL);
    long have = 0;
    ssize_t n;
    while ((n = recv(s, b, sizeof b, 0)) > 0) {
        have += n;
        if (have >= stream_bytes) {
            have -= stream_bytes;
            if (send(s, "d", 1, 0) != 1)
                return 1;
        }
    }
    return 0;
}

static int take_connections(int l)
{
    char c;
    for (;;) {
        int s = accept(l, NULL, NULL);
        if (s < 0 || recv(s, &c, 1, 0) < 0)
            return 1;
        close(s);
        if (c == 'q')
            return 0;
    }
}

static int epoll_server(int l)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, got[16];
    int ep = epoll_create1(0), left = CONNECTIONS;
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
    while (left > 0) {
        int n = epoll_wait(ep, got, 16, -1);
        for (int i = 0; i < n; i++) {
            char c[64];
            int fd = got[i].data.fd;
            if (fd == l) {
                e.data.fd = accept(l, NULL, NULL);
                epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
                continue;
            }
            ssize_t r = recv(fd, c, sizeof c, 0);
            if (r <= 0) {
                close(fd);
                left--;
            } else if (send(fd, c, (size_t) r, 0) != r) {
                return 1;
            }
        }
    }
    return 0;
}

/* ---- the benchmarks ---- */

static pid_t start(const char *role, int type)
{
    bound(type);
    pid_t pid = start_self(role, num(listener), NULL, NULL);
    if (type == SOCK_STREAM)
        close(listener);
    return pid;
}

static void end(pid_t pid)
{
    close(to);
    MUST(waitpid(pid, NULL, 0));
}

static void *echo_thread(void *arg)
{
    (void) echo(listener);
    return arg;
}

static void tcp_round_trips(void)
{
    pthread_t t;
    pid_t pid = start("echo", SOCK_STREAM);
    to = call(SOCK_STREAM);
    measure("tcp_rtt_process", "us", round_trips);
    end(pid);
    bound(SOCK_STREAM);
    if (pthread_create(&t, NULL, echo_thread, NULL))
        die("pthread_create");
    to = call(SOCK_STREAM);
    measure("tcp_rtt_thread", "us", round_trips);
    close(to);
    pthread_join(t, NULL);
    close(listener);
}

static void udp_round_trips(void)
{
    pid_t pid = start("udp", SOCK_DGRAM);
    to = call(SOCK_DGRAM);
    measure("udp_rtt_process", "us", round_trips);
    MUST(send(to, "end", 3, 0));
    end(pid);
    close(listener);
}

static void stream(void)
{
    static char b[CHUNK];
    char c;
    for (long left = stream_bytes; left > 0;)
        left -= MUST(send(to, b, left < CHUNK ? (size_t) left : CHUNK, 0));
    if (MUST(recv(to, &c, 1, 0)) != 1)
        die("the other side is gone");
}

static void tcp_throughput(void)
{
    double v[5];
    pid_t pid = start("sink", SOCK_STREAM);
    to = call(SOCK_STREAM);
    stream();
    for (int i = 0; i < 5; i++) {
        int64_t t = now_ns();
        stream();
        v[i] = (double) stream_bytes / (double) (now_ns() - t);
    }
    print_value("tcp_throughput", median(v, 5), "GB/s");
    end(pid);
}

static void connections(long n)
{
    while (n--) {
        int s = call(SOCK_STREAM);
        char c;
        MUST(send(s, "c", 1, 0));
        MUST(recv(s, &c, 1, 0));
        close(s);
    }
}

static void tcp_connections(void)
{
    pid_t pid = start("connections", SOCK_STREAM);
    measure("tcp_connect", "us", connections);
    to = call(SOCK_STREAM);
    MUST(send(to, "q", 1, 0));
    end(pid);
}

static int many[CONNECTIONS];

static void requests(long n)
{
    char c[32] = "request";
    while (n--) {
        for (int i = 0; i < CONNECTIONS; i++)
            MUST(send(many[i], c, sizeof c, 0));
        for (int i = 0; i < CONNECTIONS; i++)
            MUST(recv(many[i], c, sizeof c, 0));
    }
}

static void tcp_epoll(void)
{
    pid_t pid = start("epoll", SOCK_STREAM);
    for (int i = 0; i < CONNECTIONS; i++)
        many[i] = call(SOCK_STREAM);
    measure("tcp_epoll_64", "us", requests);
    for (int i = 1; i < CONNECTIONS; i++)
        close(many[i]);
    to = many[0];
    end(pid);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *role;
        int (*run)(int fd);
    } roles[] = {{"echo", echo},
                 {"udp", echo_udp},
                 {"sink", sink},
                 {"connections", take_connections},
                 {"epoll", epoll_server}};
    bench_argc = argc;
    bench_argv = argv;
    for (size_t i = 0; argc == 4 && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(argv[2], roles[i].role) == 0)
            return roles[i].run(atoi(argv[3]));
    if (wanted("tcp_rtt_process") || wanted("tcp_rtt_thread"))
        tcp_round_trips();
    if (wanted("udp_rtt_process"))
        udp_round_trips();
    if (wanted("tcp_throughput"))
        tcp_throughput();
    if (wanted("tcp_connect"))
        tcp_connections();
    if (wanted("tcp_epoll_64"))
        tcp_epoll();
    return 0;
}
