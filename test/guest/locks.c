/* File locks: conversions, merging, deadlock, what close and exec do, /proc/locks. */
#include "guest_test.h"
#include <sys/file.h>

#ifndef F_OFD_SETLK
#define F_OFD_GETLK  36
#define F_OFD_SETLK  37
#define F_OFD_SETLKW 38
#endif

static int make(const char *name)
{
    return (int) OK(open(test_path(name), O_RDWR | O_CREAT, 0644));
}

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
    struct flock l = {.l_type = (short) type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}

/* ---- in another process: lock FILE CMD TYPE START LEN, then end or stay ---- */
static int child_lock_args(char **argv)
{
    int fd = open(argv[0], O_RDWR);
    return lock(fd, atoi(argv[1]), atoi(argv[2]), atol(argv[3]), atol(argv[4])) < 0 ? errno : 0;
}

CHILD(do_lock)
{
    return child_lock_args(argv);
}

static int other(const char *name, int type, off_t start, off_t len)
{
    return child_wait(child_start("do_lock", test_path(name), num(F_SETLK), num(type), num(start),
                                  num(len), NULL));
}

CHILD(get_lock)
{
    struct flock l = {.l_type = F_WRLCK, .l_start = atol(argv[1]), .l_len = atol(argv[2])};
    int fd = open(argv[0], O_RDWR);
    if (fcntl(fd, F_GETLK, &l) < 0)
        return 1;
    if (l.l_type == F_UNLCK)
        return 2;
    bool fine = l.l_type == atoi(argv[3]) && l.l_start == atol(argv[4]) &&
                l.l_len == atol(argv[5]) && l.l_pid == getppid() && l.l_whence == SEEK_SET;
    return fine ? 0 : 3;
}

static int shows(const char *name, off_t start, off_t len, int type, off_t at, off_t size)
{
    return child_wait(child_start("get_lock", test_path(name), num(start), num(len), num(type),
                                  num(at), num(size), NULL));
}

TEST_CASE(neighbours_merge)
{
    int fd = make("merge");
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    OK(lock(fd, F_SETLK, F_WRLCK, 20, 10));
    CHECK_EQ(shows("merge", 0, 100, F_WRLCK, 0, 10), 0);
    OK(lock(fd, F_SETLK, F_WRLCK, 10, 10));
    CHECK_EQ(shows("merge", 0, 100, F_WRLCK, 0, 30), 0);
    OK(lock(fd, F_SETLK, F_UNLCK, 5, 1));
    CHECK_EQ(shows("merge", 0, 100, F_WRLCK, 0, 5), 0);
    CHECK_EQ(shows("merge", 6, 100, F_WRLCK, 6, 24), 0);
    OK(lock(fd, F_SETLK, F_RDLCK, 8, 0));
    CHECK_EQ(shows("merge", 8, 1, F_RDLCK, 8, 0), 0);
    CHECK_EQ(shows("merge", 6, 1, F_WRLCK, 6, 2), 0);
    CHECK_EQ(other("merge", F_RDLCK, 100, 10), 0);
    CHECK_EQ(other("merge", F_WRLCK, 100, 10), EAGAIN);
    OK(close(fd));
    CHECK_EQ(other("merge", F_WRLCK, 0, 0), 0);
}

TEST_CASE(closing_a_path_keeps_the_locks)
{
    int fd = make("path");
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    OK(close((int) OK(open(test_path("path"), O_PATH))));
    CHECK_EQ(other("path", F_WRLCK, 0, 0), EAGAIN);
    OK(close((int) OK(open(test_path("path"), O_RDONLY))));
    CHECK_EQ(other("path", F_WRLCK, 0, 0), 0);
    OK(close(fd));
}

TEST_CASE(ranges)
{
    int fd = make("ranges");
    OK(write(fd, "0123456789", 10));
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -5, .l_len = 2};
    OK(fcntl(fd, F_SETLK, &l)); /* 5, 6 */
    CHECK_EQ(shows("ranges", 0, 0, F_WRLCK, 5, 2), 0);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -3};
    OK(fcntl(fd, F_SETLK, &l)); /* 7, 8, 9 */
    CHECK_EQ(shows("ranges", 0, 0, F_WRLCK, 5, 5), 0);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = -1, .l_len = 1};
    CHECK_ERR(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = 9};
    CHECK_ERR(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){.l_type = 9};
    CHECK_ERR(fcntl(fd, F_SETLK, &l), EINVAL);
    CHECK_ERR(fcntl(fd, F_SETLK, (void *) 8), EFAULT);
    int ro = (int) OK(open(test_path("ranges"), O_RDONLY));
    CHECK_ERR(lock(ro, F_SETLK, F_WRLCK, 50, 1), EBADF);
    OK(lock(ro, F_SETLK, F_RDLCK, 50, 1));
    OK(close(ro)); /* any close of the file releases all of the process */
    CHECK_EQ(other("ranges", F_WRLCK, 0, 0), 0);
    OK(close(fd));
}

CHILD(a_then_b)
{
    int fd = open(argv[0], O_RDWR), ready = atoi(argv[1]);
    if (lock(fd, F_SETLK, F_WRLCK, 1, 1) < 0 || write(ready, "x", 1) != 1)
        return 1;
    return lock(fd, F_SETLKW, F_WRLCK, 0, 1) < 0 ? errno : 0;
}

TEST_CASE(deadlock)
{
    int fd = make("dead"), p[2];
    char c;
    OK(pipe(p));
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t pid = child_start("a_then_b", test_path("dead"), num(p[1]), NULL);
    CHECK_EQ(read(p[0], &c, 1), 1);
    int r = 0;
    while ((r = lock(fd, F_SETLK, F_WRLCK, 1, 1)) < 0 && errno == EAGAIN) {
        /* until the child waits for us */
        static char text[65536];
        char want[64];
        read_file("/proc/locks", text, sizeof text);
        snprintf(want, sizeof want, "-> POSIX  ADVISORY  WRITE %d ", (int) pid);
        if (strstr(text, want))
            break;
        sleep_ms(1);
    }
    CHECK(r < 0);
    CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
    OK(lock(fd, F_SETLK, F_UNLCK, 0, 1));
    CHECK_EQ(child_wait(pid), 0);
    OK(close(fd));
}

/* ---- flock ---- */
CHILD(upgrade)
{
    int fd = open(argv[0], O_RDWR);
    char c;
    if (flock(fd, LOCK_SH) < 0 || write(atoi(argv[1]), "x", 1) != 1)
        return 1;
    if (read(atoi(argv[2]), &c, 1) != 1)
        return 2;
    return flock(fd, LOCK_EX) < 0 ? 3 : 0; /* one of them goes first, nobody waits for ever */
}

TEST_CASE(both_upgrade)
{
    int ready[2], go[2], fd = make("up");
    char c[2];
    OK(pipe(ready));
    OK(pipe(go));
    pid_t a = child_start("upgrade", test_path("up"), num(ready[1]), num(go[0]), NULL);
    pid_t b = child_start("upgrade", test_path("up"), num(ready[1]), num(go[0]), NULL);
    CHECK_EQ(read(ready[0], c, 1), 1);
    CHECK_EQ(read(ready[0], c, 1), 1);
    OK(write(go[1], "xx", 2));
    CHECK_EQ(child_wait(a), 0);
    CHECK_EQ(child_wait(b), 0);
    OK(close(fd));
}

TEST_CASE(failed_upgrade_loses_the_lock)
{
    int a = make("lose"), b = make("lose"), c = make("lose");
    OK(flock(a, LOCK_SH));
    OK(flock(b, LOCK_SH));
    CHECK_ERR(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    OK(flock(b, LOCK_UN));
    OK(flock(c, LOCK_EX | LOCK_NB)); /* a has none any more */
    close(a);
    close(b);
    close(c);
}

static void nothing(UNUSED int sig)
{
}

TEST_CASE(waiting_is_interrupted)
{
    struct sigaction sa = {.sa_handler = nothing};
    OK(sigaction(SIGALRM, &sa, NULL));
    int a = make("intr"), b = make("intr");
    OK(flock(a, LOCK_EX));
    ualarm(20000, 0);
    CHECK_ERR(flock(b, LOCK_EX), EINTR);
    OK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
    ualarm(20000, 0);
    CHECK_ERR(lock(b, F_OFD_SETLKW, F_WRLCK, 0, 0), EINTR);
    close(a);
    close(b);
}

TEST_CASE(listed)
{
    int fd = make("list");
    struct stat st;
    OK(fstat(fd, &st));
    OK(lock(fd, F_SETLK, F_RDLCK, 5, 10));
    OK(flock(fd, LOCK_EX));
    OK(lock(fd, F_OFD_SETLK, F_WRLCK, 100, 0));
    static char text[65536];
    char want[128];
    read_file("/proc/locks", text, sizeof text);
    unsigned ma = (unsigned) (st.st_dev >> 8 & 0xfff), mi = (unsigned) (st.st_dev & 0xff);
    snprintf(want, sizeof want, "POSIX  ADVISORY  READ %d %02x:%02x:%lu 5 14\n", (int) getpid(), ma,
             mi, (unsigned long) st.st_ino);
    CHECK(strstr(text, want));
    snprintf(want, sizeof want, "FLOCK  ADVISORY  WRITE %d %02x:%02x:%lu 0 EOF\n", (int) getpid(),
             ma, mi, (unsigned long) st.st_ino);
    CHECK(strstr(text, want));
    snprintf(want, sizeof want, "OFDLCK ADVISORY  WRITE -1 %02x:%02x:%lu 100 EOF\n", ma, mi,
             (unsigned long) st.st_ino);
    CHECK(strstr(text, want));
    OK(close(fd));
}

TEST_CASE(many)
{
    int fd = make("many");
    for (int i = 0; i < 1000; i++)
        OK(lock(fd, F_SETLK, F_WRLCK, i * 2, 1));
    CHECK_EQ(shows("many", 998, 1, F_WRLCK, 998, 1), 0);
    CHECK_EQ(shows("many", 999, 1, 0, 0, 0), 2);
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    CHECK_EQ(shows("many", 999, 1, F_WRLCK, 0, 0), 0);
    OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    CHECK_EQ(other("many", F_WRLCK, 0, 0), 0);
    OK(close(fd));
}

TEST_CASE(leases)
{
    int fd = make("lease");
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    OK(close(fd));
}

TEST_CASE(over_fork)
{
    int fd = make("fork");
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    OK(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
    pid_t pid = (pid_t) OK_OR_SKIP(fork());
    if (pid == 0) /* record locks are the parent's */
        _exit(lock(fd, F_SETLK, F_WRLCK, 0, 0) < 0 && errno == EAGAIN ? 0 : 1);
    CHECK_EQ(child_wait(pid), 0);
    CHECK_EQ(other("fork", F_WRLCK, 0, 0), EAGAIN); /* the child's close took nothing away */
    OK(flock(fd, LOCK_EX));
    pid = (pid_t) OK(fork());
    if (pid == 0) /* the open file is shared, and so is its flock */
        _exit(flock(fd, LOCK_EX | LOCK_NB) == 0 && flock(fd, LOCK_UN) == 0 ? 0 : 1);
    CHECK_EQ(child_wait(pid), 0);
    int fresh = make("fork");
    OK(flock(fresh, LOCK_EX | LOCK_NB));
    OK(close(fresh));
    OK(close(fd));
}
