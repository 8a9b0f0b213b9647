/* Path walks and changes of names through the system calls, on ramfs. */
#include <asm/unistd.h>
#include <stdio.h>
#include "libos/host/posix/unit.h"
#include "libos/sys/path.h"
#include "libos/task/process.h"
#include "libos/vfs/fs_ctx.h"
#include "libos/vfs/vfs.h"
#include "test/unit/test.h"

#define S(text)      unit_user_string(text).v
#define FDCWD        ((uint64_t) -100)
#define OK(e)        assert_int_equal((e), 0)
#define ERR(e, code) assert_int_equal((e), -(code))

static long mk(const char *path)
{
    return unit_syscall(__NR_mkdir, S(path), 0755);
}

static long put(const char *path)
{
    long fd = unit_syscall(__NR_open, S(path), O_CREAT | O_WRONLY, 0644);
    if (fd >= 0)
        unit_syscall(__NR_close, (uint64_t) fd);
    return fd < 0 ? fd : 0;
}

static long ino_of(const char *path)
{
    AUTO_PATH struct path p = {0};
    int r = path_at(FD_AT_FDCWD, path, LOOKUP_FOLLOW, &p, NULL);
    return r < 0 ? r : (long) p.dentry->inode->ino;
}

static void enter_dir(const char *path)
{
    unit_process();
    (void) mk(path); /* the same name in every run of the test */
    OK(unit_syscall(__NR_chdir, S(path)));
}

TEST(namei_basic)
{
    enter_dir("/namei_basic");
    OK(mk("a"));
    OK(mk("a/b"));
    OK(put("a/b/f"));
    assert_true(ino_of("a/b/f") > 0);
    assert_int_equal(ino_of("a/b/../b/./f"), ino_of("/namei_basic/a/b/f"));
    assert_int_equal(ino_of("a//b///f"), ino_of("a/b/f"));
    ERR(ino_of("a/b/f/"), ENOTDIR);
    ERR(ino_of("a/b/f/x"), ENOTDIR);
    ERR(ino_of("a/x"), ENOENT);
    ERR(ino_of("a/x/y"), ENOENT);
    ERR(ino_of(""), ENOENT);
    assert_int_equal(ino_of("a/"), ino_of("a"));
    assert_int_equal(ino_of("/.."), ino_of("/"));
    ERR(mk("a"), EEXIST);
    ERR(mk("a/"), EEXIST);
    ERR(mk("/"), EEXIST);
    OK(mk("a/c/"));
    ERR(put("a/n/"), EISDIR);
    ERR(put("a/b"), EISDIR);
}

TEST(namei_long_names)
{
    enter_dir("/namei_long");
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    ERR(mk(name), ENAMETOOLONG);
    name[255] = 0;
    OK(mk(name));
    assert_true(ino_of(name) > 0);
    OK(unit_syscall(__NR_rmdir, S(name)));
    static char path[5000];
    memset(path, '/', sizeof path - 1);
    ERR(mk(path), ENAMETOOLONG);
}

TEST(namei_symlinks)
{
    enter_dir("/namei_links");
    OK(mk("d"));
    OK(put("d/f"));
    OK(unit_syscall(__NR_symlink, S("d"), S("l")));
    OK(unit_syscall(__NR_symlink, S("l/f"), S("lf")));
    OK(unit_syscall(__NR_symlink, S("/namei_links/d/"), S("abs")));
    OK(unit_syscall(__NR_symlink, S("loop2"), S("loop1")));
    OK(unit_syscall(__NR_symlink, S("loop1"), S("loop2")));
    OK(unit_syscall(__NR_symlink, S("nowhere"), S("dangling")));
    assert_int_equal(ino_of("l/f"), ino_of("d/f"));
    assert_int_equal(ino_of("lf"), ino_of("d/f"));
    assert_int_equal(ino_of("abs/f"), ino_of("d/f"));
    assert_int_equal(ino_of("abs/../d/f"), ino_of("d/f"));
    ERR(ino_of("lf/"), ENOTDIR);
    ERR(ino_of("loop1"), ELOOP);
    ERR(ino_of("dangling"), ENOENT);
    ERR(mk("dangling"), EEXIST);
    ERR(unit_syscall(__NR_open, S("dangling"), O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    OK(put("dangling"));
    assert_true(ino_of("nowhere") > 0);
    ERR(unit_syscall(__NR_open, S("l"), O_NOFOLLOW), ELOOP);
    ERR(unit_syscall(__NR_open, S("lf"), O_NOFOLLOW | O_CREAT, 0644), ELOOP);
    ERR(unit_syscall(__NR_rmdir, S("l")), ENOTDIR);
    OK(unit_syscall(__NR_unlink, S("l")));
    ERR(ino_of("lf"), ENOENT);
}

TEST(namei_forty_links)
{
    enter_dir("/namei_forty");
    OK(put("0"));
    char from[16], to[16];
    for (int i = 0; i < 41; i++) {
        snprintf(to, sizeof to, "%d", i);
        snprintf(from, sizeof from, "%d", i + 1);
        OK(unit_syscall(__NR_symlink, S(to), S(from)));
    }
    assert_int_equal(ino_of("40"), ino_of("0"));
    ERR(ino_of("41"), ELOOP);
}

TEST(namei_rename)
{
    enter_dir("/namei_rename");
    OK(mk("a"));
    OK(mk("a/b"));
    OK(mk("c"));
    OK(put("c/f"));
    OK(put("g"));
    long f = ino_of("c/f"), g = ino_of("g");
    ERR(unit_syscall(__NR_rename, S("a"), S("a/b/x")), EINVAL);
    ERR(unit_syscall(__NR_rename, S("a/b"), S("a")), ENOTEMPTY);
    ERR(unit_syscall(__NR_rename, S("a"), S("g")), ENOTDIR);
    ERR(unit_syscall(__NR_rename, S("g"), S("a")), EISDIR);
    ERR(unit_syscall(__NR_rename, S("a"), S("c")), ENOTEMPTY);
    ERR(unit_syscall(__NR_rename, S("x"), S("y")), ENOENT);
    ERR(unit_syscall(__NR_renameat2, FDCWD, S("g"), FDCWD, S("c/f"), 1), EEXIST);
    OK(unit_syscall(__NR_renameat2, FDCWD, S("g"), FDCWD, S("c/f"), 2));
    assert_int_equal(ino_of("g"), f);
    assert_int_equal(ino_of("c/f"), g);
    OK(unit_syscall(__NR_rename, S("c/f"), S("g")));
    assert_int_equal(ino_of("g"), g);
    ERR(ino_of("c/f"), ENOENT);
    OK(unit_syscall(__NR_rename, S("a/b"), S("c")));
    assert_true(ino_of("c") > 0);
    ERR(ino_of("a/b"), ENOENT);
    OK(unit_syscall(__NR_rename, S("a"), S("c/a")));
    OK(put("c/a/z"));
    assert_true(ino_of("c/a/z") > 0);
}

TEST(namei_openat2)
{
    enter_dir("/namei_resolve");
    OK(mk("d"));
    OK(put("d/f"));
    OK(put("out"));
    OK(unit_syscall(__NR_symlink, S("../out"), S("d/up")));
    OK(unit_syscall(__NR_symlink, S("/f"), S("d/abs")));
    long d = unit_syscall(__NR_open, S("d"), O_RDONLY | O_DIRECTORY);
    assert_true(d >= 0);
    const struct {
        const char *path;
        uint64_t resolve;
        int result; /* 0: opens */
    } cases[] = {
        {"f", RESOLVE_BENEATH_BIT, 0},       {"../out", RESOLVE_BENEATH_BIT, EXDEV},
        {"up", RESOLVE_BENEATH_BIT, EXDEV},  {"abs", RESOLVE_BENEATH_BIT, EXDEV},
        {"abs", RESOLVE_IN_ROOT_BIT, 0},     {"../f", RESOLVE_IN_ROOT_BIT, 0},
        {"up", RESOLVE_IN_ROOT_BIT, ENOENT}, {"up", RESOLVE_NO_SYMLINKS_BIT, ELOOP},
        {"f", RESOLVE_NO_SYMLINKS_BIT, 0},   {"up", RESOLVE_NO_MAGICLINKS_BIT, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct linux_open_how how = {.resolve = cases[i].resolve};
        long fd = unit_syscall(__NR_openat2, (uint64_t) d, S(cases[i].path),
                               unit_user_bytes(&how, sizeof how).v, sizeof how);
        if (cases[i].result)
            assert_int_equal(fd, -cases[i].result);
        else
            assert_true(fd >= 0);
        if (fd >= 0)
            OK(unit_syscall(__NR_close, (uint64_t) fd));
    }
    OK(unit_syscall(__NR_close, (uint64_t) d));
}

TEST(namei_removed_directory)
{
    enter_dir("/namei_gone");
    OK(mk("d"));
    OK(unit_syscall(__NR_chdir, S("d")));
    OK(unit_syscall(__NR_rmdir, S("../d")));
    ERR(put("f"), ENOENT);
    ERR(mk("x"), ENOENT);
    uaddr_t buf = unit_user_alloc(4096);
    ERR(unit_syscall(__NR_getcwd, buf.v, 4096), ENOENT);
    OK(unit_syscall(__NR_chdir, S("..")));
    assert_int_equal(unit_syscall(__NR_getcwd, buf.v, 4096), 12);
    assert_string_equal(unit_guest(buf), "/namei_gone");
    ERR(unit_syscall(__NR_getcwd, buf.v, 11), ERANGE);
    ERR(unit_syscall(__NR_rmdir, S(".")), EINVAL);
    ERR(unit_syscall(__NR_rmdir, S("/namei_gone/..")), ENOTEMPTY);
}

TEST(namei_mounts)
{
    enter_dir("/namei_mnt");
    OK(mk("m"));
    OK(put("m/under"));
    OK(vfs_mount("x", "/namei_mnt/m", "ramfs", 0, "mode=700"));
    ERR(ino_of("m/under"), ENOENT);
    OK(put("m/over"));
    assert_int_equal(ino_of("m/.."), ino_of("."));
    ERR(unit_syscall(__NR_rename, S("m/over"), S("o")), EXDEV);
    ERR(unit_syscall(__NR_link, S("m/over"), S("o")), EXDEV);
    ERR(unit_syscall(__NR_rmdir, S("m")), EBUSY);
    long fd = unit_syscall(__NR_open, S("m/over"), O_RDONLY);
    ERR(unit_syscall(__NR_umount2, S("m"), 0), EBUSY);
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    OK(unit_syscall(__NR_umount2, S("m"), 0));
    assert_true(ino_of("m/under") > 0);
    ERR(unit_syscall(__NR_umount2, S("m"), 0), EINVAL);
}

TEST(namei_tmpfile_and_link)
{
    enter_dir("/namei_tmp");
    long fd = unit_syscall(__NR_open, S("."), O_TMPFILE | O_RDWR, 0600);
    assert_true(fd >= 0);
    ERR(unit_syscall(__NR_open, S("."), O_TMPFILE | O_RDONLY, 0600), EINVAL);
    OK(unit_syscall(__NR_close, (uint64_t) fd));
    OK(put("f"));
    OK(unit_syscall(__NR_link, S("f"), S("g")));
    assert_int_equal(ino_of("f"), ino_of("g"));
    OK(unit_syscall(__NR_rename, S("f"), S("g"))); /* same file: nothing happens */
    assert_true(ino_of("f") > 0);
    ERR(unit_syscall(__NR_link, S("."), S("h")), EPERM);
    OK(unit_syscall(__NR_unlink, S("f")));
    assert_true(ino_of("g") > 0);
}

TEST(namei_permissions)
{
    enter_dir("/namei_perm");
    OK(mk("d"));
    OK(put("d/f"));
    OK(unit_syscall(__NR_chmod, S("d/f"), 0640));
    const struct cred *root = current()->cred;
    struct cred other = *root, file_only = *root;
    file_only.fsuid = 1000;
    file_only.cap_effective = 0;
    other.uid = other.euid = other.fsuid = 1000;
    other.gid = other.egid = other.fsgid = 1000;
    other.cap_effective = other.cap_permitted = 0;
    current()->cred = &other;
    ERR(unit_syscall(__NR_open, S("d/f"), O_RDONLY), EACCES);
    ERR(put("d/g"), EACCES);
    ERR(unit_syscall(__NR_unlink, S("d/f")), EACCES);
    ERR(unit_syscall(__NR_chmod, S("d/f"), 0777), EPERM);
    current()->cred = root;
    OK(unit_syscall(__NR_chmod, S("d"), 0700));
    current()->cred = &file_only;
    ERR(ino_of("d/f"), EACCES);
    current()->cred = root;
    OK(unit_syscall(__NR_chmod, S("d"), 01777));
    current()->cred = &file_only;
    ERR(unit_syscall(__NR_unlink, S("d/f")), EPERM); /* sticky */
    OK(put("d/mine"));
    OK(unit_syscall(__NR_unlink, S("d/mine")));
    current()->cred = root;
}
