/* poll, ppoll, select, pselect: readiness, timeouts, masks, hang-ups, bad arguments. */
#include "guest_test.h"
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>

static int ends[2];

static volatile int signals;
static void on_signal(int sig)
{
    (void) sig;
    signals++;
}

TEST_CASE(nothing_to_watch)
{
    int64_t before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(poll(NULL, 0, 30), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 30000000);
    struct timeval tv = {0, 30000};
    before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 30000000);
    CHECK(tv.tv_sec == 0 && tv.tv_usec == 0); /* Linux writes what is left */
}

TEST_CASE(poll_results)
{
    OK(pipe(ends));
    struct pollfd p[] = {{.fd = ends[0], .events = POLLIN},
                         {.fd = ends[1], .events = POLLOUT},
                         {.fd = -1, .events = POLLIN, .revents = 77},
                         {.fd = 999, .events = POLLIN}};
    CHECK_EQ(poll(p, 4, -1), 2);
    CHECK_EQ(p[0].revents, 0);
    CHECK_EQ(p[1].revents, POLLOUT);
    CHECK_EQ(p[2].revents, 0);
    CHECK_EQ(p[3].revents, POLLNVAL);
    CHECK_EQ(p[0].events, POLLIN);
    int file = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0600));
    struct pollfd f = {.fd = file, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&f, 1, 0), 1);
    CHECK_EQ(f.revents, POLLIN | POLLOUT);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void *write_late(void *arg)
{
    sleep_ms(30);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    return arg;
}

TEST_CASE(wakes_when_ready)
{
    pthread_t t;
    fd_set set;
    char c;
    OK(pipe(ends));
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    ZERO(pthread_create(&t, NULL, write_late, NULL));
    CHECK_EQ(poll(&p, 1, 60000), 1);
    CHECK_EQ(p.revents, POLLIN);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(read(ends[0], &c, 1), 1);
    ZERO(pthread_create(&t, NULL, write_late, NULL));
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval tv = {60, 0};
    CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, &tv), 1);
    CHECK(FD_ISSET(ends[0], &set));
    ZERO(pthread_join(t, NULL));
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE(select_sets)
{
    fd_set in, out, except;
    struct timeval none = {0, 0};
    OK(pipe(ends));
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    FD_SET(ends[0], &except);
    CHECK_EQ(select(ends[1] + 1, &in, &out, &except, &none), 1);
    CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(ends[1], &out) && !FD_ISSET(ends[0], &except));
    FD_ZERO(&in);
    FD_SET(40, &in);
    CHECK_ERR(select(41, &in, NULL, NULL, &none), EBADF);
    CHECK_ERR(select(-1, NULL, NULL, NULL, &none), EINVAL);
    struct timeval bad = {-1, 0};
    CHECK_ERR(select(0, NULL, NULL, NULL, &bad), EINVAL);
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE(masks)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigset_t block, none;
    struct timespec limit = {30, 0}, zero = {0, 0};
    OK(sigaction(SIGUSR1, &act, NULL));
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    signals = 0;
    ZERO(raise(SIGUSR1));
    CHECK_EQ(pselect(0, NULL, NULL, NULL, &zero, &block), 0);
    CHECK_EQ(signals, 0);
    CHECK_ERR(pselect(0, NULL, NULL, NULL, &limit, &none), EINTR);
    CHECK_EQ(signals, 1);
    ZERO(raise(SIGUSR1));
    CHECK_ERR(ppoll(NULL, 0, &limit, &none), EINTR);
    CHECK_EQ(signals, 2);
    sigset_t now;
    OK(sigprocmask(SIG_UNBLOCK, &block, &now));
    CHECK(sigismember(&now, SIGUSR1));
    struct timespec bad = {0, -1};
    CHECK_ERR(ppoll(NULL, 0, &bad, NULL), EINVAL);
}

TEST_CASE(bad_arguments)
{
    CHECK_ERR(syscall(SYS_poll, 8L, 1, 0), EFAULT);
    struct rlimit r;
    OK(getrlimit(RLIMIT_NOFILE, &r));
    CHECK_ERR(syscall(SYS_poll, NULL, r.rlim_cur + 1, 0), EINVAL);
}

TEST_CASE(closing_the_other_end)
{
    OK(pipe(ends));
    close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = 0};
    CHECK_EQ(poll(&p, 1, 60000), 1);
    CHECK_EQ(p.revents, POLLHUP);
    close(ends[0]);
}

static atomic_bool swapped_enough;

static void *swap_files(void *arg)
{
    int fd = *(int *) arg;
    while (!swapped_enough) {
        int fresh = eventfd(0, EFD_NONBLOCK);
        dup2(fresh, fd);
        close(fresh);
    }
    return NULL;
}

/* What poll sleeps on must not go away with the descriptor that another thread reuses. */
TEST_CASE(descriptor_changes_hands)
{
    pthread_t t;
    int fd = (int) OK(eventfd(0, EFD_NONBLOCK));
    ZERO(pthread_create(&t, NULL, swap_files, &fd));
    for (int i = 0; i < 3000; i++) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = fd, .events = POLLPRI}};
        struct timespec brief = {.tv_nsec = 20000};
        CHECK_EQ(ppoll(p, 2, &brief, NULL), 0);
    }
    swapped_enough = true;
    ZERO(pthread_join(t, NULL));
    close(fd);
}
