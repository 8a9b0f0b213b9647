/* chmod, fchmod, fchmodat: all permission bits, through links, bad arguments. */
#include "guest_test.h"

static mode_t mode_of(const char *p)
{
    struct stat st;
    OK(stat(p, &st));
    return st.st_mode & 07777;
}

TEST_CASE(chmod_every_bit)
{
    const char *p = test_path("bits");
    write_file(p, "", 0);
    for (int bit = 0; bit < 12; bit++) {
        OK(chmod(p, (mode_t) 1 << bit));
        CHECK_EQ(mode_of(p), 1 << bit);
    }
    OK(chmod(p, 0));
    CHECK_EQ(mode_of(p), 0);
    OK(chmod(p, S_IFDIR | 0640)); /* type bits are ignored */
    CHECK_EQ(mode_of(p), 0640);
    struct stat st;
    OK(stat(p, &st));
    CHECK(S_ISREG(st.st_mode));
}

TEST_CASE(fchmod_file_and_directory)
{
    const char *p = test_path("f"), *d = test_path("d");
    write_file(p, "", 0);
    OK(mkdir(d, 0700));
    int fd = (int) OK(open(p, O_RDONLY));
    OK(fchmod(fd, 0444));
    CHECK_EQ(mode_of(p), 0444);
    close(fd);
    fd = (int) OK(open(d, O_RDONLY | O_DIRECTORY));
    OK(fchmod(fd, 01777));
    CHECK_EQ(mode_of(d), 01777);
    close(fd);
    CHECK_ERR(fchmod(-1, 0600), EBADF);
}

TEST_CASE(fchmodat_dirfd)
{
    write_file(test_path("at"), "", 0);
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(fchmodat(dir, "at", 0611, 0));
    CHECK_EQ(mode_of(test_path("at")), 0611);
    CHECK_ERR(fchmodat(dir, "absent", 0611, 0), ENOENT);
    CHECK_ERR(fchmodat(-1, "at", 0611, 0), EBADF);
    close(dir);
}

TEST_CASE(chmod_follows_links)
{
    const char *p = test_path("target"), *l = test_path("link");
    write_file(p, "", 0);
    OK(symlink("target", l));
    OK(chmod(l, 0606));
    CHECK_EQ(mode_of(p), 0606);
    CHECK_ERR(chmod(test_path("absent"), 0600), ENOENT);
}

TEST_CASE(chmod_changes_ctime_only)
{
    const char *p = test_path("times");
    struct stat a, b;
    write_file(p, "x", 1);
    OK(stat(p, &a));
    sleep_ms(20);
    OK(chmod(p, 0600));
    OK(stat(p, &b));
    CHECK_EQ(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
    CHECK_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
    CHECK(b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec > a.st_ctim.tv_nsec);
}
