/* The access mode of a descriptor decides, not the file's permissions. */
#include "guest_test.h"

static int reopen(int flags)
{
    const char *p = test_path("f");
    write_file(p, "data", 4);
    return (int) OK(open(p, flags));
}

TEST_CASE(read_only)
{
    int fd = reopen(O_RDONLY);
    char c;
    CHECK_EQ(read(fd, &c, 1), 1);
    CHECK_ERR(write(fd, "x", 1), EBADF);
    CHECK_ERR(pwrite(fd, "x", 1, 0), EBADF);
    close(fd);
}

TEST_CASE(write_only)
{
    int fd = reopen(O_WRONLY);
    char c;
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_ERR(read(fd, &c, 1), EBADF);
    CHECK_ERR(pread(fd, &c, 1, 0), EBADF);
    close(fd);
}

TEST_CASE(read_write)
{
    int fd = reopen(O_RDWR);
    char c;
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(read(fd, &c, 1), 1);
    CHECK_EQ(c, 'a');
    close(fd);
}

TEST_CASE(mode_changed_after_open)
{
    int fd = reopen(O_RDWR);
    OK(fchmod(fd, 0));
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
}

TEST_CASE(created_without_write_permission)
{
    const char *p = test_path("ro");
    int fd = (int) OK(open(p, O_RDWR | O_CREAT | O_EXCL, 0444));
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
}
