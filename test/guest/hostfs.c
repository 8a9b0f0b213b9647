/* The host's directory at /host: files and names as on any file system, but nothing in it can be executed,
 * and no link of it leads out. Natively there is no /host, and every case is skipped. */
#include "guest_test.h"
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char top[64]; /* a directory of this run's own in /host */

static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned n;
    char *p = paths[n++ % ARRAY_LEN(paths)];
    snprintf(p, sizeof paths[0], "%s/%s", top, name);
    return p;
}

static void enter(void)
{
    SKIP_IF(!in_libos() || !path_exists("/host"), "no /host here");
    if (top[0])
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(top, sizeof top, "/host/hostfs-test.%lld.%ld", (long long) now.tv_sec, now.tv_nsec);
    OK(mkdir(top, 0755));
}

TEST_CASE(write_and_read)
{
    char b[32] = {0};
    struct stat st;
    enter();
    int fd = (int) OK(open(at("f"), O_RDWR | O_CREAT | O_EXCL, 0640));
    CHECK_EQ(write(fd, "hello, host", 11), 11);
    CHECK_EQ(pread(fd, b, sizeof b, 7), 4);
    CHECK_STR(b, "host");
    CHECK_EQ(pwrite(fd, "HOST", 4, 7), 4);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
    CHECK_EQ(lseek(fd, -4, SEEK_END), 7);
    CHECK_EQ(read(fd, b, sizeof b), 4);
    CHECK_EQ(read(fd, b, sizeof b), 0);
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 11);
    CHECK_EQ(st.st_mode, S_IFREG | 0640);
    OK(fsync(fd));
    OK(fdatasync(fd));
    OK(close(fd));
    CHECK_ERR(open(at("f"), O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    CHECK_ERR(open(at("absent"), O_RDONLY), ENOENT);
    CHECK_ERR(open(at("f/x"), O_RDONLY), ENOTDIR);
    CHECK_ERR(open(top, O_WRONLY), EISDIR);
}

TEST_CASE(large_transfers)
{
    enum { SIZE = 700 * 1000 };
    enter();
    char *a = malloc(SIZE), *b = calloc(1, SIZE + 10);
    CHECK(a && b);
    for (int i = 0; i < SIZE; i++)
        a[i] = (char) (i * 7 + i / 1000);
    int fd = (int) OK(open(at("large"), O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_EQ(write(fd, a, SIZE), SIZE);
    CHECK_EQ(pread(fd, b, SIZE + 10, 0), SIZE);
    CHECK(memcmp(a, b, SIZE) == 0);
    struct iovec v[2] = {{b, 1000}, {b + 1000, 300000}};
    CHECK_EQ(preadv(fd, v, 2, 5), 301000);
    CHECK(memcmp(a + 5, b, 301000) == 0);
    CHECK_ERR(pwrite(fd, (void *) 8, 10, 0), EFAULT);
    close(fd);
    free(a);
    free(b);
}

TEST_CASE(append_and_truncate)
{
    char b[32] = {0};
    struct stat st;
    enter();
    write_file(at("a"), "0123456789", 10);
    int fd = (int) OK(open(at("a"), O_WRONLY | O_APPEND));
    CHECK_EQ(write(fd, "ab", 2), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 12);
    OK(truncate(at("a"), 3));
    CHECK_EQ(write(fd, "x", 1), 1);
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 4);
    OK(ftruncate(fd, 6));
    CHECK_ERR(ftruncate(fd, -1), EINVAL);
    OK(close(fd));
    read_file(at("a"), b, sizeof b);
    CHECK(memcmp(b, "012x\0\0", 7) == 0);
    fd = (int) OK(open(at("a"), O_WRONLY | O_TRUNC));
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 0);
    close(fd);
    CHECK_ERR(truncate(top, 0), EISDIR);
}

TEST_CASE(two_opens_see_one_file)
{
    char b[8] = {0};
    struct stat x, y;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    enter();
    int w = (int) OK(open(at("two"), O_RDWR | O_CREAT, 0600));
    int r = (int) OK(open(at("two"), O_RDONLY));
    CHECK_EQ(write(w, "now", 3), 3);
    CHECK_EQ(read(r, b, sizeof b), 3);
    CHECK_STR(b, "now");
    CHECK_EQ(lseek(r, 0, SEEK_END), 3);
    OK(fstat(w, &x));
    OK(fstat(r, &y));
    CHECK(x.st_ino == y.st_ino && x.st_dev == y.st_dev);
    CHECK_ERR(write(r, "x", 1), EBADF);
    OK(fcntl(w, F_SETLK, &l));
    OK(unlink(at("two")));
    CHECK(!path_exists(at("two")));
    CHECK_EQ(pread(r, b, 1, 0), 1); /* the file outlives its name */
    OK(fstat(r, &y));
    CHECK_EQ(y.st_nlink, 0);
    close(w);
    close(r);
}

TEST_CASE(directories)
{
    struct stat st;
    enter();
    OK(mkdir(at("d"), 0750));
    CHECK_ERR(mkdir(at("d"), 0750), EEXIST);
    OK(stat(at("d"), &st));
    CHECK_EQ(st.st_mode, S_IFDIR | 0750);
    write_file(at("d/f"), "", 0);
    CHECK_ERR(rmdir(at("d")), ENOTEMPTY);
    CHECK_ERR(unlink(at("d")), EISDIR);
    CHECK_ERR(rmdir(at("d/f")), ENOTDIR);
    int fd = (int) OK(open(at("d"), O_RDONLY | O_DIRECTORY));
    OK(fsync(fd));
    OK(fstatat(fd, "f", &st, 0));
    OK(unlinkat(fd, "f", 0));
    close(fd);
    OK(rmdir(at("d")));
    CHECK_ERR(stat(at("d"), &st), ENOENT);
}

TEST_CASE(read_directory)
{
    enum { COUNT = 300 };
    char name[300];
    bool seen[COUNT] = {0};
    enter();
    OK(mkdir(at("many"), 0755));
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/entry-with-a-longer-name-%d", i);
        write_file(at(name), "", 0);
    }
    DIR *d = opendir(at("many"));
    CHECK(d);
    int dots = 0, n = 0;
    long middle = 0;
    char after[256] = "";
    for (struct dirent *e; (e = readdir(d)); n++) {
        int i;
        if (e->d_name[0] == '.')
            dots++;
        else if (sscanf(e->d_name, "entry-with-a-longer-name-%d", &i) == 1 && i < COUNT && !seen[i])
            seen[i] = true;
        else
            test_fail(__FILE__, __LINE__, "unexpected entry %s", e->d_name);
        if (n == 100)
            middle = telldir(d);
        if (n == 101)
            snprintf(after, sizeof after, "%s", e->d_name);
    }
    CHECK_EQ(dots, 2);
    CHECK_EQ(n, COUNT + 2);
    seekdir(d, middle);
    struct dirent *e = readdir(d);
    CHECK(e);
    CHECK_STR(e->d_name, after);
    rewinddir(d);
    CHECK(readdir(d));
    closedir(d);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/entry-with-a-longer-name-%d", i);
        OK(unlink(at(name)));
    }
    OK(rmdir(at("many")));
}

TEST_CASE(rename_and_link)
{
    char b[16] = {0};
    struct stat st;
    enter();
    write_file(at("r1"), "one", 3);
    write_file(at("r2"), "two!", 4);
    OK(mkdir(at("sub"), 0755));
    OK(rename(at("r1"), at("sub/r3")));
    CHECK(!path_exists(at("r1")));
    OK(rename(at("r2"), at("sub/r3")));
    read_file(at("sub/r3"), b, sizeof b);
    CHECK_STR(b, "two!");
    CHECK_ERR(rename(at("sub"), at("sub/below")), EINVAL);
    CHECK_ERR(rename(at("sub/r3"), "/tmp/out"), EXDEV);
    CHECK_ERR(rename(at("sub/r3"), at("sub")), EISDIR);
    OK(link(at("sub/r3"), at("l")));
    OK(stat(at("l"), &st));
    CHECK_EQ(st.st_nlink, 2);
    CHECK_ERR(link(at("l"), "/tmp/out"), EXDEV);
    OK(rename(at("sub"), at("moved")));
    OK(unlink(at("moved/r3")));
    OK(rmdir(at("moved")));
    OK(stat(at("l"), &st));
    CHECK_EQ(st.st_nlink, 1);
}

TEST_CASE(attributes)
{
    struct stat st;
    struct statfs fs;
    struct timespec t[2] = {{1000000000, 5}, {1100000000, 7}};
    enter();
    write_file(at("attr"), "", 0);
    OK(chmod(at("attr"), 04755));
    OK(stat(at("attr"), &st));
    CHECK_EQ(st.st_mode, S_IFREG | 0755); /* set-id bits are dropped */
    OK(utimensat(AT_FDCWD, at("attr"), t, 0));
    OK(stat(at("attr"), &st));
    CHECK_EQ(st.st_mtim.tv_sec, 1100000000);
    CHECK_EQ(st.st_atim.tv_sec, 1000000000);
    OK(chown(at("attr"), st.st_uid, st.st_gid));
    CHECK_ERR(chown(at("attr"), st.st_uid + 1, -1), EPERM);
    OK(statfs(top, &fs));
    CHECK(fs.f_blocks > 0 && fs.f_bsize >= 512);
    CHECK(fs.f_flags & ST_NOEXEC);
}

TEST_CASE(links_stay_inside)
{
    char b[64] = {0};
    enter();
    write_file(at("inside"), "in", 2);
    OK(symlink("inside", at("rel")));
    CHECK_EQ(readlink(at("rel"), b, sizeof b), 6);
    memset(b, 0, sizeof b);
    read_file(at("rel"), b, sizeof b);
    CHECK_STR(b, "in");
    OK(symlink(at("inside"), at("abs")));
    CHECK(path_exists(at("abs"))); /* absolute, but it ends in the mount */
    OK(symlink("/tmp", at("out")));
    OK(symlink("../../tmp/stolen", at("up")));
    OK(symlink("/proc/self/exe", at("magic")));
    OK(symlink("out", at("chain")));
    CHECK_ERR(open(at("out"), O_RDONLY), ELOOP);
    CHECK_ERR(open(at("out/x"), O_WRONLY | O_CREAT, 0600), ELOOP);
    CHECK_ERR(open(at("up"), O_WRONLY | O_CREAT, 0600), ELOOP);
    CHECK(!path_exists("/tmp/stolen"));
    CHECK_ERR(open(at("magic"), O_RDONLY), ELOOP);
    CHECK_ERR(chdir(at("chain")), ELOOP);
    CHECK_ERR(mkdir(at("out/sub"), 0700), ELOOP);
    CHECK_ERR(rename(at("inside"), at("out/inside")), ELOOP);
    OK(symlink("loop", at("loop")));
    CHECK_ERR(open(at("loop"), O_RDONLY), ELOOP);
    OK(symlink(at("inside"), "/tmp/to-host")); /* from outside a link may lead in */
    CHECK(path_exists("/tmp/to-host"));
    OK(unlink("/tmp/to-host"));
}

TEST_CASE(dotdot_leaves_by_the_mount)
{
    struct stat a, b;
    enter();
    OK(stat("/host/..", &a));
    OK(stat("/", &b));
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    char cwd[256];
    OK(chdir(top));
    CHECK(getcwd(cwd, sizeof cwd));
    CHECK_STR(cwd, top);
    OK(stat("..", &a));
    OK(stat("/host", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    OK(chdir("/"));
}

TEST_CASE(nothing_is_executed)
{
    char *args[] = {(char *) "x", NULL};
    enter();
    write_file(at("prog"), "#!/bin/true\n", 12);
    OK(chmod(at("prog"), 0755));
    CHECK_ERR(execv(at("prog"), args), EACCES);
    CHECK_ERR(access(at("prog"), X_OK), EACCES);
    int fd = (int) OK(open(at("prog"), O_RDONLY));
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EPERM);
    void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) < 0);
    munmap(p, PAGE);
    close(fd);
}

TEST_CASE(mappings)
{
    enter();
    write_file(at("map"), "mapped", 6);
    int fd = (int) OK(open(at("map"), O_RDWR));
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(memcmp(p, "mapped\0", 7) == 0);
    p[0] = 'M';
    munmap(p, PAGE);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, ENODEV);
    CHECK_EQ(pwrite(fd, "NEW", 3, 0), 3);
    close(fd);
    fd = (int) OK(open(at("map"), O_RDONLY));
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(memcmp(p, "NEWped\0", 7) == 0); /* not what an earlier mapping read */
    munmap(p, PAGE);
    close(fd);
}

TEST_CASE(only_plain_files)
{
    enter();
    CHECK_ERR(mkfifo(at("fifo"), 0600), EOPNOTSUPP);
    CHECK_ERR(mknod(at("dev"), S_IFCHR | 0600, 0x103), EPERM);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (s < 0)
        return; /* no sockets here */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", at("sock"));
    CHECK(bind(s, (struct sockaddr *) &a, sizeof a) < 0);
    close(s);
}

TEST_CASE(cleaned_up)
{
    enter();
    test_remove_tree(top);
    CHECK(!path_exists(top));
}
