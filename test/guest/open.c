/* open, openat, creat, openat2: flags, kinds of files, links, limits of names, descriptor numbers.
 */
#include "guest_test.h"
#include <limits.h>

struct how {
    uint64_t flags, mode, resolve;
};

TEST_CASE(create_exclusive)
{
    const char *p = test_path("excl");
    close((int) OK(open(p, O_RDWR | O_CREAT | O_EXCL, 0640)));
    CHECK_ERR(open(p, O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
    OK(symlink("nowhere", test_path("exlink")));
    CHECK_ERR(open(test_path("exlink"), O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
    struct stat st;
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0640);
}

TEST_CASE(create_through_dangling_link)
{
    OK(symlink("made", test_path("tomade")));
    close((int) OK(open(test_path("tomade"), O_WRONLY | O_CREAT, 0644)));
    CHECK(path_exists(test_path("made")));
}

TEST_CASE(lowest_descriptor)
{
    int a = (int) OK(open(test_dir, O_RDONLY)), b = (int) OK(open(test_dir, O_RDONLY));
    CHECK(b > a);
    close(a);
    CHECK_EQ(open(test_dir, O_RDONLY), a);
    close(a);
    close(b);
}

TEST_CASE(file_as_directory)
{
    write_file(test_path("f"), "", 0);
    CHECK_ERR(open(test_path("f"), O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERR(open(test_path("f/"), O_RDONLY), ENOTDIR);
    CHECK_ERR(open(test_path("f/x"), O_RDONLY), ENOTDIR);
    CHECK_ERR(open(test_path("f/x"), O_RDWR | O_CREAT, 0600), ENOTDIR);
    CHECK_ERR(open(test_path("f/.."), O_RDONLY), ENOTDIR);
}

TEST_CASE(directory_for_writing)
{
    CHECK_ERR(open(test_dir, O_WRONLY), EISDIR);
    CHECK_ERR(open(test_dir, O_RDWR), EISDIR);
    CHECK_ERR(open(test_dir, O_RDONLY | O_CREAT, 0600), EISDIR);
    CHECK_ERR(open(test_path("new/"), O_RDWR | O_CREAT, 0600), EISDIR);
    CHECK(!path_exists(test_path("new")));
}

TEST_CASE(missing_names)
{
    CHECK_ERR(open(test_path("absent"), O_RDONLY), ENOENT);
    CHECK_ERR(open(test_path("absent/x"), O_RDWR | O_CREAT, 0600), ENOENT);
    CHECK_ERR(open("", O_RDONLY), ENOENT);
    CHECK_ERR(syscall(SYS_open, (void *) 8, O_RDONLY), EFAULT);
}

TEST_CASE(long_names)
{
    char name[NAME_MAX + 2], path[PATH_MAX + 16];
    memset(name, 'n', sizeof name);
    name[NAME_MAX] = '\0';
    close((int) OK(open(test_path(name), O_RDWR | O_CREAT, 0600)));
    OK(unlink(test_path(name)));
    name[NAME_MAX] = 'n';
    name[NAME_MAX + 1] = '\0';
    CHECK_ERR(open(test_path(name), O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
    memset(path, '/', sizeof path);
    path[PATH_MAX] = '\0';
    CHECK_ERR(open(path, O_RDONLY), ENAMETOOLONG);
    path[PATH_MAX - 1] = '\0';
    close((int) OK(open(path, O_RDONLY)));
}

TEST_CASE(link_loops)
{
    OK(symlink("loopb", test_path("loopa")));
    OK(symlink("loopa", test_path("loopb")));
    OK(symlink("selfy", test_path("selfy")));
    CHECK_ERR(open(test_path("loopa"), O_RDONLY), ELOOP);
    CHECK_ERR(open(test_path("selfy"), O_RDONLY), ELOOP);
    CHECK_ERR(open(test_path("loopa"), O_RDWR | O_CREAT, 0600), ELOOP);
    char from[16], to[16];
    write_file(test_path("c0"), "end", 3);
    for (int i = 1; i <= 45; i++) {
        snprintf(to, sizeof to, "c%d", i - 1);
        snprintf(from, sizeof from, "c%d", i);
        OK(symlink(to, test_path(from)));
    }
    close((int) OK(open(test_path("c40"), O_RDONLY)));
    CHECK_ERR(open(test_path("c41"), O_RDONLY), ELOOP);
}

TEST_CASE(nofollow)
{
    write_file(test_path("nf"), "", 0);
    OK(symlink("nf", test_path("nflink")));
    OK(symlink(".", test_path("dirlink")));
    CHECK_ERR(open(test_path("nflink"), O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERR(open(test_path("dirlink"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
    close((int) OK(open(test_path("dirlink/nf"), O_RDONLY | O_NOFOLLOW)));
}

TEST_CASE(path_only)
{
    char c;
    struct stat st;
    write_file(test_path("po"), "x", 1);
    OK(symlink("po", test_path("polink")));
    int fd = (int) OK(open(test_path("po"), O_PATH));
    CHECK_ERR(read(fd, &c, 1), EBADF);
    CHECK_ERR(write(fd, &c, 1), EBADF);
    CHECK_ERR(syscall(SYS_fchmod, fd, 0600), EBADF);
    OK(fstat(fd, &st));
    CHECK(S_ISREG(st.st_mode));
    CHECK(OK(fcntl(fd, F_GETFL)) & O_PATH);
    close(fd);
    fd = (int) OK(open(test_path("polink"), O_PATH | O_NOFOLLOW));
    OK(fstat(fd, &st));
    CHECK(S_ISLNK(st.st_mode));
    close(fd);
    fd = (int) OK(open(test_dir, O_PATH | O_DIRECTORY));
    close((int) OK(openat(fd, "po", O_RDONLY)));
    close(fd);
}

TEST_CASE(unnamed_temporary)
{
    int fd = open(test_dir, O_TMPFILE | O_RDWR, 0600);
    SKIP_IF(fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR), "no O_TMPFILE on this file system");
    OK(fd);
    struct stat st;
    CHECK_EQ(write(fd, "abc", 3), 3);
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_size, 3);
    char self[64], b[8] = {0};
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    OK(linkat(AT_FDCWD, self, AT_FDCWD, test_path("named"), AT_SYMLINK_FOLLOW));
    close(fd);
    read_file(test_path("named"), b, sizeof b);
    CHECK_STR(b, "abc");
}

TEST_CASE(openat_dirfd)
{
    write_file(test_path("oa"), "", 0);
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    int file = (int) OK(openat(dir, "oa", O_RDONLY));
    CHECK_ERR(openat(file, "oa", O_RDONLY), ENOTDIR);
    close((int) OK(openat(file, test_path("oa"), O_RDONLY)));
    CHECK_ERR(openat(-1, "oa", O_RDONLY), EBADF);
    CHECK_ERR(openat(999, "oa", O_RDONLY), EBADF);
    close((int) OK(openat(dir, ".", O_RDONLY)));
    close((int) OK(openat(dir, "..", O_RDONLY)));
    close(file);
    close(dir);
}

TEST_CASE(creat_truncates)
{
    char b[8];
    write_file(test_path("cr"), "abc", 3);
    int fd = (int) OK(creat(test_path("cr"), 0600));
    CHECK_ERR(read(fd, b, 1), EBADF);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

TEST_CASE(flags_are_kept)
{
    int fd =
        (int) OK(open(test_path("fl"), O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0600));
    int fl = (int) OK(fcntl(fd, F_GETFL));
    CHECK_EQ(fl & O_ACCMODE, O_RDWR);
    CHECK_EQ(fl & (O_APPEND | O_NONBLOCK | O_CREAT | O_EXCL), O_APPEND | O_NONBLOCK);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
}

TEST_CASE(openat2_resolve)
{
    struct how how = {.flags = O_RDONLY};
    write_file(test_path("o2"), "", 0);
    OK(symlink("o2", test_path("o2link")));
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    close((int) OK_OR_SKIP(syscall(SYS_openat2, dir, "o2link", &how, sizeof how)));
    how.resolve = 0x04; /* RESOLVE_NO_SYMLINKS */
    CHECK_ERR(syscall(SYS_openat2, dir, "o2link", &how, sizeof how), ELOOP);
    how.resolve = 0x08; /* RESOLVE_BENEATH */
    CHECK_ERR(syscall(SYS_openat2, dir, "../x", &how, sizeof how), EXDEV);
    CHECK_ERR(syscall(SYS_openat2, dir, "/etc", &how, sizeof how), EXDEV);
    close((int) OK(syscall(SYS_openat2, dir, "o2link", &how, sizeof how)));
    how.resolve = 0x10; /* RESOLVE_IN_ROOT */
    close((int) OK(syscall(SYS_openat2, dir, "/../../o2", &how, sizeof how)));
    how = (struct how){.flags = O_RDONLY, .mode = 0600};
    CHECK_ERR(syscall(SYS_openat2, dir, "o2", &how, sizeof how), EINVAL);
    how = (struct how){.flags = O_RDONLY, .resolve = 0x1000};
    CHECK_ERR(syscall(SYS_openat2, dir, "o2", &how, sizeof how), EINVAL);
    CHECK_ERR(syscall(SYS_openat2, dir, "o2", &how, 8), EINVAL);
    close(dir);
}

TEST_CASE(permission_bits_for_others)
{
    SKIP_IF(geteuid() == 0, "root may open everything");
    write_file(test_path("no"), "", 0);
    OK(chmod(test_path("no"), 0));
    CHECK_ERR(open(test_path("no"), O_RDONLY), EACCES);
}
