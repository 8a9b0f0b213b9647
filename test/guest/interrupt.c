/* Interruption of blocking calls: without SA_RESTART each ends with EINTR; with it each goes on or ends
 * with EINTR as signal(7) says. A thread blocks in the call; signals come until it returns, or, where it
 * must go on, until the handler ran several times; then what it waits for happens. */
#include "guest_test.h"
#include <mqueue.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

#define ENOUGH     5 /* handlers that ran while the call was to go on */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static int fds[2], other = -1, sysv = -1;
static char buf[65536];
static pid_t child;
static uint32_t word;
static mqd_t queue = (mqd_t) -1;
static const struct timeval long_time = {1000, 0};
static const struct timespec long_spec = {1000, 0};

/* ---- what to wait for ------------------------------------------------------------------------- */
static void make_pipe(void)
{
    OK(pipe(fds));
}
static void fill(int fd)
{
    int flags = (int) OK(fcntl(fd, F_GETFL));
    OK(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
    while (write(fd, buf, sizeof buf) > 0)
        ;
    while (write(fd, buf, 1) > 0)
        ;
    OK(fcntl(fd, F_SETFL, flags));
}
static void make_full_pipe(void)
{
    make_pipe();
    fill(fds[1]);
}
static void write_one(void)
{
    CHECK_EQ(write(fds[1], "x", 1), 1);
}
static void drain(void)
{
    OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
    while (read(fds[0], buf, sizeof buf) > 0)
        ;
}
static long do_read(void)
{
    return read(fds[0], buf, 10);
}
static long do_readv(void)
{
    struct iovec v = {buf, 10};
    return readv(fds[0], &v, 1);
}
static long do_write(void)
{
    return write(fds[1], buf, 10);
}
static void make_sockets(void)
{
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}
static void make_full_sockets(void)
{
    make_sockets();
    fill(fds[1]);
}
static void make_timed_sockets(void)
{
    make_sockets();
    OK(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time));
}
static long do_recv(void)
{
    return recv(fds[0], buf, 10, 0);
}
static long do_recvmsg(void)
{
    struct iovec v = {buf, 10};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return recvmsg(fds[0], &m, 0);
}
static long do_send(void)
{
    return send(fds[1], buf, 10, 0);
}

static struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/interrupt.socket"};
static void make_listener(void)
{
    unlink(address.sun_path);
    fds[0] = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(bind(fds[0], (struct sockaddr *) &address, sizeof address));
    OK(listen(fds[0], 1));
    fds[1] = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0));
    unlink("/tmp/interrupt.none");
}
static long do_accept(void)
{
    return accept(fds[0], NULL, NULL);
}
static void connect_to_it(void)
{
    OK(connect(fds[1], (struct sockaddr *) &address, sizeof address));
}

static void make_fifo(void)
{
    unlink("/tmp/interrupt.fifo");
    OK(mkfifo("/tmp/interrupt.fifo", 0600));
}
static long do_open_fifo(void)
{
    return open("/tmp/interrupt.fifo", O_RDONLY);
}
static void open_other_end(void)
{
    other = (int) OK(open("/tmp/interrupt.fifo", O_WRONLY));
}

static void make_eventfd(void)
{
    fds[0] = fds[1] = (int) OK(eventfd(0, 0));
}
static void add_to_eventfd(void)
{
    uint64_t one = 1;
    CHECK_EQ(write(fds[0], &one, 8), 8);
}
static void make_timerfd(void)
{
    fds[0] = (int) OK(timerfd_create(CLOCK_MONOTONIC, 0));
}
static void set_timerfd(void)
{
    struct itimerspec soon = {.it_value = {0, 1000}};
    OK(timerfd_settime(fds[0], 0, &soon, NULL));
}
static void make_inotify(void)
{
    fds[0] = (int) OK(inotify_init1(0));
    OK(inotify_add_watch(fds[0], "/tmp", IN_CREATE));
}
static long do_read_much(void)
{
    return read(fds[0], buf, 4096);
}
static void create_file(void)
{
    unlink("/tmp/interrupt.file");
    close((int) OK(open("/tmp/interrupt.file", O_CREAT | O_RDWR, 0600)));
}

CHILD(lock_holder)
{
    int fd = open("/tmp/interrupt.lock", O_RDWR | O_CREAT, 0600);
    struct flock l = {.l_type = F_WRLCK};
    if (flock(fd, LOCK_EX) != 0 || fcntl(fd, F_SETLK, &l) != 0 || write(1, "x", 1) != 1)
        return 1;
    pause();
    return 0;
}
static void make_lock(void)
{
    int p[2], saved = (int) OK(dup(1));
    char c;
    OK(pipe(p));
    fflush(stdout);
    OK(dup2(p[1], 1));
    child = child_start("lock_holder", NULL);
    OK(dup2(saved, 1));
    CHECK_EQ(read(p[0], &c, 1), 1);
    close(p[0]);
    close(p[1]);
    close(saved);
    fds[0] = (int) OK(open("/tmp/interrupt.lock", O_RDWR));
}
static void kill_child(void)
{
    OK(kill(child, SIGKILL));
}
static void release_lock(void)
{
    kill_child();
    child_wait(child);
    child = 0;
}
static long do_flock(void)
{
    return flock(fds[0], LOCK_EX);
}
static long do_fcntl_lock(void)
{
    struct flock l = {.l_type = F_WRLCK};
    return fcntl(fds[0], F_SETLKW, &l);
}

CHILD(pauser)
{
    for (;;)
        pause();
    return 0;
}
static void make_child(void)
{
    child = child_start("pauser", NULL);
}
static long do_wait4(void)
{
    long r = waitpid(child, NULL, 0);
    if (r == child)
        child = 0;
    return r;
}
static long do_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT);
}

static void make_word(void)
{
    word = 0;
}
static long do_futex(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static long do_futex_timed(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &long_spec, NULL, 0);
}
static void wake_word(void)
{
    while (syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0) != 1)
        sleep_ms(1);
}

static long do_poll(void)
{
    struct pollfd p = {fds[0], POLLIN, 0};
    return poll(&p, 1, -1);
}
static long do_ppoll(void)
{
    struct pollfd p = {fds[0], POLLIN, 0};
    return ppoll(&p, 1, &long_spec, NULL);
}
static long do_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    return select(fds[0] + 1, &set, NULL, NULL, NULL);
}
static long do_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    return pselect(fds[0] + 1, &set, NULL, NULL, &long_spec, NULL);
}
static void make_epoll(void)
{
    fds[0] = (int) OK(epoll_create1(0));
}
static long do_epoll_wait(void)
{
    struct epoll_event ev;
    return epoll_wait(fds[0], &ev, 1, -1);
}
static long do_nanosleep(void)
{
    return nanosleep(&long_spec, NULL);
}
static long do_clock_nanosleep(void)
{
    int r = clock_nanosleep(CLOCK_MONOTONIC, 0, &long_spec, NULL);
    errno = r;
    return r ? -1 : 0;
}
static long do_pause(void)
{
    return pause();
}
static long do_sigsuspend(void)
{
    sigset_t none;
    sigemptyset(&none);
    return sigsuspend(&none);
}
static long do_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return syscall(SYS_rt_sigtimedwait, &set, NULL, &long_spec, 8); /* musl's goes on by itself */
}

static void make_semaphore(void)
{
    sysv = (int) OK(semget(IPC_PRIVATE, 1, 0600));
}
static long do_semop(void)
{
    struct sembuf op = {0, -1, 0};
    return semop(sysv, &op, 1);
}
static void make_message_queue(void)
{
    sysv = (int) OK(msgget(IPC_PRIVATE, 0600));
}
static long do_msgrcv(void)
{
    return msgrcv(sysv, buf, 100, 0, 0);
}
static void make_full_message_queue(void)
{
    make_message_queue();
    *(long *) (void *) buf = 1;
    while (msgsnd(sysv, buf, 4096, IPC_NOWAIT) == 0)
        ;
}
static long do_msgsnd(void)
{
    return msgsnd(sysv, buf, 4096, 0);
}
static void make_posix_queue(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 16};
    mq_unlink("/interrupt");
    queue = mq_open("/interrupt", O_RDWR | O_CREAT, 0600, &attr);
    CHECK(queue != (mqd_t) -1);
}
static void send_to_queue(void)
{
    OK(mq_send(queue, "x", 1, 0));
}
static long do_mq_receive(void)
{
    return mq_receive(queue, buf, 16, NULL);
}
static void make_full_posix_queue(void)
{
    make_posix_queue();
    send_to_queue();
}
static long do_mq_send(void)
{
    return mq_send(queue, "y", 1, 0);
}
static void take_from_queue(void)
{
    OK(mq_receive(queue, buf, 16, NULL));
}

static void clean_up(void)
{
    for (int i = 0; i < 2; i++)
        if (fds[i] > 2)
            close(fds[i]);
    if (other >= 0)
        close(other);
    if (queue != (mqd_t) -1) {
        mq_close(queue);
        mq_unlink("/interrupt");
    }
    if (child) {
        kill(child, SIGKILL);
        child_wait(child);
    }
    if (sysv >= 0 && semctl(sysv, 0, IPC_RMID) != 0)
        msgctl(sysv, IPC_RMID, NULL);
    fds[0] = fds[1] = other = sysv = -1;
    queue = (mqd_t) -1;
    child = 0;
}

/* ---- the table -------------------------------------------------------------------------------- */
static const struct blocking {
    const char *name;
    void (*make)(void);
    long (*call)(void);
    void (*release)(void); /* NULL: never goes on after a handler */
} table[] = {
    {"read pipe", make_pipe, do_read, write_one},
    {"readv pipe", make_pipe, do_readv, write_one},
    {"write pipe", make_full_pipe, do_write, drain},
    {"read socket", make_sockets, do_read, write_one},
    {"recv", make_sockets, do_recv, write_one},
    {"recvmsg", make_sockets, do_recvmsg, write_one},
    {"send", make_full_sockets, do_send, drain},
    {"recv with SO_RCVTIMEO", make_timed_sockets, do_recv, NULL},
    {"accept", make_listener, do_accept, connect_to_it},
    {"open FIFO", make_fifo, do_open_fifo, open_other_end},
    {"read eventfd", make_eventfd, do_read, add_to_eventfd},
    {"read timerfd", make_timerfd, do_read, set_timerfd},
    {"read inotify", make_inotify, do_read_much, create_file},
    {"flock", make_lock, do_flock, release_lock},
    {"fcntl lock", make_lock, do_fcntl_lock, release_lock},
    {"wait4", make_child, do_wait4, kill_child},
    {"waitid", make_child, do_waitid, kill_child},
    {"futex", make_word, do_futex, wake_word},
    {"futex with timeout", make_word, do_futex_timed, NULL},
    {"mq_receive", make_posix_queue, do_mq_receive, send_to_queue},
    {"mq_send", make_full_posix_queue, do_mq_send, take_from_queue},
    {"poll", make_pipe, do_poll, NULL},
    {"ppoll", make_pipe, do_ppoll, NULL},
    {"select", make_pipe, do_select, NULL},
    {"pselect", make_pipe, do_pselect, NULL},
    {"epoll_wait", make_epoll, do_epoll_wait, NULL},
    {"nanosleep", make_word, do_nanosleep, NULL},
    {"clock_nanosleep", make_word, do_clock_nanosleep, NULL},
    {"pause", make_word, do_pause, NULL},
    {"sigsuspend", make_word, do_sigsuspend, NULL},
    {"sigtimedwait", make_word, do_sigtimedwait, NULL},
    {"semop", make_semaphore, do_semop, NULL},
    {"msgrcv", make_message_queue, do_msgrcv, NULL},
    {"msgsnd", make_full_message_queue, do_msgsnd, NULL},
};

/* ---- the victim ------------------------------------------------------------------------------- */
static atomic_int handled, finished;
static long result;
static int error;

static void on_signal(int sig)
{
    (void) sig;
    handled++;
}

static void *blocked(void *arg)
{
    const struct blocking *b = arg;
    result = b->call();
    error = errno;
    finished = 1;
    return NULL;
}

/* Until the call ended, or, if it is to go on, until it was interrupted often enough. */
static void interrupt_it(pthread_t t, bool goes_on)
{
    for (int i = 0; i < 20000 && !finished && !(goes_on && handled >= ENOUGH); i++) {
        int before = handled;
        pthread_kill(t, SIGUSR1);
        while (handled == before && !finished)
            sleep_ms(1);
        sleep_ms(1);
    }
}

static void try_one(const struct blocking *b, int flags)
{
    bool goes_on = (flags & SA_RESTART) && b->release;
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};
    pthread_t t;
    OK(sigaction(SIGUSR1, &act, NULL));
    handled = finished = 0;
    b->make();
    ZERO(pthread_create(&t, NULL, blocked, (void *) b));
    interrupt_it(t, goes_on);
    bool too_early = goes_on && finished;
    if (!finished && b->release)
        b->release();
    pthread_join(t, NULL);
    clean_up();
    if (too_early || (goes_on && result < 0))
        test_fail(__FILE__, __LINE__, "%s with SA_RESTART: %ld, %s", b->name, result,
                  strerror(error));
    if (!goes_on && (result != -1 || error != EINTR))
        test_fail(__FILE__, __LINE__, "%s, flags 0x%x: %ld, %s, wanted EINTR", b->name, flags,
                  result, strerror(error));
}

TEST_CASE(without_restart)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        try_one(&table[i], 0);
}

TEST_CASE(with_restart)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        try_one(&table[i], SA_RESTART);
}

/* A signal without a handler that stops and continues: sleeps and polls go on where they were. */
CHILD(sleeper)
{
    struct timespec t = {0, 300000000};
    struct pollfd p = {.fd = -1};
    if (nanosleep(&t, NULL) != 0)
        return 1;
    return poll(&p, 1, 300) == 0 ? 0 : 2;
}

TEST_CASE(stop_and_continue)
{
    pid_t pid = child_start("sleeper", NULL);
    for (int i = 0; i < 20; i++) {
        int status;
        if (kill(pid, SIGSTOP) != 0 || waitpid(pid, &status, WUNTRACED) != pid)
            test_fail(__FILE__, __LINE__, "stop %d", i);
        if (WIFEXITED(status)) {
            CHECK_EQ(WEXITSTATUS(status), 0);
            return;
        }
        CHECK(WIFSTOPPED(status));
        sleep_ms(3);
        OK(kill(pid, SIGCONT));
        sleep_ms(3);
    }
    CHECK_EQ(child_wait(pid), 0);
}
