/* rename, renameat, renameat2: files, directories, replacing, open files, flags, errors. */
#include "guest_test.h"

enum { NOREPLACE = 1, EXCHANGE = 2 };

static void make(const char *name, const char *text)
{
    write_file(test_path(name), text, strlen(text));
}

static void check_text(const char *name, const char *text)
{
    char b[64];
    read_file(test_path(name), b, sizeof b);
    CHECK_STR(b, text);
}

static int renameat2_in(const char *a, const char *b, unsigned flags)
{
    return (int) syscall(SYS_renameat2, AT_FDCWD, test_path(a), AT_FDCWD, test_path(b), flags);
}

TEST_CASE(simple)
{
    struct stat a, b;
    make("a", "A");
    OK(stat(test_path("a"), &a));
    OK(rename(test_path("a"), test_path("b")));
    CHECK(!path_exists(test_path("a")));
    OK(stat(test_path("b"), &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    check_text("b", "A");
    OK(rename(test_path("b"), test_path("b")));
    check_text("b", "A");
}

TEST_CASE(replaces_open_target)
{
    char c;
    make("new", "N");
    make("old", "O");
    int fd = (int) OK(open(test_path("old"), O_RDONLY));
    OK(rename(test_path("new"), test_path("old")));
    check_text("old", "N");
    CHECK_EQ(read(fd, &c, 1), 1);
    CHECK_EQ(c, 'O');
    close(fd);
}

TEST_CASE(two_links_of_one_file)
{
    make("l1", "L");
    OK(link(test_path("l1"), test_path("l2")));
    OK(rename(test_path("l1"), test_path("l2"))); /* does nothing */
    CHECK(path_exists(test_path("l1")) && path_exists(test_path("l2")));
}

TEST_CASE(directories)
{
    OK(mkdir(test_path("d1"), 0755));
    OK(mkdir(test_path("d2"), 0755));
    make("d1/x", "X");
    OK(rename(test_path("d1"), test_path("d2"))); /* over an empty directory */
    check_text("d2/x", "X");
    CHECK(!path_exists(test_path("d1")));
    OK(mkdir(test_path("d3"), 0755));
    CHECK_ERR(rename(test_path("d3"), test_path("d2")), ENOTEMPTY);
    OK(rename(test_path("d3"), test_path("d2/d3")));
    struct stat up, d2;
    OK(stat(test_path("d2/d3/.."), &up));
    OK(stat(test_path("d2"), &d2));
    CHECK_EQ(up.st_ino, d2.st_ino);
}

TEST_CASE(errors)
{
    OK(mkdir(test_path("e"), 0755));
    make("f", "F");
    CHECK_ERR(rename(test_path("e"), test_path("e/sub")), EINVAL);
    CHECK_ERR(rename(test_path("e"), test_path("f")), ENOTDIR);
    CHECK_ERR(rename(test_path("f"), test_path("e")), EISDIR);
    CHECK_ERR(rename(test_path("absent"), test_path("x")), ENOENT);
    CHECK_ERR(rename(test_path("f"), test_path("absent/x")), ENOENT);
    CHECK_ERR(rename(test_path("f"), test_path("f/x")), ENOTDIR);
    CHECK_ERR(rename(test_path("f"), test_path("g/")), ENOTDIR);
    CHECK_ERR(rename("", test_path("x")), ENOENT);
    CHECK_ERR(rename(test_path("e/."), test_path("x")), EBUSY);
}

TEST_CASE(renameat_dirfd)
{
    OK(mkdir(test_path("r"), 0755));
    make("ra", "R");
    int top = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    int sub = (int) OK(open(test_path("r"), O_RDONLY | O_DIRECTORY));
    OK(renameat(top, "ra", sub, "rb"));
    check_text("r/rb", "R");
    CHECK_ERR(renameat(top, "ra", -1, "rb"), EBADF);
    close(top);
    close(sub);
}

TEST_CASE(symlinks_are_renamed_themselves)
{
    make("st", "T");
    OK(symlink("st", test_path("sl")));
    OK(rename(test_path("sl"), test_path("sl2")));
    struct stat st;
    OK(lstat(test_path("sl2"), &st));
    CHECK(S_ISLNK(st.st_mode));
    make("over", "V");
    OK(rename(test_path("over"), test_path("sl2"))); /* replaces the link, not its target */
    check_text("st", "T");
    check_text("sl2", "V");
}

TEST_CASE(noreplace)
{
    make("na", "1");
    make("nb", "2");
    OK_OR_SKIP(renameat2_in("na", "nc", NOREPLACE));
    CHECK_ERR(renameat2_in("nc", "nb", NOREPLACE), EEXIST);
    check_text("nb", "2");
}

TEST_CASE(exchange)
{
    make("xa", "1");
    OK(mkdir(test_path("xd"), 0755));
    make("xd/in", "2");
    OK_OR_SKIP(renameat2_in("xa", "xd", EXCHANGE));
    check_text("xd", "1");
    check_text("xa/in", "2");
    CHECK_ERR(renameat2_in("xa", "absent", EXCHANGE), ENOENT);
    CHECK_ERR(renameat2_in("xa", "xd", EXCHANGE | NOREPLACE), EINVAL);
    CHECK_ERR(renameat2_in("xa", "xd", 0x100), EINVAL);
}
