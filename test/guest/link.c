/* Hard links and unlink: counts, linkat flags, open files that lost their last name. */
#include "guest_test.h"

static nlink_t links(const char *p)
{
    struct stat st;
    OK(stat(p, &st));
    return st.st_nlink;
}

TEST_CASE(link_then_unlink)
{
    const char *a = test_path("a"), *b = test_path("b");
    char buf[8];
    struct stat sa, sb;
    write_file(a, "abc", 3);
    CHECK_EQ(links(a), 1);
    OK(link(a, b));
    OK(stat(a, &sa));
    OK(stat(b, &sb));
    CHECK_EQ(sa.st_ino, sb.st_ino);
    CHECK_EQ(sa.st_nlink, 2);
    OK(unlink(a));
    CHECK_EQ(links(b), 1);
    read_file(b, buf, sizeof buf);
    CHECK_STR(buf, "abc");
    OK(unlink(b));
    CHECK_ERR(unlink(b), ENOENT);
}

TEST_CASE(link_errors)
{
    const char *a = test_path("ea"), *d = test_path("ed");
    write_file(a, "", 0);
    OK(mkdir(d, 0755));
    CHECK_ERR(link(a, a), EEXIST);
    CHECK_ERR(link(d, test_path("ed2")), EPERM);
    CHECK_ERR(link(test_path("absent"), test_path("x")), ENOENT);
    CHECK_ERR(link("", test_path("x")), ENOENT);
    CHECK_ERR(link(a, test_path("ea/x")), ENOTDIR);
    CHECK_ERR(link(a, test_path("absent/x")), ENOENT);
}

TEST_CASE(linkat_dirfd_and_empty_path)
{
    write_file(test_path("la"), "q", 1);
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(linkat(dir, "la", dir, "lb", 0));
    CHECK_EQ(links(test_path("lb")), 2);
    CHECK_ERR(linkat(dir, "la", dir, "lb", 0), EEXIST);
    CHECK_ERR(linkat(dir, "", dir, "lc", 0), ENOENT);
    CHECK_ERR(linkat(dir, "la", dir, "lc", 0x1), EINVAL);
    OK(unlinkat(dir, "la", 0));
    CHECK_EQ(links(test_path("lb")), 1);
    close(dir);
}

TEST_CASE(linkat_of_a_symlink)
{
    struct stat st;
    write_file(test_path("target"), "", 0);
    OK(symlink("target", test_path("sym")));
    OK(linkat(AT_FDCWD, test_path("sym"), AT_FDCWD, test_path("hardsym"), 0));
    OK(lstat(test_path("hardsym"), &st));
    CHECK(S_ISLNK(st.st_mode));
    OK(linkat(AT_FDCWD, test_path("sym"), AT_FDCWD, test_path("hardfile"), AT_SYMLINK_FOLLOW));
    OK(lstat(test_path("hardfile"), &st));
    CHECK(S_ISREG(st.st_mode));
}

TEST_CASE(unlinked_while_open)
{
    const char *p = test_path("gone");
    struct stat st;
    char b[8] = {0};
    int fd = (int) OK(open(p, O_RDWR | O_CREAT, 0600));
    CHECK_EQ(write(fd, "alive", 5), 5);
    OK(unlink(p));
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    write_file(p, "other", 5); /* a new file of that name is another file */
    CHECK_EQ(pread(fd, b, 5, 0), 5);
    CHECK_STR(b, "alive");
    CHECK_EQ(pwrite(fd, "more", 4, 5), 4);
    close(fd);
}

TEST_CASE(unlink_errors)
{
    OK(mkdir(test_path("dir"), 0755));
    CHECK_ERR(unlink(test_path("dir")), EISDIR);
    CHECK_ERR(unlinkat(AT_FDCWD, test_path("dir"), 0x1), EINVAL);
    write_file(test_path("file"), "", 0);
    CHECK_ERR(unlinkat(AT_FDCWD, test_path("file"), AT_REMOVEDIR), ENOTDIR);
    CHECK_ERR(unlink(test_path("file/x")), ENOTDIR);
    CHECK_ERR(unlink(test_path("file/")), ENOTDIR);
    CHECK_ERR(unlink(""), ENOENT);
    OK(symlink("file", test_path("s")));
    OK(unlink(test_path("s")));
    CHECK(path_exists(test_path("file")));
}
