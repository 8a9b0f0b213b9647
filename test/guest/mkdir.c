/* Directories: mkdir, rmdir, chdir, getcwd, link counts, names with slashes and dots. */
#include "guest_test.h"
#include <limits.h>

TEST_CASE(mkdir_and_rmdir)
{
    const char *d = test_path("d");
    struct stat st;
    OK(mkdir(d, 0750));
    OK(stat(d, &st));
    CHECK_EQ(st.st_mode, S_IFDIR | 0750);
    CHECK_ERR(mkdir(d, 0750), EEXIST);
    CHECK_ERR(mkdir(test_path("d/"), 0750), EEXIST);
    OK(rmdir(d));
    CHECK_ERR(rmdir(d), ENOENT);
    OK(mkdir(test_path("slashes///"), 0700));
    OK(rmdir(test_path("slashes/")));
}

TEST_CASE(errors)
{
    write_file(test_path("file"), "", 0);
    OK(mkdir(test_path("full"), 0755));
    write_file(test_path("full/x"), "", 0);
    CHECK_ERR(mkdir(test_path("file"), 0755), EEXIST);
    CHECK_ERR(mkdir(test_path("file/x"), 0755), ENOTDIR);
    CHECK_ERR(mkdir(test_path("absent/x"), 0755), ENOENT);
    CHECK_ERR(mkdir("", 0755), ENOENT);
    CHECK_ERR(mkdir("/", 0755), EEXIST);
    CHECK_ERR(rmdir(test_path("full")), ENOTEMPTY);
    CHECK_ERR(rmdir(test_path("full/x")), ENOTDIR);
    CHECK_ERR(rmdir(test_path("full/.")), EINVAL);
    CHECK_ERR(rmdir(test_path("full/..")), ENOTEMPTY);
    OK(symlink("full", test_path("lfull")));
    CHECK_ERR(rmdir(test_path("lfull")), ENOTDIR);
    CHECK_ERR(mkdir(test_path("lfull"), 0755), EEXIST);
}

TEST_CASE(mkdirat_and_unlinkat)
{
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(mkdirat(dir, "at", 0700));
    OK(mkdirat(dir, "at/deeper", 0700));
    CHECK_ERR(unlinkat(dir, "at", AT_REMOVEDIR), ENOTEMPTY);
    OK(unlinkat(dir, "at/deeper", AT_REMOVEDIR));
    OK(unlinkat(dir, "at", AT_REMOVEDIR));
    CHECK_ERR(mkdirat(-1, "at", 0700), EBADF);
    close(dir);
}

TEST_CASE(dot_dot)
{
    struct stat a, b;
    OK(mkdir(test_path("p"), 0755));
    OK(mkdir(test_path("p/q"), 0755));
    OK(stat(test_path("p/q/.."), &a));
    OK(stat(test_path("p"), &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    OK(stat("/..", &a));
    OK(stat("/", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    OK(stat(test_path("p/./q/.././../p//q"), &a));
    OK(stat(test_path("p/q"), &b));
    CHECK_EQ(a.st_ino, b.st_ino);
}

TEST_CASE(chdir_and_getcwd)
{
    char before[PATH_MAX], now[PATH_MAX], want[PATH_MAX];
    CHECK(getcwd(before, sizeof before));
    OK(mkdir(test_path("cd"), 0755));
    CHECK(realpath(test_path("cd"), want));
    OK(chdir(test_path("cd")));
    CHECK(getcwd(now, sizeof now));
    CHECK_STR(now, want);
    write_file("relative", "x", 1);
    CHECK(path_exists(test_path("cd/relative")));
    CHECK_ERR(syscall(SYS_getcwd, now, 3), ERANGE);
    CHECK_EQ(syscall(SYS_getcwd, now, sizeof now), strlen(want) + 1);
    int up = (int) OK(open("..", O_RDONLY | O_DIRECTORY));
    OK(fchdir(up));
    CHECK(path_exists("cd/relative"));
    close(up);
    CHECK_ERR(chdir("cd/relative"), ENOTDIR);
    CHECK_ERR(chdir("nowhere"), ENOENT);
    OK(chdir("/"));
    CHECK(getcwd(now, sizeof now));
    CHECK_STR(now, "/");
    OK(chdir(before));
}

TEST_CASE(removed_current_directory)
{
    char before[PATH_MAX], now[PATH_MAX];
    CHECK(getcwd(before, sizeof before));
    OK(mkdir(test_path("rm"), 0755));
    OK(chdir(test_path("rm")));
    OK(rmdir(test_path("rm")));
    CHECK(getcwd(now, sizeof now) == NULL && errno == ENOENT);
    CHECK_ERR(open("x", O_RDWR | O_CREAT, 0600), ENOENT);
    OK(chdir(before));
}

TEST_CASE(deep_tree)
{
    char before[PATH_MAX];
    CHECK(getcwd(before, sizeof before));
    OK(chdir(test_dir));
    for (int i = 0; i < 60; i++) {
        OK(mkdir("level", 0755));
        OK(chdir("level"));
    }
    write_file("bottom", "x", 1);
    OK(unlink("bottom"));
    for (int i = 0; i < 60; i++) {
        OK(chdir(".."));
        OK(rmdir("level"));
    }
    OK(chdir(before));
}

TEST_CASE(cwd_belongs_to_the_process)
{
    char before[PATH_MAX], now[PATH_MAX];
    CHECK(getcwd(before, sizeof before));
    CHECK_EQ(child_wait(child_start("moves_away", NULL)), 0);
    CHECK(getcwd(now, sizeof now));
    CHECK_STR(now, before);
}

CHILD(moves_away)
{
    return chdir("/") == 0 ? 0 : 1;
}
