/* FIFOs: who waits for whom at open, what poll says, what is left behind, epoll on pipes. */
#include "guest_test.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>

static const char *fifo(const char *name)
{
    const char *p = test_path(name);
    OK(mkfifo(p, 0600));
    return p;
}

struct opening {
    const char *path;
    int flags, fd, error;
    pthread_t thread;
};

static void *open_it(void *arg)
{
    struct opening *o = arg;
    o->fd = open(o->path, o->flags);
    o->error = o->fd < 0 ? errno : 0;
    return NULL;
}

static void start_open(struct opening *o, const char *path, int flags)
{
    *o = (struct opening){.path = path, .flags = flags, .fd = -2};
    ZERO(pthread_create(&o->thread, NULL, open_it, o));
}

static int opened(struct opening *o)
{
    ZERO(pthread_join(o->thread, NULL));
    CHECK_EQ(o->error, 0);
    return o->fd;
}

TEST_CASE(open_meets)
{
    const char *p = fifo("meet");
    struct opening r, w;
    start_open(&r, p, O_RDONLY);
    sleep_ms(20);
    CHECK_EQ(__atomic_load_n(&r.fd, __ATOMIC_SEQ_CST), -2);
    int wfd = (int) OK(open(p, O_WRONLY));
    int rfd = opened(&r);
    OK(write(wfd, "x", 1));
    char c;
    CHECK_EQ(read(rfd, &c, 1), 1);
    OK(close(rfd));
    OK(close(wfd));
    start_open(&w, p, O_WRONLY);
    sleep_ms(20);
    CHECK_EQ(__atomic_load_n(&w.fd, __ATOMIC_SEQ_CST), -2);
    rfd = (int) OK(open(p, O_RDONLY));
    wfd = opened(&w);
    OK(close(rfd));
    OK(close(wfd));
}

TEST_CASE(open_without_waiting)
{
    const char *p = fifo("nowait");
    CHECK_ERR(open(p, O_WRONLY | O_NONBLOCK), ENXIO);
    int r = (int) OK(open(p, O_RDONLY | O_NONBLOCK)), w = (int) OK(open(p, O_WRONLY | O_NONBLOCK));
    OK(close(r));
    OK(close(w));
    int both = (int) OK(open(p, O_RDWR));
    OK(write(both, "abc", 3));
    char buf[8];
    CHECK_EQ(read(both, buf, sizeof buf), 3);
    CHECK_EQ(ready(both, POLLIN | POLLOUT, 0), POLLOUT);
    OK(close(both));
}

static void nothing(UNUSED int sig)
{
}

TEST_CASE(open_is_interrupted)
{
    struct sigaction sa = {.sa_handler = nothing};
    OK(sigaction(SIGALRM, &sa, NULL));
    const char *p = fifo("intr");
    ualarm(20000, 0);
    CHECK_ERR(open(p, O_RDONLY), EINTR);
    ualarm(20000, 0);
    CHECK_ERR(open(p, O_WRONLY), EINTR);
    CHECK_ERR(open(p, O_WRONLY | O_NONBLOCK), ENXIO); /* the reader that gave up does not count */
}

TEST_CASE(what_poll_says)
{
    const char *p = fifo("poll");
    int r = (int) OK(open(p, O_RDONLY | O_NONBLOCK));
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), 0); /* nobody has written yet: no end of file */
    char c;
    CHECK_EQ(read(r, &c, 1), 0);
    int w = (int) OK(open(p, O_WRONLY));
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), 0);
    CHECK_ERR(read(r, &c, 1), EAGAIN);
    CHECK_EQ(ready(w, POLLIN | POLLOUT, 0), POLLOUT);
    OK(write(w, "x", 1));
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), POLLIN);
    OK(close(w));
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), POLLIN | POLLHUP);
    CHECK_EQ(read(r, &c, 1), 1);
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), POLLHUP);
    w = (int) OK(open(p, O_WRONLY));
    CHECK_EQ(ready(r, POLLIN | POLLOUT, 0), 0);
    OK(close(r));
    CHECK_EQ(ready(w, POLLIN | POLLOUT, 0), POLLOUT | POLLERR);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERR(write(w, "x", 1), EPIPE);
    OK(close(w));
}

TEST_CASE(left_bytes_go)
{
    const char *p = fifo("left");
    int r = (int) OK(open(p, O_RDONLY | O_NONBLOCK)), w = (int) OK(open(p, O_WRONLY));
    OK(write(w, "old", 3));
    OK(close(r));
    OK(close(w));
    r = (int) OK(open(p, O_RDONLY | O_NONBLOCK));
    char buf[8];
    CHECK_EQ(read(r, buf, sizeof buf), 0);
    OK(close(r));
}

TEST_CASE(edge_triggered)
{
    int p[2];
    OK(pipe2(p, O_NONBLOCK));
    int ep = (int) OK(epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, got[4];
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    OK(write(p[1], "a", 1));
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 1);
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
    OK(write(p[1], "b", 1)); /* an edge although there are bytes already */
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 1);
    char c;
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
    ev.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev)); /* looks again */
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 1);
    OK(write(p[1], "c", 1));
    CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
    OK(close(ep));
    OK(close(p[0]));
    OK(close(p[1]));
}

struct waiter {
    int ep, got;
    pthread_t thread;
};

static void *wait_exclusive(void *arg)
{
    struct waiter *w = arg;
    struct epoll_event ev;
    w->got = epoll_wait(w->ep, &ev, 1, 500);
    return NULL;
}

TEST_CASE(exclusive)
{
    enum { N = 4 };
    int p[2], woken = 0;
    OK(pipe2(p, O_NONBLOCK));
    struct waiter w[N];
    for (int i = 0; i < N; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
        w[i].ep = (int) OK(epoll_create1(0));
        OK(epoll_ctl(w[i].ep, EPOLL_CTL_ADD, p[0], &ev));
        CHECK_ERR(epoll_ctl(w[i].ep, EPOLL_CTL_MOD, p[0], &ev), EINVAL);
        ZERO(pthread_create(&w[i].thread, NULL, wait_exclusive, &w[i]));
    }
    struct epoll_event bad = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT};
    int ep = (int) OK(epoll_create1(0));
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &bad), EINVAL);
    bad.events = EPOLLIN | EPOLLEXCLUSIVE;
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, w[0].ep, &bad), EINVAL);
    sleep_ms(50);
    OK(write(p[1], "x", 1));
    for (int i = 0; i < N; i++) {
        ZERO(pthread_join(w[i].thread, NULL));
        woken += w[i].got == 1;
        OK(close(w[i].ep));
    }
    CHECK(woken >= 1);
    OK(close(ep));
    OK(close(p[0]));
    OK(close(p[1]));
}
