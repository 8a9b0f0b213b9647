/* mount, umount, chroot, hostfs, extended attributes, inotify: what only some systems allow. */
#include "guest_test.h"
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

/* Natively the test makes its own mount namespace; without that right it is skipped. */
static void may_mount(void)
{
    static bool entered;
    SKIP_IF(geteuid() != 0, "not root");
    if (in_libos() || entered)
        return;
    SKIP_IF(unshare(CLONE_NEWNS) < 0, "no mount namespace");
    SKIP_IF(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0, "no private mounts");
    entered = true;
}

TEST_CASE(ram_file_system)
{
    char b[16];
    may_mount();
    OK(mkdir(test_path("m"), 0755));
    write_file(test_path("m/below"), "below", 5);
    const char *type = in_libos() ? "ramfs" : "tmpfs";
    OK_OR_SKIP(mount("ram", test_path("m"), type, 0, NULL));
    CHECK(!path_exists(test_path("m/below")));
    write_file(test_path("m/above"), "above", 5);
    read_file(test_path("m/above"), b, sizeof b);
    CHECK_STR(b, "above");
    CHECK_ERR(rename(test_path("m/above"), test_path("x")), EXDEV);
    CHECK_ERR(link(test_path("m/above"), test_path("x")), EXDEV);
    CHECK_ERR(rmdir(test_path("m")), EBUSY);
    int fd = (int) OK(open(test_path("m/above"), O_RDONLY));
    CHECK_ERR(umount(test_path("m")), EBUSY);
    close(fd);
    OK(umount(test_path("m")));
    read_file(test_path("m/below"), b, sizeof b);
    CHECK_STR(b, "below");
}

static int fill(const char *path, char *block, size_t size)
{
    int fd = (int) OK(open(path, O_RDWR | O_CREAT, 0600)), n = 0;
    while (n < 1000 && write(fd, block, size) == (ssize_t) size)
        n++;
    CHECK_EQ(errno, ENOSPC);
    close(fd);
    return n;
}

TEST_CASE(limited_memory_file_system)
{
    static char block[4096], text[16384];
    struct statfs s;
    struct stat st;
    may_mount();
    OK(mkdir(test_path("t"), 0755));
    OK_OR_SKIP(mount("limited", test_path("t"), "tmpfs", 0,
                     "size=256k,nr_inodes=10,mode=0751,uid=7,gid=8"));
    OK(stat(test_path("t"), &st));
    CHECK_EQ(st.st_mode & 07777, 0751);
    CHECK_EQ(st.st_uid, 7);
    CHECK_EQ(st.st_gid, 8);
    OK(statfs(test_path("t"), &s));
    CHECK_EQ((long) s.f_blocks * (long) s.f_bsize, 256 * 1024);
    CHECK_EQ(s.f_bfree, s.f_blocks);
    CHECK_EQ(s.f_files, 10);
    read_file("/proc/self/mounts", text, sizeof text);
    CHECK(strstr(text, "limited ") && strstr(strstr(text, "limited "), "size=256k"));
    CHECK(strstr(strstr(text, "limited "), "nr_inodes=10"));
    memset(block, 'x', sizeof block);
    CHECK_EQ(fill(test_path("t/full"), block, sizeof block), 64);
    OK(statfs(test_path("t"), &s));
    CHECK_EQ(s.f_bfree, 0);
    OK(truncate(test_path("t/full"), 1 << 20)); /* a hole takes nothing */
    int fd = (int) OK(open(test_path("t/full"), O_RDONLY));
    CHECK_EQ(pread(fd, block, sizeof block, 900000), (ssize_t) sizeof block);
    CHECK_EQ(block[0], 0);
    close(fd);
    OK(truncate(test_path("t/full"), 40 * 4096));
    memset(block, 'y', sizeof block);
    CHECK_EQ(fill(test_path("t/more"), block, sizeof block), 24);
    OK(unlink(test_path("t/full")));
    OK(statfs(test_path("t"), &s));
    CHECK_EQ(s.f_bfree, 40);
    int made = 0;
    for (char name[] = "t/a"; made < 20; made++, name[2]++)
        if (mknod(test_path(name), S_IFREG | 0600, 0) < 0)
            break;
    CHECK_EQ(errno, ENOSPC);
    CHECK_EQ(made, 8);
    OK(umount(test_path("t")));
    static const char *const bad[] = {"size=x", "size=1q", "mode=9", "nonsense=1"};
    for (size_t n = 0; n < ARRAY_LEN(bad); n++)
        CHECK_ERR(mount("bad", test_path("t"), "tmpfs", 0, bad[n]), EINVAL);
}

TEST_CASE(mount_errors)
{
    may_mount();
    OK_OR_SKIP(umount2(test_path("absent"), 0) < 0 && errno == ENOENT ? 0 : -1);
    OK(mkdir(test_path("e"), 0755));
    CHECK_ERR(mount("x", test_path("absent"), "tmpfs", 0, NULL), ENOENT);
    CHECK_ERR(mount("x", test_path("e"), "nosuchfs", 0, NULL), ENODEV);
    CHECK_ERR(umount(test_path("e")), EINVAL);
}

CHILD(lives_in_chroot)
{
    char b[64] = {0};
    struct stat a, up;
    if (chroot(argv[0]) < 0)
        return errno == ENOSYS || errno == EPERM ? 77 : 1;
    if (chdir("/") < 0 || !path_exists("/inside") || path_exists("/proc/self"))
        return 2;
    if (!getcwd(b, sizeof b) || strcmp(b, "/"))
        return 3;
    if (stat("/", &a) < 0 || stat("/..", &up) < 0 || a.st_ino != up.st_ino)
        return 4;
    if (readlink("/link", b, sizeof b) < 0 || !path_exists("/link/inside"))
        return 5;
    return 0;
}

TEST_CASE(change_root)
{
    OK(mkdir(test_path("jail"), 0755));
    write_file(test_path("jail/inside"), "", 0);
    OK(symlink("/", test_path("jail/link")));
    int r = child_wait(child_start("lives_in_chroot", test_path("jail"), NULL));
    SKIP_IF(r == 77, "no chroot here");
    CHECK_EQ(r, 0);
}

TEST_CASE(host_files)
{
    char p[128], b[16];
    struct stat st;
    SKIP_IF(!in_libos() || !path_exists("/host"), "no /host here");
    snprintf(p, sizeof p, "/host/guest-test.%d", (int) getpid());
    OK(mkdir(p, 0755));
    snprintf(p, sizeof p, "/host/guest-test.%d/f", (int) getpid());
    write_file(p, "host", 4);
    read_file(p, b, sizeof b);
    CHECK_STR(b, "host");
    OK(truncate(p, 2));
    OK(stat(p, &st));
    CHECK_EQ(st.st_size, 2);
    OK(unlink(p));
    snprintf(p, sizeof p, "/host/guest-test.%d", (int) getpid());
    OK(rmdir(p));
}

TEST_CASE(extended_attributes)
{
    char b[32] = {0};
    const char *p = test_path("x");
    write_file(p, "", 0);
    int r = setxattr(p, "user.test", "value", 5, 0);
    SKIP_IF(r < 0 && (errno == ENOTSUP || errno == ENOSYS), "no extended attributes here");
    OK(r);
    CHECK_EQ(getxattr(p, "user.test", b, sizeof b), 5);
    CHECK_STR(b, "value");
    CHECK_EQ(getxattr(p, "user.test", NULL, 0), 5);
    CHECK_ERR(getxattr(p, "user.absent", b, sizeof b), ENODATA);
    CHECK_ERR(setxattr(p, "user.test", "v", 1, XATTR_CREATE), EEXIST);
    CHECK(listxattr(p, b, sizeof b) >= 10);
    OK(removexattr(p, "user.test"));
    CHECK_ERR(getxattr(p, "user.test", b, sizeof b), ENODATA);
}

TEST_CASE(file_notification)
{
    char b[4096] __attribute__((aligned(8)));
    int fd = (int) OK_OR_SKIP(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    int w = (int) OK(inotify_add_watch(fd, test_dir, IN_CREATE | IN_DELETE));
    CHECK_ERR(read(fd, b, sizeof b), EAGAIN);
    write_file(test_path("seen"), "", 0);
    OK(unlink(test_path("seen")));
    ssize_t n = OK(read(fd, b, sizeof b));
    struct inotify_event *e = (void *) b;
    CHECK(n > (ssize_t) sizeof *e);
    CHECK(e->wd == w && (e->mask & IN_CREATE));
    CHECK_STR(e->name, "seen");
    e = (void *) (b + sizeof *e + e->len);
    CHECK(e->mask & IN_DELETE);
    OK(inotify_rm_watch(fd, w));
    close(fd);
}

TEST_CASE(bind_mounts)
{
    char b[4096];
    may_mount();
    OK(mkdir(test_path("from"), 0755));
    OK(mkdir(test_path("to"), 0755));
    write_file(test_path("from/f"), "bound", 5);
    OK_OR_SKIP(mount(test_path("from"), test_path("to"), NULL, MS_BIND, NULL));
    read_file(test_path("to/f"), b, sizeof b);
    CHECK_STR(b, "bound");
    struct stat x, y;
    OK(stat(test_path("from/f"), &x));
    OK(stat(test_path("to/f"), &y));
    CHECK(x.st_ino == y.st_ino && x.st_dev == y.st_dev);
    write_file(test_path("to/g"), "new", 3); /* it is the same directory */
    CHECK(path_exists(test_path("from/g")));
    CHECK_ERR(rename(test_path("to/g"), test_path("from/h")), EXDEV);
    read_file("/proc/self/mountinfo", b, sizeof b);
    CHECK(strstr(b, "/from ") || strlen(b) == sizeof b - 1);
    OK(mount(NULL, test_path("to"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    CHECK_ERR(open(test_path("to/x"), O_CREAT | O_WRONLY, 0600), EROFS);
    write_file(test_path("from/x"), "x", 1); /* the other way in is not read-only */
    OK(umount(test_path("to")));
    CHECK(!path_exists(test_path("to/f")) && path_exists(test_path("from/f")));
    write_file(test_path("plain"), "p", 1);
    CHECK_ERR(mount(test_path("plain"), test_path("to"), NULL, MS_BIND, NULL), ENOTDIR);
    CHECK_ERR(mount(test_path("absent"), test_path("to"), NULL, MS_BIND, NULL), ENOENT);
    OK(mount(test_path("plain"), test_path("from/f"), NULL, MS_BIND, NULL)); /* of a file */
    read_file(test_path("from/f"), b, sizeof b);
    CHECK_STR(b, "p");
    OK(umount(test_path("from/f")));
}

TEST_CASE(moving_mounts)
{
    may_mount();
    const char *type = in_libos() ? "ramfs" : "tmpfs";
    OK(mkdir(test_path("one"), 0755));
    OK(mkdir(test_path("two"), 0755));
    OK_OR_SKIP(mount("ram", test_path("one"), type, 0, NULL));
    write_file(test_path("one/f"), "x", 1);
    OK(mkdir(test_path("one/inside"), 0755));
    CHECK_ERR(mount(test_path("one"), test_path("one/inside"), NULL, MS_MOVE, NULL), ELOOP);
    CHECK_ERR(mount(test_path("one/inside"), test_path("two"), NULL, MS_MOVE, NULL), EINVAL);
    OK(mount(test_path("one"), test_path("two"), NULL, MS_MOVE, NULL));
    CHECK(path_exists(test_path("two/f")) && !path_exists(test_path("one/f")));
    OK(rmdir(test_path("one"))); /* no longer a mount point */
    OK(umount(test_path("two")));
}
