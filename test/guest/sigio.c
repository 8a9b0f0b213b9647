/* O_ASYNC: a file tells its owner by a signal that it is ready. */
#include "guest_test.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define F_SETSIG_    10
#define F_GETSIG_    11
#define F_SETOWN_EX_ 15
#define F_GETOWN_EX_ 16
#define FIOASYNC_    0x5452
#define FIOSETOWN_   0x8901
#define FIOGETOWN_   0x8903
#define NO_SUCH      999999
enum { OWNER_TID, OWNER_PID, OWNER_PGRP };

struct owner_ex {
    int type;
    pid_t pid;
};

static volatile sig_atomic_t count, last_code, last_fd, last_thread;
static volatile long last_band;

static void on_ready(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) context;
    last_code = info->si_code;
    last_fd = info->si_fd;
    last_band = info->si_band;
    last_thread = (sig_atomic_t) syscall(SYS_gettid);
    count++;
}

static void listen_for(int sig)
{
    struct sigaction sa = {.sa_sigaction = on_ready, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(sig, &sa, NULL));
    count = 0;
}

static bool comes(void)
{
    for (int i = 0; i < 200 && !count; i++)
        sleep_ms(5);
    bool came = count > 0;
    count = 0;
    return came;
}

TEST_CASE(owners)
{
    int p[2];
    struct owner_ex x = {9, 9};
    OK(pipe(p));
    CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
    OK(fcntl(p[0], F_GETOWN_EX_, &x));
    CHECK_EQ(x.pid, 0);
    OK(fcntl(p[0], F_SETOWN, getpid()));
    CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
    OK(fcntl(p[0], F_SETOWN, -getpgrp()));
    OK(fcntl(p[0], F_GETOWN_EX_, &x));
    CHECK_EQ(x.type, OWNER_PGRP);
    CHECK_EQ(x.pid, getpgrp());
    CHECK_ERR(fcntl(p[0], F_SETOWN, NO_SUCH), ESRCH);
    CHECK_ERR(fcntl(p[0], F_SETOWN, -NO_SUCH), ESRCH);
    x = (struct owner_ex){OWNER_TID, (pid_t) syscall(SYS_gettid)};
    OK(fcntl(p[0], F_SETOWN_EX_, &x));
    x = (struct owner_ex){7, getpid()};
    CHECK_ERR(fcntl(p[0], F_SETOWN_EX_, &x), EINVAL);
    x = (struct owner_ex){OWNER_PID, NO_SUCH};
    CHECK_ERR(fcntl(p[0], F_SETOWN_EX_, &x), ESRCH);
    OK(fcntl(p[0], F_GETOWN_EX_, &x));
    CHECK_EQ(x.type, OWNER_TID);
    CHECK_EQ(x.pid, syscall(SYS_gettid));
    OK(fcntl(p[0], F_SETOWN, 0));
    CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
    CHECK_ERR(fcntl(p[0], F_SETSIG_, 65), EINVAL);
    CHECK_ERR(fcntl(p[0], F_SETSIG_, -1), EINVAL);
    OK(fcntl(p[0], F_SETSIG_, SIGUSR1));
    CHECK_EQ(fcntl(p[0], F_GETSIG_), SIGUSR1);
}

TEST_CASE(a_pipe_tells_of_data)
{
    int p[2];
    char c;
    OK(pipe(p));
    listen_for(SIGIO);
    OK(fcntl(p[0], F_SETOWN, getpid()));
    CHECK_EQ(write(p[1], "x", 1), 1);
    sleep_ms(20);
    CHECK_EQ(count, 0); /* not asked for yet */
    OK(fcntl(p[0], F_SETFL, O_ASYNC));
    CHECK(fcntl(p[0], F_GETFL) & O_ASYNC);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK(comes());
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(write(p[1], "x", 1), 1); /* each time, whatever is still there */
    CHECK(comes());
    OK(fcntl(p[0], F_SETFL, 0));
    CHECK_EQ(write(p[1], "x", 1), 1);
    sleep_ms(20);
    CHECK_EQ(count, 0);
    close(p[0]);
    close(p[1]);
}

TEST_CASE(the_chosen_signal_says_what_and_where)
{
    int p[2];
    OK(pipe(p));
    listen_for(SIGUSR1);
    OK(fcntl(p[0], F_SETOWN, getpid()));
    OK(fcntl(p[0], F_SETSIG_, SIGUSR1));
    OK(fcntl(p[0], F_SETFL, O_ASYNC));
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK(comes());
    CHECK_EQ(last_code, POLL_IN);
    CHECK_EQ(last_fd, p[0]);
    CHECK_EQ(last_band, POLLIN | POLLRDNORM);
    close(p[1]);
    close(p[0]);
}

TEST_CASE(sockets_by_ioctl)
{
    int s[2], on = 1, off = 0, who = getpid(), got = 0, p[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    OK(pipe(p));
    listen_for(SIGIO);
    OK(ioctl(s[1], FIOASYNC_, &on));
    CHECK(fcntl(s[1], F_GETFL) & O_ASYNC);
    OK(ioctl(s[1], FIOSETOWN_, &who));
    OK(ioctl(s[1], FIOGETOWN_, &got));
    CHECK_EQ(got, who);
    CHECK_ERR(ioctl(p[0], FIOSETOWN_, &who), ENOTTY);
    CHECK_EQ(write(s[0], "x", 1), 1);
    CHECK(comes());
    OK(ioctl(s[1], FIOASYNC_, &off));
    CHECK(!(fcntl(s[1], F_GETFL) & O_ASYNC));
    CHECK_EQ(write(s[0], "x", 1), 1);
    sleep_ms(20);
    CHECK_EQ(count, 0);
    close(s[0]);
    close(s[1]);
}

TEST_CASE(a_closed_peer_is_an_event)
{
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    listen_for(SIGIO);
    OK(fcntl(s[1], F_SETOWN, getpid()));
    OK(fcntl(s[1], F_SETFL, O_ASYNC));
    close(s[0]);
    CHECK(comes());
    close(s[1]);
}

static int wakeup[2];

static void *owner_thread(void *arg)
{
    struct owner_ex x = {OWNER_TID, (pid_t) syscall(SYS_gettid)};
    int *fd = arg;
    char c;
    fcntl(*fd, F_SETOWN_EX_, &x);
    CHECK_EQ(write(wakeup[1], "r", 1), 1);
    while (!last_thread)
        sleep_ms(5);
    (void) c;
    return (void *) (long) x.pid;
}

TEST_CASE(one_thread_may_be_the_owner)
{
    int p[2];
    char c;
    void *tid;
    pthread_t t;
    OK(pipe(p));
    OK(pipe(wakeup));
    listen_for(SIGIO);
    last_thread = 0;
    ZERO(pthread_create(&t, NULL, owner_thread, &p[0]));
    CHECK_EQ(read(wakeup[0], &c, 1), 1);
    OK(fcntl(p[0], F_SETFL, O_ASYNC));
    CHECK_EQ(write(p[1], "x", 1), 1);
    ZERO(pthread_join(t, &tid));
    CHECK_EQ(last_thread, (long) tid);
    close(p[0]);
    close(p[1]);
}

TEST_CASE(plain_files_are_never_told_of)
{
    int fd = (int) OK(open(test_path("f"), O_RDWR | O_CREAT, 0644));
    OK(fcntl(fd, F_SETFL, O_ASYNC));
    CHECK(!(fcntl(fd, F_GETFL) & O_ASYNC));
    close(fd);
}
