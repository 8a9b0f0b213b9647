/* Permission checks in the file system: another user against modes, owners, groups, sticky directories
 * and set-id bits; what single capabilities allow. */
#include "guest_test.h"
#include <sys/xattr.h>

enum { UID = 1000, GID = 1000, OTHER = 1001, SHARED = 2000 };

static const char *make(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
    const char *p = test_path(name);
    unlink(p);
    write_file(p, "x", 1);
    OK(chown(p, uid, gid));
    OK(chmod(p, mode));
    return p;
}

static const char *make_dir(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
    const char *p = test_path(name);
    rmdir(p);
    OK(mkdir(p, 0700));
    OK(chown(p, uid, gid));
    OK(chmod(p, mode));
    return p;
}

static int opens(const char *name, int flags)
{
    int fd = open(test_path(name), flags);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

/* ---- modes ------------------------------------------------------------------------------------ */
static void modes(void)
{
    gid_t list[] = {SHARED};
    OK(syscall(SYS_setgroups, 1, list));
    OK(syscall(SYS_setresgid, GID, GID, GID));
    OK(syscall(SYS_setresuid, UID, UID, UID));
    OK(opens("mine_r", O_RDONLY));
    CHECK_ERR(opens("mine_r", O_WRONLY), EACCES);
    CHECK_ERR(opens("mine_r", O_RDWR), EACCES);
    CHECK_ERR(opens("mine_none", O_RDONLY), EACCES); /* the owner's bits count, not the others' */
    OK(opens("group_r", O_RDONLY));
    CHECK_ERR(opens("group_r", O_WRONLY), EACCES);
    CHECK_ERR(opens("group_none", O_RDONLY), EACCES);
    OK(opens("extra_group_rw", O_RDWR)); /* a supplementary group */
    OK(opens("others_w", O_WRONLY));
    CHECK_ERR(opens("others_w", O_RDONLY), EACCES);
    CHECK_ERR(opens("others_w", O_RDONLY | O_TRUNC), EACCES);
    OK(access(test_path("mine_r"), R_OK));
    CHECK_ERR(access(test_path("mine_r"), W_OK), EACCES);
    CHECK_ERR(access(test_path("mine_r"), X_OK), EACCES);
    CHECK_ERR(truncate(test_path("mine_r"), 0), EACCES);
    char *args[] = {(char *) "x", NULL};
    CHECK_ERR(execve(test_path("mine_r"), args, environ), EACCES);
}
TEST_CASE(who_may_open)
{
    OK(chmod(test_dir, 0755));
    make("mine_r", UID, 0, 0444);
    make("mine_none", UID, 0, 0077);
    make("group_r", 0, GID, 0040);
    make("group_none", 0, GID, 0607);
    make("extra_group_rw", 0, SHARED, 0060);
    make("others_w", 0, 0, 0002);
    in_process(modes);
}

/* ---- directories ------------------------------------------------------------------------------ */
static void directories(void)
{
    char b[256];
    become(UID, GID);
    CHECK_ERR(opens("no_search/f", O_RDONLY), EACCES);
    CHECK_ERR(access(test_path("no_search/f"), F_OK), EACCES);
    struct stat st;
    CHECK_ERR(stat(test_path("no_search/f"), &st), EACCES);
    CHECK_ERR(chdir(test_path("no_search")), EACCES);
    OK(opens("no_search", O_RDONLY)); /* may be listed */
    CHECK_ERR(opens("no_read", O_RDONLY), EACCES);
    OK(opens("no_read/f", O_RDONLY));
    CHECK_ERR(mkdir(test_path("no_read/d"), 0755), EACCES);
    CHECK_ERR(open(test_path("no_read/new"), O_CREAT | O_WRONLY, 0644), EACCES);
    CHECK_ERR(unlink(test_path("no_read/f")), EACCES);
    CHECK_ERR(rename(test_path("no_read/f"), test_path("no_read/g")), EACCES);
    CHECK_ERR(symlink("f", test_path("no_read/g")), EACCES);
    CHECK_ERR(rmdir(test_path("no_read/sub")), EACCES);
    CHECK_ERR(mknod(test_path("no_read/n"), S_IFIFO | 0600, 0), EACCES);
    CHECK_ERR(readlink(test_path("no_search/l"), b, sizeof b), EACCES);
    CHECK_ERR(truncate(test_path("no_search/f"), 0), EACCES);
    CHECK_ERR(chmod(test_path("no_search/f"), 0777), EACCES);
    CHECK_ERR(chown(test_path("no_search/f"), UID, GID), EACCES);
    /* what exists is told before what is forbidden */
    CHECK_ERR(mkdir(test_path("no_read/sub"), 0755), EEXIST);
    CHECK_ERR(open(test_path("no_read/f"), O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    CHECK_ERR(unlink(test_path("no_read/absent")), ENOENT);
}
TEST_CASE(search_and_write_in_directories)
{
    make_dir("no_search", 0, 0, 0755);
    write_file(test_path("no_search/f"), "x", 1);
    OK(symlink("f", test_path("no_search/l")));
    OK(chmod(test_path("no_search"), 0744));
    make_dir("no_read", 0, 0, 0755);
    write_file(test_path("no_read/f"), "x", 1);
    OK(mkdir(test_path("no_read/sub"), 0755));
    OK(chmod(test_path("no_read"), 0711));
    in_process(directories);
}

/* ---- sticky ----------------------------------------------------------------------------------- */
static void sticky(void)
{
    become(UID, GID);
    CHECK_ERR(unlink(test_path("tmp/theirs")), EPERM);
    CHECK_ERR(rename(test_path("tmp/theirs"), test_path("tmp/stolen")), EPERM);
    CHECK_ERR(rmdir(test_path("tmp/their_dir")), EPERM);
    write_file(test_path("tmp/own"), "x", 1);
    CHECK_ERR(rename(test_path("tmp/own"), test_path("tmp/theirs")), EPERM);
    OK(rename(test_path("tmp/own"), test_path("tmp/own2")));
    OK(unlink(test_path("tmp/own2")));
    OK(unlink(test_path("tmp/mine")));
}
TEST_CASE(sticky_directory)
{
    make_dir("tmp", 0, 0, 01777);
    make("tmp/theirs", OTHER, 0, 0666);
    make("tmp/mine", UID, 0, 0600);
    make_dir("tmp/their_dir", OTHER, 0, 0777);
    in_process(sticky);
}

/* ---- chmod and chown -------------------------------------------------------------------------- */
static void changing(void)
{
    struct stat st;
    gid_t list[] = {SHARED};
    OK(syscall(SYS_setgroups, 1, list));
    OK(syscall(SYS_setresgid, GID, GID, GID));
    OK(syscall(SYS_setresuid, UID, UID, UID));
    const char *p = test_path("own");
    CHECK_ERR(chmod(test_path("theirs"), 0777), EPERM);
    CHECK_ERR(chown(test_path("theirs"), UID, (gid_t) -1), EPERM);
    CHECK_ERR(chown(p, OTHER, (gid_t) -1), EPERM); /* nobody gives files away */
    CHECK_ERR(chown(p, (uid_t) -1, 4242), EPERM);
    OK(chown(p, UID, (gid_t) -1));
    OK(chown(p, (uid_t) -1, SHARED));
    OK(chmod(p, 02755));
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 02755);
    OK(chown(p, (uid_t) -1, GID)); /* takes the set-id bits away */
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
    OK(chmod(p, 06755));
    int fd = (int) OK(open(p, O_WRONLY));
    CHECK_EQ(write(fd, "y", 1), 1); /* so does a write */
    close(fd);
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
    OK(chmod(p, 06755));
    OK(truncate(p, 0));
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
    const char *f = test_path("foreign_group"); /* owned, but its group is not ours */
    OK(chmod(f, 02755));
    OK(stat(f, &st));
    CHECK_EQ(st.st_mode & 07777, 0755);
}
TEST_CASE(owners_change_what_is_theirs)
{
    make("own", UID, GID, 0644);
    make("theirs", OTHER, GID, 0666);
    make("foreign_group", UID, 4242, 0644);
    in_process(changing);
}

TEST_CASE(set_group_directories)
{
    struct stat st;
    make_dir("sg", 0, SHARED, 02777);
    write_file(test_path("sg/f"), "x", 1);
    OK(mkdir(test_path("sg/d"), 0755));
    OK(stat(test_path("sg/f"), &st));
    CHECK_EQ(st.st_gid, SHARED);
    CHECK_EQ(st.st_mode & 07777, 0644);
    OK(stat(test_path("sg/d"), &st));
    CHECK_EQ(st.st_gid, SHARED);
    CHECK_EQ(st.st_mode & 07777, 02755);
}

static void noatime(void)
{
    become(UID, GID);
    CHECK_ERR(opens("theirs", O_RDONLY | O_NOATIME), EPERM);
    OK(opens("own", O_RDONLY | O_NOATIME));
}
TEST_CASE(noatime_is_the_owners)
{
    make("own", UID, GID, 0644);
    make("theirs", OTHER, GID, 0644);
    in_process(noatime);
}

/* ---- real and effective ids ------------------------------------------------------------------- */
static void real_ids(void)
{
    OK(syscall(SYS_setresgid, GID, 0, 0));
    OK(syscall(SYS_setresuid, UID, 0, 0));
    CHECK_ERR(access(test_path("roots"), R_OK), EACCES); /* by the real user */
    OK(opens("roots", O_RDONLY));                        /* by the effective one */
    OK(syscall(SYS_faccessat2, AT_FDCWD, test_path("roots"), R_OK, AT_EACCESS));
    OK(faccessat(AT_FDCWD, test_path("roots"), F_OK, 0));
}
TEST_CASE(access_asks_for_the_real_user)
{
    make("roots", 0, 0, 0600);
    in_process(real_ids);
}

/* ---- signals ---------------------------------------------------------------------------------- */
static pid_t victim;
static void signalling(void)
{
    become(UID, GID);
    CHECK_ERR(kill(victim, SIGTERM), EPERM);
    CHECK_ERR(kill(victim, 0), EPERM);
    CHECK_ERR(kill(4000000, 0), ESRCH);
    CHECK_ERR(kill(victim, 65), EINVAL);
    CHECK_ERR(syscall(SYS_tgkill, victim, victim, SIGTERM), EPERM);
    CHECK_ERR(syscall(SYS_tkill, victim, SIGTERM), EPERM);
    union sigval v = {0};
    CHECK_ERR(sigqueue(victim, SIGUSR1, v), EPERM);
    OK(kill(getpid(), 0));
}
CHILD(parked)
{
    return park();
}
TEST_CASE(signals_to_others)
{
    victim = child_start("parked", NULL);
    in_process(signalling);
    OK(kill(victim, SIGKILL));
    child_wait(victim);
}

/* ---- set-user-ID programs --------------------------------------------------------------------- */
CHILD(tell_ids)
{
    uid_t r, e, s;
    OK(syscall(SYS_getresuid, &r, &e, &s));
    return r == UID ? (e == OTHER && s == OTHER ? 1 : e == UID && s == UID ? 2 : 3) : 4;
}
CHILD(run_set_id)
{
    char *args[] = {argv[0], (char *) "--child", (char *) "tell_ids", NULL};
    if (argc > 1)
        syscall(SYS_prctl, 38, 1L, 0L, 0L, 0L); /* PR_SET_NO_NEW_PRIVS */
    become(UID, GID);
    execv(argv[0], args);
    return 90;
}
TEST_CASE(set_user_id_programs)
{
    static char program[8 << 20];
    size_t n = read_file(test_program, program, sizeof program);
    SKIP_IF(n == sizeof program - 1, "a large program");
    const char *p = test_path("prog");
    OK(chmod(test_dir, 0755));
    write_file(p, program, n);
    OK(chown(p, OTHER, GID));
    OK(chmod(p, 04755));
    CHECK_EQ(child_wait(child_start("run_set_id", p, NULL)), 1);
    CHECK_EQ(child_wait(child_start("run_set_id", p, "no_new_privs", NULL)), 2);
    OK(chmod(p, 0755));
    CHECK_EQ(child_wait(child_start("run_set_id", p, NULL)), 2);
}
