/* openat2 and what RESOLVE_* keeps a path from; open's own rules; close_range. */
#include "guest_test.h"
#include <sys/mount.h>

enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8, IN_ROOT = 16, CACHED = 32 };

struct how {
    uint64_t flags, mode, resolve;
};

static int dir;

static long open2(int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct how h = {flags, mode, resolve};
    return syscall(SYS_openat2, at, path, &h, sizeof h);
}

/* Opens and closes; 0 or -1. */
static int try(const char *path, uint64_t resolve)
{
    int fd = (int) open2(dir, path, O_RDONLY, 0, resolve);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void setup(void)
{
    static bool done;
    if (!done) {
        OK(mkdir(test_path("a"), 0755));
        OK(mkdir(test_path("a/b"), 0755));
        write_file(test_path("a/f"), "inside", 6);
        write_file(test_path("f"), "outside", 7);
        OK(symlink("f", test_path("a/link")));
        OK(symlink("../f", test_path("a/up")));
        OK(symlink("/f", test_path("a/absolute")));
        OK(symlink("b/../f", test_path("a/around")));
        OK(symlink("loop", test_path("a/loop")));
        done = true;
    }
    dir = (int) OK(open(test_path("a"), O_RDONLY | O_DIRECTORY));
}

TEST_CASE(beneath)
{
    setup();
    OK(try("f", BENEATH));
    OK(try("b/../f", BENEATH));
    OK(try("link", BENEATH));
    OK(try("around", BENEATH));
    CHECK_ERR(try("../f", BENEATH), EXDEV);
    CHECK_ERR(try("b/../../f", BENEATH), EXDEV);
    CHECK_ERR(try("up", BENEATH), EXDEV);
    CHECK_ERR(try("absolute", BENEATH), EXDEV);
    CHECK_ERR(try("/", BENEATH), EXDEV);
    CHECK_ERR(try(test_path("a/f"), BENEATH), EXDEV);
    CHECK_ERR(try("none", BENEATH), ENOENT);
    close(dir);
}

TEST_CASE(in_root)
{
    char b[16] = "";
    setup();
    OK(try("f", IN_ROOT));
    OK(try("/f", IN_ROOT));
    OK(try("../../../f", IN_ROOT));
    OK(try("absolute", IN_ROOT));
    int fd = (int) OK(open2(dir, "up", O_RDONLY, 0, IN_ROOT));
    OK(read(fd, b, 15));
    CHECK_STR(b, "inside"); /* ".." stops at the root */
    close(fd);
    CHECK_ERR(try("/a/f", IN_ROOT), ENOENT);
    close(dir);
}

TEST_CASE(links)
{
    setup();
    OK(try("link", 0));
    CHECK_ERR(try("link", NO_SYMLINKS), ELOOP);
    CHECK_ERR(try("loop", 0), ELOOP);
    OK(try("f", NO_SYMLINKS));
    CHECK_ERR(try("/proc/self/exe", NO_SYMLINKS), ELOOP);
    CHECK_ERR(try("/proc/self/exe", NO_MAGICLINKS), ELOOP);
    OK(try("link", NO_MAGICLINKS));
    int fd =
        (int) OK(open2(dir, "link", O_PATH | O_NOFOLLOW, 0, NO_SYMLINKS)); /* the link itself */
    close(fd);
    close(dir);
}

TEST_CASE(other_file_systems)
{
    setup();
    CHECK_ERR(try("/proc/version", NO_XDEV), EXDEV);
    OK(try("f", NO_XDEV));
    int proc = (int) OK(open("/proc", O_RDONLY | O_DIRECTORY));
    int fd = (int) OK(open2(proc, "version", O_RDONLY, 0, NO_XDEV));
    close(fd);
    CHECK_ERR(open2(proc, "..", O_RDONLY, 0, NO_XDEV), EXDEV);
    close(proc);
    close(dir);
}

TEST_CASE(arguments)
{
    struct how h = {O_RDONLY, 0, 0};
    struct {
        struct how how;
        uint64_t more;
    } larger = {{O_RDONLY, 0, 0}, 0};
    setup();
    CHECK_ERR(syscall(SYS_openat2, dir, "f", &h, sizeof h - 1), EINVAL);
    CHECK_ERR(syscall(SYS_openat2, dir, "f", &h, 0L), EINVAL);
    int fd = (int) OK(syscall(SYS_openat2, dir, "f", &larger, sizeof larger));
    close(fd);
    larger.more = 1;
    CHECK_ERR(syscall(SYS_openat2, dir, "f", &larger, sizeof larger), E2BIG);
    CHECK_ERR(syscall(SYS_openat2, dir, "f", 8L, sizeof h), EFAULT);
    CHECK_ERR(syscall(SYS_openat2, dir, 8L, &h, sizeof h), EFAULT);
    CHECK_ERR(open2(-1, "f", O_RDONLY, 0, 0), EBADF);
    CHECK_ERR(open2(dir, "f", O_RDONLY, 0600, 0), EINVAL); /* a mode, but nothing is created */
    CHECK_ERR(open2(dir, "n", O_CREAT | O_WRONLY, 010000, 0), EINVAL);
    CHECK_ERR(open2(dir, "f", O_RDONLY | (1ull << 40), 0, 0), EINVAL);
    CHECK_ERR(open2(dir, "f", O_RDONLY, 0, 1ull << 40), EINVAL);
    CHECK_ERR(open2(dir, "f", O_RDONLY, 0, BENEATH | IN_ROOT), EINVAL);
    CHECK_ERR(open2(dir, "f", O_PATH | O_RDWR | O_CREAT, 0, 0), EINVAL);
    fd = (int) OK(open2(dir, "n", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640, BENEATH));
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    close(dir);
}

/* ---- open ------------------------------------------------------------------------------------- */
TEST_CASE(open_rules)
{
    setup();
    CHECK_ERR(openat(dir, "f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERR(openat(dir, "b", O_WRONLY), EISDIR);
    CHECK_ERR(openat(dir, "b", O_RDWR), EISDIR);
    CHECK_ERR(openat(dir, "b", O_RDONLY | O_CREAT, 0600), EISDIR);
    CHECK_ERR(openat(dir, "f/", O_RDONLY), ENOTDIR);
    CHECK_ERR(openat(dir, "new/", O_RDONLY | O_CREAT, 0600), EISDIR);
    CHECK_ERR(openat(dir, "link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERR(openat(dir, "link", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    CHECK_ERR(openat(dir, "", O_RDONLY), ENOENT);
    CHECK_ERR(openat(dir, "f/x", O_RDONLY), ENOTDIR);
    char longer[4200];
    memset(longer, '/', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    CHECK_ERR(open(longer, O_RDONLY), ENAMETOOLONG);
    int fd = (int) OK(openat(dir, ".", O_TMPFILE | O_RDWR, 0600));
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    CHECK_ERR(openat(dir, ".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_ERR(openat(dir, "f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    fd = (int) OK(openat(dir, "f", O_RDONLY | O_PATH));
    char c;
    CHECK_ERR(read(fd, &c, 1), EBADF);
    CHECK_ERR(fchmod(fd, 0600) < 0 ? -1 : syscall(SYS_fchmod, fd, 0600), EBADF);
    CHECK_ERR(syscall(SYS_ftruncate, fd, 0L), EBADF);
    close(fd);
    CHECK_ERR(open(test_program, O_WRONLY), ETXTBSY); /* it is running */
    CHECK_ERR(truncate(test_program, 0), ETXTBSY);
    close(dir);
}

/* ---- close_range ------------------------------------------------------------------------------ */
TEST_CASE(close_ranges)
{
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = (int) OK(fcntl(0, F_DUPFD, 100 + i));
    CHECK_ERR(syscall(SYS_close_range, 101, 100, 0), EINVAL);
    CHECK_ERR(syscall(SYS_close_range, 100, 101, 99), EINVAL);
    OK(syscall(SYS_close_range, 100, 101, 4)); /* CLOSE_RANGE_CLOEXEC */
    CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fds[2], F_GETFD), 0);
    OK(syscall(SYS_close_range, 101, 102, 0));
    CHECK_ERR(fcntl(fds[1], F_GETFD), EBADF);
    CHECK_ERR(fcntl(fds[2], F_GETFD), EBADF);
    CHECK_EQ(fcntl(fds[3], F_GETFD), 0);
    OK(syscall(SYS_close_range, 100, ~0u, 2)); /* CLOSE_RANGE_UNSHARE: a table of its own first */
    CHECK_ERR(fcntl(fds[3], F_GETFD), EBADF);
    OK(syscall(SYS_close_range, 500, ~0u, 0));
}
