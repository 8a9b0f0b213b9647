/* epoll: level and edge triggered, one shot, nesting, many descriptors, wake-ups, errors. */
#include "guest_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

static int make(void)
{
    return (int) OK(epoll_create1(EPOLL_CLOEXEC));
}

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static int wait_one(int ep, int timeout, struct epoll_event *ev)
{
    return (int) OK(epoll_wait(ep, ev, 1, timeout));
}

TEST_CASE(level_triggered)
{
    int ep = make(), fd = (int) OK(eventfd(0, 0));
    struct epoll_event ev;
    uint64_t v = 1;
    add(ep, fd, EPOLLIN, 42);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    CHECK_EQ(write(fd, &v, 8), 8);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(wait_one(ep, -1, &ev), 1);
        CHECK(ev.events == EPOLLIN && ev.data.u64 == 42);
    }
    CHECK_EQ(read(fd, &v, 8), 8);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    close(fd);
    close(ep);
}

TEST_CASE(edge_triggered)
{
    int ep = make(), ends[2];
    struct epoll_event ev;
    OK(pipe(ends));
    add(ep, ends[0], EPOLLIN | EPOLLET, 1);
    CHECK_EQ(write(ends[1], "a", 1), 1);
    CHECK_EQ(wait_one(ep, -1, &ev), 1);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    CHECK_EQ(write(ends[1], "b", 1), 1); /* new data, new edge, though the old was not read */
    CHECK_EQ(wait_one(ep, -1, &ev), 1);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    close(ends[0]);
    close(ends[1]);
    close(ep);
}

TEST_CASE(one_shot)
{
    int ep = make(), fd = (int) OK(eventfd(1, 0));
    struct epoll_event ev;
    add(ep, fd, EPOLLIN | EPOLLONESHOT, 5);
    CHECK_EQ(wait_one(ep, -1, &ev), 1);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    ev = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 6};
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
    CHECK_EQ(wait_one(ep, -1, &ev), 1);
    CHECK_EQ(ev.data.u64, 6);
    close(fd);
    close(ep);
}

TEST_CASE(control_errors)
{
    int ep = make(), fd = (int) OK(eventfd(0, 0)), file;
    struct epoll_event ev = {.events = EPOLLIN};
    file = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0600));
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev), ENOENT);
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev), ENOENT);
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EEXIST);
    OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev), EPERM);
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
    CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev), EBADF);
    CHECK_ERR(epoll_ctl(fd, EPOLL_CTL_ADD, fd, &ev), EINVAL);
    CHECK_ERR(epoll_ctl(ep, 77, fd, &ev), EINVAL);
    CHECK_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
    CHECK_ERR(epoll_wait(fd, &ev, 1, 0), EINVAL);
    CHECK_ERR(epoll_create1(0x1), EINVAL);
    CHECK_ERR(syscall(SYS_epoll_create, 0), EINVAL);
    close(file);
    close(fd);
    close(ep);
}

TEST_CASE(closed_descriptors_leave)
{
    int ep = make(), fd = (int) OK(eventfd(1, 0)), copy = (int) OK(dup(fd));
    struct epoll_event ev;
    add(ep, fd, EPOLLIN, 9);
    close(fd);
    CHECK_EQ(wait_one(ep, 0, &ev), 1); /* the open file lives on in the copy */
    close(copy);
    CHECK_EQ(wait_one(ep, 0, &ev), 0);
    close(ep);
}

/* Linux allows few levels, whichever end grows: a wake-up goes through all of them. */
TEST_CASE(nesting_has_an_end)
{
    enum { SETS = 200 };
    int set[SETS], fd = (int) OK(eventfd(0, EFD_NONBLOCK)), levels = 1;
    struct epoll_event ev = {.events = EPOLLIN};
    uint64_t v = 1;
    for (int i = 0; i < SETS; i++)
        set[i] = make();
    while (levels < SETS && epoll_ctl(set[levels - 1], EPOLL_CTL_ADD, set[levels], &ev) == 0)
        levels++;
    CHECK(levels >= 4 && levels <= 6);
    CHECK_EQ(errno, ELOOP);
    add(set[levels - 1], fd, EPOLLIN, 1);
    CHECK_EQ(write(fd, &v, 8), 8);
    CHECK_EQ(wait_one(set[0], 0, &ev), 1);
    for (int i = 0; i < SETS; i++)
        close(set[i]);
    close(fd);
}

TEST_CASE(nesting)
{
    int outer = make(), inner = make(), fd = (int) OK(eventfd(0, 0));
    struct epoll_event ev;
    uint64_t v = 1;
    add(inner, fd, EPOLLIN, 1);
    add(outer, inner, EPOLLIN, 2);
    CHECK_EQ(wait_one(outer, 0, &ev), 0);
    CHECK_EQ(write(fd, &v, 8), 8);
    CHECK_EQ(wait_one(outer, -1, &ev), 1);
    CHECK_EQ(ev.data.u64, 2);
    ev.events = EPOLLIN;
    CHECK_ERR(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev), ELOOP);
    close(fd);
    close(inner);
    close(outer);
}

static void *signal_later(void *arg)
{
    uint64_t v = 1;
    sleep_ms(30);
    CHECK_EQ(write(*(int *) arg, &v, 8), 8);
    return NULL;
}

TEST_CASE(wakes_a_waiter)
{
    int ep = make(), fd = (int) OK(eventfd(0, 0));
    struct epoll_event ev;
    pthread_t t;
    add(ep, fd, EPOLLIN, 1);
    ZERO(pthread_create(&t, NULL, signal_later, &fd));
    CHECK_EQ(wait_one(ep, 60000, &ev), 1);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(read(fd, &(uint64_t){0}, 8), 8);
    int64_t before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(wait_one(ep, 30, &ev), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 29000000);
    close(fd);
    close(ep);
}

TEST_CASE(many_descriptors)
{
    enum { COUNT = 300 };
    int ep = make(), fds[COUNT], seen[COUNT] = {0}, total = 0;
    struct epoll_event evs[64];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = (int) OK(eventfd(i % 3 == 0, EFD_NONBLOCK));
        add(ep, fds[i], EPOLLIN, (uint64_t) i);
    }
    for (int round = 0; round < 20 && total < COUNT / 3; round++) {
        int n = (int) OK(epoll_wait(ep, evs, 64, 1000));
        for (int i = 0; i < n; i++) {
            uint64_t v;
            int k = (int) evs[i].data.u64;
            CHECK(k % 3 == 0);
            if (!seen[k]++)
                total++;
            CHECK_EQ(read(fds[k], &v, 8), 8);
        }
    }
    CHECK_EQ(total, COUNT / 3);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    close(ep);
}

/* Far more than the first table of a set has room for; removal must find each of them again. */
TEST_CASE(thousands)
{
    enum { COUNT = 16000 };
    static int fds[COUNT];
    static struct epoll_event evs[COUNT];
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < COUNT + 100)
        SKIP("too few descriptors");
    struct rlimit old = limit;
    limit.rlim_cur = COUNT + 100;
    OK(setrlimit(RLIMIT_NOFILE, &limit));
    int ep = make(), zero = (int) OK(eventfd(0, 0)), one = (int) OK(eventfd(1, 0));
    for (int i = 0; i < COUNT; i++) {
        fds[i] = (int) OK(dup(i % 2 ? one : zero));
        add(ep, fds[i], EPOLLIN, (uint64_t) i);
    }
    CHECK_EQ(epoll_wait(ep, evs, COUNT, 0), COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        struct epoll_event ev = {.events = EPOLLIN};
        CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev), EEXIST);
        if (i % 4 == 1)
            OK(epoll_ctl(ep, EPOLL_CTL_DEL, fds[i], NULL));
    }
    CHECK_EQ(epoll_wait(ep, evs, COUNT, 0), COUNT / 4);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    close(zero);
    close(one);
    close(ep);
    OK(setrlimit(RLIMIT_NOFILE, &old));
}

TEST_CASE(signal_mask)
{
    sigset_t none, block;
    struct epoll_event ev;
    int ep = make();
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGURG);
    act.sa_handler = SIG_IGN;
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    OK(sigaction(SIGURG, &act, NULL));
    CHECK_EQ(epoll_pwait(ep, &ev, 1, 10, &none), 0);
    OK(sigprocmask(SIG_UNBLOCK, &block, NULL));
    close(ep);
}
