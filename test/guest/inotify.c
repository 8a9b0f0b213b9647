/* inotify: all events, their order, and the flags of watches. */
#include "guest_test.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif

static int in;
static char events[16384] __attribute__((aligned(8)));
static size_t have, at;

static const char *dir(void)
{
    return test_path(".");
}

static void start(void)
{
    in = (int) OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    have = at = 0;
}

static const struct inotify_event *next(void)
{
    if (at >= have) {
        ssize_t n = read(in, events, sizeof events);
        if (n < 0) {
            CHECK_EQ(errno, EAGAIN);
            return NULL;
        }
        have = (size_t) n;
        at = 0;
    }
    const struct inotify_event *e = (const void *) (events + at);
    at += sizeof *e + e->len;
    return e;
}

static uint32_t expect(int wd, uint32_t mask, const char *name)
{
    const struct inotify_event *e = next();
    if (!e)
        test_fail(__FILE__, __LINE__, "no event, wanted %x %s", mask, name);
    if (e->wd != wd || e->mask != mask || strcmp(e->len ? e->name : "", name) != 0)
        test_fail(__FILE__, __LINE__, "event %d %x \"%s\", wanted %d %x \"%s\"", e->wd, e->mask,
                  e->len ? e->name : "", wd, mask, name);
    CHECK_EQ(e->len % 16, 0);
    return e->cookie;
}

static void expect_no_more(void)
{
    const struct inotify_event *e = next();
    if (e)
        test_fail(__FILE__, __LINE__, "one more event: %d %x %s", e->wd, e->mask,
                  e->len ? e->name : "");
}

TEST_CASE(life_of_a_file)
{
    start();
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_ALL_EVENTS));
    CHECK_EQ(wd, 1);
    int fd = (int) OK(open(test_path("f"), O_RDWR | O_CREAT | O_EXCL, 0600));
    expect(wd, IN_CREATE, "f");
    expect(wd, IN_OPEN, "f");
    OK(write(fd, "abc", 3));
    expect(wd, IN_MODIFY, "f");
    OK(fchmod(fd, 0644));
    expect(wd, IN_ATTRIB, "f");
    OK(ftruncate(fd, 1));
    expect(wd, IN_MODIFY, "f");
    char c;
    OK(pread(fd, &c, 1, 0));
    expect(wd, IN_ACCESS, "f");
    OK(close(fd));
    expect(wd, IN_CLOSE_WRITE, "f");
    OK(close((int) OK(open(test_path("f"), O_RDONLY))));
    expect(wd, IN_OPEN, "f");
    expect(wd, IN_CLOSE_NOWRITE, "f");
    OK(link(test_path("f"), test_path("g")));
    expect(wd, IN_CREATE, "g");
    OK(unlink(test_path("g")));
    expect(wd, IN_DELETE, "g");
    OK(unlink(test_path("f")));
    expect(wd, IN_DELETE, "f");
    expect_no_more();
    OK(close(in));
}

TEST_CASE(the_file_itself)
{
    start();
    write_file(test_path("self"), "x", 1);
    int wd = (int) OK(inotify_add_watch(in, test_path("self"), IN_ALL_EVENTS));
    OK(rename(test_path("self"), test_path("moved")));
    expect(wd, IN_MOVE_SELF, "");
    OK(unlink(test_path("moved")));
    expect(wd, IN_ATTRIB, "");
    expect(wd, IN_DELETE_SELF, "");
    expect(wd, IN_IGNORED, "");
    expect_no_more();
    CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);
    OK(close(in));
}

TEST_CASE(open_files_keep_it)
{
    start();
    write_file(test_path("kept"), "x", 1);
    int fd = (int) OK(open(test_path("kept"), O_RDONLY));
    int wd = (int) OK(inotify_add_watch(in, test_path("kept"), IN_DELETE_SELF | IN_CLOSE));
    OK(unlink(test_path("kept")));
    expect_no_more();
    OK(close(fd));
    expect(wd, IN_CLOSE_NOWRITE, "");
    expect(wd, IN_DELETE_SELF, "");
    expect(wd, IN_IGNORED, "");
    OK(close(in));
}

TEST_CASE(moves)
{
    start();
    OK(mkdir(test_path("a"), 0755));
    OK(mkdir(test_path("b"), 0755));
    int a = (int) OK(inotify_add_watch(in, test_path("a"), IN_MOVE));
    int b = (int) OK(inotify_add_watch(in, test_path("b"), IN_MOVE));
    write_file(test_path("a/x"), "x", 1);
    OK(rename(test_path("a/x"), test_path("b/y")));
    uint32_t from = expect(a, IN_MOVED_FROM, "x"), to = expect(b, IN_MOVED_TO, "y");
    CHECK(from != 0 && from == to);
    OK(rename(test_path("b/y"), test_path("b/z")));
    uint32_t from2 = expect(b, IN_MOVED_FROM, "y");
    CHECK_EQ(expect(b, IN_MOVED_TO, "z"), from2);
    CHECK(from2 != from);
    OK(mkdir(test_path("a/d"), 0755));
    OK(rename(test_path("a/d"), test_path("b/d")));
    expect(a, IN_MOVED_FROM | IN_ISDIR, "d");
    expect(b, IN_MOVED_TO | IN_ISDIR, "d");
    expect_no_more();
    OK(close(in));
}

TEST_CASE(directories)
{
    start();
    OK(mkdir(test_path("top"), 0755));
    int wd = (int) OK(inotify_add_watch(in, test_path("top"),
                                        IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_ATTRIB));
    OK(mkdir(test_path("top/sub"), 0755));
    expect(wd, IN_CREATE | IN_ISDIR, "sub");
    OK(chmod(test_path("top"), 0700));
    expect(wd, IN_ATTRIB | IN_ISDIR, "");
    OK(rmdir(test_path("top/sub")));
    expect(wd, IN_DELETE | IN_ISDIR, "sub");
    OK(symlink("x", test_path("top/link")));
    expect(wd, IN_CREATE, "link");
    OK(mkfifo(test_path("top/fifo"), 0600));
    expect(wd, IN_CREATE, "fifo");
    OK(unlink(test_path("top/link")));
    OK(unlink(test_path("top/fifo")));
    expect(wd, IN_DELETE, "link");
    expect(wd, IN_DELETE, "fifo");
    OK(rmdir(test_path("top")));
    expect(wd, IN_DELETE_SELF, "");
    expect(wd, IN_IGNORED, "");
    expect_no_more();
    OK(close(in));
}

TEST_CASE(flags)
{
    start();
    write_file(test_path("f"), "x", 1);
    CHECK_ERR(inotify_add_watch(in, test_path("f"), IN_MODIFY | IN_ONLYDIR), ENOTDIR);
    CHECK_ERR(inotify_add_watch(in, test_path("f"), 0), EINVAL);
    CHECK_ERR(inotify_add_watch(in, test_path("none"), IN_MODIFY), ENOENT);
    CHECK_ERR(inotify_add_watch(-1, test_path("f"), IN_MODIFY), EBADF);
    CHECK_ERR(inotify_add_watch(0, test_path("f"), IN_MODIFY), EINVAL);
    CHECK_ERR(inotify_add_watch(in, (char *) 8, IN_MODIFY), EFAULT);
    CHECK_ERR(inotify_init1(1), EINVAL);
    int wd = (int) OK(inotify_add_watch(in, test_path("f"), IN_OPEN | IN_ONESHOT));
    CHECK_EQ(inotify_add_watch(in, test_path("f"), IN_MODIFY), wd); /* replaces the mask */
    OK(close((int) OK(open(test_path("f"), O_RDONLY))));
    expect_no_more();
    CHECK_EQ(inotify_add_watch(in, test_path("f"), IN_OPEN | IN_MASK_ADD), wd);
    int fd = (int) OK(open(test_path("f"), O_WRONLY));
    OK(write(fd, "y", 1));
    OK(close(fd));
    expect(wd, IN_OPEN, "");
    expect(wd, IN_MODIFY, "");
    expect_no_more();
    CHECK_ERR(inotify_add_watch(in, test_path("f"), IN_OPEN | IN_MASK_CREATE), EEXIST);
    CHECK_ERR(inotify_add_watch(in, test_path("f"), IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD),
              EINVAL);
    OK(inotify_rm_watch(in, wd));
    expect(wd, IN_IGNORED, "");
    CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);
    wd = (int) OK(inotify_add_watch(in, test_path("f"), IN_OPEN | IN_ONESHOT));
    CHECK_EQ(wd, 2); /* numbers are not used again */
    for (int i = 0; i < 2; i++)
        OK(close((int) OK(open(test_path("f"), O_RDONLY))));
    expect(wd, IN_OPEN, "");
    expect(wd, IN_IGNORED, "");
    expect_no_more();
    OK(symlink("f", test_path("l")));
    int link_wd = (int) OK(inotify_add_watch(in, test_path("l"), IN_ATTRIB | IN_DONT_FOLLOW));
    OK(chmod(test_path("f"), 0600));
    expect_no_more();
    OK(unlink(test_path("l")));
    expect(link_wd, IN_ATTRIB, "");
    OK(close(in));
}

TEST_CASE(unlinked_children)
{
    start();
    write_file(test_path("u"), "x", 1);
    int fd = (int) OK(open(test_path("u"), O_RDWR));
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_MODIFY | IN_CLOSE));
    OK(unlink(test_path("u")));
    OK(write(fd, "y", 1));
    expect(wd, IN_MODIFY, "u");
    CHECK_EQ(inotify_add_watch(in, dir(), IN_MODIFY | IN_CLOSE | IN_EXCL_UNLINK), wd);
    OK(write(fd, "z", 1));
    OK(close(fd));
    expect_no_more();
    OK(close(in));
}

TEST_CASE(reading)
{
    start();
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_CREATE));
    struct pollfd p = {.fd = in, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 0), 0);
    write_file(test_path("r1"), "", 0);
    write_file(test_path("r1"), "", 0);
    write_file(test_path("a-name-with-more-than-sixteen-letters"), "", 0);
    CHECK_EQ(poll(&p, 1, 0), 1);
    int n;
    OK(ioctl(in, FIONREAD, &n));
    CHECK_EQ(n, 16 + 16 + 16 + 48);
    char small[31];
    CHECK_ERR(read(in, small, sizeof small), EINVAL);
    char one[40];
    CHECK_EQ(read(in, one, sizeof one), 32);
    expect(wd, IN_CREATE, "a-name-with-more-than-sixteen-letters");
    expect_no_more();
    CHECK_ERR(write(in, "x", 1), EBADF);
    OK(close(in));
}

TEST_CASE(equal_events_are_one)
{
    start();
    write_file(test_path("e"), "x", 1);
    int wd = (int) OK(inotify_add_watch(in, test_path("e"), IN_MODIFY));
    int fd = (int) OK(open(test_path("e"), O_WRONLY));
    for (int i = 0; i < 10; i++)
        OK(write(fd, "y", 1));
    expect(wd, IN_MODIFY, "");
    expect_no_more();
    OK(close(fd));
    OK(close(in));
}

TEST_CASE(overflow)
{
    char text[32];
    read_file("/proc/sys/fs/inotify/max_queued_events", text, sizeof text);
    int max = atoi(text);
    SKIP_IF(max > 20000, "the queue is too long for a test");
    start();
    int a = (int) OK(inotify_add_watch(in, dir(), IN_ATTRIB));
    write_file(test_path("o1"), "", 0);
    write_file(test_path("o2"), "", 0);
    const char *p = test_path("o1"), *q = test_path("o2");
    for (int i = 0; i < max / 2 + 10; i++) {
        OK(chmod(p, 0600));
        OK(chmod(q, 0600));
    }
    int n = 0;
    const struct inotify_event *e;
    while ((e = next()) && e->mask == IN_ATTRIB) {
        CHECK_EQ(e->wd, a);
        n++;
    }
    CHECK_EQ(n, max);
    CHECK(e && e->mask == IN_Q_OVERFLOW && e->wd == -1 && e->len == 0);
    expect_no_more();
    OK(close(in));
}

static void *make_file(UNUSED void *arg)
{
    sleep_ms(20);
    write_file(test_path("late"), "", 0);
    return NULL;
}

TEST_CASE(waits)
{
    start();
    OK(fcntl(in, F_SETFL, 0));
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_CREATE));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, make_file, NULL));
    expect(wd, IN_CREATE, "late");
    ZERO(pthread_join(t, NULL));
    OK(close(in));
}

TEST_CASE(instances_are_limited)
{
    static int fds[2000];
    int n = 0;
    while (n < 2000 && (fds[n] = inotify_init()) >= 0)
        n++;
    if (n < 2000)
        CHECK_EQ(errno, EMFILE);
    CHECK(n >= 16);
    while (n > 0)
        close(fds[--n]);
    OK(close((int) OK(inotify_init())));
}

TEST_CASE(unmounted)
{
    SKIP_IF(geteuid() != 0, "needs to be root");
    OK(mkdir(test_path("m"), 0755));
    if (mount("none", test_path("m"), "tmpfs", 0, "") < 0)
        SKIP("cannot mount");
    start();
    write_file(test_path("m/f"), "", 0);
    int wd = (int) OK(inotify_add_watch(in, test_path("m/f"), IN_ALL_EVENTS));
    OK(umount(test_path("m")));
    const struct inotify_event *e = next();
    if (e && e->mask == IN_DELETE_SELF) /* a file system in memory deletes its files */
        e = next();
    CHECK(e && e->wd == wd && e->mask == IN_UNMOUNT);
    expect(wd, IN_IGNORED, "");
    expect_no_more();
    OK(close(in));
}

TEST_CASE(described)
{
    start();
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_CREATE));
    char path[64], text[1024], line[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", in);
    read_file(path, text, sizeof text);
    snprintf(line, sizeof line, "inotify wd:%x ino:", wd);
    CHECK(strstr(text, line));
    CHECK(strstr(text, "mask:100 "));
    OK(close(in));
}

TEST_CASE(replaced)
{
    start();
    write_file(test_path("old"), "x", 1);
    write_file(test_path("new"), "y", 1);
    int wd = (int) OK(inotify_add_watch(in, test_path("old"), IN_ATTRIB | IN_DELETE_SELF));
    OK(link(test_path("old"), test_path("second")));
    expect(wd, IN_ATTRIB, "");
    OK(rename(test_path("new"), test_path("old")));
    expect(wd, IN_ATTRIB, "");
    expect_no_more();
    OK(unlink(test_path("second")));
    expect(wd, IN_ATTRIB, "");
    expect(wd, IN_DELETE_SELF, "");
    expect(wd, IN_IGNORED, "");
    OK(close(in));
}

TEST_CASE(times_and_sizes)
{
    start();
    write_file(test_path("t"), "xyz", 3);
    int wd = (int) OK(inotify_add_watch(in, dir(), IN_ATTRIB | IN_MODIFY | IN_ACCESS));
    struct timespec ts[2] = {{.tv_sec = 5}, {.tv_sec = 6}};
    OK(utimensat(AT_FDCWD, test_path("t"), ts, 0));
    expect(wd, IN_ATTRIB, "t");
    ts[0].tv_nsec = UTIME_OMIT;
    OK(utimensat(AT_FDCWD, test_path("t"), ts, 0));
    expect(wd, IN_MODIFY, "t");
    OK(chown(test_path("t"), geteuid(), getegid()));
    expect(wd, IN_ATTRIB, "t");
    OK(truncate(test_path("t"), 1));
    expect(wd, IN_MODIFY, "t");
    OK(close((int) OK(open(test_path("t"), O_WRONLY | O_TRUNC))));
    expect(wd, IN_MODIFY, "t");
    expect_no_more();
    OK(close(in));
}
