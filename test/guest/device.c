/* Devices: null, zero, full, random, urandom, shm, fd, the standard streams, terminals and ptys. */
#include "guest_test.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int open_dev(const char *path, dev_t want)
{
    struct stat st;
    int fd = (int) OK(open(path, O_RDWR));
    OK(fstat(fd, &st));
    CHECK(S_ISCHR(st.st_mode));
    CHECK_EQ(st.st_rdev, want);
    return fd;
}

TEST_CASE(null)
{
    char b[8];
    int fd = open_dev("/dev/null", makedev(1, 3));
    CHECK_EQ(read(fd, b, 8), 0);
    CHECK_EQ(write(fd, b, 8), 8);
    CHECK_EQ(lseek(fd, 100, SEEK_SET), 0);
    close(fd);
    close((int) OK(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
}

TEST_CASE(zero)
{
    static char b[20000];
    int fd = open_dev("/dev/zero", makedev(1, 5));
    memset(b, 1, sizeof b);
    CHECK_EQ(read(fd, b, sizeof b), sizeof b);
    for (size_t i = 0; i < sizeof b; i++)
        CHECK_EQ(b[i], 0);
    CHECK_EQ(write(fd, b, 10), 10);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[PAGE], 0);
    p[PAGE] = 1;
    OK(munmap(p, 2 * PAGE));
    close(fd);
}

TEST_CASE(full)
{
    char b[8] = "1234567";
    int fd = open_dev("/dev/full", makedev(1, 7));
    CHECK_ERR(write(fd, b, 1), ENOSPC);
    CHECK_EQ(read(fd, b, 8), 8);
    CHECK_EQ(b[0], 0);
    close(fd);
}

static void check_random(const unsigned char *b, size_t size)
{
    size_t ones = 0;
    for (size_t i = 0; i < size; i++)
        ones += (size_t) __builtin_popcount(b[i]);
    CHECK(ones > size * 8 * 45 / 100 && ones < size * 8 * 55 / 100);
}

TEST_CASE(randomness)
{
    static unsigned char b[4096], c[4096];
    static const char *const paths[] = {"/dev/random", "/dev/urandom"};
    for (size_t i = 0; i < 2; i++) {
        int fd = open_dev(paths[i], makedev(1, (unsigned) (8 + i)));
        CHECK_EQ(read(fd, b, sizeof b), sizeof b);
        CHECK_EQ(read(fd, c, sizeof c), sizeof c);
        check_random(b, sizeof b);
        CHECK(memcmp(b, c, sizeof b) != 0);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK_EQ(poll(&p, 1, 0), 1);
        CHECK(p.revents & POLLIN);
        close(fd);
    }
}

TEST_CASE(getrandom_call)
{
    static unsigned char b[4096], c[4096];
    CHECK_EQ(getrandom(b, sizeof b, 0), sizeof b);
    CHECK_EQ(getrandom(c, sizeof c, GRND_NONBLOCK), sizeof c);
    check_random(b, sizeof b);
    CHECK(memcmp(b, c, sizeof b) != 0);
    CHECK_EQ(getrandom(b, 16, GRND_RANDOM), 16);
    CHECK_EQ(getrandom(b, 0, 0), 0);
    CHECK_ERR(getrandom(b, 16, 0x100), EINVAL);
    CHECK_ERR(syscall(SYS_getrandom, 8L, 16, 0), EFAULT);
}

TEST_CASE(fd_directory)
{
    char path[64], c;
    int ends[2];
    OK(pipe(ends));
    CHECK_EQ(write(ends[1], "x", 1), 1);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    int again = (int) OK(open(path, O_RDONLY));
    CHECK_EQ(read(again, &c, 1), 1);
    close(again);
    close(ends[0]);
    close(ends[1]);
    struct stat a, b;
    OK(stat("/dev/stdout", &a));
    OK(fstat(1, &b));
    CHECK_EQ(a.st_ino, b.st_ino);
}

TEST_CASE(shared_memory_directory)
{
    char path[64], b[8];
    struct stat st;
    OK(stat("/dev/shm", &st));
    CHECK(S_ISDIR(st.st_mode));
    snprintf(path, sizeof path, "/dev/shm/guest.%d", (int) getpid());
    write_file(path, "shm", 3);
    read_file(path, b, sizeof b);
    CHECK_STR(b, "shm");
    OK(unlink(path));
}

TEST_CASE(posix_shared_memory)
{
    char name[64];
    snprintf(name, sizeof name, "/guest.%d", (int) getpid());
    int fd = (int) OK(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    OK(ftruncate(fd, PAGE));
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(child_wait(child_start("write_shm", name, NULL)), 0);
    CHECK_STR(p, "from the child");
    OK(shm_unlink(name));
    CHECK_ERR(shm_open(name, O_RDWR, 0600), ENOENT);
    OK(munmap(p, PAGE));
    close(fd);
}

CHILD(write_shm)
{
    int fd = shm_open(argv[0], O_RDWR, 0600);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return 1;
    strcpy(p, "from the child");
    return 0;
}

TEST_CASE(not_a_terminal)
{
    struct termios t;
    struct winsize w;
    int fd = (int) OK(open("/dev/null", O_RDWR));
    CHECK_EQ(isatty(fd), 0);
    CHECK_ERR(tcgetattr(fd, &t), ENOTTY);
    CHECK_ERR(ioctl(fd, TIOCGWINSZ, &w), ENOTTY);
    CHECK_ERR(ioctl(-1, TIOCGWINSZ, &w), EBADF);
    close(fd);
}

TEST_CASE(generic_ioctls)
{
    int on = 1, fd = (int) OK(open("/dev/null", O_RDWR)), ends[2];
    OK(ioctl(fd, FIOCLEX));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    OK(ioctl(fd, FIONCLEX));
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    OK(pipe(ends));
    OK(ioctl(ends[0], FIONBIO, &on));
    CHECK(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

TEST_CASE(pseudo_terminal)
{
    char name[64], b[64];
    struct termios t;
    struct winsize w = {.ws_row = 33, .ws_col = 99}, got = {0};
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    SKIP_IF(master < 0 && (errno == ENOENT || errno == ENODEV || errno == ENOSYS), "no /dev/ptmx");
    OK(master);
    OK(grantpt(master));
    OK(unlockpt(master));
    ZERO(ptsname_r(master, name, sizeof name));
    CHECK(strncmp(name, "/dev/pts/", 9) == 0);
    int slave = (int) OK(open(name, O_RDWR | O_NOCTTY));
    CHECK(isatty(slave));
    OK(ioctl(master, TIOCSWINSZ, &w));
    OK(ioctl(slave, TIOCGWINSZ, &got));
    CHECK(got.ws_row == 33 && got.ws_col == 99);
    OK(tcgetattr(slave, &t));
    CHECK(t.c_lflag & ICANON);
    CHECK_EQ(write(slave, "out\n", 4), 4);
    CHECK_EQ(read(master, b, sizeof b), 5);
    CHECK(memcmp(b, "out\r\n", 5) == 0);
    CHECK_EQ(write(master, "in\x7fo\n", 5), 5); /* erase works in canonical mode */
    CHECK_EQ(read(slave, b, sizeof b), 3);
    CHECK(memcmp(b, "io\n", 3) == 0);
    t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
    t.c_oflag &= ~(tcflag_t) OPOST;
    OK(tcsetattr(slave, TCSANOW, &t));
    while (read(master, b, sizeof b) == (ssize_t) sizeof b)
        ;
    CHECK_EQ(write(slave, "raw\n", 4), 4);
    CHECK_EQ(read(master, b, sizeof b), 4);
    CHECK_EQ(write(master, "k", 1), 1);
    CHECK_EQ(read(slave, b, sizeof b), 1);
    close(slave);
    close(master);
}
