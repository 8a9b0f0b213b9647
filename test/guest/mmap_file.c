/* Mappings of files: private copies, shared write-back, offsets, ends of files, permissions. */
#include "guest_fault.h"
#include <sys/mman.h>

/* A file of size bytes in which each byte tells its page. */
static int make(const char *name, size_t size)
{
    int fd = (int) OK(open(test_path(name), O_RDWR | O_CREAT | O_TRUNC, 0644));
    char *b = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        b[i] = (char) ('A' + i / PAGE);
    CHECK_EQ(write(fd, b, size), size);
    free(b);
    return fd;
}

static char *map(int fd, size_t size, int prot, int flags, off_t at)
{
    char *p = mmap(NULL, size, prot, flags, fd, at);
    if (p == MAP_FAILED)
        test_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
    return p;
}

TEST_CASE(private_read)
{
    int fd = make("pr", 5 * PAGE + 100);
    char *p = map(fd, 5 * PAGE + 100, PROT_READ, MAP_PRIVATE, 0);
    close(fd); /* the mapping lives on */
    for (size_t i = 0; i < 5 * PAGE + 100; i++)
        CHECK_EQ(p[i], (char) ('A' + i / PAGE));
    for (size_t i = 5 * PAGE + 100; i < 6 * PAGE; i++)
        CHECK_EQ(p[i], 0);
    CHECK_FAULT(fault_write(p), SIGSEGV, SEGV_ACCERR, p);
    OK(munmap(p, 5 * PAGE + 100));
}

TEST_CASE(private_write_stays_private)
{
    int fd = make("pw", 2 * PAGE);
    char c, *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    p[0] = p[PAGE] = 'z';
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'A');
    CHECK_EQ(p[1], 'A');
    char *q = map(fd, 2 * PAGE, PROT_READ, MAP_PRIVATE, 0);
    CHECK_EQ(q[PAGE], 'B');
    OK(munmap(q, 2 * PAGE));
    OK(munmap(p, 2 * PAGE));
    close(fd);
}

TEST_CASE(private_of_read_only_descriptor)
{
    close(make("ro", PAGE));
    int fd = (int) OK(open(test_path("ro"), O_RDONLY));
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    p[3] = 'w';
    OK(munmap(p, PAGE));
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
          errno == EACCES);
    p = map(fd, PAGE, PROT_READ, MAP_SHARED, 0);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
    OK(munmap(p, PAGE));
    close(fd);
    fd = (int) OK(open(test_path("ro"), O_WRONLY));
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EACCES);
    close(fd);
}

TEST_CASE(offsets)
{
    int fd = make("off", 6 * PAGE);
    char *p = map(fd, 2 * PAGE, PROT_READ, MAP_PRIVATE, 3 * PAGE);
    CHECK_EQ(p[0], 'D');
    CHECK_EQ(p[PAGE], 'E');
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED && errno == EINVAL);
    OK(munmap(p, 2 * PAGE));
    close(fd);
}

TEST_CASE(beyond_the_end)
{
    int fd = make("end", PAGE + 10);
    char *p = map(fd, 4 * PAGE, PROT_READ, MAP_SHARED, 0);
    CHECK_EQ(p[PAGE + 9], 'B');
    CHECK_EQ(p[PAGE + 10], 0);
    CHECK_FAULT(fault_read(p + 2 * PAGE), SIGBUS, BUS_ADRERR, p + 2 * PAGE);
    OK(munmap(p, 4 * PAGE));
    close(fd);
}

/* The file ends before what is mapped: no memory there, until it is long enough again. */
static void shorter_and_longer(const char *name, int type)
{
    int fd = make(name, 3 * PAGE);
    char *p = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, type, 0);
    for (int i = 0; i < 3; i++)
        p[i * PAGE] = 'w';
    OK(ftruncate(fd, PAGE + 1));
    CHECK_EQ(p[0], 'w');
    CHECK_FAULT(fault_read(p + 2 * PAGE), SIGBUS, BUS_ADRERR, p + 2 * PAGE);
    CHECK_FAULT(fault_write(p + 2 * PAGE), SIGBUS, BUS_ADRERR, p + 2 * PAGE);
    OK(ftruncate(fd, 0));
    CHECK_FAULT(fault_read(p), SIGBUS, BUS_ADRERR, p);
    OK(ftruncate(fd, 3 * PAGE));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(p[i * PAGE], 0);
    p[2 * PAGE] = 'y';
    CHECK_EQ(p[2 * PAGE], 'y');
    OK(munmap(p, 3 * PAGE));
    close(fd);
}

TEST_CASE(shared_and_shorter)
{
    shorter_and_longer("short-shared", MAP_SHARED);
}

TEST_CASE(private_and_shorter)
{
    shorter_and_longer("short-private", MAP_PRIVATE);
}

TEST_CASE(fixed_over_anonymous)
{
    int fd = make("fix", 2 * PAGE);
    char *area = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 'x', 6 * PAGE);
    CHECK(mmap(area + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
          area + 2 * PAGE);
    CHECK_EQ(area[2 * PAGE], 'A');
    CHECK_EQ(area[3 * PAGE], 'B');
    CHECK_EQ(area[2 * PAGE - 1], 'x');
    CHECK_EQ(area[4 * PAGE], 'x');
    OK(munmap(area, 6 * PAGE));
    close(fd);
}

static void check_written_back(int (*flush)(char *, int))
{
    int fd = make("wb", 2 * PAGE);
    char b[2], *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    p[0] = '1';
    p[PAGE] = '2';
    OK(flush(p, fd));
    CHECK_EQ(pread(fd, b, 1, 0), 1);
    CHECK_EQ(pread(fd, b + 1, 1, PAGE), 1);
    CHECK(b[0] == '1' && b[1] == '2');
    munmap(p, 2 * PAGE);
    close(fd);
    struct stat st;
    OK(stat(test_path("wb"), &st));
    CHECK_EQ(st.st_size, 2 * PAGE);
}

static int flush_msync(char *p, int fd)
{
    (void) fd;
    return msync(p, 2 * PAGE, MS_SYNC);
}
static int flush_munmap(char *p, int fd)
{
    (void) fd;
    return munmap(p, 2 * PAGE);
}
static int flush_fsync(char *p, int fd)
{
    (void) p;
    return fsync(fd);
}
static int flush_none(char *p, int fd)
{
    (void) p;
    (void) fd;
    return 0;
}

TEST_CASE(shared_msync)
{
    check_written_back(flush_msync);
}
TEST_CASE(shared_munmap)
{
    check_written_back(flush_munmap);
}
TEST_CASE(shared_fsync)
{
    check_written_back(flush_fsync);
}
TEST_CASE(shared_is_coherent)
{
    check_written_back(flush_none);
}

TEST_CASE(shared_sees_writes)
{
    int fd = make("coh", PAGE);
    char *p = map(fd, PAGE, PROT_READ, MAP_SHARED, 0);
    CHECK_EQ(p[7], 'A');
    CHECK_EQ(pwrite(fd, "new", 3, 7), 3);
    CHECK(memcmp(p + 7, "new", 3) == 0);
    OK(munmap(p, PAGE));
    close(fd);
}

/* Of a sparse file the mapping holds holes: what is written to one is in the file, and gone after
 * truncation, like any other page. */
TEST_CASE(shared_holes)
{
    enum { HOLE = 1000 * PAGE, OTHER = 2000 * PAGE };
    const off_t size = 512l << 20;
    char path[] = "/tmp/holes.XXXXXX", buf[16];
    int fd = (int) OK(mkstemp(path));
    OK(unlink(path));
    OK(ftruncate(fd, size));
    CHECK_EQ(pwrite(fd, "first", 5, 0), 5);
    CHECK_EQ(pwrite(fd, "last", 4, size - 4), 4);
    char *p = mmap(NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(memcmp(p, "first", 5), 0);
    CHECK_EQ(memcmp(p + size - 4, "last", 4), 0);
    memcpy(p + HOLE + 10, "mapped", 6);
    CHECK_EQ(pread(fd, buf, 6, HOLE + 10), 6);
    CHECK_EQ(memcmp(buf, "mapped", 6), 0);
    CHECK_EQ(pwrite(fd, "call", 4, HOLE + 20), 4); /* into a page only the mapping has touched */
    CHECK_EQ(memcmp(p + HOLE + 10, "mapped\0\0\0\0call", 14), 0);
    CHECK_EQ(pwrite(fd, "call", 4, OTHER), 4);
    CHECK_EQ(memcmp(p + OTHER, "call", 4), 0);
    memcpy(p + OTHER + PAGE, "seen", 4);
    CHECK_EQ(lseek(fd, OTHER + PAGE, SEEK_DATA), OTHER + PAGE);
    memcpy(p + HOLE + PAGE, "0123456789", 10);
    OK(ftruncate(fd, HOLE + PAGE + 4)); /* the rest of a page, and whole pages, become zeros */
    OK(ftruncate(fd, size));
    CHECK_EQ(memcmp(p + HOLE + PAGE, "0123\0\0\0\0\0\0", 10), 0);
    CHECK_EQ(p[OTHER], 0);
    CHECK_EQ(p[OTHER + PAGE], 0);
    CHECK_EQ(pread(fd, buf, 4, OTHER + PAGE), 4);
    CHECK_EQ(memcmp(buf, "\0\0\0", 4), 0);
    OK(munmap(p, (size_t) size));
    close(fd);
}

TEST_CASE(tail_is_not_written)
{
    int fd = make("tail", 100);
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    p[99] = 'e';
    p[200] = 'q';
    OK(msync(p, PAGE, MS_SYNC));
    OK(munmap(p, PAGE));
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 100);
    close(fd);
}

TEST_CASE(errors)
{
    int dir = (int) OK(open(test_dir, O_RDONLY)), pipes[2];
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0) == MAP_FAILED && errno == ENODEV);
    OK(pipe(pipes));
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0) == MAP_FAILED && errno == ENODEV);
    close(pipes[0]);
    close(pipes[1]);
    close(dir);
    CHECK_ERR(msync((void *) 1, PAGE, MS_SYNC), EINVAL);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    OK(msync(p, PAGE, MS_ASYNC));
    CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    OK(munmap(p, PAGE));
    CHECK_ERR(msync(p, PAGE, MS_SYNC), ENOMEM);
}

TEST_CASE(unlinked_file)
{
    int fd = make("unl", PAGE);
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    OK(unlink(test_path("unl")));
    close(fd);
    p[5] = 'u';
    CHECK_EQ(p[5], 'u');
    CHECK_EQ(p[6], 'A');
    OK(munmap(p, PAGE));
}

TEST_CASE(code_from_a_file)
{
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42,%eax; ret */
    write_file(test_path("code"), code, sizeof code);
    int fd = (int) OK(open(test_path("code"), O_RDONLY));
    void *p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    SKIP_IF(p == MAP_FAILED && errno == EPERM, "mounted noexec");
    CHECK(p != MAP_FAILED);
    int (*fn)(void);
    memcpy(&fn, &p, sizeof fn);
    CHECK_EQ(fn(), 42);
    OK(munmap(p, PAGE));
    close(fd);
}

TEST_CASE(random_places)
{
    int fd = make("rand", 20 * PAGE);
    unsigned seed = 99;
    for (int i = 0; i < 300; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned from = (seed >> 16) % 20, n = (seed >> 8) % (20 - from) + 1;
        char *p = map(fd, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, from * PAGE);
        for (unsigned k = 0; k < n; k++) {
            CHECK_EQ(p[k * PAGE + 17], (char) ('A' + from + k));
            p[k * PAGE + 17] = 0;
        }
        OK(munmap(p, n * PAGE));
    }
    close(fd);
}
