/* The descriptor-based way to mount: fsopen, fsconfig, fsmount, move_mount, open_tree, fspick,
 * mount_setattr. */
#include "guest_test.h"
#include <sys/mount.h>

enum { CONFIG_FLAG, CONFIG_STRING, CONFIG_CREATE = 6, CONFIG_RECONFIGURE };
enum { FROM_EMPTY = 4, TO_EMPTY = 0x40 };

struct setattr {
    uint64_t set, clear, propagation, userns;
};

static long config(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
    return syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static const char *point(void)
{
    const char *p = test_path("mnt");
    mkdir(p, 0755);
    return p;
}

static int detached(void)
{
    int fs = (int) OK_OR_SKIP(syscall(SYS_fsopen, "tmpfs", 1));
    OK(config(fs, CONFIG_STRING, "source", "none", 0));
    OK(config(fs, CONFIG_CREATE, NULL, NULL, 0));
    int mnt = (int) OK(syscall(SYS_fsmount, fs, 1, 0));
    close(fs);
    return mnt;
}

TEST_CASE(the_whole_way)
{
    const char *p = point();
    int mnt = detached();
    CHECK_EQ(fcntl(mnt, F_GETFD), FD_CLOEXEC);
    OK(syscall(SYS_move_mount, mnt, "", AT_FDCWD, p, FROM_EMPTY));
    write_file(test_path("mnt/file"), "x", 1);
    int fd = (int) OK(openat(mnt, "file", O_RDONLY)); /* the descriptor is its root */
    close(fd);
    close(mnt);
    OK(umount2(p, 0));
    CHECK(!path_exists(test_path("mnt/file")));
}

TEST_CASE(a_detached_mount_is_dropped)
{
    int mnt = detached();
    int fd = (int) OK(openat(mnt, "file", O_CREAT | O_RDWR, 0600));
    close(mnt);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
}

TEST_CASE(fsopen_errors)
{
    int fs = (int) OK_OR_SKIP(syscall(SYS_fsopen, "tmpfs", 0));
    CHECK_ERR(syscall(SYS_fsopen, "nonsense", 0), ENODEV);
    CHECK_ERR(syscall(SYS_fsopen, "tmpfs", 99), EINVAL);
    CHECK_ERR(syscall(SYS_fsopen, 8L, 0), EFAULT);
    CHECK_ERR(config(fs, 99, NULL, NULL, 0), EOPNOTSUPP);
    CHECK_ERR(config(-1, CONFIG_CREATE, NULL, NULL, 0),
              EINVAL); /* as Linux 6.1 checks the number */
    CHECK_ERR(config(fs, CONFIG_STRING, NULL, "x", 0), EINVAL);
    CHECK_ERR(config(fs, CONFIG_STRING, "source", NULL, 0), EINVAL);
    CHECK_ERR(config(fs, CONFIG_STRING, "source", "x", 1), EINVAL);
    CHECK_ERR(config(fs, CONFIG_FLAG, "ro", "x", 0), EINVAL);
    CHECK_ERR(config(fs, CONFIG_FLAG, NULL, NULL, 0), EINVAL);
    CHECK_ERR(config(fs, CONFIG_STRING, (char *) 8, "x", 0), EFAULT);
    CHECK_ERR(config(fs, CONFIG_CREATE, "x", NULL, 0), EINVAL);
    CHECK_ERR(config(fs, CONFIG_RECONFIGURE, NULL, NULL, 0), EBUSY);
    CHECK_ERR(syscall(SYS_fsmount, fs, 0, 0), EINVAL); /* nothing created yet */
    OK(config(fs, CONFIG_CREATE, NULL, NULL, 0));
    CHECK_ERR(config(fs, CONFIG_CREATE, NULL, NULL, 0), EBUSY);
    CHECK_ERR(syscall(SYS_fsmount, fs, 99, 0), EINVAL);
    CHECK_ERR(syscall(SYS_fsmount, fs, 0, 0x10000), EINVAL);
    CHECK_ERR(syscall(SYS_fsmount, -1, 0, 0), EBADF);
    CHECK_ERR(syscall(SYS_fsmount, 0, 0, 0), EINVAL); /* another kind of descriptor */
    close(fs);
}

TEST_CASE(move_mount_errors)
{
    const char *p = point();
    int mnt = detached();
    CHECK_ERR(syscall(SYS_move_mount, mnt, "", AT_FDCWD, test_path("none"), FROM_EMPTY), ENOENT);
    CHECK_ERR(syscall(SYS_move_mount, mnt, "", AT_FDCWD, p, 0x1000 | FROM_EMPTY), EINVAL);
    CHECK_ERR(syscall(SYS_move_mount, mnt, "", AT_FDCWD, p, 0), ENOENT);
    CHECK_ERR(syscall(SYS_move_mount, -1, "", AT_FDCWD, p, FROM_EMPTY), EBADF);
    write_file(test_path("plain"), "x", 1);
    CHECK_ERR(syscall(SYS_move_mount, mnt, "", AT_FDCWD, test_path("plain"), FROM_EMPTY), EINVAL);
    close(mnt);
}

TEST_CASE(attributes)
{
    const char *p = point();
    struct setattr ro = {.set = 1}, rw = {.clear = 1}, bad = {.set = 1ull << 40};
    int mnt = detached();
    OK(syscall(SYS_move_mount, mnt, "", AT_FDCWD, p, FROM_EMPTY));
    OK(syscall(SYS_mount_setattr, mnt, "", AT_EMPTY_PATH, &ro, sizeof ro));
    CHECK_ERR(open(test_path("mnt/x"), O_CREAT | O_RDWR, 0600), EROFS);
    OK(syscall(SYS_mount_setattr, AT_FDCWD, p, 0, &rw, sizeof rw));
    write_file(test_path("mnt/x"), "x", 1);
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, p, 0, &bad, sizeof bad), EINVAL);
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, p, 0, &ro, 8L), EINVAL);
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, p, 0, 8L, sizeof ro), EFAULT);
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, p, 0x2, &ro, sizeof ro), EINVAL);
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, test_path("mnt/x"), 0, &ro, sizeof ro), EINVAL);
    close(mnt);
    OK(umount2(p, 0));
}

TEST_CASE(open_tree_names_a_place)
{
    int fd = (int) OK_OR_SKIP(syscall(SYS_open_tree, AT_FDCWD, test_dir, O_CLOEXEC));
    struct stat st;
    OK(fstatat(fd, ".", &st, 0));
    CHECK(fcntl(fd, F_GETFL) & O_PATH);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    CHECK_ERR(syscall(SYS_open_tree, AT_FDCWD, test_path("none"), 0), ENOENT);
    CHECK_ERR(syscall(SYS_open_tree, AT_FDCWD, test_dir, 0x10), EINVAL);
    CHECK_ERR(syscall(SYS_open_tree, AT_FDCWD, test_dir, AT_RECURSIVE), EINVAL); /* wants CLONE */
    CHECK_ERR(syscall(SYS_open_tree, -1, "x", 0), EBADF);
    CHECK_ERR(syscall(SYS_open_tree, AT_FDCWD, 8L, 0), EFAULT);
}

TEST_CASE(fspick_changes_a_mount)
{
    const char *p = point();
    int mnt = detached();
    OK(syscall(SYS_move_mount, mnt, "", AT_FDCWD, p, FROM_EMPTY));
    close(mnt);
    int fs = (int) OK(syscall(SYS_fspick, AT_FDCWD, p, 1));
    OK(config(fs, CONFIG_FLAG, "ro", NULL, 0));
    OK(config(fs, CONFIG_RECONFIGURE, NULL, NULL, 0));
    CHECK_ERR(open(test_path("mnt/x"), O_CREAT | O_RDWR, 0600), EROFS);
    close(fs);
    OK(umount2(p, 0));
    CHECK_ERR(syscall(SYS_fspick, AT_FDCWD, test_path("none"), 0), ENOENT);
    CHECK_ERR(syscall(SYS_fspick, AT_FDCWD, p, 0), EINVAL); /* not a mount point */
    CHECK_ERR(syscall(SYS_fspick, AT_FDCWD, p, 0x100), EINVAL);
}

static void unprivileged(void)
{
    become(1000, 1000);
    CHECK_ERR(syscall(SYS_fsopen, "tmpfs", 0), EPERM);
    CHECK_ERR(syscall(SYS_fspick, AT_FDCWD, "/", 0), EPERM);
    CHECK_ERR(syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/", 0), EPERM);
    CHECK_ERR(syscall(SYS_fsmount, 0, 0, 0), EPERM);
    struct setattr ro = {.set = 1};
    CHECK_ERR(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &ro, sizeof ro), EPERM);
}
TEST_CASE(only_for_administrators)
{
    close((int) OK_OR_SKIP(syscall(SYS_fsopen, "tmpfs", 0)));
    in_process(unprivileged);
}
