/* chown family. Only root may give files away, so other users test what they may do. */
#include "guest_test.h"

static void check_owner(const char *p, uid_t uid, gid_t gid)
{
    struct stat st;
    OK(lstat(p, &st));
    CHECK_EQ(st.st_uid, uid);
    CHECK_EQ(st.st_gid, gid);
}

static const char *make(const char *name)
{
    const char *p = test_path(name);
    write_file(p, "", 0);
    return p;
}

#define NEED_ROOT() SKIP_IF(geteuid() != 0, "not root")

TEST_CASE(chown_to_self_and_negative)
{
    const char *p = make("self");
    OK(chown(p, getuid(), getgid()));
    OK(chown(p, (uid_t) -1, (gid_t) -1));
    check_owner(p, geteuid(), getegid());
}

TEST_CASE(chown_both_and_one)
{
    NEED_ROOT();
    const char *p = make("both");
    OK(chown(p, 100, 1001));
    check_owner(p, 100, 1001);
    OK(chown(p, (uid_t) -1, 55));
    check_owner(p, 100, 55);
    OK(chown(p, 7, (gid_t) -1));
    check_owner(p, 7, 55);
}

TEST_CASE(lchown_changes_the_link)
{
    NEED_ROOT();
    const char *p = make("t"), *l = test_path("l");
    OK(symlink("t", l));
    OK(lchown(l, 12, 13));
    check_owner(l, 12, 13);
    check_owner(p, 0, getegid());
    OK(chown(l, 14, 15));
    check_owner(p, 14, 15);
}

TEST_CASE(fchown_and_fchownat)
{
    NEED_ROOT();
    const char *p = make("f");
    int fd = (int) OK(open(p, O_RDWR)), dir = (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
    OK(fchown(fd, 21, 22));
    check_owner(p, 21, 22);
    OK(fchownat(dir, "f", 23, 24, 0));
    check_owner(p, 23, 24);
    OK(fchownat(fd, "", 25, 26, AT_EMPTY_PATH));
    check_owner(p, 25, 26);
    CHECK_ERR(fchownat(fd, "", 25, 26, 0), ENOENT);
    CHECK_ERR(fchownat(dir, "f", 1, 1, 0x8000), EINVAL);
    CHECK_ERR(fchown(-1, 0, 0), EBADF);
    CHECK_ERR(chown(test_path("absent"), 0, 0), ENOENT);
    close(fd);
    close(dir);
}

TEST_CASE(chown_drops_setuid_bits)
{
    NEED_ROOT();
    const char *p = make("suid");
    struct stat st;
    OK(chmod(p, 06755));
    OK(chown(p, 5, 5));
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
}
