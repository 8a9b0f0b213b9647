/* access and faccessat: existence, modes, directory descriptors, bad arguments. */
#include "guest_test.h"

static const char *make(const char *name, mode_t mode)
{
    const char *p = test_path(name);
    write_file(p, "x", 1);
    OK(chmod(p, mode));
    return p;
}

TEST_CASE(access_modes)
{
    const char *p = make("rw", 0644);
    OK(access(p, F_OK));
    OK(access(p, R_OK | W_OK));
    CHECK_ERR(access(p, X_OK), EACCES); /* even for root: nobody may execute it */
    OK(chmod(p, 0755));
    OK(access(p, X_OK));
    OK(access(test_dir, R_OK | W_OK | X_OK));
}

TEST_CASE(access_errors)
{
    const char *p = make("plain", 0644);
    char below[600];
    snprintf(below, sizeof below, "%s/below", p);
    CHECK_ERR(access(test_path("absent"), F_OK), ENOENT);
    CHECK_ERR(access("", F_OK), ENOENT);
    CHECK_ERR(access(below, F_OK), ENOTDIR);
    CHECK_ERR(access(p, 8), EINVAL);
    CHECK_ERR(syscall(SYS_access, (void *) 1, F_OK), EFAULT);
}

TEST_CASE(faccessat_dirfd)
{
    make("at", 0644);
    int dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(faccessat(dir, "at", R_OK, 0));
    OK(faccessat(dir, test_path("at"), R_OK, 0));
    CHECK_ERR(faccessat(dir, "nowhere", R_OK, 0), ENOENT);
    OK(faccessat(-1, test_path("at"), R_OK, 0));
    CHECK_ERR(faccessat(-1, "at", R_OK, 0), EBADF);
    int file = (int) OK(open(test_path("at"), O_RDONLY));
    CHECK_ERR(faccessat(file, "at", R_OK, 0), ENOTDIR);
    close(file);
    close(dir);
}

TEST_CASE(faccessat_dangling_link)
{
    const char *l = test_path("dangling");
    OK(symlink("nowhere", l));
    CHECK_ERR(access(l, F_OK), ENOENT);
    OK(faccessat(AT_FDCWD, l, F_OK, AT_SYMLINK_NOFOLLOW));
}
