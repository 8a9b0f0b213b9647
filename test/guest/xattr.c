/* Extended attributes: by path, by link, by descriptor. */
#include "guest_test.h"
#include <sys/xattr.h>

static const char *file(void)
{
    const char *p = test_path("f");
    unlink(p);
    write_file(p, "x", 1);
    return p;
}

TEST_CASE(set_get_list_remove)
{
    const char *p = file();
    char buf[64] = "";
    SKIP_IF(setxattr(p, "user.a", "1", 1, 0) < 0 && errno == EOPNOTSUPP, "no user attributes");
    OK(setxattr(p, "user.b", "two", 3, XATTR_CREATE));
    CHECK_EQ(getxattr(p, "user.b", buf, sizeof buf), 3);
    CHECK_STR(buf, "two");
    CHECK_EQ(getxattr(p, "user.b", NULL, 0), 3);
    CHECK_EQ(listxattr(p, NULL, 0), 14);
    CHECK_EQ(listxattr(p, buf, sizeof buf), 14);
    CHECK(memmem(buf, 14, "user.a", 7) && memmem(buf, 14, "user.b", 7));
    OK(setxattr(p, "user.b", "longer", 6, XATTR_REPLACE));
    CHECK_EQ(getxattr(p, "user.b", buf, sizeof buf), 6);
    OK(setxattr(p, "user.a", "", 0, 0));
    CHECK_EQ(getxattr(p, "user.a", buf, sizeof buf), 0);
    OK(removexattr(p, "user.a"));
    CHECK_EQ(listxattr(p, buf, sizeof buf), 7);
    CHECK_ERR(removexattr(p, "user.a"), ENODATA);
    CHECK_ERR(getxattr(p, "user.a", buf, sizeof buf), ENODATA);
}

TEST_CASE(errors)
{
    const char *p = file();
    char buf[64], name[300];
    OK(setxattr(p, "user.a", "value", 5, 0));
    CHECK_ERR(setxattr(p, "user.a", "v", 1, XATTR_CREATE), EEXIST);
    CHECK_ERR(setxattr(p, "user.none", "v", 1, XATTR_REPLACE), ENODATA);
    CHECK_ERR(setxattr(p, "user.a", "v", 1, 99), EINVAL);
    CHECK_ERR(getxattr(p, "user.a", buf, 2), ERANGE);
    CHECK_ERR(listxattr(p, buf, 2), ERANGE);
    CHECK_ERR(setxattr(p, "", "v", 1, 0), ERANGE);
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[299] = 0;
    CHECK_ERR(setxattr(p, name, "v", 1, 0), ERANGE);
    CHECK_ERR(getxattr(p, name, buf, 1), ERANGE);
    CHECK_ERR(setxattr(p, "nonsense.a", "v", 1, 0), EOPNOTSUPP);
    CHECK_ERR(getxattr(p, "nonsense.a", buf, 1), EOPNOTSUPP);
    static char big[65537];
    CHECK_ERR(setxattr(p, "user.big", big, sizeof big, 0), E2BIG);
    CHECK_ERR(syscall(SYS_setxattr, p, "user.a", 8L, 4L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_setxattr, p, 8L, "v", 1L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_setxattr, 8L, "user.a", "v", 1L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_getxattr, p, "user.a", 8L, 64L), EFAULT);
    CHECK_ERR(syscall(SYS_listxattr, p, 8L, 64L), EFAULT);
    CHECK_ERR(setxattr(test_path("none"), "user.a", "v", 1, 0), ENOENT);
    CHECK_ERR(getxattr(test_path("none"), "user.a", buf, 1), ENOENT);
    CHECK_ERR(listxattr(test_path("none"), buf, 1), ENOENT);
    CHECK_ERR(removexattr(test_path("none"), "user.a"), ENOENT);
}

TEST_CASE(by_descriptor)
{
    const char *p = file();
    char buf[64] = "";
    int fd = (int) OK(open(p, O_RDONLY));
    OK(fsetxattr(fd, "user.fd", "x", 1, 0));
    CHECK_EQ(fgetxattr(fd, "user.fd", buf, sizeof buf), 1);
    CHECK_EQ(flistxattr(fd, buf, sizeof buf), 8);
    OK(fremovexattr(fd, "user.fd"));
    CHECK_ERR(fgetxattr(fd, "user.fd", buf, sizeof buf), ENODATA);
    close(fd);
    CHECK_ERR(fsetxattr(-1, "user.fd", "x", 1, 0), EBADF);
    CHECK_ERR(fgetxattr(-1, "user.fd", buf, 1), EBADF);
    CHECK_ERR(flistxattr(-1, buf, 1), EBADF);
    CHECK_ERR(fremovexattr(-1, "user.fd"), EBADF);
    fd = (int) OK(open(p, O_PATH));
    CHECK_ERR(fsetxattr(fd, "user.fd", "x", 1, 0), EBADF);
    CHECK_ERR(fgetxattr(fd, "user.fd", buf, 1), EBADF);
    close(fd);
}

TEST_CASE(of_links)
{
    const char *p = file(), *l = test_path("link");
    char buf[64] = "";
    unlink(l);
    OK(symlink(p, l));
    OK(setxattr(l, "user.through", "x", 1, 0)); /* to what it points to */
    CHECK_EQ(lgetxattr(p, "user.through", buf, sizeof buf), 1);
    CHECK_ERR(lsetxattr(l, "user.a", "x", 1, 0), EPERM); /* a link has no user attributes */
    CHECK_ERR(lgetxattr(l, "user.a", buf, 1), ENODATA);
    CHECK_ERR(lremovexattr(l, "user.a"), EPERM);
    CHECK_EQ(llistxattr(l, buf, sizeof buf), 0);
    CHECK_ERR(getxattr(l, "user.a", buf, 1), ENODATA);
    OK(removexattr(l, "user.through"));
    OK(lsetxattr(l, "trusted.a", "x", 1, 0));
    CHECK_EQ(lgetxattr(l, "trusted.a", buf, sizeof buf), 1);
    CHECK_ERR(getxattr(l, "trusted.a", buf, sizeof buf), ENODATA);
    OK(lremovexattr(l, "trusted.a"));
}

TEST_CASE(special_files_and_directories)
{
    const char *fifo = test_path("fifo"), *dir = test_path("dir");
    char buf[8];
    unlink(fifo);
    OK(mkfifo(fifo, 0600));
    CHECK_ERR(setxattr(fifo, "user.a", "x", 1, 0), EPERM);
    CHECK_ERR(getxattr(fifo, "user.a", buf, 1), ENODATA);
    rmdir(dir);
    OK(mkdir(dir, 0755));
    OK(setxattr(dir, "user.a", "x", 1, 0));
    CHECK_EQ(getxattr(dir, "user.a", buf, 8), 1);
}

static void as_another(void)
{
    const char *p = test_path("f");
    char buf[64];
    become(1000, 1000);
    CHECK_ERR(setxattr(p, "user.a", "x", 1, 0), EACCES);
    CHECK_ERR(getxattr(p, "user.a", buf, 1), EACCES);
    CHECK_ERR(removexattr(p, "user.a"), EACCES);
    CHECK_ERR(setxattr(p, "trusted.a", "x", 1, 0), EPERM);
    CHECK_ERR(getxattr(p, "trusted.a", buf, 1), ENODATA);
    p = test_path("mine");
    write_file(p, "x", 1);
    OK(setxattr(p, "user.a", "x", 1, 0));
    CHECK_ERR(setxattr(p, "trusted.a", "x", 1, 0), EPERM);
    CHECK_ERR(getxattr(p, "trusted.a", buf, 1), ENODATA);
}
TEST_CASE(permissions)
{
    const char *p = file();
    OK(chmod(p, 0600));
    OK(chmod(test_dir, 0777));
    in_process(as_another);
    OK(chmod(test_dir, 0755));
}
