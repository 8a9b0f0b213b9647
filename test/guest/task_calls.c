/* Calls about tasks that have a test nowhere else: scheduling attributes, I/O priorities, robust lists,
 * comparing and reaching into other processes, waiting for several words. */
#include "guest_test.h"
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

/* ---- scheduling ------------------------------------------------------------------------------- */
struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

TEST_CASE(scheduling_attributes)
{
    struct attr a;
    OK(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
    CHECK(a.policy == SCHED_OTHER && a.priority == 0 && a.nice == getpriority(PRIO_PROCESS, 0));
    OK(syscall(SYS_sched_getattr, getpid(), &a, 48, 0));
    CHECK_EQ(a.size, 48);
    CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, 5000, 0), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, sizeof a, 1), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getattr, 0, NULL, sizeof a, 0), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getattr, 0, 8L, sizeof a, 0), EFAULT);
    CHECK_ERR(syscall(SYS_sched_getattr, -1, &a, sizeof a, 0), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getattr, 4000000, &a, sizeof a, 0), ESRCH);
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.policy = SCHED_BATCH;
    OK(syscall(SYS_sched_setattr, 0, &a, 0));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
    a.policy = SCHED_OTHER;
    OK(syscall(SYS_sched_setattr, 0, &a, 0));
    a.policy = 99;
    CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
    a.policy = SCHED_OTHER;
    a.priority = 4;
    CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
    a.priority = 0;
    CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setattr, 0, 8L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_sched_setattr, 4000000, &a, 0), ESRCH);
    a.size = 20; /* smaller than the first version: told what is right */
    CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
    CHECK(a.size >= 48);
}

TEST_CASE(policy_is_kept)
{
    struct sched_param p = {0};
    OK(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &p));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_IDLE);
    OK(syscall(SYS_sched_setparam, 0, &p));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_IDLE);
    OK(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
    CHECK_ERR(syscall(SYS_sched_getscheduler, -1), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getscheduler, 4000000), ESRCH);
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, 99, &p), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_sched_setscheduler, 4000000, SCHED_OTHER, &p), ESRCH);
    p.sched_priority = 100;
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p), EINVAL);
    p.sched_priority = 0;
    CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setparam, -1, &p), EINVAL);
    CHECK_ERR(syscall(SYS_sched_setparam, 0, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_sched_getparam, 4000000, &p), ESRCH);
    CHECK_ERR(syscall(SYS_sched_getparam, 0, NULL), EINVAL);
}

TEST_CASE(round_robin_interval)
{
    struct timespec t = {-1, -1};
    OK(syscall(SYS_sched_rr_get_interval, 0, &t));
    CHECK(t.tv_sec >= 0 && t.tv_nsec >= 0);
    CHECK_ERR(syscall(SYS_sched_rr_get_interval, -1, &t), EINVAL);
    CHECK_ERR(syscall(SYS_sched_rr_get_interval, 4000000, &t), ESRCH);
    CHECK_ERR(syscall(SYS_sched_rr_get_interval, 0, 8L), EFAULT);
}

static void nice_unprivileged(void)
{
    become(1000, 1000);
    OK(setpriority(PRIO_PROCESS, 0, 5));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
    CHECK_ERR(setpriority(PRIO_PROCESS, 0, 4), EACCES);
    CHECK_ERR(setpriority(PRIO_PROCESS, getppid(), 6), EPERM);
}
TEST_CASE(niceness)
{
    CHECK_ERR(setpriority(99, 0, 0), EINVAL);
    CHECK_ERR(setpriority(PRIO_PROCESS, 4000000, 0), ESRCH);
    CHECK_ERR(setpriority(PRIO_PROCESS, -1, 0), ESRCH);
    errno = 0;
    CHECK_ERR(getpriority(99, 0), EINVAL);
    CHECK_ERR(getpriority(PRIO_PROCESS, 4000000), ESRCH);
    OK(setpriority(PRIO_PROCESS, 0, 100)); /* clamped */
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    OK(setpriority(PRIO_PROCESS, 0, 0));
    in_process(nice_unprivileged);
}

/* ---- I/O priorities --------------------------------------------------------------------------- */
TEST_CASE(io_priority)
{
    OK_OR_SKIP(syscall(SYS_ioprio_get, 1, 0));
    OK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5)); /* best effort, 5 */
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 5);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, getpid()), 2 << 13 | 5);
    OK(syscall(SYS_ioprio_set, 1, 0, 3 << 13));
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 3 << 13);
    OK(syscall(SYS_ioprio_set, 1, 0, 0));
    CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 0 << 13 | 5), EINVAL); /* no class, but a level */
    CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 4 << 13), EINVAL);
    CHECK_ERR(syscall(SYS_ioprio_set, 9, 0, 2 << 13), EINVAL);
    CHECK_ERR(syscall(SYS_ioprio_get, 9, 0), EINVAL);
    CHECK_ERR(syscall(SYS_ioprio_get, 1, 4000000), ESRCH);
    CHECK_ERR(syscall(SYS_ioprio_set, 1, 4000000, 2 << 13), ESRCH);
}

/* ---- robust list ------------------------------------------------------------------------------ */
TEST_CASE(robust_list)
{
    void *head = NULL, *mine[3] = {mine, NULL, NULL};
    size_t len = 0;
    OK(syscall(SYS_set_robust_list, mine, sizeof mine));
    OK(syscall(SYS_get_robust_list, 0, &head, &len));
    CHECK(head == mine && len == 24);
    OK(syscall(SYS_get_robust_list, getpid(), &head, &len));
    CHECK_ERR(syscall(SYS_set_robust_list, mine, 23L), EINVAL);
    CHECK_ERR(syscall(SYS_get_robust_list, 4000000, &head, &len), ESRCH);
    CHECK_ERR(syscall(SYS_get_robust_list, 0, 8L, &len), EFAULT);
    CHECK_ERR(syscall(SYS_get_robust_list, 0, &head, 8L), EFAULT);
    OK(syscall(SYS_set_robust_list, NULL, sizeof mine));
}

/* ---- kcmp ------------------------------------------------------------------------------------- */
TEST_CASE(comparing_processes)
{
    int me = getpid(), fd = (int) OK(open("/", O_RDONLY)), again = dup(fd);
    int other = (int) OK(open("/", O_RDONLY));
    OK_OR_SKIP(syscall(SYS_kcmp, me, me, 0, (long) fd, (long) again));
    CHECK_EQ(syscall(SYS_kcmp, me, me, 0, (long) fd, (long) again), 0);
    long order = syscall(SYS_kcmp, me, me, 0, (long) fd, (long) other);
    CHECK(order == 1 || order == 2);
    CHECK_EQ(syscall(SYS_kcmp, me, me, 0, (long) other, (long) fd), 3 - order);
    for (int type = 1; type <= 6; type++)
        CHECK_EQ(syscall(SYS_kcmp, me, me, type, 0L, 0L), 0);
    pid_t child = child_start("parked", NULL);
    CHECK(syscall(SYS_kcmp, me, child, 1, 0L, 0L) > 0); /* other memory */
    CHECK(syscall(SYS_kcmp, me, child, 2, 0L, 0L) > 0); /* other descriptors */
    kill(child, SIGKILL);
    child_wait(child);
    CHECK_ERR(syscall(SYS_kcmp, me, me, 99, 0L, 0L), EINVAL);
    CHECK_ERR(syscall(SYS_kcmp, me, 4000000, 1, 0L, 0L), ESRCH);
    CHECK_ERR(syscall(SYS_kcmp, me, me, 0, 999L, (long) fd), EBADF);
    close(fd);
    close(again);
    close(other);
}
CHILD(parked)
{
    return park();
}

/* ---- other processes' memory ------------------------------------------------------------------ */
static long vm_read(int pid, void *to, const void *from, size_t n)
{
    struct iovec l = {to, n}, r = {(void *) (uintptr_t) from, n};
    return process_vm_readv(pid, &l, 1, &r, 1, 0);
}

TEST_CASE(memory_of_this_process)
{
    char a[] = "0123456789", b[11] = "";
    if (vm_read(getpid(), b, a, 5) < 0 && errno == ENOSYS)
        SKIP("a kernel without it");
    CHECK_EQ(vm_read(getpid(), b, a, 5), 5);
    CHECK_EQ(memcmp(b, "01234", 5), 0);
    struct iovec l[2] = {{b, 2}, {b + 2, 3}}, r[2] = {{a + 1, 1}, {a + 5, 4}};
    CHECK_EQ(process_vm_readv(getpid(), l, 2, r, 2, 0), 5);
    CHECK_EQ(memcmp(b, "15678", 5), 0);
    CHECK_EQ(process_vm_writev(getpid(), l, 2, r, 2, 0), 5);
    CHECK_EQ(process_vm_readv(getpid(), l, 0, r, 2, 0), 0);
    CHECK_ERR(vm_read(getpid(), b, (void *) 8, 5), EFAULT);
    r[1].iov_base = (void *) 8;
    CHECK_EQ(process_vm_readv(getpid(), l, 2, r, 2, 0), 1); /* up to the bad one */
    CHECK_ERR(process_vm_readv(getpid(), l, 2, r, 2, 1), EINVAL);
    CHECK_ERR(process_vm_readv(4000000, l, 2, r, 2, 0), ESRCH);
    CHECK_ERR(process_vm_readv(getpid(), (struct iovec *) 8, 1, r, 1, 0), EFAULT);
    CHECK_ERR(process_vm_readv(getpid(), l, 1, (struct iovec *) 8, 1, 0), EFAULT);
    CHECK_ERR(process_vm_readv(getpid(), l, 2000, r, 1, 0), EINVAL);
    CHECK_ERR(process_vm_writev(getpid(), l, 1, r, 2000, 0), EINVAL);
}

static void do_nothing(UNUSED int sig)
{
}

static void *send_signals(void *stop)
{
    for (; !*(volatile bool *) stop; usleep(50))
        pthread_kill(test_thread, SIGUSR1);
    return NULL;
}

/* Signals that come meanwhile wait until all of it is there. */
TEST_CASE(memory_is_moved_whole)
{
    enum { SIZE = 8 << 20 };
    bool stop = false;
    char *from = calloc(1, SIZE), *to = calloc(1, SIZE);
    CHECK(from && to);
    memset(from, 1, SIZE);
    struct sigaction act = {.sa_handler = do_nothing}, old;
    OK(sigaction(SIGUSR1, &act, &old));
    pthread_t sender;
    ZERO(pthread_create(&sender, NULL, send_signals, &stop));
    ssize_t n = SIZE;
    for (int i = 0; i < 50 && n == SIZE; i++)
        n = vm_read(getpid(), to, from, SIZE);
    *(volatile bool *) &stop = true;
    ZERO(pthread_join(sender, NULL));
    OK(sigaction(SIGUSR1, &old, NULL));
    if (n < 0 && errno == ENOSYS)
        SKIP("a kernel without it");
    CHECK_EQ(n, SIZE);
    CHECK_EQ(memcmp(to, from, SIZE), 0);
    free(from);
    free(to);
}

TEST_CASE(process_madvise)
{
    int self = (int) OK_OR_SKIP(syscall(SYS_pidfd_open, getpid(), 0));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 5;
    struct iovec v = {p, 2 * PAGE}, odd = {p + 1, PAGE}, none = {(void *) 4096, PAGE};
    CHECK_EQ(OK_OR_SKIP(syscall(SYS_process_madvise, self, &v, 1L, 20, 0)), 2 * PAGE);
    CHECK_EQ(p[0], 5);
    CHECK_EQ(syscall(SYS_process_madvise, self, &v, 0L, 20, 0), 0);
    CHECK_ERR(syscall(SYS_process_madvise, self, &v, 1L, 99, 0), EINVAL);
    CHECK_ERR(syscall(SYS_process_madvise, self, &v, 1L, 20, 1), EINVAL);
    CHECK_ERR(syscall(SYS_process_madvise, self, &odd, 1L, 20, 0), EINVAL);
    CHECK_ERR(syscall(SYS_process_madvise, self, &none, 1L, 20, 0), ENOMEM);
    CHECK_ERR(syscall(SYS_process_madvise, self, 8L, 1L, 20, 0), EFAULT);
    CHECK_ERR(syscall(SYS_process_madvise, -1, &v, 1L, 20, 0), EBADF);
    CHECK_ERR(syscall(448, self, 1), EINVAL); /* process_mrelease */
    CHECK_ERR(syscall(448, self, 0), EINVAL); /* not dying */
    CHECK_ERR(syscall(448, -1, 0), EBADF);
    OK(munmap(p, 2 * PAGE));
    close(self);
}

/* ---- descriptors of others -------------------------------------------------------------------- */
TEST_CASE(pidfd_getfd)
{
    int self = (int) OK_OR_SKIP(syscall(SYS_pidfd_open, getpid(), 0));
    int fd = (int) OK(open("/", O_RDONLY)), got = (int) OK(syscall(SYS_pidfd_getfd, self, fd, 0));
    struct stat a, b;
    OK(fstat(fd, &a));
    OK(fstat(got, &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(syscall(SYS_pidfd_getfd, self, 999, 0), EBADF);
    CHECK_ERR(syscall(SYS_pidfd_getfd, fd, fd, 0), EBADF);
    CHECK_ERR(syscall(SYS_pidfd_getfd, -1, fd, 0), EBADF);
    CHECK_ERR(syscall(SYS_pidfd_getfd, self, fd, 1), EINVAL);
    close(fd);
    close(got);
    close(self);
}

/* ---- small ones ------------------------------------------------------------------------------- */
TEST_CASE(epoll_pwait2)
{
    struct epoll_event e = {.events = EPOLLIN}, got;
    struct timespec none = {0, 0}, bad = {0, 1000000000};
    int ep = (int) OK(epoll_create1(0)), p[2];
    OK(pipe(p));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    CHECK_EQ(OK_OR_SKIP(syscall(SYS_epoll_pwait2, ep, &got, 1, &none, NULL, 8L)), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(syscall(SYS_epoll_pwait2, ep, &got, 1, NULL, NULL, 8L), 1);
    CHECK_ERR(syscall(SYS_epoll_pwait2, ep, &got, 1, &bad, NULL, 8L), EINVAL);
    CHECK_ERR(syscall(SYS_epoll_pwait2, ep, &got, 0, &none, NULL, 8L), EINVAL);
    CHECK_ERR(syscall(SYS_epoll_pwait2, ep, &got, 1, 8L, NULL, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_epoll_pwait2, -1, &got, 1, &none, NULL, 8L), EBADF);
    CHECK_ERR(syscall(SYS_epoll_pwait2, p[0], &got, 1, &none, NULL, 8L), EINVAL);
    close(ep);
    close(p[0]);
    close(p[1]);
}

TEST_CASE(inotify_of_old)
{
    int fd = (int) OK(syscall(SYS_inotify_init));
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    CHECK_ERR(inotify_init1(99), EINVAL);
}

TEST_CASE(restart_syscall_alone)
{
    CHECK_ERR(syscall(SYS_restart_syscall), EINTR); /* nothing to go on with */
}

/* ---- futex_waitv ------------------------------------------------------------------------------ */
struct waitv {
    uint64_t value, address;
    uint32_t flags, reserved;
};
static uint32_t words[2];

static void *wake_second(UNUSED void *arg)
{
    while (syscall(SYS_futex, &words[1], 1 | 128, 1) == 0) /* FUTEX_WAKE */
        sched_yield();
    return NULL;
}
TEST_CASE(futex_waitv)
{
    struct waitv w[2] = {{0, (uintptr_t) &words[0], 2, 0}, {0, (uintptr_t) &words[1], 2, 0}};
    struct timespec past = {0, 0};
    SKIP_IF(syscall(449, w, 2, 0, &past, CLOCK_MONOTONIC) < 0 && errno == ENOSYS, "not here");
    CHECK_ERR(syscall(449, w, 2, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
    words[1] = 5;
    CHECK_ERR(syscall(449, w, 2, 0, NULL, CLOCK_MONOTONIC), EAGAIN);
    words[1] = 0;
    CHECK_ERR(syscall(449, w, 0, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERR(syscall(449, w, 129, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERR(syscall(449, w, 2, 1, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERR(syscall(449, 8L, 2, 0, NULL, CLOCK_MONOTONIC), EFAULT);
    CHECK_ERR(syscall(449, w, 2, 0, &past, 99), EINVAL);
    w[0].reserved = 1;
    CHECK_ERR(syscall(449, w, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    w[0].reserved = 0;
    w[0].flags = 0;
    CHECK_ERR(syscall(449, w, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL); /* sizes other than 32 bits */
    w[0].flags = 2 | 128;                                            /* FUTEX_PRIVATE_FLAG */
    w[1].flags = 2 | 128;
    w[0].address++;
    CHECK_ERR(syscall(449, w, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    w[0].address--;
    pthread_t t;
    ZERO(pthread_create(&t, NULL, wake_second, NULL));
    long r = syscall(449, w, 2, 0, NULL, CLOCK_MONOTONIC);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(r, 1); /* the index of the word that woke */
}
