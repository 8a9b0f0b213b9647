/* stat, lstat, fstat, fstatat, statx, statfs, utimes: all fields and their changes. */
#include "guest_test.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

struct statx_ts {
    int64_t sec;
    uint32_t nsec;
    int32_t pad;
};
struct statx_buf {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_ts atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t more[14];
};

TEST_CASE(fields)
{
    const char *p = test_path("f");
    struct stat st, same;
    time_t before = time(NULL) - 2;
    write_file(p, "0123456789", 10);
    OK(stat(p, &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0644);
    CHECK_EQ(st.st_size, 10);
    CHECK_EQ(st.st_nlink, 1);
    CHECK_EQ(st.st_uid, geteuid());
    CHECK_EQ(st.st_gid, getegid());
    CHECK(st.st_ino != 0 && st.st_blksize > 0);
    CHECK(st.st_mtime >= before && st.st_mtime <= time(NULL) + 2);
    int fd = (int) OK(open(p, O_RDONLY));
    OK(fstat(fd, &same));
    CHECK(st.st_ino == same.st_ino && st.st_dev == same.st_dev);
    OK(fstatat(fd, "", &same, AT_EMPTY_PATH));
    CHECK_EQ(st.st_ino, same.st_ino);
    close(fd);
}

TEST_CASE(kinds)
{
    struct stat st;
    OK(stat(test_dir, &st));
    CHECK(S_ISDIR(st.st_mode));
    OK(stat("/dev/null", &st));
    CHECK(S_ISCHR(st.st_mode));
    CHECK_EQ(st.st_rdev, makedev(1, 3));
    OK(symlink("abc", test_path("l")));
    OK(lstat(test_path("l"), &st));
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(st.st_size, 3);
    CHECK_ERR(stat(test_path("l"), &st), ENOENT);
}

/* The program's own file: whole blocks, as file systems on disk have them. */
TEST_CASE(program_blocks)
{
    struct stat st;
    OK(stat("/proc/self/exe", &st));
    CHECK(st.st_size > 0 && st.st_blocks > 0);
    CHECK_EQ(st.st_blocks % 8, 0);
}

TEST_CASE(errors)
{
    struct stat st;
    write_file(test_path("e"), "", 0);
    CHECK_ERR(stat(test_path("absent"), &st), ENOENT);
    CHECK_ERR(stat("", &st), ENOENT);
    CHECK_ERR(stat(test_path("e/"), &st), ENOTDIR);
    CHECK_ERR(stat(test_path("e/x"), &st), ENOTDIR);
    CHECK_ERR(fstat(-1, &st), EBADF);
    CHECK_ERR(fstatat(AT_FDCWD, test_path("e"), &st, 0x40), EINVAL);
    CHECK_ERR(syscall(SYS_stat, test_path("e"), 8L), EFAULT);
}

TEST_CASE(directory_links)
{
    struct stat a, b;
    OK(mkdir(test_path("d"), 0755));
    OK(stat(test_path("d"), &a));
    OK(mkdir(test_path("d/sub"), 0755));
    OK(stat(test_path("d"), &b));
    CHECK(b.st_nlink == a.st_nlink + 1 || (a.st_nlink == 1 && b.st_nlink == 1));
    OK(rmdir(test_path("d/sub")));
    OK(stat(test_path("d"), &b));
    CHECK_EQ(b.st_nlink, a.st_nlink);
}

static bool later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

TEST_CASE(times_move)
{
    struct stat dir, dir2, a, b;
    const char *p = test_path("m");
    OK(stat(test_dir, &dir));
    sleep_ms(20);
    write_file(p, "x", 1);
    OK(stat(test_dir, &dir2));
    CHECK(later(dir2.st_mtim, dir.st_mtim));
    OK(stat(p, &a));
    sleep_ms(20);
    int fd = (int) OK(open(p, O_WRONLY));
    CHECK_EQ(write(fd, "y", 1), 1);
    close(fd);
    OK(stat(p, &b));
    CHECK(later(b.st_mtim, a.st_mtim) && later(b.st_ctim, a.st_ctim));
}

TEST_CASE(setting_times)
{
    struct stat st;
    const char *p = test_path("u");
    write_file(p, "x", 1);
    struct timespec ts[2] = {{1000, 123456789}, {2000, 987654321}};
    OK(utimensat(AT_FDCWD, p, ts, 0));
    OK(stat(p, &st));
    CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000);
    CHECK(st.st_atim.tv_nsec == 123456789 && st.st_mtim.tv_nsec == 987654321);
    ts[0].tv_nsec = UTIME_OMIT;
    ts[1].tv_nsec = UTIME_NOW;
    OK(utimensat(AT_FDCWD, p, ts, 0));
    OK(stat(p, &st));
    CHECK_EQ(st.st_atim.tv_sec, 1000);
    CHECK(st.st_mtim.tv_sec > 1700000000);
    struct utimbuf ub = {5, 6};
    OK(utime(p, &ub));
    struct timeval tv[2] = {{7, 500000}, {8, 600000}};
    OK(stat(p, &st));
    CHECK(st.st_atime == 5 && st.st_mtime == 6);
    OK(utimes(p, tv));
    OK(stat(p, &st));
    CHECK(st.st_mtim.tv_sec == 8 && st.st_mtim.tv_nsec == 600000000);
    int fd = (int) OK(open(p, O_RDONLY));
    OK(futimens(fd, NULL));
    OK(fstat(fd, &st));
    CHECK(st.st_atime > 1700000000);
    close(fd);
    ts[0].tv_nsec = 2000000000;
    CHECK_ERR(utimensat(AT_FDCWD, p, ts, 0), EINVAL);
    CHECK_ERR(utimensat(AT_FDCWD, test_path("absent"), NULL, 0), ENOENT);
    OK(symlink("u", test_path("ul")));
    ts[0] = (struct timespec){77, 0};
    ts[1] = (struct timespec){78, 0};
    OK(utimensat(AT_FDCWD, test_path("ul"), ts, AT_SYMLINK_NOFOLLOW));
    OK(lstat(test_path("ul"), &st));
    CHECK_EQ(st.st_mtime, 78);
    OK(stat(p, &st));
    CHECK(st.st_mtime != 78);
}

TEST_CASE(statx_fields)
{
    struct statx_buf x = {0};
    struct stat st;
    write_file(test_path("x"), "12345", 5);
    OK_OR_SKIP(syscall(SYS_statx, AT_FDCWD, test_path("x"), 0, 0x7ff, &x));
    OK(stat(test_path("x"), &st));
    CHECK_EQ(x.mask & 0x7ff, 0x7ff);
    CHECK_EQ(x.size, 5);
    CHECK_EQ(x.ino, st.st_ino);
    CHECK_EQ(x.mode, st.st_mode);
    CHECK_EQ(x.nlink, 1);
    CHECK(x.uid == st.st_uid && x.gid == st.st_gid);
    CHECK(x.mtime.sec == st.st_mtim.tv_sec && x.mtime.nsec == (uint32_t) st.st_mtim.tv_nsec);
    CHECK_EQ(makedev(x.dev_major, x.dev_minor), st.st_dev);
    CHECK_ERR(syscall(SYS_statx, AT_FDCWD, test_path("absent"), 0, 0x7ff, &x), ENOENT);
    CHECK_ERR(syscall(SYS_statx, AT_FDCWD, test_path("x"), 0x40000000, 0x7ff, &x), EINVAL);
    CHECK_ERR(syscall(SYS_statx, AT_FDCWD, test_path("x"), 0, 0x80000000, &x), EINVAL);
}

TEST_CASE(file_systems)
{
    struct statfs fs;
    struct statvfs vfs;
    static const struct {
        const char *path;
        long type;
    } known[] = {{"/proc", 0x9fa0}, {"/dev/shm", 0x01021994}};
    OK(statfs("/", &fs));
    CHECK(fs.f_bsize > 0 && fs.f_namelen >= 255 && fs.f_type != 0);
    CHECK(fs.f_bfree <= fs.f_blocks);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        OK(statfs(known[i].path, &fs));
        CHECK_EQ(fs.f_type, known[i].type);
    }
    OK(statvfs("/tmp", &vfs));
    CHECK(vfs.f_namemax >= 255);
    int fd = (int) OK(open("/proc/self/maps", O_RDONLY));
    OK(fstatfs(fd, &fs));
    CHECK_EQ(fs.f_type, 0x9fa0);
    close(fd);
    CHECK_ERR(statfs(test_path("absent"), &fs), ENOENT);
    CHECK_ERR(fstatfs(-1, &fs), EBADF);
}
