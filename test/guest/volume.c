/* The writable layer of "/": what programs do to files that are kept. */
#include "guest_test.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static char base[64];

/* A directory on the root file system (/tmp is another one), empty. */
static void enter(void)
{
    mkdir("/var", 0755);
    mkdir("/var/tmp", 0755);
    strcpy(base, "/var/tmp/volumeXXXXXX");
    CHECK(mkdtemp(base) != NULL);
    CHECK(chdir(base) == 0);
}

static void leave(void)
{
    CHECK(chdir("/") == 0);
    CHECK(rmdir(base) == 0);
}

static int make_file(const char *name, size_t size, int seed)
{
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
    unsigned char *p = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char) (i * 7 + i / 4096 + (size_t) seed);
    CHECK(fd >= 0 && write(fd, p, size) == (ssize_t) size);
    free(p);
    return fd;
}

static bool holds(int fd, size_t from, size_t to, int seed)
{
    for (size_t at = from; at < to; at += 4096) {
        unsigned char p[4096];
        size_t n = to - at < sizeof p ? to - at : sizeof p;
        if (pread(fd, p, n, (off_t) at) != (ssize_t) n)
            return false;
        for (size_t i = 0; i < n; i++)
            if (p[i] != (unsigned char) ((at + i) * 7 + (at + i) / 4096 + (size_t) seed))
                return false;
    }
    return true;
}

static bool zeros(int fd, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++) {
        unsigned char c;
        if (pread(fd, &c, 1, (off_t) at) != 1 || c)
            return false;
    }
    return true;
}

/* ---- a shared mapping, reads and writes are one content, while pages go to the store and come back ---- */
enum { SHARED_PAGES = 600 };
static volatile bool flushing;

static void *keep_flushing(void *arg)
{
    int fd = *(int *) arg;
    while (flushing)
        if (fsync(fd) != 0)
            return (void *) "fsync";
    return NULL;
}

TEST_CASE(mapping_read_write)
{
    pthread_t t;
    void *why;
    unsigned char page[4096];
    enter();
    int fd = make_file("shared", SHARED_PAGES * 4096, 1);
    int other = open("shared", O_RDWR);
    volatile unsigned char *map =
        mmap(NULL, SHARED_PAGES / 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(other >= 0 && map != MAP_FAILED);
    flushing = true;
    CHECK(pthread_create(&t, NULL, keep_flushing, &other) == 0);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned n = 0; n < SHARED_PAGES;
             n++) { /* written one way, read the other, in order: readahead */
            if (n % 3 == 0 && n < SHARED_PAGES / 2) {
                map[n * 4096 + 5] = (unsigned char) (n + round);
            } else {
                memset(page, (int) (n + round), sizeof page);
                CHECK(pwrite(n % 2 ? fd : other, page, sizeof page, n * 4096) == sizeof page);
            }
        }
        for (unsigned n = 0; n < SHARED_PAGES; n++) {
            CHECK(pread(fd, page, sizeof page, n * 4096) == sizeof page);
            CHECK(page[5] == (unsigned char) (n + round));
            CHECK(n >= SHARED_PAGES / 2 || map[n * 4096 + 5] == (unsigned char) (n + round));
        }
    }
    flushing = false;
    CHECK(pthread_join(t, &why) == 0 && why == NULL);
    CHECK(munmap((void *) map, SHARED_PAGES / 2 * 4096) == 0);
    CHECK(close(fd) == 0 && close(other) == 0 && unlink("shared") == 0);
    leave();
}

/* Cut and grown again while somebody flushes and reads: what was cut off never comes back. */
TEST_CASE(cut_while_flushing)
{
    pthread_t t;
    void *why;
    unsigned char page[4096];
    enter();
    int fd = make_file("cut", 64 * 4096, 1);
    flushing = true;
    CHECK(pthread_create(&t, NULL, keep_flushing, &fd) == 0);
    for (unsigned round = 0; round < 300; round++) {
        memset(page, 0xee, sizeof page);
        for (unsigned n = 0; n < 64; n++)
            CHECK(pwrite(fd, page, sizeof page, n * 4096) == sizeof page);
        CHECK(ftruncate(fd, 3 * 4096 + 100) == 0 && ftruncate(fd, 64 * 4096) == 0);
        CHECK(zeros(fd, 3 * 4096 + 100, 3 * 4096 + 200));
        for (unsigned n = 4; n < 64; n += 5) {
            CHECK(pread(fd, page, sizeof page, n * 4096) == sizeof page);
            CHECK(page[0] == 0 && page[4095] == 0);
        }
    }
    flushing = false;
    CHECK(pthread_join(t, &why) == 0 && why == NULL);
    CHECK(close(fd) == 0 && unlink("cut") == 0);
    leave();
}

TEST_CASE(large_file)
{
    enter();
    size_t size = 24 << 20;
    int fd = make_file("f", size, 3);
    struct stat st;
    CHECK(fsync(fd) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t) size);
    CHECK(st.st_blocks >= (blkcnt_t) (size / 512));
    CHECK(close(fd) == 0);
    fd = open("f", O_RDONLY);
    CHECK(holds(fd, 0, size, 3));
    close(fd);
    CHECK(unlink("f") == 0);
    leave();
}

TEST_CASE(sparse_and_holes)
{
    enter();
    int fd = make_file("f", 100000, 1);
    struct stat st;
    CHECK(pwrite(fd, "end", 3, 1ll << 38) == 3);
    CHECK(fsync(fd) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == (1ll << 38) + 3);
    CHECK(st.st_blocks < 2000);
    CHECK(lseek(fd, 200000, SEEK_DATA) == 1ll << 38);
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    CHECK(hole >= 100000 && hole < 200000);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10000, 50000) == 0);
    CHECK(holds(fd, 0, 10000, 1) && holds(fd, 60000, 100000, 1));
    CHECK(zeros(fd, 10000, 60000));
    CHECK(ftruncate(fd, 70001) == 0);
    CHECK(ftruncate(fd, 90000) == 0);
    CHECK(holds(fd, 60000, 70001, 1));
    CHECK(zeros(fd, 70001, 90000));
    CHECK(fallocate(fd, 0, 0, 1 << 20) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 1 << 20);
    CHECK(zeros(fd, 90000, 100000));
    close(fd);
    CHECK(unlink("f") == 0);
    leave();
}

TEST_CASE(mapped_shared)
{
    enter();
    int fd = make_file("f", 40000, 5);
    char *p = mmap(NULL, 40000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK((unsigned char) p[7] == 7 * 7 + 5);
    memcpy(p + 20000, "through the mapping", 19);
    char buf[20] = "";
    CHECK(pread(fd, buf, 19, 20000) == 19 && strcmp(buf, "through the mapping") == 0);
    CHECK(pwrite(fd, "by write", 8, 100) == 8 && memcmp(p + 100, "by write", 8) == 0);
    CHECK(msync(p, 40000, MS_SYNC) == 0);
    CHECK(munmap(p, 40000) == 0);
    close(fd);
    fd = open("f", O_RDONLY);
    CHECK(pread(fd, buf, 19, 20000) == 19 && strcmp(buf, "through the mapping") == 0);
    close(fd);
    CHECK(unlink("f") == 0);
    leave();
}

TEST_CASE(unlinked_and_tmpfile)
{
    enter();
    int fd = make_file("f", 50000, 9);
    CHECK(unlink("f") == 0);
    CHECK(fsync(fd) == 0 && holds(fd, 0, 50000, 9));
    close(fd);
    fd = open(".", O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0 && write(fd, "later", 5) == 5);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
    CHECK(close(fd) == 0);
    struct stat st;
    CHECK(stat("named", &st) == 0 && st.st_size == 5 && st.st_nlink == 1);
    CHECK(unlink("named") == 0);
    leave();
}

TEST_CASE(renames_and_links)
{
    enter();
    struct stat a, b;
    close(make_file("a", 10, 1));
    close(make_file("b", 20, 1));
    CHECK(link("a", "a2") == 0 && stat("a", &a) == 0 && a.st_nlink == 2);
    CHECK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1) == -1 && errno == EEXIST);
    CHECK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2) == 0);
    CHECK(stat("b", &b) == 0 && b.st_ino == a.st_ino && b.st_size == 10);
    CHECK(rename("b", "a") == 0);
    CHECK(stat("a", &b) == 0 && b.st_ino == a.st_ino && access("b", F_OK) == -1);
    CHECK(mkdir("d", 0700) == 0 && mkdir("d/e", 0700) == 0 && rename("d/e", "e") == 0);
    CHECK(stat("d", &a) == 0 && a.st_nlink == 2);
    CHECK(rmdir("d") == 0 && rmdir("e") == 0);
    CHECK(symlink("a", "s") == 0 && unlink("s") == 0);
    CHECK(mkfifo("p", 0600) == 0 && unlink("p") == 0);
    CHECK(unlink("a") == 0 && unlink("a2") == 0);
    leave();
}

TEST_CASE(attributes)
{
    enter();
    struct stat st;
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    close(make_file("f", 10, 1));
    CHECK(chmod("f", 0471) == 0 && chown("f", 12, 34) == 0);
    CHECK(utimensat(AT_FDCWD, "f", times, 0) == 0);
    CHECK(stat("f", &st) == 0 && (st.st_mode & 07777) == 0471 && st.st_uid == 12);
    CHECK(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 987654321);
    if (setxattr("f", "user.name", "value", 5, XATTR_CREATE) < 0)
        SKIP("no user attributes here");
    char buf[100];
    CHECK(getxattr("f", "user.name", buf, sizeof buf) == 5 && memcmp(buf, "value", 5) == 0);
    CHECK(listxattr("f", buf, sizeof buf) >= 10);
    CHECK(removexattr("f", "user.name") == 0);
    CHECK(getxattr("f", "user.name", buf, sizeof buf) == -1 && errno == ENODATA);
    CHECK(unlink("f") == 0);
    leave();
}

#define MANY 2000

TEST_CASE(many_names)
{
    enter();
    char name[40];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "a name like any other %d", i);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0);
        close(fd);
    }
    static bool seen[MANY];
    DIR *d = opendir(".");
    int count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            int n = atoi(e->d_name + 22);
            CHECK(n >= 0 && n < MANY && !seen[n]);
            seen[n] = true;
            count++;
            CHECK(unlink(e->d_name) == 0);
        }
    closedir(d);
    CHECK(count == MANY);
    leave();
}

TEST_CASE(space)
{
    enter();
    struct statfs before, after;
    CHECK(statfs(".", &before) == 0 && before.f_bavail > 0 && before.f_bsize > 0);
    int fd = make_file("f", 8 << 20, 2);
    CHECK(fsync(fd) == 0);
    CHECK(statfs(".", &after) == 0 && after.f_bfree < before.f_bfree);
    close(fd);
    CHECK(unlink("f") == 0);
    sync();
    leave();
}
