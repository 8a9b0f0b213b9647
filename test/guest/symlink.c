/* Symbolic links: making, reading, following in every position, realpath. */
#include "guest_test.h"
#include <limits.h>

TEST_CASE(make_and_read)
{
    char b[64] = {0};
    OK(symlink("some target", test_path("l")));
    CHECK_EQ(readlink(test_path("l"), b, sizeof b), 11);
    CHECK_STR(b, "some target");
    CHECK_EQ(readlink(test_path("l"), b, 4), 4); /* cut, not terminated */
    CHECK_ERR(symlink("x", test_path("l")), EEXIST);
    CHECK_ERR(symlink("", test_path("l2")), ENOENT);
    CHECK_ERR(symlink("x", ""), ENOENT);
    CHECK_ERR(readlink(test_dir, b, sizeof b), EINVAL);
    CHECK_ERR(readlink(test_path("absent"), b, sizeof b), ENOENT);
    CHECK_ERR(syscall(SYS_readlink, test_path("l"), b, 0), EINVAL);
}

TEST_CASE(at_forms)
{
    char b[64] = {0};
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(symlinkat("target", dir, "at"));
    CHECK_EQ(readlinkat(dir, "at", b, sizeof b), 6);
    CHECK_STR(b, "target");
    int link = (int) OK(openat(dir, "at", O_PATH | O_NOFOLLOW));
    CHECK_EQ(readlinkat(link, "", b, sizeof b), 6);
    close(link);
    close(dir);
}

TEST_CASE(following)
{
    char b[16];
    OK(mkdir(test_path("real"), 0755));
    write_file(test_path("real/file"), "found", 5);
    OK(symlink("real", test_path("rel")));
    OK(symlink(test_path("real"), test_path("abs")));
    OK(symlink("../rel/file", test_path("real/up")));
    static const char *const ways[] = {"rel/file", "abs/file", "rel/up", "abs/up",
                                       "rel/../rel/./file"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        read_file(test_path(ways[i]), b, sizeof b);
        CHECK_STR(b, "found");
    }
    struct stat st;
    OK(lstat(test_path("rel"), &st));
    CHECK(S_ISLNK(st.st_mode));
    OK(lstat(test_path("rel/"), &st)); /* the slash asks for the directory */
    CHECK(S_ISDIR(st.st_mode));
    OK(lstat(test_path("rel/."), &st));
    CHECK(S_ISDIR(st.st_mode));
}

TEST_CASE(writing_through)
{
    char b[16];
    OK(symlink(test_path("new_abs"), test_path("wa")));
    OK(symlink("new_rel", test_path("wr")));
    write_file(test_path("wa"), "A", 1);
    write_file(test_path("wr"), "R", 1);
    read_file(test_path("new_abs"), b, sizeof b);
    CHECK_STR(b, "A");
    read_file(test_path("new_rel"), b, sizeof b);
    CHECK_STR(b, "R");
}

TEST_CASE(real_path)
{
    char want[PATH_MAX], got[PATH_MAX];
    OK(mkdir(test_path("rp"), 0755));
    OK(symlink("rp", test_path("rpl")));
    CHECK(realpath(test_path("rp"), want));
    CHECK(realpath(test_path("rpl/../rpl/."), got));
    CHECK_STR(got, want);
    CHECK(realpath(test_path("rpl/absent"), got) == NULL && errno == ENOENT);
}

TEST_CASE(descriptor_links)
{
    char self[64], got[PATH_MAX] = {0}, want[PATH_MAX];
    write_file(test_path("d"), "", 0);
    int fd = (int) OK(open(test_path("d"), O_RDONLY));
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    OK(readlink(self, got, sizeof got - 1));
    CHECK(realpath(test_path("d"), want));
    CHECK_STR(got, want);
    OK(unlink(test_path("d")));
    memset(got, 0, sizeof got);
    OK(readlink(self, got, sizeof got - 1));
    strcat(want, " (deleted)");
    CHECK_STR(got, want);
    close((int) OK(open(self, O_RDONLY))); /* still opens */
    close(fd);
}

TEST_CASE(long_targets)
{
    static char target[PATH_MAX + 1], got[PATH_MAX + 1];
    memset(target, 't', PATH_MAX - 1);
    OK(symlink(target, test_path("long")));
    CHECK_EQ(readlink(test_path("long"), got, sizeof got), PATH_MAX - 1);
    CHECK(memcmp(target, got, PATH_MAX - 1) == 0);
    target[PATH_MAX - 1] = 't';
    CHECK_ERR(symlink(target, test_path("longer")), ENAMETOOLONG);
}

TEST_CASE(umask_and_creation)
{
    struct stat st;
    static const mode_t masks[] = {0, 022, 077, 0777};
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        mode_t old = umask(masks[i]);
        const char *f = test_path("uf"), *d = test_path("ud");
        int fd = (int) OK(open(f, O_WRONLY | O_CREAT | O_EXCL, 0666));
        close(fd);
        OK(mkdir(d, 0777));
        CHECK_EQ(umask(old), masks[i]);
        OK(stat(f, &st));
        CHECK_EQ(st.st_mode & 0777, 0666 & ~masks[i]);
        OK(stat(d, &st));
        CHECK_EQ(st.st_mode & 0777, 0777 & ~masks[i]);
        OK(unlink(f));
        OK(rmdir(d));
    }
}
