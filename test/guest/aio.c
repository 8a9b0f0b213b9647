/* Linux' asynchronous I/O: io_setup to io_pgetevents. */
#include "guest_test.h"
#include <sys/eventfd.h>

enum {
    CMD_PREAD,
    CMD_PWRITE,
    CMD_FSYNC,
    CMD_FDSYNC,
    CMD_POLL = 5,
    CMD_NOOP,
    CMD_PREADV,
    CMD_PWRITEV
};
enum { FLAG_RESFD = 1 };

struct control {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t opcode, priority;
    uint32_t fd;
    uint64_t buf, count;
    int64_t offset;
    uint64_t reserved;
    uint32_t flags, resfd;
};
struct event {
    uint64_t data, obj;
    int64_t res, res2;
};
struct io_vector {
    void *base;
    size_t len;
};

static unsigned long context;
static int fd;

static struct control make(int opcode, void *buf, size_t count, int64_t offset)
{
    return (struct control){.data = 77,
                            .opcode = (uint16_t) opcode,
                            .fd = (uint32_t) fd,
                            .buf = (uintptr_t) buf,
                            .count = count,
                            .offset = offset};
}

static long submit(long n, struct control **list)
{
    return syscall(SYS_io_submit, context, n, list);
}

static long take(long least, long most, struct event *e)
{
    struct timespec limit = {10, 0};
    return syscall(SYS_io_getevents, context, least, most, e, &limit);
}

static void start(unsigned room)
{
    context = 0;
    OK_OR_SKIP(syscall(SYS_io_setup, room, &context));
    write_file(test_path("f"), "0123456789", 10);
    fd = (int) OK(open(test_path("f"), O_RDWR));
}

static void stop(void)
{
    OK(syscall(SYS_io_destroy, context));
    close(fd);
}

TEST_CASE(setup_and_destroy)
{
    unsigned long c = 0;
    OK_OR_SKIP(syscall(SYS_io_setup, 1, &c));
    CHECK(c != 0);
    unsigned long used = c;
    CHECK_ERR(syscall(SYS_io_setup, 1, &used), EINVAL); /* must be zero before */
    OK(syscall(SYS_io_destroy, c));
    CHECK_ERR(syscall(SYS_io_destroy, c), EINVAL);
    c = 0;
    CHECK_ERR(syscall(SYS_io_setup, 0, &c), EINVAL);
    CHECK_ERR(syscall(SYS_io_setup, -1, &c), EINVAL);
    CHECK_ERR(syscall(SYS_io_setup, 1, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_io_destroy, 0L), EINVAL);
}

TEST_CASE(read_write_sync)
{
    char a[4] = "abc", b[11] = "";
    start(8);
    struct control w = make(CMD_PWRITE, a, 3, 2), s = make(CMD_FSYNC, NULL, 0, 0);
    struct control *first[2] = {&w, &s};
    struct event e[4];
    CHECK_EQ(submit(2, first), 2);
    CHECK_EQ(take(2, 4, e), 2);
    for (int i = 0; i < 2; i++)
        CHECK(e[i].data == 77 && e[i].res == (e[i].obj == (uintptr_t) &w ? 3 : 0));
    struct control r = make(CMD_PREAD, b, 10, 0), *second[1] = {&r};
    CHECK_EQ(submit(1, second), 1);
    CHECK_EQ(take(1, 1, e), 1);
    CHECK_EQ(e[0].res, 10);
    CHECK_EQ(e[0].obj, (uintptr_t) &r);
    CHECK_STR(b, "01abc56789");
    struct io_vector v[2] = {{b, 1}, {b + 5, 2}};
    r = make(CMD_PREADV, v, 2, 3);
    CHECK_EQ(submit(1, second), 1);
    CHECK_EQ(take(1, 1, e), 1);
    CHECK_EQ(e[0].res, 3);
    CHECK(b[0] == 'b' && b[5] == 'c' && b[6] == '5');
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    stop();
}

TEST_CASE(failures_are_events_or_errors)
{
    char b[8];
    struct event e[2];
    start(4);
    struct control r = make(CMD_PREAD, (void *) 8, 4, 0), *list[2] = {&r, (struct control *) 8};
    long n = submit(1, list);
    if (n == 1) {
        CHECK_EQ(take(1, 1, e), 1);
        CHECK_EQ(e[0].res, -EFAULT);
    } else {
        CHECK_ERR(n, EFAULT);
    }
    r = make(CMD_PREAD, b, 4, 0);
    CHECK_EQ(submit(2, list), 1); /* up to the bad one */
    CHECK_EQ(take(1, 2, e), 1);
    CHECK_EQ(submit(0, list), 0);
    CHECK_ERR(submit(-1, list), EINVAL);
    CHECK_ERR(submit(1, list + 1), EFAULT);
    CHECK_ERR(submit(1, (struct control **) 8), EFAULT);
    r.opcode = 99;
    CHECK_ERR(submit(1, list), EINVAL);
    r = make(CMD_PREAD, b, 4, 0);
    r.fd = 999;
    CHECK_ERR(submit(1, list), EBADF);
    r.fd = (uint32_t) fd;
    r.reserved = 1;
    CHECK_ERR(submit(1, list), EINVAL);
    r = make(CMD_PREAD, b, (size_t) -1, 0);
    CHECK_ERR(submit(1, list), EINVAL);
    r = make(CMD_PREAD, b, 4, 0);
    r.flags = FLAG_RESFD;
    r.resfd = (uint32_t) fd;
    CHECK_ERR(submit(1, list), EINVAL); /* not an eventfd */
    r.resfd = 999;
    CHECK_ERR(submit(1, list), EBADF);
    CHECK_ERR(syscall(SYS_io_submit, 0L, 1L, list), EINVAL);
    stop();
}

TEST_CASE(events_can_be_waited_for)
{
    char b[8];
    struct event e[8];
    struct timespec none = {0, 0};
    uint64_t count;
    start(4);
    int efd = (int) OK(eventfd(0, EFD_NONBLOCK));
    struct control r = make(CMD_PREAD, b, 4, 0), *list[1] = {&r};
    r.flags = FLAG_RESFD;
    r.resfd = (uint32_t) efd;
    CHECK_EQ(syscall(SYS_io_getevents, context, 0L, 8L, e, NULL), 0);
    CHECK_EQ(syscall(SYS_io_getevents, context, 1L, 8L, e, &none), 0);
    CHECK_EQ(submit(1, list), 1);
    CHECK_EQ(submit(1, list), 1);
    CHECK_EQ(take(2, 8, e), 2);
    CHECK_EQ(read(efd, &count, 8), 8);
    CHECK_EQ(count, 2);
    CHECK_ERR(syscall(SYS_io_getevents, context, 2L, 1L, e, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_io_getevents, context, -1L, 1L, e, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_io_getevents, 0L, 0L, 1L, e, NULL), EINVAL);
    CHECK_EQ(submit(1, list), 1);
    CHECK_ERR(syscall(SYS_io_getevents, context, 1L, 8L, 8L, NULL), EFAULT);
    close(efd);
    stop();
}

TEST_CASE(with_a_signal_mask)
{
    char b[8];
    struct event e[2];
    sigset_t set;
    sigemptyset(&set);
    struct {
        const void *set;
        size_t size;
    } mask = {&set, 8}, bad = {&set, 7};
    start(4);
    struct control r = make(CMD_PREAD, b, 4, 0), *list[1] = {&r};
    CHECK_EQ(submit(1, list), 1);
    CHECK_EQ(OK_OR_SKIP(syscall(SYS_io_pgetevents, context, 1L, 2L, e, NULL, &mask)), 1);
    CHECK_ERR(syscall(SYS_io_pgetevents, context, 1L, 2L, e, NULL, &bad), EINVAL);
    CHECK_ERR(syscall(SYS_io_pgetevents, context, 1L, 2L, e, NULL, 8L), EFAULT);
    stop();
}

TEST_CASE(cancel)
{
    char b[8];
    struct event e;
    start(4);
    struct control r = make(CMD_PREAD, b, 4, 0), *list[1] = {&r};
    CHECK_EQ(submit(1, list), 1);
    CHECK_EQ(take(1, 1, &e), 1);
    CHECK_ERR(syscall(SYS_io_cancel, context, &r, &e), EINVAL); /* over */
    CHECK_ERR(syscall(SYS_io_cancel, context, 8L, &e), EFAULT);
    CHECK_ERR(syscall(SYS_io_cancel, 0L, &r, &e), EINVAL);
    stop();
}

TEST_CASE(more_than_there_is_room)
{
    char b[8];
    struct event e[64];
    start(1);
    struct control r = make(CMD_PREAD, b, 4, 0), *list[1] = {&r};
    long n = 0;
    while (n < 100000 && submit(1, list) == 1)
        n++;
    CHECK(n >= 1);
    CHECK_EQ(errno, EAGAIN);
    long got = 0, more;
    while ((more = syscall(SYS_io_getevents, context, 0L, 64L, e, NULL)) > 0)
        got += more;
    CHECK_EQ(got, n);
    CHECK_EQ(submit(1, list), 1);
    stop();
}
