/* Calls about files that have a test nowhere else: node types, times, old forms, advice, limits of names. */
#include "guest_test.h"
#include <limits.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <utime.h>

static int dir_fd(void)
{
    return (int) OK(open(test_dir, O_RDONLY | O_DIRECTORY));
}

static const char *file(const char *name)
{
    const char *p = test_path(name);
    unlink(p);
    write_file(p, "0123456789", 10);
    return p;
}

static const char *too_long(void)
{
    static char name[NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    return name;
}

/* ---- mknod ------------------------------------------------------------------------------------ */
TEST_CASE(mknod_types)
{
    struct stat st;
    int dir = dir_fd();
    OK(mknodat(dir, "fifo", S_IFIFO | 0640, 0));
    OK(stat(test_path("fifo"), &st));
    CHECK_EQ(st.st_mode, S_IFIFO | 0640);
    OK(syscall(SYS_mknodat, dir, "plain", 0666, 0)); /* no type: a regular file */
    OK(stat(test_path("plain"), &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0644);
    OK(mknod(test_path("sock"), S_IFSOCK | 0600, 0));
    OK(stat(test_path("sock"), &st));
    CHECK(S_ISSOCK(st.st_mode));
    OK(mknod(test_path("null"), S_IFCHR | 0666, makedev(1, 3)));
    OK(stat(test_path("null"), &st));
    CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    CHECK_ERR(mknod(test_path("plain"), S_IFREG | 0600, 0), EEXIST);
    CHECK_ERR(mknod(test_path("d"), S_IFDIR | 0700, 0), EPERM);
    CHECK_ERR(mknod(test_path("d"), S_IFLNK | 0700, 0), EINVAL);
    CHECK_ERR(mknod(test_path("none/x"), S_IFREG | 0600, 0), ENOENT);
    CHECK_ERR(mknod(test_path("plain/x"), S_IFREG | 0600, 0), ENOTDIR);
    CHECK_ERR(mknod(too_long(), S_IFREG | 0600, 0), ENAMETOOLONG);
    CHECK_ERR(mknod("", S_IFREG | 0600, 0), ENOENT);
    CHECK_ERR(syscall(SYS_mknod, 8L, S_IFREG | 0600, 0), EFAULT);
    CHECK_ERR(mknodat(-1, "x", S_IFREG | 0600, 0), EBADF);
    CHECK_ERR(openat(dir, "sock", O_RDONLY), ENXIO);
    close(dir);
}

static void mknod_as_another(void)
{
    become(1000, 1000);
    CHECK_ERR(mknod(test_path("dev"), S_IFCHR | 0666, makedev(1, 3)), EPERM);
    OK(mknod(test_path("fifo2"), S_IFIFO | 0600, 0));
    OK(mknod(test_path("plain2"), S_IFREG | 0600, 0));
    OK(unlink(test_path("plain2")));
}
TEST_CASE(mknod_of_devices_is_privileged)
{
    OK(chmod(test_dir, 0777));
    in_process(mknod_as_another);
    OK(chmod(test_dir, 0755));
}

/* ---- times ------------------------------------------------------------------------------------ */
TEST_CASE(futimesat_and_utimes)
{
    struct timeval tv[2] = {{100, 5}, {200, 7}};
    struct stat st;
    int dir = dir_fd();
    const char *p = file("t");
    OK(syscall(SYS_futimesat, dir, "t", tv));
    OK(stat(p, &st));
    CHECK(st.st_atim.tv_sec == 100 && st.st_atim.tv_nsec == 5000);
    CHECK(st.st_mtim.tv_sec == 200 && st.st_mtim.tv_nsec == 7000);
    int fd = (int) OK(open(p, O_RDONLY));
    tv[0].tv_sec = 300;
    OK(syscall(SYS_futimesat, fd, NULL, tv)); /* the descriptor itself */
    OK(stat(p, &st));
    CHECK_EQ(st.st_atim.tv_sec, 300);
    OK(syscall(SYS_futimesat, AT_FDCWD, p, NULL));
    OK(stat(p, &st));
    CHECK(st.st_mtim.tv_sec > 1000000000);
    tv[1].tv_usec = 1000000;
    CHECK_ERR(syscall(SYS_futimesat, dir, "t", tv), EINVAL);
    CHECK_ERR(syscall(SYS_utimes, p, tv), EINVAL);
    tv[1].tv_usec = -1;
    CHECK_ERR(syscall(SYS_utimes, p, tv), EINVAL);
    tv[1].tv_usec = 0;
    CHECK_ERR(syscall(SYS_futimesat, -1, "t", tv), EBADF);
    CHECK_ERR(syscall(SYS_futimesat, -1, NULL, tv), EBADF);
    CHECK_ERR(syscall(SYS_futimesat, fd, "t", tv), ENOTDIR);
    CHECK_ERR(syscall(SYS_utimes, test_path("none"), tv), ENOENT);
    CHECK_ERR(syscall(SYS_utimes, p, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_utimes, 8L, tv), EFAULT);
    CHECK_ERR(syscall(SYS_utimes, NULL, tv), EFAULT);
    CHECK_ERR(syscall(SYS_utime, NULL, NULL), EFAULT);
    struct utimbuf u = {11, 12};
    OK(utime(p, &u));
    OK(stat(p, &st));
    CHECK(st.st_atim.tv_sec == 11 && st.st_mtim.tv_sec == 12);
    close(fd);
    close(dir);
}

TEST_CASE(utimensat_special_values)
{
    struct timespec keep[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}},
                    bad[2] = {{0, 1000000000}, {0, 0}};
    struct timespec one[2] = {{77, 3}, {0, UTIME_OMIT}},
                    half[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    struct stat st;
    const char *p = file("t");
    int fd = (int) OK(open(p, O_RDONLY)), dir = dir_fd();
    OK(utimensat(dir, "t", one, 0));
    OK(stat(p, &st));
    CHECK(st.st_atim.tv_sec == 77 && st.st_atim.tv_nsec == 3 && st.st_mtim.tv_sec > 1000000000);
    OK(utimensat(dir, "t", half, 0));
    OK(stat(p, &st));
    CHECK_EQ(st.st_atim.tv_sec, 77);
    OK(utimensat(dir, "none", keep, 0)); /* nothing to do: not even a look */
    OK(futimens(fd, one));
    CHECK_ERR(utimensat(dir, "t", bad, 0), EINVAL);
    CHECK_ERR(utimensat(dir, "t", one, 99), EINVAL);
    CHECK_ERR(utimensat(dir, "none", one, 0), ENOENT);
    CHECK_ERR(utimensat(dir, "", one, 0), ENOENT);
    CHECK_ERR(syscall(SYS_utimensat, dir, "t", 8L, 0), EFAULT);
    CHECK_ERR(syscall(SYS_utimensat, dir, 8L, one, 0), EFAULT);
    CHECK_ERR(syscall(SYS_utimensat, AT_FDCWD, NULL, one, 0), EFAULT);
    CHECK_ERR(syscall(SYS_utimensat, fd, NULL, one, AT_SYMLINK_NOFOLLOW), EINVAL);
    OK(symlink("t", test_path("tl")));
    one[0].tv_sec = 88;
    OK(utimensat(dir, "tl", one, AT_SYMLINK_NOFOLLOW));
    OK(stat(p, &st));
    CHECK_EQ(st.st_atim.tv_sec, 77);
    OK(lstat(test_path("tl"), &st));
    CHECK_EQ(st.st_atim.tv_sec, 88);
    close(fd);
    close(dir);
}

static void times_as_another(void)
{
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, one[2] = {{7, 0}, {7, 0}};
    struct timespec half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    become(1000, 1000);
    CHECK_ERR(utimensat(AT_FDCWD, test_path("t"), NULL, 0), EACCES);
    CHECK_ERR(utimensat(AT_FDCWD, test_path("t"), now, 0), EACCES);
    CHECK_ERR(utimensat(AT_FDCWD, test_path("t"), one, 0), EPERM);
    OK(utimensat(AT_FDCWD, test_path("w"), NULL, 0)); /* who may write may say "now" */
    OK(utimensat(AT_FDCWD, test_path("w"), now, 0));
    CHECK_ERR(utimensat(AT_FDCWD, test_path("w"), one, 0), EPERM);
    CHECK_ERR(utimensat(AT_FDCWD, test_path("w"), half, 0), EPERM);
}
TEST_CASE(times_need_permission)
{
    OK(chmod(file("t"), 0644));
    OK(chmod(file("w"), 0666));
    in_process(times_as_another);
}

/* ---- chmod with flags ------------------------------------------------------------------------- */
TEST_CASE(fchmodat2)
{
    struct stat st;
    int dir = dir_fd();
    const char *p = file("m");
    if (syscall(452, dir, "m", 0600, 0) < 0 && errno == ENOSYS)
        SKIP("a kernel before 6.6");
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0600);
    unlink(test_path("ml"));
    OK(symlink("m", test_path("ml")));
    CHECK_ERR(syscall(452, dir, "ml", 0644, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
    OK(syscall(452, dir, "ml", 0640, 0));
    int fd = (int) OK(open(p, O_PATH));
    OK(syscall(452, fd, "", 0644, AT_EMPTY_PATH));
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode & 07777, 0644);
    CHECK_ERR(syscall(452, fd, "", 0644, 0), ENOENT);
    CHECK_ERR(syscall(452, dir, "m", 0644, 99), EINVAL);
    CHECK_ERR(syscall(452, dir, "none", 0644, 0), ENOENT);
    CHECK_ERR(syscall(452, -1, "m", 0644, 0), EBADF);
    CHECK_ERR(syscall(SYS_fchmod, fd, 0600), EBADF);
    close(fd);
    close(dir);
}

/* ---- getdents --------------------------------------------------------------------------------- */
TEST_CASE(getdents_both_forms)
{
    char buf[4096], *sub = (char *) test_path("many");
    int found = 0;
    OK(mkdir(sub, 0755));
    write_file(test_path("many/a"), "", 0);
    int fd = (int) OK(open(sub, O_RDONLY));
    long n = OK(syscall(SYS_getdents, fd, buf, sizeof buf));
    for (long at = 0; at < n;) {
        uint16_t len;
        memcpy(&len, buf + at + 16, 2);
        CHECK(len >= 24 && at + len <= n);
        int type = buf[at + len - 1];
        found += strcmp(buf + at + 18, "a") == 0 ? type == DT_REG : type == DT_DIR;
        at += len;
    }
    CHECK_EQ(found, 3);
    CHECK_EQ(syscall(SYS_getdents, fd, buf, sizeof buf), 0);
    OK(lseek(fd, 0, SEEK_SET));
    CHECK(syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
    OK(lseek(fd, 0, SEEK_SET));
    CHECK_ERR(syscall(SYS_getdents64, fd, buf, 10), EINVAL); /* not even one entry fits */
    CHECK_ERR(syscall(SYS_getdents, fd, buf, 10), EINVAL);
    CHECK_ERR(syscall(SYS_getdents64, fd, 8L, sizeof buf), EFAULT);
    CHECK_ERR(syscall(SYS_getdents64, -1, buf, sizeof buf), EBADF);
    int plain = (int) OK(open(test_path("many/a"), O_RDONLY));
    CHECK_ERR(syscall(SYS_getdents64, plain, buf, sizeof buf), ENOTDIR);
    CHECK_ERR(syscall(SYS_getdents, plain, buf, sizeof buf), ENOTDIR);
    close(plain);
    OK(unlink(test_path("many/a")));
    OK(rmdir(sub));
    OK(lseek(fd, 0, SEEK_SET));
    CHECK_ERR(syscall(SYS_getdents64, fd, buf, sizeof buf), ENOENT); /* removed */
    close(fd);
}

/* ---- advice and sync -------------------------------------------------------------------------- */
TEST_CASE(sync_and_advice)
{
    int fd = (int) OK(open(file("s"), O_RDWR)), p[2], path = (int) OK(open(test_path("s"), O_PATH));
    OK(pipe(p));
    OK(fsync(fd));
    OK(fdatasync(fd));
    OK(syncfs(fd));
    sync();
    CHECK_ERR(fsync(-1), EBADF);
    CHECK_ERR(fsync(path), EBADF);
    CHECK_ERR(fsync(p[0]), EINVAL);
    CHECK_ERR(fdatasync(p[1]), EINVAL);
    CHECK_ERR(syncfs(-1), EBADF);
    OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    OK(sync_file_range(fd, 0, 5, 7));
    CHECK_ERR(sync_file_range(fd, -1, 5, 0), EINVAL);
    CHECK_ERR(sync_file_range(fd, 0, -5, 0), EINVAL);
    CHECK_ERR(sync_file_range(fd, 0, 5, 8), EINVAL);
    CHECK_ERR(sync_file_range(-1, 0, 5, 0), EBADF);
    CHECK_ERR(sync_file_range(p[0], 0, 5, 0), ESPIPE);
    OK(syscall(SYS_readahead, fd, 0L, 10L));
    CHECK_ERR(syscall(SYS_readahead, -1, 0L, 10L), EBADF);
    CHECK_ERR(syscall(SYS_readahead, p[0], 0L, 10L), EINVAL);
    int wo = (int) OK(open(test_path("s"), O_WRONLY)), dir = dir_fd();
    CHECK_ERR(syscall(SYS_readahead, wo, 0L, 10L), EBADF);
    CHECK_ERR(syscall(SYS_readahead, dir, 0L, 10L), EINVAL);
    for (int advice = 0; advice <= 5; advice++)
        ZERO(posix_fadvise(fd, 0, 0, advice));
    CHECK_EQ(posix_fadvise(fd, 0, 0, 6), EINVAL);
    CHECK_EQ(posix_fadvise(fd, 0, -1, 0), EINVAL);
    CHECK_EQ(posix_fadvise(-1, 0, 0, 0), EBADF);
    CHECK_EQ(posix_fadvise(p[0], 0, 0, 0), ESPIPE);
    close(wo);
    close(dir);
    close(fd);
    close(path);
    close(p[0]);
    close(p[1]);
}

/* ---- fallocate -------------------------------------------------------------------------------- */
static void content(int fd, const char *text, size_t size)
{
    char buf[64];
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, size);
    CHECK_EQ(pread(fd, buf, sizeof buf, 0), size);
    CHECK_EQ(memcmp(buf, text, size), 0);
}

TEST_CASE(fallocate_modes)
{
    int fd = (int) OK(open(file("fa"), O_RDWR)), p[2];
    int ro = (int) OK(open(test_path("fa"), O_RDONLY)), dir = dir_fd();
    OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20));
    content(fd, "0123456789", 10);
    OK(fallocate(fd, 0, 0, 12));
    content(fd, "0123456789\0\0", 12);
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
    content(fd, "01\0\0\00056789\0\0", 12);
    OK(fallocate(fd, 0x10 /* FALLOC_FL_ZERO_RANGE */, 8, 6));
    content(fd, "01\0\0\000567\0\0\0\0\0\0", 14);
    CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP); /* wants KEEP_SIZE */
    CHECK_ERR(fallocate(fd, 0, -1, 1), EINVAL);
    CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERR(fallocate(fd, 0, 0, -1), EINVAL);
    CHECK_ERR(fallocate(fd, 0x1000, 0, 1), EOPNOTSUPP);
    CHECK_ERR(fallocate(fd, 0, INT64_MAX, 1), EFBIG);
    CHECK_ERR(fallocate(-1, 0, 0, 1), EBADF);
    CHECK_ERR(fallocate(ro, 0, 0, 1), EBADF);
    CHECK_ERR(fallocate(dir, 0, 0, 1), EBADF); /* not open for writing */
    OK(pipe(p));
    CHECK_ERR(fallocate(p[1], 0, 0, 1), ESPIPE);
    CHECK_EQ(posix_fallocate(fd, 0, 40), 0);
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 40);
    close(p[0]);
    close(p[1]);
    close(ro);
    close(dir);
    close(fd);
}

/* ---- statfs ----------------------------------------------------------------------------------- */
TEST_CASE(statfs_both)
{
    struct statfs a, b;
    int fd = dir_fd();
    OK(statfs(test_dir, &a));
    OK(fstatfs(fd, &b));
    CHECK_EQ(a.f_type, b.f_type);
    CHECK(a.f_bsize >= 512 && a.f_namelen == 255 && a.f_blocks >= a.f_bfree);
    OK(statfs("/proc", &a));
    CHECK_EQ(a.f_type, 0x9fa0);
    CHECK_ERR(statfs(test_path("none"), &a), ENOENT);
    CHECK_ERR(statfs(too_long(), &a), ENAMETOOLONG);
    CHECK_ERR(syscall(SYS_statfs, 8L, &a), EFAULT);
    CHECK_ERR(syscall(SYS_statfs, "/", 8L), EFAULT);
    CHECK_ERR(fstatfs(-1, &a), EBADF);
    CHECK_ERR(syscall(SYS_fstatfs, fd, 8L), EFAULT);
    int p[2];
    OK(pipe(p));
    OK(fstatfs(p[0], &a));
    CHECK_EQ(a.f_type, 0x50495045);
    close(p[0]);
    close(p[1]);
    close(fd);
}

TEST_CASE(ustat_and_sysfs)
{
    struct stat st;
    struct {
        int32_t free;
        uint64_t inodes;
        char name[6], pack[6];
    } u;
    OK(stat("/", &st));
    OK_OR_SKIP(syscall(SYS_ustat, (unsigned) st.st_dev, &u));
    CHECK_ERR(syscall(SYS_ustat, 0xfffff, &u), EINVAL);
    CHECK_ERR(syscall(SYS_ustat, (unsigned) st.st_dev, 8L), EFAULT);
    char name[64] = "";
    long n = OK_OR_SKIP(syscall(SYS_sysfs, 3));
    CHECK(n > 0);
    long proc = OK(syscall(SYS_sysfs, 1, "proc"));
    OK(syscall(SYS_sysfs, 2, proc, name));
    CHECK_STR(name, "proc");
    CHECK_ERR(syscall(SYS_sysfs, 1, "nonsense"), EINVAL);
    CHECK_ERR(syscall(SYS_sysfs, 1, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_sysfs, 2, n, name), EINVAL);
    CHECK_ERR(syscall(SYS_sysfs, 2, 0, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_sysfs, 4), EINVAL);
}

/* ---- execveat --------------------------------------------------------------------------------- */
CHILD(execveat_self)
{
    if (argc > 0 && strcmp(argv[0], "done") == 0)
        return 7;
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "execveat_self",
                    (char *) "done", NULL};
    int fd = open(test_program, O_RDONLY);
    if (fd < 0)
        return 98;
    if (argc > 0 && strcmp(argv[0], "empty") == 0)
        syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
    else
        syscall(SYS_execveat, AT_FDCWD, test_program, args, environ, 0);
    return 97;
}
TEST_CASE(execveat_forms)
{
    char *args[] = {(char *) "x", NULL};
    int dir = dir_fd();
    CHECK_EQ(child_wait(child_start("execveat_self", "empty", NULL)), 7);
    CHECK_EQ(child_wait(child_start("execveat_self", "path", NULL)), 7);
    const char *p = file("plain");
    CHECK_ERR(syscall(SYS_execveat, dir, "plain", args, environ, 0), EACCES);
    OK(chmod(p, 0755));
    CHECK_ERR(syscall(SYS_execveat, dir, "plain", args, environ, 0), ENOEXEC);
    CHECK_ERR(syscall(SYS_execveat, dir, "none", args, environ, 0), ENOENT);
    CHECK_ERR(syscall(SYS_execveat, dir, "", args, environ, 0), ENOENT);
    CHECK_ERR(syscall(SYS_execveat, dir, "plain", args, environ, 0xff0000), EINVAL);
    CHECK_ERR(syscall(SYS_execveat, -1, "plain", args, environ, 0), EBADF);
    CHECK_ERR(syscall(SYS_execveat, dir, "plain/x", args, environ, 0), ENOTDIR);
    OK(symlink("plain", test_path("pl")));
    CHECK_ERR(syscall(SYS_execveat, dir, "pl", args, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
    CHECK_ERR(syscall(SYS_execveat, dir, 8L, args, environ, 0), EFAULT);
    CHECK_ERR(syscall(SYS_execveat, dir, "plain", 8L, environ, 0), EFAULT);
    CHECK_ERR(execve(test_dir, args, environ), EACCES);
    close(dir);
}
