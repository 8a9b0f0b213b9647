/* POSIX message queues. */
#include "guest_test.h"
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/resource.h>

static const char *queue_name(const char *what)
{
    static char names[4][64];
    static unsigned turn;
    char *n = names[turn++ % 4];
    snprintf(n, sizeof names[0], "/guest-%d-%s", (int) getpid(), what);
    return n;
}

static mqd_t make(const char *name, int flags, long count, long size)
{
    struct mq_attr a = {.mq_maxmsg = count, .mq_msgsize = size};
    return (mqd_t) OK_OR_SKIP(mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &a));
}

static void drop(mqd_t q, const char *name)
{
    OK(mq_close(q));
    OK(mq_unlink(name));
}

static void expect(mqd_t q, unsigned priority, const char *text)
{
    char buf[64] = {0};
    unsigned p = 99;
    CHECK_EQ(mq_receive(q, buf, sizeof buf, &p), strlen(text));
    CHECK_STR(buf, text);
    CHECK_EQ(p, priority);
}

static struct mq_attr attr_of(mqd_t q)
{
    struct mq_attr a;
    OK(mq_getattr(q, &a));
    return a;
}

TEST_CASE(names)
{
    const char *n = queue_name("names");
    mqd_t q = make(n, 0, 2, 16);
    CHECK_ERR(mq_open(n, O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
    mqd_t r = (mqd_t) OK(mq_open(n, O_RDONLY));
    CHECK(fcntl(r, F_GETFD) & FD_CLOEXEC);
    OK(mq_unlink(n));
    CHECK_ERR(mq_unlink(n), ENOENT);
    CHECK_ERR(mq_open(n, O_RDWR), ENOENT);
    OK(mq_send(q, "still", 5, 0));
    char buf[16];
    CHECK_EQ(mq_receive(r, buf, sizeof buf, NULL), 5);
    OK(mq_close(q));
    OK(mq_close(r));
    CHECK_ERR(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL), EACCES);
    char name[300];
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[299] = 0;
    CHECK_ERR(mq_open(name, O_RDWR | O_CREAT, 0600, NULL), ENAMETOOLONG);
    CHECK_ERR(syscall(SYS_mq_open, "", O_RDWR, 0, NULL), ENOENT);
    CHECK_ERR(syscall(SYS_mq_open, (char *) 8, O_RDWR, 0, NULL), EFAULT);
}

TEST_CASE(attributes)
{
    const char *n = queue_name("attr");
    struct mq_attr bad = {.mq_maxmsg = 0, .mq_msgsize = 1};
    CHECK_ERR(mq_open(n, O_RDWR | O_CREAT, 0600, &bad), EINVAL);
    bad = (struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = -1};
    CHECK_ERR(mq_open(n, O_RDWR | O_CREAT, 0600, &bad), EINVAL);
    bad = (struct mq_attr){.mq_maxmsg = 1 << 20, .mq_msgsize = 1};
    CHECK_ERR(mq_open(n, O_RDWR | O_CREAT, 0600, &bad), EINVAL);
    mqd_t q = (mqd_t) OK(mq_open(n, O_RDWR | O_CREAT, 0600, NULL));
    struct mq_attr a = attr_of(q);
    CHECK(a.mq_maxmsg == 10 && a.mq_msgsize == 8192 && a.mq_curmsgs == 0 && a.mq_flags == 0);
    OK(mq_send(q, "", 0, 0));
    struct mq_attr set = {.mq_flags = O_NONBLOCK, .mq_maxmsg = 99}, old;
    OK(mq_setattr(q, &set, &old));
    CHECK(old.mq_flags == 0 && old.mq_curmsgs == 1);
    a = attr_of(q);
    CHECK(a.mq_flags == O_NONBLOCK && a.mq_maxmsg == 10);
    CHECK(fcntl(q, F_GETFL) & O_NONBLOCK);
    set.mq_flags = O_APPEND;
    CHECK_ERR(mq_setattr(q, &set, NULL), EINVAL);
    int fd = (int) OK(open("/dev/null", O_RDWR));
    CHECK_ERR(mq_getattr((mqd_t) fd, &a), EBADF);
    CHECK_ERR(mq_send((mqd_t) fd, "x", 1, 0), EBADF);
    OK(close(fd));
    struct stat st;
    OK(fstat(q, &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0600);
    drop(q, n);
}

TEST_CASE(order)
{
    const char *n = queue_name("order");
    mqd_t q = make(n, 0, 8, 16);
    OK(mq_send(q, "low 1", 5, 0));
    OK(mq_send(q, "high 1", 6, 32767));
    OK(mq_send(q, "mid 1", 5, 7));
    OK(mq_send(q, "high 2", 6, 32767));
    OK(mq_send(q, "low 2", 5, 0));
    OK(mq_send(q, "mid 2", 5, 7));
    expect(q, 32767, "high 1");
    expect(q, 32767, "high 2");
    expect(q, 7, "mid 1");
    expect(q, 7, "mid 2");
    expect(q, 0, "low 1");
    expect(q, 0, "low 2");
    CHECK_ERR(mq_send(q, "x", 1, 32768), EINVAL);
    CHECK_ERR(mq_send(q, "seventeen letters", 17, 0), EMSGSIZE);
    char small[15];
    CHECK_ERR(mq_receive(q, small, sizeof small, NULL), EMSGSIZE);
    CHECK_ERR(mq_send(q, (char *) 8, 4, 0), EFAULT);
    drop(q, n);
}

TEST_CASE(access_modes)
{
    const char *n = queue_name("modes");
    mqd_t q = make(n, 0, 2, 16), w = (mqd_t) OK(mq_open(n, O_WRONLY));
    mqd_t r = (mqd_t) OK(mq_open(n, O_RDONLY));
    char buf[16];
    CHECK_ERR(mq_receive(w, buf, sizeof buf, NULL), EBADF);
    CHECK_ERR(mq_send(r, "x", 1, 0), EBADF);
    OK(mq_close(w));
    OK(mq_close(r));
    drop(q, n);
}

TEST_CASE(without_waiting)
{
    const char *n = queue_name("nowait");
    mqd_t q = make(n, O_NONBLOCK, 1, 16);
    char buf[16];
    CHECK_ERR(mq_receive(q, buf, sizeof buf, NULL), EAGAIN);
    OK(mq_send(q, "x", 1, 0));
    CHECK_ERR(mq_send(q, "y", 1, 0), EAGAIN);
    drop(q, n);
}

static struct timespec in_ms(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

TEST_CASE(time_is_limited)
{
    const char *n = queue_name("timed");
    mqd_t q = make(n, 0, 1, 16);
    char buf[16];
    struct timespec t = in_ms(20), past = {0}, bad = {.tv_nsec = -1};
    CHECK_ERR(mq_timedreceive(q, buf, sizeof buf, NULL, &t), ETIMEDOUT);
    CHECK_ERR(mq_timedreceive(q, buf, sizeof buf, NULL, &past), ETIMEDOUT);
    CHECK_ERR(mq_timedreceive(q, buf, sizeof buf, NULL, &bad), EINVAL);
    OK(mq_timedsend(q, "x", 1, 0, &past));
    t = in_ms(20);
    CHECK_ERR(mq_timedsend(q, "y", 1, 0, &t), ETIMEDOUT);
    CHECK_EQ(mq_timedreceive(q, buf, sizeof buf, NULL, &past), 1);
    drop(q, n);
}

static void *send_later(void *arg)
{
    mqd_t q = *(mqd_t *) arg;
    sleep_ms(20);
    OK(mq_send(q, "late", 4, 3));
    return NULL;
}

TEST_CASE(waits)
{
    const char *n = queue_name("waits");
    mqd_t q = make(n, 0, 1, 16);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, send_later, &q));
    expect(q, 3, "late");
    ZERO(pthread_join(t, NULL));
    OK(mq_send(q, "first", 5, 1));
    ZERO(pthread_create(&t, NULL, send_later, &q)); /* waits for room */
    sleep_ms(40);
    expect(q, 1, "first");
    expect(q, 3, "late");
    ZERO(pthread_join(t, NULL));
    drop(q, n);
}

TEST_CASE(readiness)
{
    const char *n = queue_name("poll");
    mqd_t q = make(n, 0, 1, 16);
    struct pollfd p = {.fd = q, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    OK(mq_send(q, "x", 1, 0));
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN);
    char buf[16];
    CHECK_EQ(mq_receive(q, buf, sizeof buf, NULL), 1);
    int ep = (int) OK(epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 5};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev));
    CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, send_later, &q));
    CHECK_EQ(epoll_wait(ep, &ev, 1, 5000), 1);
    CHECK(ev.data.u32 == 5 && ev.events == EPOLLIN);
    ZERO(pthread_join(t, NULL));
    OK(close(ep));
    drop(q, n);
}

/* ---- notification ---- */
static volatile int told, told_code, told_value, told_pid;

static void on_signal(UNUSED int sig, siginfo_t *si, UNUSED void *ctx)
{
    told++;
    told_code = si->si_code;
    told_value = si->si_value.sival_int;
    told_pid = si->si_pid;
}

TEST_CASE(tells_by_signal)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGUSR1, &sa, NULL));
    const char *n = queue_name("notify");
    mqd_t q = make(n, 0, 4, 16);
    struct sigevent ev = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    OK(mq_notify(q, &ev));
    CHECK_ERR(mq_notify(q, &ev), EBUSY);
    told = 0;
    OK(mq_send(q, "x", 1, 0));
    CHECK_EQ(told, 1);
    CHECK(told_code == SI_MESGQ && told_value == 42 && told_pid == getpid());
    OK(mq_send(q, "y", 1, 0));
    CHECK_EQ(told, 1);     /* once */
    OK(mq_notify(q, &ev)); /* not empty: nothing until it was */
    OK(mq_send(q, "z", 1, 0));
    CHECK_EQ(told, 1);
    for (int i = 0; i < 3; i++) {
        char buf[16];
        CHECK_EQ(mq_receive(q, buf, sizeof buf, NULL), 1);
    }
    OK(mq_send(q, "x", 1, 0));
    CHECK_EQ(told, 2);
    expect(q, 0, "x");
    OK(mq_notify(q, &ev));
    OK(mq_notify(q, NULL));
    OK(mq_send(q, "x", 1, 0));
    CHECK_EQ(told, 2);
    expect(q, 0, "x");
    OK(mq_notify(q, &ev));
    OK(mq_close((mqd_t) OK(dup(q)))); /* any descriptor's close ends it */
    ev.sigev_notify = SIGEV_NONE;
    OK(mq_notify(q, &ev));
    CHECK_ERR(mq_notify(q, &ev), EBUSY);
    OK(mq_notify(q, NULL));
    struct sigevent bad = {.sigev_notify = 77};
    CHECK_ERR(mq_notify(q, &bad), EINVAL);
    bad = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65};
    CHECK_ERR(mq_notify(q, &bad), EINVAL);
    drop(q, n);
}

static void *receive_one(void *arg)
{
    expect(*(mqd_t *) arg, 0, "x");
    return NULL;
}

TEST_CASE(a_receiver_comes_first)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGUSR1, &sa, NULL));
    const char *n = queue_name("first");
    mqd_t q = make(n, 0, 4, 16);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, receive_one, &q));
    sleep_ms(50); /* it waits by now */
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    OK(mq_notify(q, &ev));
    told = 0;
    OK(mq_send(q, "x", 1, 0));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(told, 0);
    drop(q, n);
}

TEST_CASE(interrupted)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGALRM, &sa, NULL));
    const char *n = queue_name("intr");
    mqd_t q = make(n, 0, 1, 16);
    char buf[16];
    ualarm(20000, 0);
    CHECK_ERR(mq_receive(q, buf, sizeof buf, NULL), EINTR);
    drop(q, n);
}

/* ---- other processes ---- */
CHILD(echo)
{
    mqd_t in = mq_open(argv[0], O_RDONLY), out = mq_open(argv[1], O_WRONLY);
    if (in < 0 || out < 0)
        return 1;
    char buf[64];
    for (;;) {
        unsigned p;
        ssize_t n = mq_receive(in, buf, sizeof buf, &p);
        if (n < 0 || mq_send(out, buf, (size_t) n, p) < 0)
            return 2;
        if (n == 0)
            return 0;
    }
}

TEST_CASE(between_processes)
{
    const char *a = queue_name("to"), *b = queue_name("fro");
    mqd_t to = make(a, 0, 2, 64), fro = make(b, 0, 2, 64);
    pid_t pid = child_start("echo", a, b, NULL);
    for (unsigned i = 0; i < 500; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %u", i);
        OK(mq_send(to, text, strlen(text), i % 9));
        expect(fro, i % 9, text);
    }
    OK(mq_send(to, "", 0, 0));
    CHECK_EQ(child_wait(pid), 0);
    drop(to, a);
    drop(fro, b);
}

CHILD(as_user)
{
    if (setresgid(5000, 5000, 5000) < 0 || setresuid(5000, 5000, 5000) < 0)
        return 1;
    if (mq_open(argv[0], O_RDWR) != -1 || errno != EACCES)
        return 2;
    mqd_t q = mq_open(argv[0], O_RDONLY);
    if (q < 0)
        return 3;
    if (mq_unlink(argv[0]) != -1 || errno != EACCES)
        return 4;
    struct mq_attr many = {.mq_maxmsg = 11, .mq_msgsize = 10};
    if (mq_open(argv[1], O_RDWR | O_CREAT, 0600, &many) != -1 || errno != EINVAL)
        return 5;
    struct rlimit little = {20000, 20000};
    setrlimit(RLIMIT_MSGQUEUE, &little);
    if (mq_open(argv[1], O_RDWR | O_CREAT, 0600, NULL) != -1 || errno != EMFILE)
        return 6;
    struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 100};
    if (mq_open(argv[1], O_RDWR | O_CREAT, 0600, &small) < 0)
        return 7;
    return mq_unlink(argv[1]) < 0 ? 8 : 0;
}

TEST_CASE(permissions)
{
    SKIP_IF(geteuid() != 0, "needs to be root");
    const char *n = queue_name("perm");
    mqd_t q = make(n, 0, 2, 64);
    OK(fchmod(q, 0644));
    CHECK_EQ(child_wait(child_start("as_user", n, queue_name("own"), NULL)), 0);
    drop(q, n);
}

TEST_CASE(seen_as_files)
{
    SKIP_IF(!path_exists("/dev/mqueue/.."), "not mounted");
    const char *n = queue_name("file");
    mqd_t q = make(n, 0, 4, 64);
    char path[128], text[128];
    snprintf(path, sizeof path, "/dev/mqueue%s", n);
    if (!path_exists(path)) {
        drop(q, n);
        SKIP("no mqueue file system there");
    }
    OK(mq_send(q, "12345", 5, 0));
    OK(mq_send(q, "678", 3, 0));
    read_file(path, text, sizeof text);
    CHECK_STR(text, "QSIZE:8          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n");
    struct stat st;
    OK(stat(path, &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0600);
    CHECK_EQ(st.st_size, 80);
    DIR *d = opendir("/dev/mqueue");
    bool found = false;
    for (struct dirent *e; d && (e = readdir(d));)
        found |= strcmp(e->d_name, n + 1) == 0;
    closedir(d);
    CHECK(found);
    mqd_t r = (mqd_t) OK(open(path, O_RDWR));
    expect(r, 0, "12345");
    OK(close(r));
    OK(unlink(path));
    CHECK_ERR(mq_open(n, O_RDWR), ENOENT);
    OK(mq_close(q));
    int fd = (int) OK(open(path, O_RDWR | O_CREAT, 0600));
    OK(close(fd));
    q = (mqd_t) OK(mq_open(n, O_RDWR));
    CHECK_EQ(attr_of(q).mq_maxmsg, 10);
    drop(q, n);
}

static volatile sig_atomic_t thread_value;

static void on_message(union sigval value)
{
    thread_value = value.sival_int;
}

TEST_CASE(a_thread_is_started)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 77};
    ev.sigev_notify_function = on_message;
    mq_unlink("/thread");
    mqd_t q = (mqd_t) OK(mq_open("/thread", O_RDWR | O_CREAT, 0600, &attr));
    OK(mq_notify(q, &ev));
    CHECK_EQ(thread_value, 0);
    OK(mq_send(q, "x", 1, 0));
    for (int i = 0; i < 400 && !thread_value; i++)
        sleep_ms(5);
    CHECK_EQ(thread_value, 77);
    char buf[8];
    OK(mq_receive(q, buf, sizeof buf, NULL));
    thread_value = 0;
    OK(mq_send(q, "x", 1, 0)); /* once is once */
    sleep_ms(20);
    CHECK_EQ(thread_value, 0);
    OK(mq_close(q));
    OK(mq_unlink("/thread"));
}
