/* TCP: calls that sleep, what wakes and interrupts them, and readiness by poll, select and epoll. */
#include "guest_tcp.h"
#include <sys/epoll.h>
#include <sys/select.h>

/* ---- waiting ---- */

static void *send_later(UNUSED void *arg)
{
    sleep_ms(20);
    CHECK_EQ(send(client, "late", 4, 0), 4);
    return NULL;
}

TEST_CASE(receive_sleeps)
{
    char buf[8];
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, send_later, NULL));
    CHECK_EQ(recv(peer, buf, 8, 0), 4);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *connect_later(UNUSED void *arg)
{
    sleep_ms(20);
    client = call_server();
    return NULL;
}

TEST_CASE(accept_sleeps)
{
    pthread_t t;
    int l = listening(1);
    ZERO(pthread_create(&t, NULL, connect_later, NULL));
    peer = (int) OK(accept(l, NULL, NULL));
    ZERO(pthread_join(t, NULL));
    drop();
    ZERO(pthread_create(&t, NULL, connect_later, NULL));
    CHECK_EQ(ready(l, POLLIN, 5000), POLLIN);
    peer = (int) OK(accept(l, NULL, NULL));
    CHECK_EQ(ready(l, POLLIN, 0), 0);
    ZERO(pthread_join(t, NULL));
    drop();
    OK(close(l));
}

TEST_CASE(timeouts)
{
    char buf[8];
    struct timeval tv = {0, 30000}, back;
    socklen_t n = sizeof back;
    int l = listening(1);
    OK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    OK(getsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &back, &n));
    CHECK(back.tv_usec >= 30000 && back.tv_usec < 40000); /* Linux rounds up to its ticks */
    CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
    OK(close(l));
    joined();
    OK(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    int64_t start = now_ns(CLOCK_MONOTONIC);
    CHECK_ERR(recv(peer, buf, 8, 0), EAGAIN);
    CHECK(now_ns(CLOCK_MONOTONIC) - start >= 25000000);
    CHECK_EQ(send(client, "abc", 3, 0), 3);
    CHECK_EQ(recv(peer, buf, 8, MSG_WAITALL), 3); /* what came until then */
    static char much[65536];
    OK(setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    ssize_t r;
    while ((r = send(client, much, sizeof much, 0)) == sizeof much)
        ;
    if (r >= 0)
        r = send(client, much, sizeof much, 0);
    CHECK_ERR(r, EAGAIN);
    drop();
}

static void on_alarm(UNUSED int sig)
{
}

static void *interrupt_later(UNUSED void *arg)
{
    sleep_ms(20);
    pthread_kill(*(pthread_t *) arg, SIGUSR1);
    return NULL;
}

TEST_CASE(interrupted)
{
    char c;
    pthread_t me = pthread_self(), t;
    struct sigaction act = {.sa_handler = on_alarm};
    joined();
    OK(sigaction(SIGUSR1, &act, NULL));
    ZERO(pthread_create(&t, NULL, interrupt_later, &me));
    CHECK_ERR(recv(peer, &c, 1, 0), EINTR);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *end_later(UNUSED void *arg)
{
    sleep_ms(20);
    OK(shutdown(peer, SHUT_RDWR));
    return NULL;
}

TEST_CASE(shutdown_ends_a_sleep)
{
    char c;
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, end_later, NULL));
    CHECK_EQ(recv(peer, &c, 1, 0), 0);
    ZERO(pthread_join(t, NULL));
    drop();
}

static void *shut_listener(UNUSED void *arg)
{
    sleep_ms(20);
    OK(shutdown(*(int *) arg, SHUT_RDWR));
    return NULL;
}

TEST_CASE(shutdown_ends_accept)
{
    pthread_t t;
    int l = listening(1);
    ZERO(pthread_create(&t, NULL, shut_listener, &l));
    CHECK_ERR(accept(l, NULL, NULL), EINVAL);
    ZERO(pthread_join(t, NULL));
    OK(close(l));
}

static void *close_later(UNUSED void *arg)
{
    sleep_ms(20);
    OK(close(peer));
    CHECK_EQ(send(client, "x", 1, 0), 1);
    return NULL;
}

TEST_CASE(closed_while_it_sleeps)
{
    char c = 0;
    pthread_t t;
    joined();
    ZERO(pthread_create(&t, NULL, close_later, NULL));
    CHECK_EQ(recv(peer, &c, 1, 0), 1); /* the call keeps the socket */
    CHECK_EQ(c, 'x');
    ZERO(pthread_join(t, NULL));
    close(client);
}

/* ---- readiness ---- */

TEST_CASE(fresh_socket)
{
    int s = socket_of(SOCK_STREAM);
    CHECK_EQ(ready(s, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
    OK(close(s));
    s = listening(1);
    CHECK_EQ(ready(s, POLLIN | POLLOUT, 0), 0);
    OK(close(s));
}

TEST_CASE(selected)
{
    char c;
    joined();
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(peer, &in);
    FD_SET(peer, &out);
    CHECK_EQ(select(peer + 1, &in, &out, NULL, &(struct timeval){0}), 1);
    CHECK(!FD_ISSET(peer, &in) && FD_ISSET(peer, &out));
    CHECK_EQ(send(client, "x", 1, 0), 1);
    FD_SET(peer, &in);
    CHECK_EQ(select(peer + 1, &in, NULL, NULL, &(struct timeval){0}), 1);
    CHECK(FD_ISSET(peer, &in));
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(select(peer + 1, &in, NULL, NULL, &(struct timeval){0}), 0);
    drop();
}

static int wait_one(int ep, int ms, uint32_t *events)
{
    struct epoll_event e = {0};
    int n = (int) OK(epoll_wait(ep, &e, 1, ms));
    *events = e.events;
    return n;
}

TEST_CASE(epoll_level)
{
    char c;
    uint32_t events;
    joined();
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, peer, &(struct epoll_event){.events = EPOLLIN}));
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "ab", 2, 0), 2);
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLIN);
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    OK(close(client));
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLIN);
    OK(close(ep));
    OK(close(peer));
}

TEST_CASE(epoll_edge)
{
    char c;
    uint32_t events;
    joined();
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, peer, &(struct epoll_event){.events = EPOLLIN | EPOLLET}));
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "ab", 2, 0), 2);
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0); /* no new edge */
    CHECK_EQ(read(peer, &c, 1), 1);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    CHECK_EQ(send(client, "c", 1, 0), 1);
    CHECK_EQ(wait_one(ep, 5000, &events), 1); /* data is there still, more came */
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, peer, &(struct epoll_event){.events = EPOLLIN | EPOLLONESHOT}));
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(send(client, "d", 1, 0), 1);
    CHECK_EQ(wait_one(ep, 20, &events), 0); /* once */
    OK(close(ep));
    drop();
}

TEST_CASE(epoll_output_edge)
{
    static char buf[65536];
    uint32_t events;
    size_t sent = 0, got = 0;
    ssize_t n;
    joined();
    nonblock(client);
    int ep = (int) OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, client, &(struct epoll_event){.events = EPOLLOUT | EPOLLET}));
    CHECK_EQ(wait_one(ep, 0, &events), 1);
    CHECK_EQ(events, EPOLLOUT);
    CHECK_EQ(wait_one(ep, 0, &events), 0);
    while ((n = send(client, buf, sizeof buf, 0)) > 0)
        sent += (size_t) n;
    CHECK_ERR(n, EAGAIN);
    while (got < sent) {
        n = OK(recv(peer, buf, sizeof buf, 0));
        got += (size_t) n;
    }
    CHECK_EQ(wait_one(ep, 5000, &events), 1);
    CHECK_EQ(events, EPOLLOUT);
    OK(close(ep));
    drop();
}
