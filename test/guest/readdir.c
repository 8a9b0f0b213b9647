/* Reading directories: complete, each entry once, any buffer size, seeking, while they change. */
#include "guest_test.h"

static void make_files(const char *dir, int count)
{
    char p[600];
    OK(mkdir(dir, 0755));
    for (int i = 0; i < count; i++) {
        snprintf(p, sizeof p, "%s/file%04d", dir, i);
        close((int) OK(open(p, O_WRONLY | O_CREAT, 0600)));
    }
}

static void check_complete(const char *path, int count)
{
    char *seen = calloc(1, (size_t) count);
    int dots = 0;
    DIR *d = opendir(path);
    struct dirent *e;
    CHECK(d);
    while ((e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) {
            dots++;
            continue;
        }
        int i = atoi(e->d_name + 4);
        CHECK(strncmp(e->d_name, "file", 4) == 0 && i >= 0 && i < count);
        CHECK_EQ(seen[i]++, 0);
        CHECK(e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
    }
    CHECK_EQ(dots, 2);
    for (int i = 0; i < count; i++)
        CHECK_EQ(seen[i], 1);
    closedir(d);
    free(seen);
}

TEST_CASE(sizes)
{
    static const int counts[] = {0, 1, 100, 3000};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        const char *p = test_path(num(counts[i]));
        make_files(p, counts[i]);
        check_complete(p, counts[i]);
    }
}

struct entry {
    uint64_t ino, off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};

TEST_CASE(small_buffers)
{
    const char *p = test_path("small");
    make_files(p, 200);
    char buf[64] __attribute__((aligned(8)));
    int fd = (int) OK(open(p, O_RDONLY | O_DIRECTORY)), n = 0;
    CHECK_ERR(syscall(SYS_getdents64, fd, buf, 16), EINVAL);
    for (;;) {
        long r = OK(syscall(SYS_getdents64, fd, buf, sizeof buf));
        if (r == 0)
            break;
        for (long at = 0; at < r; n++) {
            struct entry *e = (void *) (buf + at);
            CHECK(e->reclen % 8 == 0 && e->reclen >= 24 && at + e->reclen <= r);
            CHECK(e->ino != 0);
            at += e->reclen;
        }
    }
    CHECK_EQ(n, 202);
    CHECK_EQ(syscall(SYS_getdents64, fd, buf, sizeof buf), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK(OK(syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0);
    CHECK_ERR(syscall(SYS_getdents64, fd, 8L, 100), EFAULT);
    close(fd);
}

TEST_CASE(seeking)
{
    const char *p = test_path("seek");
    make_files(p, 50);
    DIR *d = opendir(p);
    long at[60];
    char names[60][32];
    int n = 0;
    struct dirent *e;
    CHECK(d);
    for (;; n++) {
        at[n] = telldir(d);
        if (!(e = readdir(d)))
            break;
        snprintf(names[n], sizeof names[n], "%s", e->d_name);
    }
    CHECK_EQ(n, 52);
    for (int i = n - 1; i >= 0; i -= 7) {
        seekdir(d, at[i]);
        e = readdir(d);
        CHECK(e);
        CHECK_STR(e->d_name, names[i]);
    }
    rewinddir(d);
    e = readdir(d);
    CHECK(e);
    CHECK_STR(e->d_name, names[0]);
    closedir(d);
}

TEST_CASE(types)
{
    const char *p = test_path("types");
    OK(mkdir(p, 0755));
    OK(mkdir(test_path("types/dir"), 0755));
    OK(symlink("dir", test_path("types/link")));
    write_file(test_path("types/reg"), "", 0);
    DIR *d = opendir(p);
    struct dirent *e;
    CHECK(d);
    while ((e = readdir(d))) {
        struct stat st;
        char full[600];
        snprintf(full, sizeof full, "%s/%s", p, e->d_name);
        OK(lstat(full, &st));
        if (strcmp(e->d_name, ".."))
            CHECK_EQ(st.st_ino, e->d_ino);
        if (e->d_type != DT_UNKNOWN)
            CHECK_EQ(e->d_type, S_ISDIR(st.st_mode)   ? DT_DIR
                                : S_ISLNK(st.st_mode) ? DT_LNK
                                                      : DT_REG);
    }
    closedir(d);
}

TEST_CASE(removing_while_reading)
{
    const char *p = test_path("rm");
    make_files(p, 500);
    DIR *d = opendir(p);
    struct dirent *e;
    int n = 0;
    CHECK(d);
    while ((e = readdir(d))) {
        char full[600];
        if (e->d_name[0] == '.')
            continue;
        snprintf(full, sizeof full, "%s/%s", p, e->d_name);
        OK(unlink(full));
        n++;
    }
    closedir(d);
    CHECK_EQ(n, 500);
    OK(rmdir(p));
}

TEST_CASE(errors)
{
    char buf[100];
    int fd = (int) OK(open(test_path("plain"), O_RDWR | O_CREAT, 0600));
    CHECK_ERR(syscall(SYS_getdents64, fd, buf, sizeof buf), ENOTDIR);
    CHECK_ERR(syscall(SYS_getdents64, -1, buf, sizeof buf), EBADF);
    close(fd);
    CHECK(opendir(test_path("absent")) == NULL && errno == ENOENT);
    CHECK(opendir(test_path("plain")) == NULL && errno == ENOTDIR);
}

TEST_CASE(root_directory)
{
    DIR *d = opendir("/");
    struct dirent *e;
    int known = 0;
    CHECK(d);
    while ((e = readdir(d)))
        known += !strcmp(e->d_name, "bin") || !strcmp(e->d_name, "proc") ||
                 !strcmp(e->d_name, "dev") || !strcmp(e->d_name, "tmp");
    CHECK_EQ(known, 4);
    closedir(d);
}
