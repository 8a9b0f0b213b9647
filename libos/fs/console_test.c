/* Consoles with a host that lies: sessions named twice, streams of impossible types, hang-ups; and that the
 * host is told exactly once when a session's streams are not used any more. */
#include <asm/unistd.h>
#include "abi/linux/termios.h"
#include "libos/fs/console.h"
#include "libos/host/fake/fake.h"
#include "libos/host/posix/unit.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/file.h"
#include "test/unit/test.h"

static struct {
    uint32_t mode; /* of every stream */
    bool terminal;
    unsigned closed[HOST_SESSIONS];
} model;

static int64_t host_stat_of(struct cspan in, struct span out, const uint64_t args[4])
{
    struct host_stat st = {.mode = model.mode, .size = 1ull << 60};
    memcpy(out.p, &st, sizeof st);
    return 0;
}

static int64_t host_ioctl(struct cspan in, struct span out, const uint64_t args[4])
{
    if (!model.terminal)
        return -ENOTTY;
    struct linux_termios t = {.lflag = TTY_ICANON};
    if (args[1] == TCGETS)
        memcpy(out.p, &t, sizeof t);
    return 0;
}

static int64_t host_close(struct cspan in, struct span out, const uint64_t args[4])
{
    model.closed[args[0]]++;
    return 0;
}

static void begin(uint32_t mode, bool terminal)
{
    unit_process();
    fake_host_reset();
    memset(&model, 0, sizeof model);
    model.mode = mode;
    model.terminal = terminal;
    fake_host_on(HOSTCALL_stdio_stat, host_stat_of);
    fake_host_on(HOSTCALL_stdio_ioctl, host_ioctl);
    fake_host_on(HOSTCALL_stdio_close, host_close);
}

static struct fdtable *install(unsigned session, struct console **ret)
{
    struct fdtable *t = fdtable_new();
    assert_non_null(t);
    assert_int_equal(console_new(session, ret), 0);
    assert_int_equal(console_install(*ret, t), 0);
    return t;
}

static long read_from(struct fdtable *t, int fd)
{
    uint8_t buf[64];
    struct uio uio = uio_kernel((struct span){buf, sizeof buf});
    struct file *f = fdtable_lookup_get(t, fd);
    long r = file_read(f, &uio, NULL);
    file_put(f);
    return r;
}

static long write_to(struct fdtable *t, int fd, const char *text)
{
    struct uio uio = uio_kernel_source((struct cspan){(const uint8_t *) text, strlen(text)});
    struct file *f = fdtable_lookup_get(t, fd);
    long r = file_write(f, &uio, NULL, false);
    file_put(f);
    return r;
}

TEST(console_session_named_twice)
{
    begin(S_IFIFO | 0600, false);
    struct console *first, *second;
    assert_int_equal(console_new(5, &first), 0);
    assert_int_equal(console_new(5, &second), -EBUSY);
    assert_int_equal(model.closed[5], 0); /* they are the first one's */
    console_put(first);
    assert_int_equal(model.closed[5], 1);
    assert_int_equal(console_new(5, &second), 0);
    console_put(second);
    assert_int_equal(model.closed[5], 2);
}

TEST(console_lives_as_long_as_its_files)
{
    begin(S_IFIFO | 0600, false);
    struct console *c;
    struct fdtable *t = install(7, &c);
    console_put(c);
    assert_int_equal(model.closed[7], 0);
    struct file *f = fdtable_lookup_get(t, 1);
    fdtable_put(t);
    assert_int_equal(model.closed[7], 0);
    file_put(f);
    assert_int_equal(model.closed[7], 1);
}

TEST(console_types)
{
    static const struct {
        uint32_t host, shown;
    } types[] = {
        {S_IFIFO, S_IFIFO}, {S_IFREG, S_IFREG}, {S_IFSOCK, S_IFSOCK}, {S_IFCHR, S_IFCHR},
        {S_IFDIR, S_IFCHR}, {S_IFBLK, S_IFCHR}, {S_IFLNK, S_IFCHR},   {0, S_IFCHR},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        begin(types[i].host | 06777, false);
        struct console *c;
        struct fdtable *t = install(9, &c);
        struct file *f = fdtable_lookup_get(t, 0);
        assert_int_equal(f->inode->mode & S_IFMT, types[i].shown);
        assert_int_equal(f->inode->mode & 07000, 0);
        assert_int_equal(f->inode->size, 0);
        file_put(f);
        fdtable_put(t);
        console_put(c);
    }
}

TEST(console_lies_about_counts)
{
    begin(S_IFIFO | 0600, false);
    struct console *c;
    struct fdtable *t = install(3, &c);
    static const int64_t lies[] = {65, INT64_MAX, INT64_MIN, -4096, -1000};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        fake_host_answer(HOSTCALL_stdio_read, lies[i], 1);
        assert_int_equal(read_from(t, 0), -EIO);
        fake_host_answer(HOSTCALL_stdio_write, lies[i], 1);
        assert_int_equal(write_to(t, 1, "four"), -EIO);
    }
    fdtable_put(t);
    console_put(c);
}

TEST(console_hangup)
{
    begin(S_IFCHR | 0620, true);
    struct console *c;
    struct fdtable *t = install(4, &c);
    fake_host_answer(HOSTCALL_stdio_read, 0, 1);
    assert_int_equal(read_from(t, 0), 0);
    console_hangup(c);
    unsigned reads = fake_host_calls(HOSTCALL_stdio_read);
    unsigned writes = fake_host_calls(HOSTCALL_stdio_write);
    assert_int_equal(read_from(t, 0), 0);
    assert_int_equal(write_to(t, 1, "text"), -EIO);
    assert_int_equal(fake_host_calls(HOSTCALL_stdio_read), reads);
    assert_int_equal(fake_host_calls(HOSTCALL_stdio_write), writes);
    struct file *f = fdtable_lookup_get(t, 0);
    assert_true(file_poll(f, NULL) & POLL_HUP);
    assert_int_equal(f->ops->ioctl(f, TCGETS, 0), -EIO);
    file_put(f);
    fdtable_put(t);
    console_hangup(c); /* again: nothing */
    console_put(c);
    assert_int_equal(model.closed[4], 1);
}

TEST(console_hangup_leaves_pipes)
{
    begin(S_IFIFO | 0600, false);
    struct console *c;
    struct fdtable *t = install(4, &c);
    console_hangup(c);
    fake_host_answer(HOSTCALL_stdio_write, 4, 1);
    assert_int_equal(write_to(t, 1, "text"), 4);
    fdtable_put(t);
    console_put(c);
}

TEST(console_without_memory)
{
    begin(S_IFIFO | 0600, false);
    struct console *c;
    for (unsigned n = 1;; n++) {
        size_t before = unit_alloc_count();
        unsigned closed = model.closed[6];
        unit_fail_alloc(n);
        int r = console_new(6, &c);
        unit_fail_alloc(0);
        if (r == 0)
            break;
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(unit_alloc_count(), before);
        assert_int_equal(model.closed[6], closed + 1);
    }
    console_put(c);
}
