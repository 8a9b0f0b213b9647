/* flock and POSIX record locks, between descriptors and processes. */
#include "guest_test.h"
#include <sys/file.h>

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

static int make(const char *name)
{
    return (int) OK(open(test_path(name), O_RDWR | O_CREAT, 0644));
}

TEST_CASE(flock_modes)
{
    int a = make("f"), b = make("f"), c = (int) OK(dup(a));
    OK(flock(a, LOCK_SH));
    OK(flock(b, LOCK_SH | LOCK_NB));
    CHECK_ERR(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    OK(flock(b, LOCK_UN));
    OK(flock(a, LOCK_EX | LOCK_NB));
    OK(flock(c, LOCK_EX | LOCK_NB)); /* the same open file */
    CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    close(a);
    CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    close(c);
    OK(flock(b, LOCK_EX | LOCK_NB));
    CHECK_ERR(flock(b, 0), EINVAL);
    CHECK_ERR(flock(b, LOCK_SH | LOCK_EX), EINVAL);
    CHECK_ERR(flock(-1, LOCK_SH), EBADF);
    close(b);
}

CHILD(try_flock)
{
    int fd = open(argv[0], O_RDWR);
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : errno == EWOULDBLOCK ? 2 : 3;
}
CHILD(inherited_unlock)
{
    return flock(atoi(argv[0]), LOCK_UN) == 0 ? 0 : 1;
}

TEST_CASE(flock_between_processes)
{
    int fd = make("p");
    OK(flock(fd, LOCK_EX));
    CHECK_EQ(child_wait(child_start("try_flock", test_path("p"), NULL)), 2);
    CHECK_EQ(child_wait(child_start("inherited_unlock", num(fd), NULL)), 0);
    CHECK_EQ(child_wait(child_start("try_flock", test_path("p"), NULL)), 1);
    close(fd);
}

CHILD(hold_flock)
{
    int fd = open(argv[0], O_RDWR);
    if (flock(fd, LOCK_EX) || write(atoi(argv[1]), "x", 1) != 1)
        return 1;
    sleep_ms(50);
    return 0;
}

TEST_CASE(flock_waits_for_the_end_of_the_holder)
{
    int fd = make("w"), ends[2];
    char c;
    OK(pipe(ends));
    pid_t pid = child_start("hold_flock", test_path("w"), num(ends[1]), NULL);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    OK(flock(fd, LOCK_EX));
    CHECK_EQ(child_wait(pid), 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}

/* Bits: 1 if bytes 0-9 are locked for another process, 2 if 10-19, 4 if 100 is. */
CHILD(probe)
{
    static const off_t at[] = {0, 10, 100};
    int fd = open(argv[0], O_RDWR), bits = 0;
    for (int i = 0; i < 3; i++) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at[i], .l_len = 10};
        if (fcntl(fd, F_GETLK, &l) < 0)
            return 77;
        if (l.l_type != F_UNLCK) {
            bits |= 1 << i;
            if (l.l_pid != getppid())
                return 78;
        }
        if ((lock(fd, F_SETLK, F_WRLCK, at[i], 10) == 0) != (l.l_type == F_UNLCK))
            return 79;
    }
    return bits;
}

static int probe(const char *name)
{
    return child_wait(child_start("probe", test_path(name), NULL));
}

TEST_CASE(record_locks)
{
    int fd = make("r");
    OK(lock(fd, F_SETLK, F_WRLCK, 0, 20));
    CHECK_EQ(probe("r"), 3);
    OK(lock(fd, F_SETLK, F_UNLCK, 10, 10)); /* splits */
    CHECK_EQ(probe("r"), 1);
    OK(lock(fd, F_SETLK, F_RDLCK, 100, 0)); /* to the end of the file, and beyond */
    CHECK_EQ(probe("r"), 5);
    struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    OK(fcntl(fd, F_GETLK, &mine)); /* own locks do not conflict */
    CHECK_EQ(mine.l_type, F_UNLCK);
    int other = make("r");
    close(other); /* closing any descriptor of the file drops all: POSIX */
    CHECK_EQ(probe("r"), 0);
    CHECK_ERR(lock(fd, F_SETLK, 99, 0, 0), EINVAL);
    CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, -1, 0), EINVAL);
    close(fd);
    fd = (int) OK(open(test_path("r"), O_RDONLY));
    CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 0, 1), EBADF);
    close(fd);
}

CHILD(hold_record)
{
    int fd = open(argv[0], O_RDWR);
    if (lock(fd, F_SETLK, F_WRLCK, 0, 0) || write(atoi(argv[1]), "x", 1) != 1)
        return 1;
    sleep_ms(50);
    return 0;
}

TEST_CASE(record_lock_waits)
{
    int fd = make("rw"), ends[2];
    char c;
    OK(pipe(ends));
    pid_t pid = child_start("hold_record", test_path("rw"), num(ends[1]), NULL);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    int r = lock(fd, F_SETLK, F_WRLCK, 5, 1);
    CHECK(r == -1 && (errno == EAGAIN || errno == EACCES));
    OK(lock(fd, F_SETLKW, F_WRLCK, 5, 1));
    CHECK_EQ(child_wait(pid), 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

TEST_CASE(open_file_description_locks)
{
    int a = make("o"), b = make("o");
    int r = lock(a, F_OFD_SETLK, F_WRLCK, 0, 10);
    SKIP_IF(r < 0 && errno == EINVAL && in_libos(), "no OFD locks here");
    OK(r);
    CHECK_ERR(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN);
    OK(lock(b, F_OFD_SETLK, F_WRLCK, 10, 1));
    close(a);
    OK(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
    close(b);
}
